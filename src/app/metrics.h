/* The page of /metrics: Prometheus text format 0.0.4 (prometheus.io/docs/instrumenting/
 * exposition_formats). Workers' numbers are added up. Every label is bounded: fixed words, and
 * names of the configuration up to METRICS_NAMES_MAX. */
#ifndef APP_METRICS_H
#define APP_METRICS_H

#include "app/snapshot.h"
#include "base/buffer.h"

#define METRICS_CONTENT_TYPE SLICE("text/plain; version=0.0.4; charset=utf-8")
/* Routes, tables and functions shown by name, of each; further ones are added up as "other". */
#define METRICS_NAMES_MAX 100

enum metrics_list { METRICS_PROCESS, METRICS_ROUTES, METRICS_TABLES, METRICS_FUNCTIONS };

struct metrics_process {
    const char *version;
    int ready;
    uint64_t start_s;               /* epoch */
    uint64_t credentials_expires_s; /* epoch; 0 = never, or none */
    size_t worker_count;
    unsigned edition;       /* named counts of other editions are left out */
    size_t workers_missing; /* that did not answer in time: their numbers are old */
    struct snapshot_lengths lengths;
    /* Of the configuration; NULL: not to be shown. */
    const char *(*name)(void *arg, enum metrics_list list, size_t index);
    void *arg;
};

/* workers[i] may be NULL: nothing is known of it yet. */
void metrics_format(struct buffer *out, const struct metrics_process *p,
                    const struct snapshot *const *workers);

#endif
