#include "app/metrics.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

/* One number of struct snapshot, added up over the workers. Rows of one name follow each other
 * and differ in their label. */
struct row {
    const char *name;
    const char *type;
    const char *help;
    const char *label; /* NULL = none */
    size_t offset;
    size_t size;
};

#define FIELD(member) offsetof(struct snapshot, member), sizeof(((struct snapshot *)0)->member)
#define COUNTER(name, help, label, member)                                                     \
    { "penstock_" name, "counter", help, label, FIELD(member) }
#define GAUGE(name, help, label, member)                                                       \
    { "penstock_" name, "gauge", help, label, FIELD(member) }

#define OPS(name, outcome)                                                                     \
    COUNTER("dynamodb_ops_total", "Operations by outcome.", "outcome=\"" name "\"",            \
            dynamodb.outcomes[outcome])
#define RETRIES(name, member)                                                                  \
    COUNTER("dynamodb_retries_total", "Operations sent again, by reason.",                     \
            "reason=\"" name "\"", dynamodb.member)
#define CONNECTIONS(name, member)                                                              \
    GAUGE("pool_connections", "Connections to DynamoDB by state.", "state=\"" name "\"",       \
          pool.member)
#define CLOSED(name, member)                                                                   \
    COUNTER("pool_closed_total", "Connections to DynamoDB closed by age.",                     \
            "reason=\"" name "\"", pool.member)

static const struct row rows[] = {
    GAUGE("http_connections", "Client connections open.", NULL, server.connections),
    GAUGE("http_requests_in_flight", "Requests not answered yet.", NULL,
          server.requests_in_flight),
    COUNTER("http_accepted_total", "Client connections accepted.", NULL, server.accepted),
    COUNTER("http_refused_total", "Requests refused by the parser or a limit.", NULL,
            server.refused),
    COUNTER("http_timeouts_total", "Client connections that were too slow.", NULL,
            server.timeouts),
    COUNTER("http_refused_early_total", "503 before the body was looked at.", NULL,
            gateway.refused_early),
    COUNTER("http_client_left_total", "Clients that left before their answer.", NULL,
            gateway.abandoned),
    GAUGE("invocations_in_flight", "Invocations not completed yet.", NULL, lambda.in_flight),
    COUNTER("invocations_total", "Handlers invoked.", NULL, lambda.invocations),
    COUNTER("invocations_refused_total", "Invocations refused at the bound.", NULL,
            lambda.refused),
    COUNTER("invocation_timeouts_total", "Handlers past their deadline.", NULL,
            lambda.timeouts),
    COUNTER("dynamodb_submitted_total", "Operations accepted by the pipeline.", NULL,
            dynamodb.submitted),
    OPS("ok", OUTCOME_OK),
    OPS("condition_failed", OUTCOME_CONDITION_FAILED),
    OPS("refused", OUTCOME_REFUSED),
    OPS("throttled", OUTCOME_THROTTLED),
    OPS("busy", OUTCOME_BUSY),
    OPS("unavailable", OUTCOME_UNAVAILABLE),
    OPS("denied", OUTCOME_DENIED),
    OPS("unknown", OUTCOME_UNKNOWN),
    OPS("unknown_timeout", OUTCOME_UNKNOWN_TIMEOUT),
    OPS("timeout", OUTCOME_TIMEOUT),
    GAUGE("dynamodb_queued_ops", "Operations waiting to be sent.", NULL, dynamodb.queued),
    GAUGE("dynamodb_queued_bytes", "Bytes of operations held.", NULL, dynamodb.queued_bytes),
    GAUGE("dynamodb_in_flight_ops", "Operations sent and not answered.", NULL,
          dynamodb.in_flight),
    COUNTER("dynamodb_batches_total", "BatchWriteItem calls.", NULL, dynamodb.batches),
    COUNTER("dynamodb_batched_ops_total", "Operations that went in them.", NULL,
            dynamodb.batched_ops),
    COUNTER("dynamodb_singles_total", "Operations that went alone.", NULL, dynamodb.singles),
    COUNTER("dynamodb_splits_total", "Batches split because one item was refused.", NULL,
            dynamodb.splits),
    RETRIES("throttle", retries_throttle),
    RETRIES("transient", retries_transient),
    RETRIES("unprocessed", retries_unprocessed),
    CONNECTIONS("connecting", connecting),
    CONNECTIONS("idle", idle),
    CONNECTIONS("busy", busy),
    GAUGE("pool_waiting", "Exchanges waiting for a connection.", NULL, pool.waiting),
    COUNTER("pool_connects_total", "Connections to DynamoDB opened.", NULL, pool.connects),
    COUNTER("pool_connect_failures_total", "Connections that could not be opened.", NULL,
            pool.connect_failures),
    COUNTER("pool_resumed_total", "TLS sessions resumed.", NULL, pool.resumed),
    COUNTER("pool_stale_resends_total", "Requests repeated because the connection was stale.",
            NULL, pool.stale_resends),
    CLOSED("idle", closed_idle),
    CLOSED("age", closed_age),
};

