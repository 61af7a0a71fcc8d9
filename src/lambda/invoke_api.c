/* Happy path: POST -> the function is found by name -> invoke_now or invoke_event -> its
 * answer, as Lambda words it. Failure modes: refusals have Lambda's error names; a caller that
 * leaves does not stop its call; at the end events that are not done are dropped, and logged.
 *
 * Statuses, headers and error names: facts, aws 2.2 (AWS Lambda API Reference, Invoke). */
#include "lambda/invoke_impl.h"

#include "base/error.h"
#include "http/url.h"
#include "model/json_tree.h"
#include "server/parts.h"

#include <stdio.h>
#include <stdlib.h>

#define FUNCTIONS         "/2015-03-31/functions/"
#define STREAMED          "/2021-11-15/functions/"
#define PAYLOAD_MAX       6291456 /* of a request; its response may be FUNCTION_PAYLOAD_MAX */
#define EVENT_PAYLOAD_MAX 1048576
#define BODY_MAX          (8u << 20) /* what is read, to be refused in the API's own words */
#define QUERY_MAX         8

enum invoke_type { INVOKE_REQUEST_RESPONSE, INVOKE_EVENT, INVOKE_DRY_RUN, INVOKE_INVALID };

static enum invoke_type read_type(const struct server_request *r) {
    struct slice type = http_header_value(&r->http.headers, SLICE("X-Amz-Invocation-Type"));
    if (type.len == 0 || slice_eq(type, SLICE("RequestResponse"))) {
        return INVOKE_REQUEST_RESPONSE;
    }
    return slice_eq(type, SLICE("Event"))    ? INVOKE_EVENT
           : slice_eq(type, SLICE("DryRun")) ? INVOKE_DRY_RUN
                                             : INVOKE_INVALID;
}

/* What a path asks for. */
struct wanted {
    struct slice name; /* NAME, ACCOUNT:function:NAME or the whole ARN, without qualifier */
    struct slice qualifier; /* of the name or the query; empty = none */
    bool streams;
};

/* NAME, NAME:QUALIFIER, ACCOUNT:function:NAME or the whole ARN. */
static void split_name(struct slice name, struct wanted *w) {
    for (struct slice rest = name, next; rest.len > 0; rest = next) {
        struct slice part = slice_split(rest, ':', &next);
        if (part.ptr != name.ptr && slice_eq(part, SLICE("function"))) {
            name = next;
            break;
        }
    }
    w->name = slice_split(name, ':', &w->qualifier);
}

static void read_qualifier(struct server_request *r, struct slice query, struct wanted *w) {
    struct url_pair pairs[QUERY_MAX];
    size_t count = 0;
    if (url_parse_query(&r->arena, query, pairs, QUERY_MAX, &count) == 0) {
        for (size_t k = 0; k < count; k++) {
            if (slice_eq(pairs[k].name, SLICE("Qualifier"))) {
                w->qualifier = pairs[k].value;
            }
        }
    }
}

/* 0, or ERR_NOT_FOUND: no such operation. */
static int read_wanted(struct server_request *r, struct wanted *w) {
    struct slice prefix = SLICE(FUNCTIONS);
    struct slice suffix = SLICE("/invocations");
    struct url_target target;
    struct slice name;
    *w = (struct wanted){0};
    if (url_split_target(r->http.target, &target) != 0) {
        return ERR_NOT_FOUND;
    }
    w->streams = slice_starts_with(target.path, SLICE(STREAMED));
    if (w->streams) {
        prefix = SLICE(STREAMED);
        suffix = SLICE("/response-streaming-invocations");
    }
    struct slice path = slice_from(target.path, prefix.len);
    if (!slice_starts_with(target.path, prefix) || path.len <= suffix.len ||
        !slice_eq(slice_from(path, path.len - suffix.len), suffix) ||
        url_decode(&r->arena, slice_of(path.ptr, path.len - suffix.len), &name) != 0) {
        return ERR_NOT_FOUND;
    }
    split_name(name, w);
    read_qualifier(r, target.query, w);
    return 0;
}

