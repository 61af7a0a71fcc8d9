/* What the sink says about itself: a line for people, JSON for programs. */
#ifndef BENCH_SINK_REPORT_H
#define BENCH_SINK_REPORT_H

#include "sink_worker.h"

struct sink_report {
    struct sink_worker *const *workers;
    size_t count;
    struct sink_keys *keys; /* NULL = not counted */
    uint64_t started_ns;
    double started_cpu_s;
};

/* Time and CPU count from now on. */
void sink_report_start(struct sink_report *r);
/* One line on standard output. */
void sink_report_print(const struct sink_report *r);
/* Replaces the file at once. 0, or ERR_IO with errno. */
MUST_CHECK int sink_report_json(const struct sink_report *r, const char *path);

#endif
