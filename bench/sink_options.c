#include "sink_options.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS_MAX    256u
#define LATENCY_MAX_MS 60000u

struct option {
    const char *name;
    const char *value; /* NULL = a flag */
    const char *help;
    int (*set)(struct sink_options *o, const char *value);
};

static int set_listen(struct sink_options *o, const char *value) {
    return net_address_parse(slice_cstr(value), &o->listen);
}

static int set_plain(struct sink_options *o, const char *value) {
    (void)value;
    o->plain = 1;
    return 0;
}

static int set_certificate(struct sink_options *o, const char *value) {
    o->certificate = value;
    return 0;
}

static int set_key(struct sink_options *o, const char *value) {
    o->key = value;
    return 0;
}

static int set_certificate_out(struct sink_options *o, const char *value) {
    o->certificate_out = value;
    return 0;
}

static int set_threads(struct sink_options *o, const char *value) {
    uint64_t n;
    if (slice_to_u64(slice_cstr(value), &n) || n < 1 || n > THREADS_MAX) {
        return ERR_INVALID;
    }
    o->threads = (unsigned)n;
    return 0;
}

/* "5" or "3-8". */
static int set_latency(struct sink_options *o, const char *value) {
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

static int to_percent(const char *value, double *out) {
    char *end;
    double percent = strtod(value, &end);
    if (end == value || *end != '\0' || !(percent >= 0 && percent <= 100)) {
        return ERR_INVALID;
    }
    *out = percent;
    return 0;
}

static int set_throttle(struct sink_options *o, const char *value) {
    return to_percent(value, &o->throttle_percent);
}

static int set_unprocessed(struct sink_options *o, const char *value) {
    return to_percent(value, &o->unprocessed_percent);
}

static int set_fail(struct sink_options *o, const char *value) {
    return to_percent(value, &o->fail_percent);
}

static int set_seed(struct sink_options *o, const char *value) {
    return slice_to_u64(slice_cstr(value), &o->seed);
}

static int set_table(struct sink_options *o, const char *value) {
    if (o->table_count == SINK_TABLES_MAX) {
        return ERR_LIMIT;
    }
    o->tables[o->table_count++] = value;
    return 0;
}

static int set_secret(struct sink_options *o, const char *value) {
    o->secret = value;
    return 0;
}

static int set_count_keys(struct sink_options *o, const char *value) {
    (void)value;
    o->count_keys = 1;
    return 0;
}

static int set_json(struct sink_options *o, const char *value) {
    o->json = value;
    return 0;
}

static const struct option options[] = {
    {"listen", "ADDRESS:PORT", "where to listen (127.0.0.1:8443)", set_listen},
    {"plain", NULL, "HTTP instead of TLS", set_plain},
    {"certificate", "FILE", "PEM certificate chain (with --key)", set_certificate},
    {"key", "FILE", "its PEM key", set_key},
    {"cert-out", "FILE", "write the self-made certificate for localhost here",
     set_certificate_out},
    {"threads", "N", "threads (one per CPU)", set_threads},
    {"latency-ms", "MS or LOW-HIGH", "answer after so many milliseconds (0)", set_latency},
    {"throttle", "PERCENT", "of requests: ProvisionedThroughputExceededException (0)",
     set_throttle},
    {"unprocessed", "PERCENT", "of a batch's items: UnprocessedItems (0)", set_unprocessed},
    {"fail", "PERCENT", "of requests: 500 InternalServerError (0)", set_fail},
    {"seed", "N", "repeats the same faults (random)", set_seed},
    {"table", "NAME:PK[:SK]", "a table that exists; key types as PK=S, N or B (S); repeat it",
     set_table},
    {"verify-secret", "KEY", "check the signature of a sample of requests with it", set_secret},
    {"count-keys", NULL, "count distinct keys (16 bytes of memory each)", set_count_keys},
    {"json", "FILE", "write the summary there, too, at SIGUSR1 and at exit", set_json},
};
#define OPTIONS (sizeof options / sizeof options[0])

static void print_help(void) {
    printf("usage: penstock-sink [OPTION]...\n"
           "Speaks DynamoDB's protocol, counts what arrives and stores nothing: for load tests "
           "only.\n\n");
    for (size_t i = 0; i < OPTIONS; i++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", options[i].name, options[i].value ? " " : "",
                 options[i].value ? options[i].value : "");
        printf("  %-28s %s\n", left, options[i].help);
    }
    printf("  %-28s %s\n", "--help", "this text");
    printf("\nPrints a summary at SIGUSR1 and at exit. Exit codes: 0 good, 1 failed, 2 wrong "
           "usage.\n");
}

static const struct option *find(struct slice name) {
    for (size_t i = 0; i < OPTIONS; i++) {
        if (slice_eq(slice_cstr(options[i].name), name)) {
            return &options[i];
        }
    }
    return NULL;
}

static enum sink_options_result wrong(const char *what, const char *argument) {
    fprintf(stderr, "penstock-sink: %s: %s (try --help)\n", argument, what);
    return SINK_WRONG;
}

static enum sink_options_result check(const struct sink_options *o) {
    if (!o->certificate != !o->key) {
        return wrong("goes with --certificate", o->key ? "--key" : "--certificate needs --key");
    }
    if (o->plain && (o->certificate || o->certificate_out)) {
        return wrong("there is no certificate without TLS", "--plain");
    }
    if (o->certificate && o->certificate_out) {
        return wrong("is for a self-made one, but --certificate names one", "--cert-out");
    }
    return SINK_RUN;
}

/* "--name value" or "--name=value". */
static enum sink_options_result take(struct sink_options *o, int argc, char **argv, int *i) {
    const char *argument = argv[*i];
    struct slice inline_value;
    if (strncmp(argument, "--", 2) != 0) {
        return wrong("not an option", argument);
    }
    const struct option *option =
        find(slice_split(slice_cstr(argument + 2), '=', &inline_value));
    if (!option) {
        return wrong("no such option", argument);
    }
    const char *value = inline_value.ptr;
    if (option->value == NULL && value) {
        return wrong("takes no value", argument);
    }
    if (option->value && !value) {
        if (*i + 1 == argc) {
            return wrong("needs a value", argument);
        }
        value = argv[++*i];
    }
    if (option->set(o, value)) {
        char what[128];
        snprintf(what, sizeof what, "is not %s", option->value);
        fprintf(stderr, "penstock-sink: --%s: %s %s (try --help)\n", option->name, value, what);
        return SINK_WRONG;
    }
    return SINK_RUN;
}

enum sink_options_result sink_options_parse(struct sink_options *o, int argc, char **argv) {
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    memset(o, 0, sizeof *o);
    o->threads = cpus < 1 ? 1 : cpus > (long)THREADS_MAX ? THREADS_MAX : (unsigned)cpus;
    if (set_listen(o, "127.0.0.1:8443")) {
        return wrong("no IPv4 here", "--listen");
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help();
            return SINK_HELPED;
        }
        enum sink_options_result result = take(o, argc, argv, &i);
        if (result != SINK_RUN) {
            return result;
        }
    }
    return check(o);
}
