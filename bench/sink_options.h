/* The sink's command line: one table of options, from which --help prints. */
#ifndef BENCH_SINK_OPTIONS_H
#define BENCH_SINK_OPTIONS_H

#include "base/slice.h"
#include "net/address.h"

#define SINK_TABLES_MAX 64

struct sink_options {
    struct net_address listen;
    int plain;
    const char *certificate; /* NULL = self-made */
    const char *key;
    const char *certificate_out; /* where the self-made one goes; NULL = nowhere */
    unsigned threads;
    uint64_t latency_min_ms;
    uint64_t latency_max_ms;
    double throttle_percent;
    double unprocessed_percent;
    double fail_percent;
    uint64_t seed;                       /* 0 = random */
    const char *tables[SINK_TABLES_MAX]; /* name:pk[:sk], checked by sink_tables_add */
    size_t table_count;
    const char *secret; /* verify signatures with it; NULL = do not */
    int count_keys;
    const char *json; /* where the summary goes at exit; NULL = nowhere */
};

enum sink_options_result { SINK_RUN, SINK_HELPED, SINK_WRONG };

/* SINK_HELPED: help was printed. SINK_WRONG: one line on standard error said what is wrong. */
enum sink_options_result sink_options_parse(struct sink_options *o, int argc, char **argv);

#endif
