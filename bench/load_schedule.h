/* When the requests of an open loop are due: known beforehand, whatever the target does, so
 * that a stall delays no arrival, only its answer. One schedule per thread; together they make
 * the asked rate, and constant ones interleave evenly. */
#ifndef BENCH_LOAD_SCHEDULE_H
#define BENCH_LOAD_SCHEDULE_H

#include "base/rng.h"

enum load_arrivals { LOAD_CONSTANT, LOAD_POISSON };

struct load_schedule {
    uint64_t next_ns; /* the intended time of the next request */
    uint64_t start_ns;
    enum load_arrivals arrivals;
    double step_ns; /* mean distance on this thread */
    double offset_ns;
    uint64_t taken;
    struct rng rng;
};

/* `rate` per second over all `threads`, of which this is number `thread`. */
void load_schedule_init(struct load_schedule *s, enum load_arrivals arrivals, double rate,
                        unsigned thread, unsigned threads, uint64_t start_ns, uint64_t seed);
/* Moves next_ns to the following arrival. */
void load_schedule_advance(struct load_schedule *s);

#endif
