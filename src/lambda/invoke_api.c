/* Happy path: POST -> the function is found by name -> invoke_call -> function_submit ->
 * on_done
 * -> the answer, as Lambda words it. An Event is answered 202 first; when it fails it waits in
 * `retries` and is submitted again. Failure modes: a failed function is 200 with
 * X-Amz-Function-Error; refusals have Lambda's error names; a caller that leaves does not stop
 * its call; at the end events that are not done are dropped, each with a line in the log.
 *
 * Statuses, headers and error names: facts, aws 2.2 (AWS Lambda API Reference, Invoke). */
#include "lambda/invoke_api.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/log.h"
#include "http/url.h"
#include "lambda/text.h"
#include "loop/timer.h"

#include <json.h>
#include <stdio.h>
#include <stdlib.h>

#define PREFIX            "/2015-03-31/functions/"
#define PAYLOAD_MAX       6291456 /* of a request; its response may be FUNCTION_PAYLOAD_MAX */
#define EVENT_PAYLOAD_MAX 1048576
#define BODY_MAX          (8u << 20) /* what is read, to be refused in the API's own words */
#define JSON_DEPTH        512
#define TAIL_BYTES        4096 /* of X-Amz-Log-Result, before base64 */

struct invoke_call {
    struct function_call call;
    struct invoke_api *api;
    const struct invoke_function *target;
    struct server_request *request; /* NULL: an event, or the caller has left */
    struct list_node node;          /* in api->calls */
    struct deadline retry;          /* of an event that failed */
    struct buffer log;              /* what it printed, when the tail is asked for */
    uint64_t accepted_ns;
    unsigned failures;
    bool event;
    char request_id[37];
    char payload[];
};

