/* Penstock's handler interface: the one header a native handler is written on.
 *
 * A handler gets an invocation (an event and a context) and completes it exactly once with
 * penstock_respond, at once or in a later callback. It runs on a worker's event loop: it must
 * not block; blocking work goes through penstock_work. Slices given out by these functions stay
 * valid until the invocation is completed; slices handed in are copied.
 *
 * Completing twice, or after the deadline, is ignored and logged; never completing is answered
 * 504 at the deadline. A handler that still waits for DynamoDB or work when its deadline passes
 * gets those callbacks nevertheless, with a still valid invocation; what the event held is then
 * absent (slices given out before stay valid). After it has completed an invocation, a handler
 * must not touch it but in callbacks it is still owed.
 *
 * A shared library exports handlers with PENSTOCK_HANDLER; see the end of this file. */
#ifndef PENSTOCK_HANDLER_H
#define PENSTOCK_HANDLER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows when a struct or the meaning of a function changes. A library built against another
 * number is refused when it is loaded. */
#define PENSTOCK_ABI 1u

struct penstock_slice {
    const char *ptr; /* not NUL-terminated; NULL = absent */
    size_t len;
};

struct penstock_invocation;

/* ---- the event ---- */
struct penstock_slice penstock_method(const struct penstock_invocation *i);
/* The decoded path, without the stage prefix. */
struct penstock_slice penstock_path(const struct penstock_invocation *i);
/* "POST /music" as configured. */
struct penstock_slice penstock_route_key(const struct penstock_invocation *i);
/* Decoded; absent: ptr NULL. `name` without braces. */
struct penstock_slice penstock_path_parameter(const struct penstock_invocation *i,
                                              const char *name);
/* Decoded; the last value when a name repeats. */
struct penstock_slice penstock_query_parameter(const struct penstock_invocation *i,
                                               const char *name);
/* Any case; the first value when a field repeats. */
struct penstock_slice penstock_header(const struct penstock_invocation *i, const char *name);
struct penstock_slice penstock_body(const struct penstock_invocation *i);
struct penstock_slice penstock_stage_variable(const struct penstock_invocation *i,
                                              const char *name);
/* A $context value by its name without "$context.": requestId, requestTimeEpoch, requestTime,
 * stage, routeKey, httpMethod, path, protocol, identity.sourceIp, identity.userAgent,
 * identity.apiKeyId, domainName, accountId, apiId, xrayTraceId. Absent: ptr NULL. */
struct penstock_slice penstock_context(const struct penstock_invocation *i, const char *name);
/* The whole event as API Gateway's JSON; version "1.0" or "2.0". ptr NULL when memory is out.
 */
struct penstock_slice penstock_event_json(struct penstock_invocation *i, const char *version);

/* ---- the context ---- */
struct penstock_slice penstock_request_id(const struct penstock_invocation *i);
struct penstock_slice penstock_function_name(const struct penstock_invocation *i);
/* Milliseconds to the deadline; 0 when it has passed. */
uint64_t penstock_remaining_ms(const struct penstock_invocation *i);
enum penstock_log_level { PENSTOCK_DEBUG, PENSTOCK_INFO, PENSTOCK_WARN, PENSTOCK_ERROR };
/* One log line with the request id. Never give it secrets. */
void penstock_log(const struct penstock_invocation *i, enum penstock_log_level level,
                  const char *text);
/* Memory that ends with the invocation. NULL beyond the invocation's limit (32 MiB). */
void *penstock_alloc(struct penstock_invocation *i, size_t len);

/* ---- the answer ---- */
struct penstock_header_field {
    struct penstock_slice name;
    struct penstock_slice value;
};

struct penstock_response {
    int status;                         /* 200..599 */
    struct penstock_slice content_type; /* empty = application/json when there is a body */
    const struct penstock_header_field *headers;
    size_t header_count;
    struct penstock_slice body;
};

void penstock_respond(struct penstock_invocation *i, const struct penstock_response *response);
/* {"message":"..."}; `reason` (static, may be NULL) goes into the access log line. */
void penstock_respond_message(struct penstock_invocation *i, int status, const char *message,
                              const char *reason);

/* ---- DynamoDB, through the worker's pipeline ---- */
enum penstock_operation {
    PENSTOCK_PUT_ITEM,
    PENSTOCK_GET_ITEM,
    PENSTOCK_UPDATE_ITEM,
    PENSTOCK_DELETE_ITEM,
    PENSTOCK_QUERY,
};

