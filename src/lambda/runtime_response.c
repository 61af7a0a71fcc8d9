/* What a process posts for a call, its response or its error, as it arrives: a streamed
 * response is read as fast as its caller takes it, never faster; anything else is kept until it
 * is whole.
 *
 * Happy path: begin -> part ... (paused while the caller is behind) -> the last part -> done,
 * 202. Failure modes: an error in the trailer -> FUNCTION_ERROR; too much -> 413; the
 * connection breaks off (a crash, most often) -> FUNCTION_BAD_RESPONSE; the call ends before
 * its response (time-out), or there never was one -> what comes is read and dropped, and
 * refused at its end. */
#include "lambda/runtime.h"

#include "base/error.h"
#include "base/hex.h"
#include "base/log.h"
#include "server/parts.h"

#include <stdio.h>

/* In the request's arena. */
struct runtime_response {
    struct function_slot *slot;
    struct function_call *call; /* NULL: it has ended, or never was */
    struct server_request *request;
    struct slice request_id; /* as the process says */
    struct slice content_type;
    bool error;         /* posted as one */
    bool streaming;     /* Lambda-Runtime-Function-Response-Mode: streaming */
    struct buffer kept; /* unless the caller takes parts */
    size_t bytes;
};

/* Whether parts go on to the caller as they come. */
static bool goes_on(const struct runtime_response *w) {
    return w->streaming && w->call->part != NULL;
}

static size_t max_bytes(const struct runtime_response *w) {
    return goes_on(w) ? w->slot->function->options.stream_max : FUNCTION_PAYLOAD_MAX;
}

