/* --ramp: the highest rate that holds a p99. Doubles the rate until a step does not hold, then
 * halves the interval until it is narrow. A step holds when it reached its rate, its p99 is not
 * above the target, and no more requests failed than allowed; one that does not is tried a
 * second time before that counts, so that a hiccup of the machine does not end the search. */
#ifndef BENCH_LOAD_RAMP_H
#define BENCH_LOAD_RAMP_H

#include "load_run.h"

#define LOAD_RAMP_STEPS 60

struct load_ramp_step {
    double asked;
    double rate;
    double p99_us;
    uint64_t failures;
    int held;
    double busy_max;
};

struct load_ramp {
    struct load_ramp_step steps[LOAD_RAMP_STEPS];
    size_t count;
    double best; /* 0 = none held */
};

/* The rate to try next, or 0 when it is done: by the steps so far. */
double load_ramp_next(const struct load_ramp *r, double first);
/* 0; or an error and one line. `result` becomes that of the best step, or of the last one when
 * none held. A line is printed for each step. */
MUST_CHECK int load_ramp(struct load_run *run, struct load_ramp *r, struct load_result *result);

#endif
