#include "app/metrics_rows.h"

#include "base/clock.h"

#include <stddef.h>

#define FIELD(type, member) offsetof(type, member), sizeof(((type *)0)->member)
#define ROW(kind, name, help, label, member)                                                   \
    {                                                                                          \
        "penstock_" name, kind, help, label, FIELD(struct snapshot, member), NULL, 1,          \
            METRICS_PROCESS                                                                    \
    }
#define COUNTER(name, help, label, member) ROW("counter", name, help, label, member)
#define GAUGE(name, help, label, member)   ROW("gauge", name, help, label, member)
#define HISTOGRAM(name, help, label, member, bounds, unit)                                     \
    {                                                                                          \
        "penstock_" name, "histogram", help, label, FIELD(struct snapshot, member), bounds,    \
            unit, METRICS_PROCESS                                                              \
    }
#define WAITS(name, help, member) HISTOGRAM(name, help, NULL, member, buckets_wait_ns, NS_PER_S)
#define WORK(name, help, member)  HISTOGRAM(name, help, NULL, member, buckets_work_ns, NS_PER_S)

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
    COUNTER("pool_closed_total", "Open connections to DynamoDB closed, by reason.",            \
            "reason=\"" name "\"", pool.member)
#define REFUSED(name, refusal)                                                                 \
    COUNTER("access_refused_total", "Requests of callers who may not, by reason.",             \
            "reason=\"" name "\"", gateway.refusals[refusal])
#define SLAB(name, member)                                                                     \
    GAUGE("slab_bytes", "Memory of objects of one size, free ones included.",                  \
          "slab=\"" name "\"", member)
#define BUFFERED(name, member)                                                                 \
    GAUGE("buffered_bytes", "Bytes held for what is in flight.", "of=\"" name "\"", member)

#define TABLE(kind, name, help, label, member)                                                 \
    {                                                                                          \
        "penstock_dynamodb_" name, kind, help, label,                                          \
            FIELD(struct dynamodb_table_counts, member), NULL, 1, METRICS_TABLES               \
    }
#define LIMIT(name, member)                                                                    \
    TABLE(                                                                                     \
        "gauge", "concurrency_limit",                                                          \
        "Exchanges of a table that may be in flight: halved by throttles, raised by success; " \
        "1024 for each worker is none.",                                                       \
        "kind=\"" name "\"", member)
#define FLYING(name, member)                                                                   \
    TABLE("gauge", "exchanges_in_flight", "Exchanges of a table that are in flight.",          \
          "kind=\"" name "\"", member)

#define FUNCTION(kind, name, help, label, member)                                              \
    {                                                                                          \
        "penstock_function_" name, kind, help, label, FIELD(struct function_counts, member),   \
            NULL, 1, METRICS_FUNCTIONS                                                         \
    }
#define CALLS(name, outcome)                                                                   \
    FUNCTION("counter", "calls_total", "Calls of a function, by outcome.",                     \
             "outcome=\"" name "\"", outcomes[outcome])
#define PROCESSES(name, member)                                                                \
    FUNCTION("gauge", "processes", "Processes of a function.", "state=\"" name "\"", member)

