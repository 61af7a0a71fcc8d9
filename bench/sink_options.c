#include "sink_options.h"

#include "base/error.h"

#include <stdio.h>
#include <unistd.h>

#define THREADS_MAX    256u
#define LATENCY_MAX_MS 60000u

static const struct option_table table;

static enum options_result wrong(const char *what, const char *argument) {
    return options_wrong(&table, argument, what);
}

static int set_listen(void *into, const char *value) {
    return net_address_parse(slice_cstr(value), &((struct sink_options *)into)->listen);
}

/* "5" or "3-8". */
static int set_latency(void *into, const char *value) {
    struct sink_options *o = into;
    struct slice high;
    struct slice low = slice_split(slice_cstr(value), '-', &high);
    if (high.ptr == NULL) {
        high = low;
    }
    if (slice_to_u64(low, &o->latency_min_ms) || slice_to_u64(high, &o->latency_max_ms) ||
        o->latency_min_ms > o->latency_max_ms || o->latency_max_ms > LATENCY_MAX_MS) {
        return ERR_INVALID;
    }
    return 0;
}

static int set_table(void *into, const char *value) {
    struct sink_options *o = into;
    if (o->table_count == SINK_TABLES_MAX) {
        return ERR_LIMIT;
    }
    o->tables[o->table_count++] = value;
    return 0;
}

#define FLAG(member)    OPTION_INTO(OPTION_FLAG, struct sink_options, member, 0, 0)
#define TEXT(member)    OPTION_INTO(OPTION_TEXT, struct sink_options, member, 0, 0)
#define PERCENT(member) OPTION_INTO(OPTION_NUMBER, struct sink_options, member, 0, 100)

static const struct option options[] = {
    {"listen", 0, "ADDRESS:PORT", "where to listen (127.0.0.1:8443)", OPTION_BY(set_listen)},
    {"plain", 0, NULL, "HTTP instead of TLS", FLAG(plain)},
    {"certificate", 0, "FILE", "PEM certificate chain (with --key)", TEXT(certificate)},
    {"key", 0, "FILE", "its PEM key", TEXT(key)},
    {"cert-out", 0, "FILE", "write the self-made certificate for localhost here",
     TEXT(certificate_out)},
    {"threads", 0, "N", "threads (one per CPU)",
     OPTION_INTO(OPTION_UNSIGNED, struct sink_options, threads, 1, THREADS_MAX)},
    {"latency-ms", 0, "MS or LOW-HIGH", "answer after so many milliseconds (0)",
     OPTION_BY(set_latency)},
    {"throttle", 0, "PERCENT", "of requests: ProvisionedThroughputExceededException (0)",
     PERCENT(throttle_percent)},
    {"unprocessed", 0, "PERCENT", "of a batch's items: UnprocessedItems (0)",
     PERCENT(unprocessed_percent)},
    {"fail", 0, "PERCENT", "of requests: 500 InternalServerError (0)", PERCENT(fail_percent)},
    {"seed", 0, "N", "repeats the same faults (random)",
     OPTION_INTO(OPTION_COUNT, struct sink_options, seed, 1, OPTION_SEED_MAX)},
    {"table", 0, "NAME:PK[:SK]",
     "a table that exists; key types as PK=S, N or B (S); repeat it", OPTION_BY(set_table)},
    {"verify-secret", 0, "KEY", "check the signature of a sample of requests with it",
     TEXT(secret)},
    {"count-keys", 0, NULL, "count distinct keys (16 bytes of memory each)", FLAG(count_keys)},
    {"json", 0, "FILE", "write the summary there, too, at SIGUSR1 and at exit", TEXT(json)},
};

static void print_help(void) {
    printf("usage: penstock-sink [OPTION]...\n"
           "Speaks DynamoDB's protocol, counts what arrives and stores nothing: for load tests "
           "only.\n\n");
    options_print(&table);
    printf("\nPrints a summary at SIGUSR1 and at exit. Exit codes: 0 good, 1 failed, 2 wrong "
           "usage.\n");
}

static const struct option_table table = {"penstock-sink", options,
                                          sizeof options / sizeof options[0], print_help, NULL};

static enum options_result check(const struct sink_options *o) {
    if (!o->certificate != !o->key) {
        return wrong("goes with --certificate", o->key ? "--key" : "--certificate needs --key");
    }
    if (o->plain && (o->certificate || o->certificate_out)) {
        return wrong("there is no certificate without TLS", "--plain");
    }
    if (o->certificate && o->certificate_out) {
        return wrong("is for a self-made one, but --certificate names one", "--cert-out");
    }
    return OPTIONS_RUN;
}

enum options_result sink_options_parse(struct sink_options *o, int argc, char **argv) {
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    memset(o, 0, sizeof *o);
    o->threads = cpus < 1 ? 1 : cpus > (long)THREADS_MAX ? THREADS_MAX : (unsigned)cpus;
    if (set_listen(o, "127.0.0.1:8443")) {
        return wrong("no IPv4 here", "--listen");
    }
    enum options_result result = options_parse(&table, o, argc, argv);
    return result == OPTIONS_RUN ? check(o) : result;
}