/* The only version is $LATEST. */
static const struct invoke_function *find_target(const struct invoke_api *a,
                                                 const struct wanted *w) {
    if (w->qualifier.len > 0 && !slice_eq(w->qualifier, SLICE("$LATEST"))) {
        return NULL;
    }
    for (size_t i = 0; i < a->options.function_count; i++) {
        if (slice_eq(w->name, slice_cstr(a->options.functions[i].name))) {
            return &a->options.functions[i];
        }
    }
    return NULL;
}

static void refuse_unknown(const struct invoke_api *a, struct server_request *r,
                           const struct wanted *w) {
    char text[512];
    (void)snprintf(text, sizeof text,
                   "Function not found: arn:aws:lambda:%.64s:000000000000:function:%.*s%s%.*s",
                   a->options.region, (int)(w->name.len < 140 ? w->name.len : 140), w->name.ptr,
                   w->qualifier.len > 0 ? ":" : "",
                   (int)(w->qualifier.len < 140 ? w->qualifier.len : 140),
                   w->qualifier.len > 0 ? w->qualifier.ptr : "");
    invoke_refuse(r, 404, "ResourceNotFoundException", text);
}

/* Without the white space between its tokens, so that it is one line. */
static size_t compact_json(char *text, size_t len) {
    bool inside = false; /* of a string */
    size_t kept = 0;
    for (size_t k = 0; k < len; k++) {
        if (inside && text[k] == '\\') {
            text[kept++] = text[k++];
        } else if (text[k] == '"') {
            inside = !inside;
        } else if (!inside && strchr(" \t\r\n", text[k]) != NULL) {
            continue;
        }
        text[kept++] = text[k];
    }
    return kept;
}

/* X-Amz-Client-Context as one line of JSON, in the request's arena. 0, ERR_INVALID, ERR_NOMEM.
 */
static int read_context(struct server_request *r, struct slice *out) {
    struct slice text = http_header_value(&r->http.headers, SLICE("X-Amz-Client-Context"));
    size_t len;
    *out = SLICE_EMPTY;
    if (text.len == 0) {
        return 0;
    }
    char *bytes = arena_alloc(&r->arena, BASE64_DECODED_MAX(text.len));
    if (bytes == NULL) {
        return ERR_NOMEM;
    }
    if (text.len > INVOKE_CONTEXT_MAX ||
        base64_decode(text, (unsigned char *)bytes, &len) != 0 ||
        json_tree_check(slice_of(bytes, len)) != 0) {
        return ERR_INVALID;
    }
    *out = slice_of(bytes, compact_json(bytes, len));
    return out->ptr[0] == '{' ? 0 : ERR_INVALID;
}

static void dispatch(struct invoke_api *a, struct server_request *r,
                     const struct invoke_function *target, enum invoke_type type,
                     bool streams) {
    size_t limit = type == INVOKE_EVENT ? EVENT_PAYLOAD_MAX : PAYLOAD_MAX;
    char text[128];
    struct slice context;
    int error;
    if (r->http.body.len > limit) {
        (void)snprintf(
            text, sizeof text,
            "Request must be smaller than %zu bytes for the InvokeFunction operation", limit);
        invoke_refuse(r, 413, "RequestTooLargeException", text);
    } else if (r->http.body.len > 0 && json_tree_check(r->http.body) != 0) {
        invoke_refuse(r, 400, "InvalidRequestContentException",
                      "Could not parse request body into json");
    } else if ((error = read_context(r, &context)) == ERR_NOMEM) {
        invoke_refuse(r, 500, "ServiceException", "Service exception");
    } else if (error != 0) {
        invoke_refuse(r, 400, "InvalidRequestContentException",
                      "Client context must be a valid Base64-encoded JSON object.");
    } else if (type == INVOKE_DRY_RUN) {
        server_respond(r, &(struct server_answer){.status = 204});
    } else if (type == INVOKE_EVENT) {
        invoke_event(a, r, target, context);
    } else {
        invoke_now(a, r, target, context, streams);
    }
}

