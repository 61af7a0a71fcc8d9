/* A handler in C, invoked by name: the event becomes a request that no connection has, and what
 * the handler answers becomes the function's output, in the payload format of the event, or
 * 2.0. */
#include "lambda/invoke_impl.h"

#include "base/error.h"
#include "lambda/event_read.h"
#include "lambda/impl.h"
#include "lambda/json_out.h"
#include "lambda/text.h"

#include <stdlib.h>

#define REQUEST_BYTES 67108864 /* of the event read: copies of its parts */

struct native_request {
    struct server_request request;
    struct lambda_event event;
    struct invoke_call *call;
    unsigned format; /* of the event's payload; 0: it is none of API Gateway */
};

struct fields {
    struct http_header items[HTTP_HEADERS_MAX + 1];
    size_t count;
};

static void list_fields(const struct server_answer *answer, struct fields *all) {
    ASSERT(answer->header_count <= HTTP_HEADERS_MAX);
    all->count = 0;
    if (answer->content_type.len > 0) {
        all->items[all->count++] =
            (struct http_header){SLICE("content-type"), answer->content_type};
    }
    for (size_t k = 0; k < answer->header_count; k++) {
        all->items[all->count++] = answer->headers[k];
    }
}

/* Whether it needs a list: cookies, and what is there twice. */
static bool is_multiple(const struct fields *all, size_t k) {
    for (size_t other = 0; other < all->count; other++) {
        if (other != k && slice_eq_nocase(all->items[other].name, all->items[k].name)) {
            return true;
        }
    }
    return slice_eq_nocase(all->items[k].name, SLICE("set-cookie"));
}

static void put_headers_1(struct json_out *j, const struct fields *all) {
    struct fields single = {.count = 0};
    struct fields multiple = {.count = 0};
    for (size_t k = 0; k < all->count; k++) {
        struct fields *to = is_multiple(all, k) ? &multiple : &single;
        to->items[to->count++] = all->items[k];
    }
    struct out_pairs pairs = {.headers = single.items, .count = single.count};
    out_joined_values(j, "headers", &pairs);
    if (multiple.count > 0) {
        pairs = (struct out_pairs){.headers = multiple.items, .count = multiple.count};
        out_multi_values(j, "multiValueHeaders", &pairs);
    }
}

static void put_headers_2(struct json_out *j, const struct fields *all) {
    const struct out_pairs pairs = {
        .headers = all->items, .count = all->count, .skip = SLICE("set-cookie")};
    out_joined_values(j, "headers", &pairs);
    out_skipped_values(j, "cookies", &pairs);
}

/* {"statusCode":201,"headers":{...},"body":"...","isBase64Encoded":false} */
static int put_response(struct buffer *out, const struct server_answer *answer,
                        unsigned format) {
    struct json_out j = {.to = out};
    struct fields all;
    bool text = text_utf8_valid(answer->body);
    list_fields(answer, &all);
    j.error = buffer_printf(out, "{\"statusCode\":%u", answer->status);
    j.comma = true;
    if (format == 1) {
        put_headers_1(&j, &all);
    } else {
        put_headers_2(&j, &all);
    }
    out_name(&j, SLICE("body"));
    if (text) {
        out_string(&j, answer->body);
    } else {
        out_base64(&j, answer->body);
    }
    out_member_raw(&j, "isBase64Encoded", text ? SLICE("false") : SLICE("true"));
    out_end(&j, SLICE("}"));
    return j.error;
}

/* As the end of a request: its memory is gone afterwards. */
static void on_answer(struct server_request *r, const struct server_answer *answer) {
    struct native_request *n = container_of(r, struct native_request, request);
    struct invoke_call *ic = n->call;
    struct buffer out = {0};
    struct function_result result = {.outcome = FUNCTION_OK};
    bool late = answer->status == 504 && answer->reason != NULL &&
                strcmp(answer->reason, "deadline") == 0;
    int error = put_response(&out, answer, n->format);
    ASSERT(error == 0);
    result.payload = buffer_slice(&out);
    if (late) {
        result.outcome = FUNCTION_TIMEOUT;
        result.error_type = SLICE("Sandbox.Timedout");
    }
    result.duration_ns = loop_now_ns(ic->api->loop) - ic->call.given_ns;
    arena_reset(&r->arena);
    free(n);
    ic->call.done(&ic->call, &result);
    buffer_fini(&out);
}

int invoke_native(struct invoke_call *ic) {
    const struct lambda_handler *handler = ic->target->handler;
    struct lambda *lambda = ic->api->options.lambda;
    if (lambda_busy(lambda, handler)) {
        return ERR_BUSY;
    }
    struct native_request *n;
    NEED_MEMORY((n = calloc(1, sizeof *n)) != NULL);
    n->call = ic;
    n->event.on_answer = on_answer;
    n->event.log = ic->call.log;
    arena_init(&n->request.arena, NULL, 0, REQUEST_BYTES);
    memcpy(n->request.request_id, ic->request_id, sizeof ic->request_id);
    const char *wrong = event_read(ic->call.payload, &n->request, &n->event, &n->format);
    if (wrong != NULL) {
        arena_reset(&n->request.arena);
        free(n);
        ic->call.done(&ic->call,
                      &(struct function_result){.outcome = FUNCTION_ERROR,
                                                .error_type = SLICE("Runtime.UnmarshalError"),
                                                .error_text = wrong});
        return 0;
    }
    ic->call.given_ns = loop_now_ns(ic->api->loop);
    lambda_invoke(lambda, handler, &n->request, &n->event);
    return 0;
}
