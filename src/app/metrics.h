/* The page of /metrics: Prometheus text format 0.0.4. Workers' numbers are added up; labels are
 * bounded (routes as configured, fixed words). */
#ifndef APP_METRICS_H
#define APP_METRICS_H

#include "app/snapshot.h"
#include "base/buffer.h"

#define METRICS_CONTENT_TYPE SLICE("text/plain; version=0.0.4; charset=utf-8")

struct metrics_process {
    const char *version;
    int ready;
    uint64_t start_s;               /* epoch */
    uint64_t credentials_expires_s; /* epoch; 0 = never, or none */
    size_t worker_count;
    size_t workers_missing; /* that did not answer in time: their numbers are old */
    const char *(*route_key)(void *arg, size_t index);
    void *arg;
};

/* workers[i] may be NULL: nothing is known of it yet. */
void metrics_format(struct buffer *out, const struct metrics_process *p,
                    const struct snapshot *const *workers);

#endif