struct penstock_request {
    enum penstock_operation operation;
    const char *table;
    /* DynamoDB JSON. PUT: the item, {"Artist":{"S":"x"},...}. GET, UPDATE, DELETE: the key. */
    struct penstock_slice item;
    /* Further members of the operation's request body, each with a leading comma:
     * ,"ConditionExpression":"attribute_not_exists(#k)","ExpressionAttributeNames":{...} */
    struct penstock_slice extra;
    /* The key's canonical bytes where the caller has them already (order per key); empty: they
     * are taken from `item`. */
    struct penstock_slice key;
    /* Writes with `extra`: 1 when repeating one that may already have happened is harmless (a
     * merge of constants); 0 for conditions and counters, reported as unknown instead. */
    int idempotent;
};

enum penstock_outcome {
    PENSTOCK_OK,               /* acknowledged by DynamoDB */
    PENSTOCK_CONDITION_FAILED, /* 409 */
    PENSTOCK_REFUSED,          /* DynamoDB says the request is wrong: 400 */
    PENSTOCK_THROTTLED,        /* past the deadline: 429 */
    PENSTOCK_BUSY,             /* our own bound: 503 */
    PENSTOCK_UNAVAILABLE,      /* DynamoDB out of reach, it did not happen: 503 */
    PENSTOCK_DENIED,           /* credentials, permission, missing table: 500 */
    PENSTOCK_UNKNOWN,          /* a write that may have happened: 502 */
    PENSTOCK_UNKNOWN_TIMEOUT,  /* the same at the deadline: 504 */
    PENSTOCK_TIMEOUT,          /* deadline, and it did not happen: 504 */
};

struct penstock_result {
    enum penstock_outcome outcome;
    struct penstock_slice body; /* DynamoDB's response body when there is one, else empty */
    struct penstock_slice error_name; /* "ValidationException"; empty on success */
    struct penstock_slice message;    /* DynamoDB's words, or ours; empty on success */
    uint64_t retry_after_ms;          /* for THROTTLED, BUSY, UNAVAILABLE: when to come back */
};

/* The result is valid during the call only. */
typedef void (*penstock_result_fn)(struct penstock_invocation *i, void *arg,
                                   const struct penstock_result *result);

/* 0: `done` runs exactly once, later. Otherwise it never runs, and the outcome is PENSTOCK_BUSY
 * (a bound reached) or PENSTOCK_REFUSED (no such table here, no key in the item). */
int penstock_dynamodb(struct penstock_invocation *i, const struct penstock_request *request,
                      penstock_result_fn done, void *arg);
/* Answers the caller as the table of answers has it for this outcome; never for PENSTOCK_OK. */
void penstock_respond_outcome(struct penstock_invocation *i,
                              const struct penstock_result *result);

/* ---- blocking work, on a thread ---- */
/* `work` runs on a pool thread and may block; it must not call any function of this header.
 * Then `after` runs on the invocation's loop. 0, or PENSTOCK_BUSY when too much is queued. */
int penstock_work(struct penstock_invocation *i, void (*work)(void *arg),
                  void (*after)(struct penstock_invocation *i, void *arg), void *arg);

/* ---- what a library exports ---- */
typedef void (*penstock_invoke_fn)(struct penstock_invocation *i, void *state);

struct penstock_handler {
    uint32_t abi;
    const char *name;
    /* Once per worker, before it serves: environment-like settings as JSON. May be NULL.
     * Non-zero: Penstock does not start, and prints `reason`. */
    int (*init)(const char *settings_json, void **state, char *reason, size_t reason_len);
    penstock_invoke_fn invoke;
    void (*fini)(void *state); /* may be NULL */
};

/* PENSTOCK_HANDLER(enrich, enrich_init, enrich_invoke, enrich_fini) */
#define PENSTOCK_HANDLER(handler_name, init_fn, invoke_fn, fini_fn)                            \
    __attribute__((visibility("default")))                                                     \
    const struct penstock_handler penstock_handler_##handler_name = {                          \
        PENSTOCK_ABI, #handler_name, init_fn, invoke_fn, fini_fn}

#ifdef __cplusplus
}
#endif

#endif
