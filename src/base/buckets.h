/* A histogram as a metrics page shows it: few fixed upper bounds, so that it is small enough to
 * be kept per thing that is measured and copied at every scrape. (base/histogram.h is the
 * precise one.) */
#ifndef BASE_BUCKETS_H
#define BASE_BUCKETS_H

#include <stddef.h>
#include <stdint.h>

#define BUCKETS_BOUNDS 12

/* Upper bounds, each its bucket's own; the last bucket, the thirteenth, has none. */
extern const uint64_t buckets_wait_ns[BUCKETS_BOUNDS];   /* 100 us to 10 s */
extern const uint64_t buckets_work_ns[BUCKETS_BOUNDS];   /* 1 us to 250 ms */
extern const uint64_t buckets_batch_ops[BUCKETS_BOUNDS]; /* 1 to 25 */

struct buckets {
    uint64_t counts[BUCKETS_BOUNDS + 1]; /* each without those of the buckets before it */
    uint64_t sum;
};

static inline void buckets_add(struct buckets *b, const uint64_t bounds[BUCKETS_BOUNDS],
                               uint64_t value) {
    size_t i = 0;
    while (i < BUCKETS_BOUNDS && value > bounds[i]) {
        i++;
    }
    b->counts[i]++;
    b->sum += value;
}

void buckets_merge(struct buckets *into, const struct buckets *from);

#endif