struct invoke_api {
    struct loop *loop;
    struct server *server;
    const struct invoke_function *functions;
    size_t function_count;
    struct list calls;
    struct deadline_queue retries;
    size_t events;
    size_t event_bytes;
    bool closing;
    unsigned open_parts; /* server and queue, while closing */
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

enum invoke_type { INVOKE_REQUEST_RESPONSE, INVOKE_EVENT, INVOKE_DRY_RUN, INVOKE_INVALID };

/* ---- answers ---- */

static void refuse(struct server_request *r, unsigned status, const char *type,
                   const char *message) {
    struct buffer body = {0};
    const struct http_header header = {SLICE("X-Amzn-ErrorType"), slice_cstr(type)};
    /* Both spellings: the API's services differ, and so do the SDKs. */
    int error = buffer_append_slice(&body, SLICE("{\"Type\":\"User\",\"Message\":"));
    error = error ? error : text_json_string(&body, slice_cstr(message));
    error = error ? error : buffer_append_slice(&body, SLICE(",\"message\":"));
    error = error ? error : text_json_string(&body, slice_cstr(message));
    error = error ? error : buffer_append_slice(&body, SLICE("}"));
    ASSERT(error == 0);
    server_respond(r, &(struct server_answer){.status = status,
                                              .content_type = SLICE("application/json"),
                                              .headers = &header,
                                              .header_count = 1,
                                              .body = buffer_slice(&body),
                                              .reason = "invoke_refused"});
    buffer_fini(&body);
}

static void refuse_throttled(struct server_request *r) {
    static const struct http_header headers[] = {
        {{"X-Amzn-ErrorType", 16}, {"TooManyRequestsException", 24}},
        {{"Retry-After", 11}, {"1", 1}}};
    server_respond(
        r,
        &(struct server_answer){
            .status = 429,
            .content_type = SLICE("application/json"),
            .headers = headers,
            .header_count = 2,
            .body = SLICE("{\"Reason\":\"ReservedFunctionConcurrentInvocationLimitExceeded\","
                          "\"Type\":\"User\",\"message\":\"Rate Exceeded.\"}"),
            .reason = "function_throttled"});
}

/* What Lambda says in the function's place; NULL: the function's own words stand. */
static const char *failure_text(enum function_outcome outcome) {
    switch (outcome) {
    case FUNCTION_TIMEOUT:
        return "Task timed out";
    case FUNCTION_TOO_LARGE:
        return "Response payload size exceeded maximum allowed payload size (6291556 bytes).";
    case FUNCTION_EXITED:
    case FUNCTION_INIT_FAILED:
        return "Runtime exited without providing a reason";
    case FUNCTION_BAD_RESPONSE:
        return "Runtime sent a malformed response";
    case FUNCTION_OK:
    case FUNCTION_ERROR:
    case FUNCTION_THROTTLED:
        return NULL;
    }
    return NULL;
}

/* START, what was printed, END and REPORT: of this the last 4 KB, in base64. */
static char *encode_tail(struct invoke_call *ic, const struct function_result *r) {
    struct buffer all = {0};
    double ms = (double)r->duration_ns / 1e6;
    int error = buffer_printf(&all, "START RequestId: %s Version: $LATEST\n", ic->request_id);
    error = error ? error : buffer_append_slice(&all, buffer_slice(&ic->log));
    error = error ? error
                  : buffer_printf(&all,
                                  "END RequestId: %s\nREPORT RequestId: %s\tDuration: %.2f ms\t"
                                  "Billed Duration: %.0f ms\n",
                                  ic->request_id, ic->request_id, ms, ms + 0.5);
    ASSERT(error == 0);
    struct slice tail = buffer_slice(&all);
    if (tail.len > TAIL_BYTES) {
        tail = slice_from(tail, tail.len - TAIL_BYTES);
    }
    char *text = calloc(1, BASE64_ENCODED_LEN(TAIL_BYTES) + 1);
    ASSERT(text != NULL);
    (void)base64_encode((const unsigned char *)tail.ptr, tail.len, text);
    buffer_fini(&all);
    return text;
}

static void answer(struct invoke_call *ic, const struct function_result *r) {
    struct http_header headers[3] = {{SLICE("X-Amz-Executed-Version"), SLICE("$LATEST")}};
    size_t count = 1;
    const char *failure = failure_text(r->outcome);
    struct slice body = r->payload;
    char text[320];
    char *tail = ic->call.log ? encode_tail(ic, r) : NULL;
    if (r->outcome != FUNCTION_OK) {
        headers[count++] =
            (struct http_header){SLICE("X-Amz-Function-Error"), SLICE("Unhandled")};
    }
    if (tail) {
        headers[count++] = (struct http_header){SLICE("X-Amz-Log-Result"), slice_cstr(tail)};
    }
    if (failure) {
        int len = snprintf(text, sizeof text,
                           "{\"errorType\":\"" SLICE_FMT
                           "\",\"errorMessage\":\"RequestId: %s Error: %s\"}",
                           SLICE_ARG(r->error_type), ic->request_id, failure);
        body = slice_of(text, (size_t)len);
    }
    server_respond(ic->request,
                   &(struct server_answer){.status = 200,
                                           .content_type = SLICE("application/json"),
                                           .headers = headers,
                                           .header_count = count,
                                           .body = body});
    free(tail);
}

/* ---- calls ---- */

static void call_free(struct invoke_call *ic) {
    struct invoke_api *a = ic->api;
    list_remove(&ic->node);
    deadline_disarm(&ic->retry);
    if (ic->event) {
        a->events--;
        a->event_bytes -= ic->call.payload.len;
    }
    buffer_fini(&ic->log);
    free(ic);
}

static void drop_event(struct invoke_call *ic, const char *reason) {
    log_event(LOG_ERROR, "invoke_event_dropped", log_str("function", ic->target->name),
              log_str("request_id", ic->request_id), log_str("reason", reason),
              log_u64("attempts", ic->failures));
    call_free(ic);
}

/* Throttled is not failed: it is tried again for as long as events live. */
static void retry_event(struct invoke_call *ic, bool failed, const char *reason) {
    struct invoke_api *a = ic->api;
    uint64_t age_ns = loop_now_ns(a->loop) - ic->accepted_ns;
    ic->failures += failed;
    if (a->closing) {
        drop_event(ic, "closing");
    } else if (ic->failures > INVOKE_EVENT_RETRIES || age_ns > INVOKE_EVENT_AGE_MAX_NS) {
        drop_event(ic, reason);
    } else {
        deadline_arm(&a->retries, &ic->retry);
    }
}

static void on_done(struct function_call *c, const struct function_result *r) {
    struct invoke_call *ic = container_of(c, struct invoke_call, call);
    if (ic->event && r->outcome != FUNCTION_OK) {
        retry_event(ic, r->outcome != FUNCTION_THROTTLED, function_outcome_name(r->outcome));
        return;
    }
    if (ic->request) {
        ic->request->owner_data = NULL;
        if (r->outcome == FUNCTION_THROTTLED) {
            refuse_throttled(ic->request);
        } else {
            answer(ic, r);
        }
    }
    call_free(ic);
}

static int submit(struct invoke_call *ic) {
    return ic->target->function ? function_submit(ic->target->function, &ic->call)
                                : ERR_REFUSED;
}

static void submit_event(struct invoke_call *ic) {
    int error = submit(ic);
    if (error != 0) {
        retry_event(ic, error != ERR_BUSY, "function_init_failed");
    }
}

static void on_retry(struct deadline_queue *q, struct deadline *d) {
    (void)q;
    submit_event(container_of(d, struct invoke_call, retry));
}

/* ---- requests ---- */

static struct invoke_call *call_new(struct invoke_api *a, struct server_request *r,
                                    const struct invoke_function *target) {
    struct slice body = r->http.body.len > 0 ? r->http.body : SLICE("{}");
    struct invoke_call *ic = calloc(1, sizeof *ic + body.len);
    ASSERT(ic != NULL);
    ic->api = a;
    ic->target = target;
    ic->accepted_ns = loop_now_ns(a->loop);
    memcpy(ic->payload, body.ptr, body.len);
    memcpy(ic->request_id, r->request_id, sizeof ic->request_id);
    ic->call.payload = slice_of(ic->payload, body.len);
    ic->call.request_id = ic->request_id;
    ic->call.done = on_done;
    list_push_back(&a->calls, &ic->node);
    return ic;
}

static void invoke_event(struct invoke_api *a, struct server_request *r,
                         const struct invoke_function *target) {
    if (a->events >= INVOKE_EVENTS_MAX ||
        a->event_bytes + r->http.body.len > INVOKE_EVENT_BYTES_MAX) {
        refuse_throttled(r);
        return;
    }
    struct invoke_call *ic = call_new(a, r, target);
    ic->event = true;
    a->events++;
    a->event_bytes += ic->call.payload.len;
    server_respond(r, &(struct server_answer){.status = 202});
    submit_event(ic);
}

static void invoke_now(struct invoke_api *a, struct server_request *r,
                       const struct invoke_function *target) {
    struct invoke_call *ic = call_new(a, r, target);
    struct slice log_type = http_header_value(&r->http.headers, SLICE("X-Amz-Log-Type"));
    ic->request = r;
    ic->call.log = slice_eq(log_type, SLICE("Tail")) ? &ic->log : NULL;
    r->owner_data = ic;
    int error = submit(ic);
    if (error == 0) {
        return;
    }
    r->owner_data = NULL;
    if (error == ERR_BUSY) {
        refuse_throttled(r);
    } else {
        answer(ic, &(struct function_result){.outcome = FUNCTION_INIT_FAILED,
                                             .error_type = SLICE("Runtime.ExitError")});
    }
    call_free(ic);
}

static enum invoke_type read_type(const struct server_request *r) {
    struct slice type = http_header_value(&r->http.headers, SLICE("X-Amz-Invocation-Type"));
    if (type.len == 0 || slice_eq(type, SLICE("RequestResponse"))) {
        return INVOKE_REQUEST_RESPONSE;
    }
    return slice_eq(type, SLICE("Event"))    ? INVOKE_EVENT
           : slice_eq(type, SLICE("DryRun")) ? INVOKE_DRY_RUN
                                             : INVOKE_INVALID;
}

static bool is_json(struct slice body) {
    struct json_tokener *t = json_tokener_new_ex(JSON_DEPTH);
    ASSERT(t != NULL);
    struct json_object *value = json_tokener_parse_ex(t, body.ptr, (int)body.len);
    bool whole = json_tokener_get_error(t) == json_tokener_success;
    size_t end = json_tokener_get_parse_end(t);
    if (json_tokener_get_error(t) == json_tokener_continue) { /* a bare number may go on */
        value = json_tokener_parse_ex(t, "", 1);
        whole = json_tokener_get_error(t) == json_tokener_success;
        end = body.len;
    }
    while (whole && end < body.len) {
        whole = memchr(" \t\r\n", body.ptr[end++], 4) != NULL;
    }
    json_object_put(value);
    json_tokener_free(t);
    return whole;
}

/* NAME, NAME:QUALIFIER, ACCOUNT:function:NAME or the whole ARN. The only version is $LATEST. */
static const struct invoke_function *find_target(const struct invoke_api *a,
                                                 struct slice name) {
    for (struct slice rest = name, next; rest.len > 0; rest = next) {
        struct slice part = slice_split(rest, ':', &next);
        if (part.ptr != name.ptr && slice_eq(part, SLICE("function"))) {
            name = next;
            break;
        }
    }
    struct slice qualifier;
    name = slice_split(name, ':', &qualifier);
    if (qualifier.len > 0 && !slice_eq(qualifier, SLICE("$LATEST"))) {
        return NULL;
    }
    for (size_t i = 0; i < a->function_count; i++) {
        if (slice_eq(name, slice_cstr(a->functions[i].name))) {
            return &a->functions[i];
        }
    }
    return NULL;
}

/* The name in the path, decoded. 0, or ERR_NOT_FOUND: no such operation. */
static int read_name(struct server_request *r, struct slice *name) {
    static const struct slice suffix = {"/invocations", 12};
    struct url_target target;
    if (url_split_target(r->http.target, &target) != 0 ||
        !slice_starts_with(target.path, SLICE(PREFIX))) {
        return ERR_NOT_FOUND;
    }
    struct slice path = slice_from(target.path, sizeof PREFIX - 1);
    if (path.len <= suffix.len || !slice_eq(slice_from(path, path.len - suffix.len), suffix)) {
        return ERR_NOT_FOUND;
    }
    return url_decode(&r->arena, slice_of(path.ptr, path.len - suffix.len), name) == 0
               ? 0
               : ERR_NOT_FOUND;
}

static void refuse_unknown(struct server_request *r, struct slice name) {
    char text[320];
    (void)snprintf(text, sizeof text, "Function not found: %.*s",
                   (int)(name.len < 200 ? name.len : 200), name.ptr);
    refuse(r, 404, "ResourceNotFoundException", text);
}

static void dispatch(struct invoke_api *a, struct server_request *r,
                     const struct invoke_function *target, enum invoke_type type) {
    size_t limit = type == INVOKE_EVENT ? EVENT_PAYLOAD_MAX : PAYLOAD_MAX;
    char text[128];
    if (r->http.body.len > limit) {
        (void)snprintf(
            text, sizeof text,
            "Request must be smaller than %zu bytes for the InvokeFunction operation", limit);
        refuse(r, 413, "RequestTooLargeException", text);
    } else if (r->http.body.len > 0 && !is_json(r->http.body)) {
        refuse(r, 400, "InvalidRequestContentException",
               "Could not parse request body into json");
    } else if (type == INVOKE_DRY_RUN) {
        server_respond(r, &(struct server_answer){.status = 204});
    } else if (type == INVOKE_EVENT) {
        invoke_event(a, r, target);
    } else {
        invoke_now(a, r, target);
    }
}

static void on_request(void *owner, struct server_request *r) {
    struct invoke_api *a = owner;
    struct slice name;
    enum invoke_type type = read_type(r);
    r->owner_data = NULL;
    if (read_name(r, &name) != 0) {
        refuse(r, 404, "UnknownOperationException", "No such operation of the Invoke API");
        return;
    }
    const struct invoke_function *target = find_target(a, name);
    if (r->http.method != HTTP_POST_) {
        refuse(r, 405, "UnknownOperationException", "Method Not Allowed");
    } else if (type == INVOKE_INVALID) {
        refuse(r, 400, "InvalidParameterValueException",
               "X-Amz-Invocation-Type: expected RequestResponse, Event or DryRun");
    } else if (target == NULL) {
        refuse_unknown(r, name);
    } else {
        dispatch(a, r, target, type);
    }
}

static void on_abandon(void *owner, struct server_request *r) {
    struct invoke_call *ic = r->owner_data;
    (void)owner;
    if (ic) {
        ic->request = NULL;
    }
}

static const struct server_events invoke_events = {.on_request = on_request,
                                                   .on_abandon = on_abandon};

/* ---- the API itself ---- */

struct invoke_api *invoke_api_new(struct loop *l, struct stream_hub *hub, int fd,
                                  const struct invoke_function *functions, size_t count) {
    struct invoke_api *a = calloc(1, sizeof *a);
    struct server_options options = server_options_default;
    ASSERT(a != NULL);
    a->loop = l;
    a->functions = functions;
    a->function_count = count;
    list_init(&a->calls);
    deadline_queue_init(&a->retries, l, INVOKE_EVENT_RETRY_MS, on_retry, a);
    options.connections = 1024;
    options.http.body_bytes = BODY_MAX;
    a->server = server_new(l, hub, &options, &invoke_events, a);
    ASSERT(a->server != NULL);
    int error = server_listen(a->server, fd, NULL);
    ASSERT(error == 0); /* a listening descriptor can always be watched */
    return a;
}

size_t invoke_api_in_flight(const struct invoke_api *a) {
    return a->calls.count;
}

void invoke_api_drain(struct invoke_api *a) {
    server_drain(a->server, NULL, NULL);
}

static void part_closed(struct invoke_api *a) {
    if (--a->open_parts == 0) {
        a->on_closed(a->on_closed_arg);
    }
}

static void on_server_closed(void *arg) {
    part_closed(arg);
}

static void on_retries_closed(struct timer *t) {
    struct deadline_queue *q = container_of(t, struct deadline_queue, timer);
    part_closed(q->owner);
}

void invoke_api_close(struct invoke_api *a, void (*on_closed)(void *arg), void *arg) {
    ASSERT(!a->closing);
    a->closing = true;
    a->on_closed = on_closed;
    a->on_closed_arg = arg;
    a->open_parts = 2;
    while (!list_empty(&a->retries.waiting)) {
        struct deadline *d = container_of(a->retries.waiting.first, struct deadline, node);
        drop_event(container_of(d, struct invoke_call, retry), "closing");
    }
    deadline_queue_close(&a->retries, on_retries_closed);
    server_close(a->server, on_server_closed, a);
}

void invoke_api_free(struct invoke_api *a) {
    ASSERT(list_empty(&a->calls));
    server_free(a->server);
    free(a);
}