/* ---- text ---- */

static void print(struct buffer *out, const char *text) {
    int error = buffer_append_slice(out, slice_cstr(text));
    ASSERT(error == 0);
}

static void print_head(struct buffer *out, const char *name, const char *type,
                       const char *help) {
    int error = buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
    ASSERT(error == 0);
}

static void print_number(struct buffer *out, const char *name, const char *labels,
                         uint64_t number) {
    int error = labels ? buffer_printf(out, "%s{%s} %" PRIu64 "\n", name, labels, number)
                       : buffer_printf(out, "%s %" PRIu64 "\n", name, number);
    ASSERT(error == 0);
}

static void print_gauge(struct buffer *out, const char *name, const char *help,
                        uint64_t number) {
    print_head(out, name, "gauge", help);
    print_number(out, name, NULL, number);
}

/* A label's value: backslash, quote and line feed are escaped. */
static void print_escaped(struct buffer *out, const char *text) {
    for (; *text; text++) {
        char plain[2] = {*text, '\0'};
        print(out, *text == '\\'   ? "\\\\"
                   : *text == '"'  ? "\\\""
                   : *text == '\n' ? "\\n"
                                   : plain);
    }
}

/* ---- sums ---- */

static uint64_t read_field(const struct snapshot *s, const struct row *row) {
    const char *at = (const char *)s + row->offset;
    uint32_t small;
    uint64_t number;
    if (row->size == sizeof small) { /* size_t on 32-bit machines */
        memcpy(&small, at, sizeof small);
        return small;
    }
    memcpy(&number, at, sizeof number);
    return number;
}

static void print_rows(struct buffer *out, const struct metrics_process *p,
                       const struct snapshot *const *workers) {
    const char *name = "";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t sum = 0;
        for (size_t w = 0; w < p->worker_count; w++) {
            sum += workers[w] ? read_field(workers[w], &rows[i]) : 0;
        }
        if (strcmp(name, rows[i].name) != 0) {
            name = rows[i].name;
            print_head(out, name, rows[i].type, rows[i].help);
        }
        print_number(out, name, rows[i].label, sum);
    }
}

static size_t route_count(const struct metrics_process *p,
                          const struct snapshot *const *workers) {
    for (size_t w = 0; w < p->worker_count; w++) {
        if (workers[w]) {
            return workers[w]->route_count;
        }
    }
    return 0;
}

static void print_route(struct buffer *out, const char *key, unsigned klass, uint64_t number) {
    print(out, "penstock_http_requests_total{route=\"");
    print_escaped(out, key);
    int error = klass ? buffer_printf(out, "\",status=\"%uxx\"} %" PRIu64 "\n", klass, number)
                      : buffer_printf(out, "\",status=\"other\"} %" PRIu64 "\n", number);
    ASSERT(error == 0);
}

static void print_routes(struct buffer *out, const struct metrics_process *p,
                         const struct snapshot *const *workers) {
    size_t count = route_count(p, workers);
    print_head(out, "penstock_http_requests_total", "counter",
               "Requests answered, by route and status class; an empty route is none.");
    for (size_t i = 0; i <= count; i++) {
        for (unsigned klass = 0; klass < 6; klass++) {
            uint64_t sum = 0;
            for (size_t w = 0; w < p->worker_count; w++) {
                sum += workers[w] ? workers[w]->routes[i].answers[klass] : 0;
            }
            if (sum > 0 || klass == 2) {
                print_route(out, i < count ? p->route_key(p->arg, i) : "", klass, sum);
            }
        }
    }
}

