/* A handler in C, invoked by name: the event becomes a request that no connection has, and what
 * the handler answers becomes the function's output, payload format 2.0. */
#include "lambda/invoke_impl.h"

#include "base/error.h"
#include "lambda/impl.h"
#include "lambda/text.h"

#include <stdlib.h>

#define REQUEST_BYTES 67108864 /* of the event read: copies of its parts */

struct native_request {
    struct server_request request;
    struct lambda_event event;
    struct invoke_call *call;
};

static int put_body(struct buffer *out, struct slice body) {
    bool text = text_utf8_valid(body);
    int error = buffer_append_slice(out, SLICE(",\"body\":"));
    if (text) {
        error = error ? error : text_json_string(out, body);
    } else {
        error = error ? error : buffer_reserve(out, BASE64_ENCODED_LEN(body.len) + 2);
        if (error == 0) {
            char *at = buffer_tail(out);
            at[0] = '"';
            size_t len = base64_encode((const unsigned char *)body.ptr, body.len, at + 1);
            at[len + 1] = '"';
            buffer_grow(out, len + 2);
        }
    }
    return error ? error
                 : buffer_append_slice(out, text ? SLICE(",\"isBase64Encoded\":false}")
                                                 : SLICE(",\"isBase64Encoded\":true}"));
}

static int put_header(struct buffer *out, bool first, struct slice name, struct slice value) {
    int error = first ? 0 : buffer_append_slice(out, SLICE(","));
    error = error ? error : text_json_string(out, name);
    error = error ? error : buffer_append_slice(out, SLICE(":"));
    return error ? error : text_json_string(out, value);
}

/* {"statusCode":201,"headers":{...},"body":"...","isBase64Encoded":false} */
static int put_response(struct buffer *out, const struct server_answer *answer) {
    bool typed = answer->content_type.len > 0;
    int error = buffer_printf(out, "{\"statusCode\":%u,\"headers\":{", answer->status);
    if (typed) {
        error =
            error ? error : put_header(out, true, SLICE("content-type"), answer->content_type);
    }
    for (size_t k = 0; k < answer->header_count; k++) {
        error = error ? error
                      : put_header(out, k == 0 && !typed, answer->headers[k].name,
                                   answer->headers[k].value);
    }
    error = error ? error : buffer_append_slice(out, SLICE("}"));
    return error ? error : put_body(out, answer->body);
}

/* As the end of a request: its memory is gone afterwards. */
static void on_answer(struct server_request *r, const struct server_answer *answer) {
    struct native_request *n = container_of(r, struct native_request, request);
    struct invoke_call *ic = n->call;
    struct buffer out = {0};
    struct function_result result = {.outcome = FUNCTION_OK};
    bool late = answer->status == 504 && answer->reason != NULL &&
                strcmp(answer->reason, "deadline") == 0;
    int error = put_response(&out, answer);
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
    arena_init(&n->request.arena, NULL, 0, REQUEST_BYTES);
    memcpy(n->request.request_id, ic->request_id, sizeof ic->request_id);
    if (event_read(ic->call.payload, &n->request, &n->event) != 0) {
        arena_reset(&n->request.arena);
        free(n);
        return ERR_INVALID;
    }
    ic->call.given_ns = loop_now_ns(ic->api->loop);
    lambda_invoke(lambda, handler, &n->request, &n->event);
    return 0;
}
