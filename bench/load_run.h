/* One run: threads start, load the target, and are counted together. */
#ifndef BENCH_LOAD_RUN_H
#define BENCH_LOAD_RUN_H

#include "load_options.h"
#include "load_process.h"
#include "load_traffic.h"
#include "load_worker.h"

#define LOAD_BOTTLENECK 0.9 /* a thread busier than that measures itself */

struct load_result {
    struct load_stats stats;
    struct load_timeline timeline;
    double asked_rate;             /* 0 = closed loop */
    double seconds;                /* counted */
    double rate;                   /* answers a second before the end */
    double busy[LOAD_THREADS_MAX]; /* share of its CPU, of each thread of the tool */
    double busy_max;
    uint64_t own_cpu_ns; /* all of its threads */
    uint64_t own_peak_bytes;
    int has_service;             /* --pid, and it was there before and after */
    struct load_process service; /* cpu_ns of the counted time */
    uint64_t next_seq;
    int down;        /* gave up */
    int interrupted; /* by a signal */
};

/* What the threads need of the options; resolves the name. 0; or an error and one line. */
MUST_CHECK int load_target_init(struct load_target *t, const struct load_options *o);
/* SIGINT and SIGTERM end a run early, SIGUSR1 is used inside: block all three in every thread
 * before. */
void load_run_block_signals(void);

struct load_run {
    const struct load_options *options;
    const struct load_target *target;
    const struct load_request *request;
    uint64_t seed;
    uint64_t first_seq;
    double rate;
    int remembers;                /* for --verify */
    struct load_traffic *traffic; /* of each thread; kept for --verify */
};

/* 0; or an error and one line. load_result_fini in either case. */
MUST_CHECK int load_run(struct load_run *r, struct load_result *out);
void load_result_fini(struct load_result *r);
/* For the sources given, without progress, timeline or rate: reading back. */
MUST_CHECK int load_run_source(const struct load_options *o, const struct load_target *target,
                               struct load_source *source, unsigned connections,
                               struct load_stats *stats);

/* Whether the run as such failed: gave up, no answer, or more failures than allowed. */
int load_result_failed(const struct load_result *r, const struct load_options *o);

#endif
