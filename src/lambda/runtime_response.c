/* A streamed response of a process: read as fast as its caller takes it, never faster.
 *
 * Happy path: begin -> part ... (paused while the caller is behind) -> the last part -> done,
 * 202. Failure modes: an error in the trailer -> FUNCTION_ERROR; too much -> 413; the
 * connection breaks off (a crash, most often) -> FUNCTION_BAD_RESPONSE; the call ends before
 * its response (time-out) -> the rest is read and dropped, and refused at its end. */
#include "lambda/runtime.h"

#include "base/error.h"
#include "base/hex.h"
#include "base/log.h"
#include "server/parts.h"

/* In the request's arena. */
struct runtime_response {
    struct function_slot *slot;
    struct function_call *call; /* NULL: it has ended */
    struct server_request *request;
    struct slice content_type;
    struct buffer kept; /* where the caller takes no parts */
    size_t bytes;
};

void runtime_response_begin(struct function_slot *s, struct function_call *c,
                            struct server_request *r) {
    struct runtime_response *w = arena_zalloc(&r->arena, sizeof(*w));
    if (w == NULL) {
        runtime_api_answer_error(r, 500, "InternalServerError", "Internal Server Error");
        return;
    }
    w->slot = s;
    w->call = c;
    w->request = r;
    w->content_type = http_header_value(&r->http.headers, SLICE("Content-Type"));
    c->response = w;
    r->owner_data = w;
}

void runtime_response_detach(struct function_call *c) {
    struct runtime_response *w = c->response;
    c->response = NULL;
    w->call = NULL;
    server_resume(w->request);
}

void function_call_resume(struct function_call *c) {
    if (c->response != NULL) {
        server_resume(c->response->request);
    }
}

static void release(struct runtime_response *w) {
    buffer_fini(&w->kept);
    w->request->owner_data = NULL;
}

static void refuse_too_large(struct runtime_response *w) {
    struct function_result result = {.outcome = FUNCTION_TOO_LARGE,
                                     .streaming = true,
                                     .error_type = SLICE("Function.ResponseSizeTooLarge")};
    struct server_request *r = w->request;
    runtime_api_finish(w->slot, w->call, &result);
    release(w);
    runtime_api_answer_error(r, 413, "RequestEntityTooLarge",
                             "Exceeded maximum allowed payload size.");
}

/* 0, or ERR_LIMIT. */
static int take(struct runtime_response *w, struct slice part) {
    struct function_call *c = w->call;
    size_t max = c->part ? w->slot->function->options.stream_max : FUNCTION_PAYLOAD_MAX;
    if (part.len > max - w->bytes) {
        return ERR_LIMIT;
    }
    w->bytes += part.len;
    if (c->part == NULL) {
        return buffer_append_slice(&w->kept, part) == 0 ? 0 : ERR_LIMIT;
    }
    if (part.len > 0 && !c->part(c, w->content_type, part)) {
        server_pause(w->request);
    }
    return 0;
}

/* The error that a runtime met in the middle, from the trailer: its body is base64. */
static void read_error(struct runtime_response *w, struct function_result *result) {
    struct slice text = server_trailer(w->request, SLICE("Lambda-Runtime-Function-Error-Body"));
    unsigned char *bytes = arena_alloc(&w->request->arena, BASE64_DECODED_MAX(text.len));
    size_t len = 0;
    result->outcome = FUNCTION_ERROR;
    result->payload = SLICE_EMPTY;
    if (bytes != NULL && base64_decode(text, bytes, &len) == 0) {
        result->payload = slice_of((const char *)bytes, len);
    }
    log_event(LOG_ERROR, "function_error", log_str("function", w->slot->function->options.name),
              log_str("request_id", w->call->request_id),
              log_slice("error_type", result->error_type),
              log_slice("error", slice_of(result->payload.ptr, len < 2048 ? len : 2048)));
}

static void finish(struct runtime_response *w) {
    struct server_request *r = w->request;
    struct function_result result = {
        .outcome = FUNCTION_OK,
        .payload = buffer_slice(&w->kept),
        .content_type = w->content_type,
        .error_type = server_trailer(r, SLICE("Lambda-Runtime-Function-Error-Type")),
        .streaming = true,
    };
    if (result.error_type.len > 0) {
        read_error(w, &result);
    }
    runtime_api_finish(w->slot, w->call, &result);
    release(w);
    runtime_api_answer_accepted(r);
}

void runtime_response_part(struct server_request *r, struct slice part, int last) {
    struct runtime_response *w = r->owner_data;
    if (w->call != NULL && take(w, part) != 0) {
        refuse_too_large(w);
    } else if (last && w->call != NULL) {
        finish(w);
    } else if (last) {
        release(w);
        runtime_api_answer_wrong_id(w->slot, r, slice_cstr(w->slot->last_request_id));
    }
}

void runtime_response_abandon(struct server_request *r) {
    struct runtime_response *w = r->owner_data;
    if (w->call != NULL) {
        struct function_result result = {.outcome = FUNCTION_BAD_RESPONSE,
                                         .streaming = true,
                                         .error_type = SLICE("Runtime.TruncatedHTTPRequest")};
        runtime_api_finish(w->slot, w->call, &result);
    }
    release(w);
}
