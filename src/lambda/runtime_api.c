/* The Lambda Runtime API, version 2018-06-01, as the process of one slot sees it (facts:
 * aws 2.1; the developer guide, "Using the Lambda runtime API").
 *
 *   GET  runtime/invocation/next             parked until there is a call
 *   POST runtime/invocation/{id}/response    202; runtime_response.c
 *   POST runtime/invocation/{id}/error       202; runtime_response.c
 *   POST runtime/init/error                  202, and the process is stopped */
#include "lambda/function_log.h"
#include "lambda/runtime.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "server/parts.h"

#include <stdio.h>

#define PREFIX       "/2018-06-01/runtime/"
#define TRACE_ID_MAX 1152

enum api_action { API_NEXT, API_RESPONSE, API_ERROR, API_INIT_ERROR, API_PING, API_NOTHING };

struct api_request {
    enum api_action action;
    struct slice id;
};

/* ---- which call ---- */

static bool take_prefix(struct slice *path, struct slice prefix) {
    if (!slice_starts_with(*path, prefix)) {
        return false;
    }
    *path = slice_from(*path, prefix.len);
    return true;
}

static struct api_request read_action(const struct http_request *http) {
    struct api_request r = {API_NOTHING, SLICE_EMPTY};
    struct url_target target;
    bool get = http->method == HTTP_GET_;
    bool post = http->method == HTTP_POST_;
    if (url_split_target(http->target, &target) != 0) {
        return r;
    }
    struct slice path = target.path;
    if (get && (slice_eq(path, SLICE("/ping")) || slice_eq(path, SLICE("/2018-06-01/ping")))) {
        r.action = API_PING;
    } else if (!take_prefix(&path, SLICE(PREFIX))) {
        return r;
    } else if (get && slice_eq(path, SLICE("invocation/next"))) {
        r.action = API_NEXT;
    } else if (post && slice_eq(path, SLICE("init/error"))) {
        r.action = API_INIT_ERROR;
    } else if (post && take_prefix(&path, SLICE("invocation/"))) {
        struct slice what;
        r.id = slice_split(path, '/', &what);
        r.action = slice_eq(what, SLICE("response")) ? API_RESPONSE
                   : slice_eq(what, SLICE("error"))  ? API_ERROR
                                                     : API_NOTHING;
    }
    return r;
}

/* ---- answers ---- */

static void answer(struct server_request *r, unsigned status, struct slice body,
                   const char *reason) {
    server_respond(r, &(struct server_answer){.status = status,
                                              .content_type = SLICE("application/json"),
                                              .body = body,
                                              .reason = reason});
}

void runtime_api_answer_accepted(struct server_request *r) {
    answer(r, 202, SLICE("{\"status\":\"OK\"}\n"), NULL);
}

void runtime_api_answer_error(struct server_request *r, unsigned status, const char *type,
                              const char *message) {
    char text[256];
    int len = snprintf(text, sizeof(text), "{\"errorMessage\":\"%s\",\"errorType\":\"%s\"}",
                       message, type);
    answer(r, status, slice_of(text, (size_t)len), type);
}

void runtime_api_answer_wrong_id(const struct function_slot *s, struct server_request *r,
                                 struct slice id) {
    if (s->last_request_id[0] != '\0' && slice_eq(id, slice_cstr(s->last_request_id))) {
        runtime_api_answer_error(r, 403, "InvalidStateTransition",
                                 "Transition from RuntimeResponseSentState to "
                                 "RuntimeInvocationResponseState failed");
    } else {
        runtime_api_answer_error(r, 400, "InvalidRequestID", "Invalid request ID");
    }
}

/* ---- next ---- */

static bool trace_has(struct slice trace, struct slice field) {
    while (trace.len > 0) {
        if (slice_starts_with(slice_trim(slice_split(trace, ';', &trace)), field)) {
            return true;
        }
    }
    return false;
}

/* As Lambda gives it to a function: with a root, a parent and whether it is sampled, which the
 * X-Ray SDKs expect. One too long to be added to is passed on as it is. */