static void on_request(void *owner, struct server_request *r) {
    struct invoke_api *a = owner;
    struct wanted wanted;
    enum invoke_type type = read_type(r);
    r->owner_data = NULL;
    if (read_wanted(r, &wanted) != 0) {
        invoke_refuse(r, 404, "UnknownOperationException",
                      "No such operation of the Invoke API");
        return;
    }
    const struct invoke_function *target = find_target(a, &wanted);
    if (r->http.method != HTTP_POST_) {
        invoke_refuse(r, 405, "UnknownOperationException", "Method Not Allowed");
    } else if (type == INVOKE_INVALID || (wanted.streams && type == INVOKE_EVENT)) {
        invoke_refuse(r, 400, "InvalidParameterValueException",
                      wanted.streams
                          ? "X-Amz-Invocation-Type: expected RequestResponse or DryRun"
                          : "X-Amz-Invocation-Type: expected RequestResponse, Event or DryRun");
    } else if (target == NULL) {
        refuse_unknown(a, r, &wanted);
    } else {
        dispatch(a, r, target, type, wanted.streams);
    }
}

static void on_abandon(void *owner, struct server_request *r, const char *reason) {
    struct invoke_call *ic = r->owner_data;
    (void)owner;
    (void)reason;
    if (ic) {
        ic->request = NULL;
        function_call_resume(&ic->call); /* nobody waits for what comes */
    }
}

static void on_room(void *owner, struct server_request *r) {
    struct invoke_call *ic = r->owner_data;
    (void)owner;
    function_call_resume(&ic->call);
}

/* Where the server refuses a body, the SDKs look for the name of an error. */
static size_t on_fields(void *owner, const struct server_request *r,
                        const struct server_answer *answer,
                        struct http_header out[SERVER_FIELDS_MAX]) {
    (void)owner;
    (void)r;
    if (answer->status != 413 || answer->header_count > 0) {
        return SERVER_FIELDS_SAME;
    }
    out[0] = (struct http_header){SLICE("X-Amzn-ErrorType"), SLICE("RequestTooLargeException")};
    return 1;
}

static const struct server_parts_events invoke_parts_events = {.on_room = on_room};

static const struct server_events invoke_events = {
    .parts = &invoke_parts_events,
    .on_request = on_request,
    .on_abandon = on_abandon,
    .on_fields = on_fields,
};

/* ---- the API itself ---- */

struct invoke_api *invoke_api_new(struct loop *l, struct stream_hub *hub, int fd,
                                  const struct invoke_options *options) {
    struct invoke_api *a;
    struct server_options server = server_options_default;
    NEED_MEMORY((a = calloc(1, sizeof *a)) != NULL);
    a->loop = l;
    a->options = *options;
    a->options.region = options->region ? options->region : "us-east-1";
    list_init(&a->calls);
    deadline_queue_init(&a->retries, l,
                        options->retry_ms ? options->retry_ms : INVOKE_EVENT_RETRY_MS,
                        invoke_on_retry, a);
    server.connections = 1024;
    server.http.body_bytes = BODY_MAX;
    server.linger_bytes = FUNCTION_LINGER_BYTES;
    server.linger_ms = FUNCTION_LINGER_MS;
    NEED_MEMORY((a->server = server_new(l, hub, &server, &invoke_events, a)) != NULL);
    int error = server_listen(a->server, fd, NULL);
    NEED_MEMORY(error == 0); /* a listening descriptor can always be watched */
    return a;
}

void invoke_api_set_functions(struct invoke_api *a, const struct invoke_function *functions,
                              size_t count, struct lambda *lambda) {
    a->options.functions = functions;
    a->options.function_count = count;
    a->options.lambda = lambda;
    LIST_FOR_EACH_SAFE (node, follow, &a->calls) {
        struct invoke_call *ic = container_of(node, struct invoke_call, node);
        if (list_linked(&ic->retry.node) && !invoke_retarget(ic)) {
            invoke_drop_event(ic, "function_gone");
        }
    }
}

int invoke_api_uses(const struct invoke_api *a, const struct invoke_function *functions,
                    size_t count) {
    LIST_FOR_EACH (node, &a->calls) {
        const struct invoke_call *ic = container_of(node, struct invoke_call, node);
        if (ic->target >= functions && ic->target < functions + count) {
            return 1;
        }
    }
    return 0;
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
        invoke_drop_event(container_of(d, struct invoke_call, retry), "closing");
    }
    deadline_queue_close(&a->retries, on_retries_closed);
    server_close(a->server, on_server_closed, a);
}

void invoke_api_free(struct invoke_api *a) {
    ASSERT(list_empty(&a->calls));
    server_free(a->server);
    buffer_fini(&a->scratch);
    free(a);
}
