/* The command line of penstock-sink. */
#ifndef BENCH_SINK_OPTIONS_H
#define BENCH_SINK_OPTIONS_H

#include "base/slice.h"
#include "net/address.h"
#include "options.h"

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

enum options_result sink_options_parse(struct sink_options *o, int argc, char **argv);

#endif