static struct slice complete_trace_id(struct function *f, struct slice given,
                                      char out[TRACE_ID_MAX]) {
    char root[64] = "";
    char parent[32] = "";
    if (given.len > TRACE_ID_MAX - 64) {
        return given;
    }
    if (given.len == 0) {
        (void)snprintf(root, sizeof(root), "Root=1-%08llx-%08llx%016llx",
                       (unsigned long long)(clock_wall_ms() / 1000),
                       (unsigned long long)(rng_u64(&f->rng) & 0xffffffff),
                       (unsigned long long)rng_u64(&f->rng));
    }
    if (!trace_has(given, SLICE("Parent="))) {
        (void)snprintf(parent, sizeof(parent), ";Parent=%016llx",
                       (unsigned long long)rng_u64(&f->rng));
    }
    int len = snprintf(out, TRACE_ID_MAX, SLICE_FMT "%s%s%s", SLICE_ARG(given), root, parent,
                       trace_has(given, SLICE("Sampled=")) ? "" : ";Sampled=0");
    return slice_of(out, (size_t)len);
}

void runtime_api_give(struct function_slot *s, struct function_call *c) {
    struct function *f = s->function;
    struct parked_next *next = container_of(s->parked.last, struct parked_next, node);
    struct server_request *r = next->request;
    char deadline[24];
    char arn[320];
    char trace[TRACE_ID_MAX];
    list_remove(&next->node);
    (void)snprintf(deadline, sizeof(deadline), "%llu",
                   (unsigned long long)(clock_wall_ms() + f->options.timeout_ms));
    (void)snprintf(arn, sizeof(arn), "arn:aws:lambda:%s:%s:function:%.140s", f->options.region,
                   f->options.account_id, f->options.name);
    struct slice trace_id = complete_trace_id(f, c->trace_id, trace);
    function_log_start(s, c);
    const struct http_header headers[5] = {
        {SLICE("Lambda-Runtime-Aws-Request-Id"), slice_cstr(c->request_id)},
        {SLICE("Lambda-Runtime-Deadline-Ms"), slice_cstr(deadline)},
        {SLICE("Lambda-Runtime-Invoked-Function-Arn"), slice_cstr(arn)},
        {SLICE("Lambda-Runtime-Trace-Id"), trace_id},
        {SLICE("Lambda-Runtime-Client-Context"), c->client_context},
    };
    r->owner_data = NULL;
    server_respond(r, &(struct server_answer){.status = 200,
                                              .content_type = SLICE("application/json"),
                                              .headers = headers,
                                              .header_count = c->client_context.len ? 5 : 4,
                                              .body = c->payload});
}

static void refuse_next(struct parked_next *next) {
    struct server_request *r = next->request;
    list_remove(&next->node);
    r->owner_data = NULL;
    server_respond(r, &(struct server_answer){.status = 403, .close = 1});
}

void runtime_api_drop_parked(struct function_slot *s) {
    while (!list_empty(&s->parked)) {
        refuse_next(container_of(s->parked.first, struct parked_next, node));
    }
}

static void on_next(struct function_slot *s, struct server_request *r) {
    struct function *f = s->function;
    size_t places = f->options.per_process;
    enum slot_state state = slot_state_of(s);
    if (state == SLOT_EMPTY || state == SLOT_STOPPING || s->calls.count >= places) {
        runtime_api_answer_error(
            r, 403, "InvalidStateTransition",
            "Transition from RuntimeRunningState to RuntimeReadyState failed");
        return;
    }
    struct parked_next *next = arena_zalloc(&r->arena, sizeof(*next));
    if (next == NULL) {
        runtime_api_answer_error(r, 500, "InternalServerError", "Internal Server Error");
        return;
    }
    /* Asking again instead of waiting: the older request is of a connection given up. */
    if (s->parked.count + s->calls.count >= places) {
        refuse_next(container_of(s->parked.first, struct parked_next, node));
    }
    next->request = r;
    r->owner_data = next;
    list_push_back(&s->parked, &next->node);
    function_slot_asked(s);
    function_dispatch(f);
}

