/* A histogram of durations or sizes with under 1 % error from 1 to 2^40, in log-linear buckets
 * (128 per power of two). Fixed memory; merge adds two. Values beyond the range are clamped. */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7
#define HISTOGRAM_MAX_BITS 40
#define HISTOGRAM_BUCKETS  ((HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t min;
    uint64_t max;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_reset(struct histogram *h);
void histogram_record(struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The value at a quantile in [0, 1]; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, double quantile);
/* The value a bucket stands for: its middle. */
uint64_t histogram_bucket_value(unsigned bucket);
double histogram_mean(const struct histogram *h);

#endif