const struct metrics_row metrics_rows[] = {
    WAITS("http_request_duration_seconds",
          "From the first byte of a request to its answer, to a turn's precision.",
          gateway.total_ns),
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
    COUNTER("cors_preflights_total", "Preflight requests answered.", NULL, gateway.preflights),
    REFUSED("api_key_missing", ACCESS_KEY_MISSING),
    REFUSED("api_key_unknown", ACCESS_KEY_UNKNOWN),
    REFUSED("api_key_disabled", ACCESS_KEY_DISABLED),
    REFUSED("usage_plan_throttled", ACCESS_PLAN_RATE),
    REFUSED("usage_plan_quota", ACCESS_PLAN_QUOTA),
    REFUSED("route_throttled", ACCESS_ROUTE_RATE),
    REFUSED("stage_throttled", ACCESS_STAGE_RATE),
    COUNTER("http_client_left_total", "Clients that left before their answer.", NULL,
            gateway.client_left),
    COUNTER("http_preflights_total", "CORS preflights answered.", NULL, gateway.preflights),
    COUNTER("network_received_bytes_total", "Read from sockets of every kind.", NULL, bytes_in),
    COUNTER("network_sent_bytes_total", "Written to them.", NULL, bytes_out),
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
    HISTOGRAM("dynamodb_batch_ops", "Operations of each exchange that writes.", NULL,
              dynamodb.batch_ops, buckets_batch_ops, 1),
    WAITS("dynamodb_queue_seconds", "Each operation's time from its handler to its leaving.",
          dynamodb.queue_ns),
    WORK("dynamodb_sign_seconds", "Time to sign each exchange.", dynamodb.sign_ns),
    WAITS("dynamodb_wait_seconds", "Time from an exchange's leaving to its answer.",
          dynamodb.wait_ns),
    RETRIES("throttle", retries_throttle),
    RETRIES("transient", retries_transient),
    RETRIES("unprocessed", retries_unprocessed),
    TABLE("counter", "throttles_total",
          "Exchanges of a table that were throttled, or most of them handed back.", NULL,
          throttles),
    LIMIT("write", write_limit),
    LIMIT("read", read_limit),
    FLYING("write", writing),
    FLYING("read", reading),
    TABLE("gauge", "retry_tokens", "Left of a table's retry quota, 500 for each worker.", NULL,
          retry_tokens),
    CONNECTIONS("connecting", connecting),
    CONNECTIONS("idle", idle),
    CONNECTIONS("busy", busy),
    GAUGE("pool_waiting", "Exchanges waiting for a connection.", NULL, pool.waiting),
    COUNTER("pool_connects_total", "Connections to DynamoDB opened.", NULL, pool.connects),
    COUNTER("pool_connect_failures_total", "Connections that could not be opened.", NULL,
            pool.connect_failures),
    WAITS("pool_connect_seconds", "Time to open a TCP connection.", pool.connect_ns),
    WAITS("pool_tls_handshake_seconds", "Time of the TLS handshake that followed.",
          pool.handshake_ns),
    COUNTER("pool_handshakes_total", "TLS handshakes.", NULL, pool.handshakes),
    COUNTER("pool_resumed_total", "Of these, sessions resumed.", NULL, pool.resumed),
    COUNTER("pool_exchanges_total", "Exchanges written to a connection.", NULL, pool.exchanges),
    COUNTER("pool_reused_total", "Of these, to a connection that was used before.", NULL,
            pool.reused),
    COUNTER("pool_stale_resends_total", "Requests repeated because the connection was stale.",
            NULL, pool.stale_resends),
    CLOSED("idle", closed_idle),
    CLOSED("age", closed_age),
    CLOSED("peer", closed_peer),
    CLOSED("error", closed_error),
    CALLS("ok", FUNCTION_OK),
    CALLS("error", FUNCTION_ERROR),
    CALLS("exited", FUNCTION_EXITED),
    CALLS("timeout", FUNCTION_TIMEOUT),
    CALLS("init_failed", FUNCTION_INIT_FAILED),
    CALLS("too_large", FUNCTION_TOO_LARGE),
    CALLS("throttled", FUNCTION_THROTTLED),
    CALLS("bad_response", FUNCTION_BAD_RESPONSE),
    {"penstock_function_duration_seconds", "histogram",
     "Time a process had a call of the function.", NULL,
     FIELD(struct function_counts, duration_ns), buckets_wait_ns, NS_PER_S, METRICS_FUNCTIONS},
    FUNCTION("gauge", "calls_in_flight", "Calls a process has now.", NULL, calls),
    FUNCTION("gauge", "calls_queued", "Calls waiting for a process.", NULL, queued),
    PROCESSES("ready", running),
    PROCESSES("starting", starting),
    FUNCTION("counter", "starts_total", "Processes started.", NULL, started),
    FUNCTION("counter", "exits_total", "Processes that ended.", NULL, exits),
    FUNCTION("counter", "init_failures_total", "Processes that never asked for work.", NULL,
             init_failures),
    SLAB("connection", server.conn_slab_bytes),
    SLAB("request", server.request_slab_bytes),
    SLAB("invocation", lambda.slab_bytes),
    SLAB("op", dynamodb.slab_bytes),
    SLAB("upstream_connection", pool.slab_bytes),
    BUFFERED("requests", server.request_bytes),
    BUFFERED("operations", dynamodb.queued_bytes),
    WORK("loop_turn_seconds", "Turns of the loops, from fetched events to the next poll.",
         turn_ns),
    WORK("loop_timer_lateness_seconds", "How long after their time timers ran.", late_ns),
};
const size_t metrics_row_count = sizeof metrics_rows / sizeof metrics_rows[0];
