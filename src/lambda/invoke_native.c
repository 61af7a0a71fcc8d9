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

/* {"statusCode":201,"headers":{...},"body":"...","isBase64Encoded":false}, of the format of the
 * event: what repeats is joined in 2.0, with the cookies apart, and has all its values in 1.0.
 */
static int put_response(struct buffer *out, const struct server_answer *answer,
                        unsigned format) {
    struct json_out j = {.to = out};
    struct http_header fields[HTTP_HEADERS_MAX + 1];
    struct out_pairs headers = {.headers = fields};
    bool text = text_utf8_valid(answer->body);
    if (answer->content_type.len > 0) {
        fields[headers.count++] =
            (struct http_header){SLICE("content-type"), answer->content_type};
    }
    ASSERT(answer->header_count <= HTTP_HEADERS_MAX);
    for (size_t k = 0; k < answer->header_count; k++) {
        fields[headers.count++] = answer->headers[k];
    }
    j.error = buffer_printf(out, "{\"statusCode\":%u", answer->status);
    j.comma = true;
    if (format == 1) {
        out_single_values(&j, "headers", &headers);
        out_multi_values(&j, "multiValueHeaders", &headers);
    } else {
        headers.skip = SLICE("set-cookie");
        out_joined_values(&j, "headers", &headers);
        out_skipped_values(&j, "cookies", &headers);
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