bool runtime_response_detach(struct function_call *c) {
    struct runtime_response *w = c->response;
    bool in_parts = goes_on(w);
    c->response = NULL;
    w->call = NULL;
    server_resume(w->request);
    return in_parts;
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

static struct slice error_type_of(const struct runtime_response *w) {
    return http_header_value(&w->request->http.headers,
                             SLICE("Lambda-Runtime-Function-Error-Type"));
}

/* ---- refusing ---- */

static void end_call(struct runtime_response *w, enum function_outcome outcome,
                     struct slice error_type) {
    struct function_result result = {
        .outcome = outcome, .streaming = w->streaming, .error_type = error_type};
    log_event(LOG_ERROR, function_outcome_name(outcome),
              log_str("function", w->slot->function->options.name),
              log_str("request_id", w->call->request_id), log_slice("error_type", error_type));
    runtime_api_finish(w->slot, w->call, &result);
}

static void refuse_too_large(struct runtime_response *w) {
    struct server_request *r = w->request;
    char message[80];
    (void)snprintf(message, sizeof(message),
                   "Exceeded maximum allowed payload size (%zu bytes).", max_bytes(w));
    if (w->error) {
        runtime_log_error(w->slot, "function_error", w->call->request_id, error_type_of(w),
                          buffer_slice(&w->kept));
    }
    end_call(w, FUNCTION_TOO_LARGE, SLICE("Function.ResponseSizeTooLarge"));
    release(w);
    runtime_api_answer_error(r, 413, "RequestEntityTooLarge", message);
}

static void refuse_mode(struct runtime_response *w) {
    struct server_request *r = w->request;
    end_call(w, FUNCTION_BAD_RESPONSE, SLICE("Runtime.InvalidResponseModeHeader"));
    release(w);
    runtime_api_answer_error(r, 400, "InvalidFunctionResponseMode",
                             "Invalid function response mode");
}

/* ---- the beginning ---- */

/* The call it is for, and how; true: refused. */
static bool is_refused(struct runtime_response *w) {
    struct function_call *c = function_slot_find_call(w->slot, w->request_id);
    struct slice mode = http_header_value(&w->request->http.headers,
                                          SLICE("Lambda-Runtime-Function-Response-Mode"));
    if (c == NULL) {
        return false;
    }
    if (c->response != NULL) { /* one is arriving already */
        runtime_api_answer_error(w->request, 403, "InvalidStateTransition",
                                 "Transition from RuntimeInvocationResponseState to "
                                 "RuntimeInvocationResponseState failed");
        return true;
    }
    w->call = c;
    c->response = w;
    w->request->owner_data = w;
    w->streaming = !w->error && slice_eq_nocase(mode, SLICE("streaming"));
    if (!w->error && mode.len > 0 && !w->streaming) {
        refuse_mode(w);
        return true;
    }
    if (w->request->http.content_length > max_bytes(w)) {
        refuse_too_large(w);
        return true;
    }
    return false;
}

void runtime_response_begin(struct function_slot *s, struct server_request *r,
                            struct slice request_id, bool error) {
    struct runtime_response *w = arena_zalloc(&r->arena, sizeof(*w));
    if (w == NULL) {
        runtime_api_answer_error(r, 500, "InternalServerError", "Internal Server Error");
        return;
    }
    w->slot = s;
    w->request = r;
    w->request_id = request_id;
    w->error = error;
    w->content_type = http_header_value(&r->http.headers, SLICE("Content-Type"));
    if (!is_refused(w)) {
        r->owner_data = w;
    }
}

/* ---- parts ---- */

/* 0, or ERR_LIMIT. */
static int take(struct runtime_response *w, struct slice part) {
    struct function_call *c = w->call;
    if (part.len > max_bytes(w) - w->bytes) {
        return ERR_LIMIT;
    }
    w->bytes += part.len;
    if (!goes_on(w)) {
        return buffer_append_slice(&w->kept, part) == 0 ? 0 : ERR_LIMIT;
    }
    if (part.len > 0 && !c->part(c, w->content_type, part)) {
        server_pause(w->request);
    }
    return 0;
}

/* The error that a runtime met in the middle, from the trailer: its body is base64. */
static void read_trailer(struct runtime_response *w, struct function_result *result) {
    struct slice text = server_trailer(w->request, SLICE("Lambda-Runtime-Function-Error-Body"));
    unsigned char *bytes = arena_alloc(&w->request->arena, BASE64_DECODED_MAX(text.len));
    size_t len = 0;
    result->outcome = FUNCTION_ERROR;
    result->payload = SLICE_EMPTY;
    if (bytes != NULL && base64_decode(text, bytes, &len) == 0) {
        result->payload = slice_of((const char *)bytes, len);
    }
}

static void finish(struct runtime_response *w, struct slice payload) {
    struct server_request *r = w->request;
    struct function_result result = {
        .outcome = w->error ? FUNCTION_ERROR : FUNCTION_OK,
        .payload = payload,
        .content_type = w->content_type,
        .streaming = w->streaming,
    };
    if (w->error) {
        result.error_type = error_type_of(w);
    } else if (w->streaming) {
        result.error_type = server_trailer(r, SLICE("Lambda-Runtime-Function-Error-Type"));
    }
    if (result.error_type.len > 0 && w->streaming) {
        read_trailer(w, &result);
    }
    if (result.outcome == FUNCTION_ERROR) {
        runtime_log_error(w->slot, "function_error", w->call->request_id, result.error_type,
                          result.payload);
    }
    runtime_api_finish(w->slot, w->call, &result);
    release(w);
    runtime_api_answer_accepted(r);
}

/* Most come in one part, which need not be kept. */
static bool is_all(const struct runtime_response *w, struct slice part, int last) {
    return last && w->bytes == 0 && part.len <= FUNCTION_PAYLOAD_MAX && !goes_on(w);
}

void runtime_response_part(struct server_request *r, struct slice part, int last) {
    struct runtime_response *w = r->owner_data;
    if (w->call == NULL && last) {
        release(w);
        runtime_api_answer_wrong_id(w->slot, r, w->request_id);
    } else if (w->call == NULL) {
        return;
    } else if (is_all(w, part, last)) {
        finish(w, part);
    } else if (take(w, part) != 0) {
        refuse_too_large(w);
    } else if (last) {
        finish(w, buffer_slice(&w->kept));
    }
}

void runtime_response_abandon(struct server_request *r) {
    struct runtime_response *w = r->owner_data;
    if (w->call != NULL) {
        end_call(w, FUNCTION_BAD_RESPONSE, SLICE("Runtime.TruncatedHTTPRequest"));
    }
    release(w);
}
