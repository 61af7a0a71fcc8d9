/* The line that shows how a run goes, on standard error when that is a terminal. */
#ifndef BENCH_LOAD_PROGRESS_H
#define BENCH_LOAD_PROGRESS_H

#include "load_worker.h"

struct load_progress {
    const struct load_plan *plan;
    uint64_t next_ns;
    int shown;
    int enabled;
};

void load_progress_init(struct load_progress *p, const struct load_plan *plan);
/* Twice a second at most. */
void load_progress_show(struct load_progress *p, uint64_t now_ns);
void load_progress_clear(struct load_progress *p);

#endif