/* The sum of one reason over the workers from `first` on, or 0 when an earlier one had it: then
 * it has been printed. */
static uint64_t sum_reason(const struct metrics_process *p,
                           const struct snapshot *const *workers, size_t first,
                           const char *name) {
    uint64_t sum = 0;
    for (size_t w = 0; w < p->worker_count; w++) {
        for (size_t i = 0; workers[w] && i < workers[w]->reason_count; i++) {
            if (strcmp(workers[w]->reasons[i].name, name) == 0) {
                if (w < first) {
                    return 0;
                }
                sum += workers[w]->reasons[i].count;
            }
        }
    }
    return sum;
}

static void print_reasons(struct buffer *out, const struct metrics_process *p,
                          const struct snapshot *const *workers) {
    print_head(out, "penstock_http_reasons_total", "counter",
               "Requests refused and connections closed in error, by reason.");
    for (size_t w = 0; w < p->worker_count; w++) {
        for (size_t i = 0; workers[w] && i < workers[w]->reason_count; i++) {
            const char *name = workers[w]->reasons[i].name;
            uint64_t sum = sum_reason(p, workers, w, name);
            if (sum > 0) {
                print(out, "penstock_http_reasons_total{reason=\"");
                print_escaped(out, name);
                int error = buffer_printf(out, "\"} %" PRIu64 "\n", sum);
                ASSERT(error == 0);
            }
        }
    }
}

static void print_loops(struct buffer *out, const struct metrics_process *p,
                        const struct snapshot *const *workers) {
    print_head(out, "penstock_loop_longest_turn_seconds", "gauge",
               "The longest turn of a worker's loop since it was last asked.");
    for (size_t w = 0; w < p->worker_count; w++) {
        if (workers[w]) {
            int error =
                buffer_printf(out, "penstock_loop_longest_turn_seconds{worker=\"%zu\"} %.9f\n",
                              w, (double)workers[w]->longest_turn_ns / (double)NS_PER_S);
            ASSERT(error == 0);
        }
    }
    print_head(out, "penstock_loop_turns_total", "counter", "Turns of a worker's loop.");
    for (size_t w = 0; w < p->worker_count; w++) {
        if (workers[w]) {
            char label[40];
            (void)snprintf(label, sizeof label, "worker=\"%zu\"", w);
            print_number(out, "penstock_loop_turns_total", label, workers[w]->turns);
        }
    }
}

/* ---- the process ---- */

/* /proc/self/statm: sizes in pages, the second is what is resident. 0 when it is not there. */
static uint64_t resident_bytes(void) {
    unsigned long long total = 0;
    unsigned long long resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f) {
        return 0;
    }
    int got = fscanf(f, "%llu %llu", &total, &resident);
    (void)fclose(f);
    return got == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void print_process(struct buffer *out, const struct metrics_process *p) {
    print_head(out, "penstock_build_info", "gauge", "The version that runs.");
    print(out, "penstock_build_info{version=\"");
    print_escaped(out, p->version);
    print(out, "\"} 1\n");
    print_gauge(out, "penstock_ready", "1 when /readyz says so.", (uint64_t)p->ready);
    print_gauge(out, "penstock_workers", "Worker threads.", p->worker_count);
    print_gauge(out, "penstock_workers_missing",
                "Workers that did not answer in time: their numbers here are old.",
                p->workers_missing);
    print_gauge(out, "process_start_time_seconds", "When the process started.", p->start_s);
    print_gauge(out, "process_resident_memory_bytes", "Memory in use.", resident_bytes());
    if (p->credentials_expires_s > 0) {
        print_gauge(out, "penstock_credentials_expiry_timestamp_seconds",
                    "When the AWS credentials in use expire.", p->credentials_expires_s);
    }
}

void metrics_format(struct buffer *out, const struct metrics_process *p,
                    const struct snapshot *const *workers) {
    print_process(out, p);
    print_routes(out, p, workers);
    print_reasons(out, p, workers);
    print_rows(out, p, workers);
    print_loops(out, p, workers);
}
