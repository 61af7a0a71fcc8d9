/* Throughput and latency over time. Threads hand in an interval each when it is over; the last
 * few keep their histograms, so that the threads' shares can be merged and the progress line
 * read; older ones are reduced to a point. Locked, since a thread comes by a few times a second
 * at most. */
#ifndef BENCH_LOAD_TIMELINE_H
#define BENCH_LOAD_TIMELINE_H

#include "base/histogram.h"

#include <pthread.h>
#include <stddef.h>

#define LOAD_TIMELINE_OPEN 16 /* intervals that still have their histograms */

struct load_point {
    uint64_t count;
    uint64_t errors;
    uint64_t p50_ns;
    uint64_t p99_ns;
    uint64_t max_ns;
};

struct load_interval {
    struct histogram latency;
    uint64_t index;
    uint64_t errors;
    int used;
};

struct load_timeline {
    pthread_mutex_t mutex;
    uint64_t interval_ns;
    struct load_point *points;
    size_t count;
    size_t room;
    struct load_interval *open; /* ring, by index */
};

void load_timeline_init(struct load_timeline *t, uint64_t interval_ns);
void load_timeline_fini(struct load_timeline *t);
void load_timeline_add(struct load_timeline *t, uint64_t index, const struct histogram *latency,
                       uint64_t errors);
/* Of the `span` intervals before `index`. */
void load_timeline_recent(struct load_timeline *t, uint64_t index, uint64_t span,
                          struct histogram *latency, uint64_t *errors);
/* Reduces what is left: then points[0..count) are complete. */
void load_timeline_finish(struct load_timeline *t);

#endif