/* ---- errors ---- */

void runtime_api_finish(struct function_slot *s, struct function_call *c,
                        struct function_result *result) {
    if (c->log != NULL) { /* what it printed before it answered belongs to it */
        process_read_now(&s->process);
    }
    function_finish(s->function, c, result);
}

void runtime_log_error(const struct function_slot *s, const char *event, const char *request_id,
                       struct slice error_type, struct slice body) {
    body.len = body.len < 2048 ? body.len : 2048;
    log_event(LOG_ERROR, event, log_str("function", s->function->options.name),
              log_str("request_id", request_id), log_slice("error_type", error_type),
              log_slice("error", body));
}

/* Lambda answers with what the runtime posted. One too large, or no memory: in our words. */
static void keep_init_error(struct function_slot *s, struct slice body) {
    struct function_failure *failure = &s->function->failure;
    failure->type = "Runtime.InitError";
    (void)snprintf(failure->text, sizeof(failure->text), "Runtime failed to initialize");
    buffer_fini(&failure->posted);
    if (body.len > FUNCTION_FAILURE_KEEP || buffer_append_slice(&failure->posted, body) != 0) {
        buffer_fini(&failure->posted);
    }
    s->failure_told = true;
}

static void on_init_error(struct function_slot *s, struct server_request *r) {
    if (slot_state_of(s) != SLOT_STARTING) {
        runtime_api_answer_error(
            r, 403, "InvalidStateTransition",
            "Transition from RuntimeReadyState to RuntimeInitErrorState failed");
        return;
    }
    runtime_log_error(
        s, "function_init_error", "-",
        http_header_value(&r->http.headers, SLICE("Lambda-Runtime-Function-Error-Type")),
        r->http.body);
    keep_init_error(s, r->http.body);
    runtime_api_answer_accepted(r);
    function_slot_kill(s);
}

/* ---- from the server ---- */

/* The end of what is for a call must be known at once, whatever it is: in parts. */
static unsigned on_head(void *owner, const struct http_request *head, struct server_head *out) {
    enum api_action action = read_action(head).action;
    (void)owner;
    if (action == API_RESPONSE || action == API_ERROR) {
        out->body_limit = SERVER_BODY_PARTS;
    }
    return 0;
}

static void on_request(void *owner, struct server_request *r) {
    struct function_slot *s = owner;
    struct api_request api = read_action(&r->http);
    r->owner_data = NULL;
    switch (api.action) {
    case API_NEXT:
        on_next(s, r);
        return;
    case API_RESPONSE:
    case API_ERROR:
        runtime_response_begin(s, r, api.id, api.action == API_ERROR);
        return;
    case API_INIT_ERROR:
        on_init_error(s, r);
        return;
    case API_PING:
        server_respond(r, &(struct server_answer){.status = 200,
                                                  .content_type = SLICE("text/plain"),
                                                  .body = SLICE("pong")});
        return;
    case API_NOTHING:
        runtime_api_answer_error(r, 404, "NotFound", "No such operation of the Runtime API");
        return;
    }
}

static void on_body(void *owner, struct server_request *r, struct slice part, int last) {
    (void)owner;
    runtime_response_part(r, part, last);
}

static void on_abandon(void *owner, struct server_request *r, const char *reason) {
    (void)owner;
    (void)reason;
    if (r->owner_data != NULL && r->http.method == HTTP_POST_) {
        runtime_response_abandon(r);
        return;
    }
    struct parked_next *next = r->owner_data;
    if (next != NULL) {
        list_remove(&next->node);
    }
}

static const struct server_parts_events parts_events = {.on_body = on_body};

const struct server_events runtime_api_events = {
    .parts = &parts_events,
    .on_head = on_head,
    .on_request = on_request,
    .on_abandon = on_abandon,
};
