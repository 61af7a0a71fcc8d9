/* Answers of the Invoke API, in Lambda's words (facts: aws 2.2; AWS Lambda API Reference,
 * Invoke and InvokeWithResponseStream): a failed function is 200 with X-Amz-Function-Error, or
 * an InvokeComplete with an ErrorCode. */
#include "lambda/invoke_impl.h"

#include "lambda/text.h"
#include "server/parts.h"

#include <stdio.h>
#include <stdlib.h>

#define TAIL_BYTES   4096 /* of X-Amz-Log-Result, before base64 */
#define SCRATCH_KEEP 131072

void invoke_refuse(struct server_request *r, unsigned status, const char *type,
                   const char *message) {
    struct buffer body = {0};
    const struct http_header header = {SLICE("X-Amzn-ErrorType"), slice_cstr(type)};
    /* Both spellings: the API's services differ, and so do the SDKs. */
    int error = buffer_append_slice(&body, SLICE("{\"Type\":\"User\",\"Message\":"));
    error = error ? error : text_json_string(&body, slice_cstr(message));
    error = error ? error : buffer_append_slice(&body, SLICE(",\"message\":"));
    error = error ? error : text_json_string(&body, slice_cstr(message));
    error = error ? error : buffer_append_slice(&body, SLICE("}"));
    server_respond(r, &(struct server_answer){.status = error ? 503 : status,
                                              .content_type = SLICE("application/json"),
                                              .headers = &header,
                                              .header_count = 1,
                                              .body = error ? SLICE_EMPTY : buffer_slice(&body),
                                              .reason = type});
    buffer_fini(&body);
}

void invoke_refuse_throttled(struct server_request *r) {
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
static const char *failure_words(enum function_outcome outcome) {
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

static uint64_t timeout_ms(const struct invoke_function *target) {
    if (target->handler == NULL) {
        return function_timeout_ms(target->function);
    }
    return target->handler->timeout_ms ? target->handler->timeout_ms : LAMBDA_TIMEOUT_MS;
}

/* "Task timed out after 3.00 seconds", "Runtime exited with error: exit status 1"; NULL where
 * the function has its own words. */
static const char *failure_text(const struct invoke_call *ic, const struct function_result *r,
                                char text[192]) {
    const char *words = r->error_text ? r->error_text : failure_words(r->outcome);
    if (words == NULL || (r->outcome == FUNCTION_INIT_FAILED && r->payload.len > 0)) {
        return NULL;
    }
    if (r->outcome == FUNCTION_TIMEOUT) {
        (void)snprintf(text, 192, "Task timed out after %.2f seconds",
                       (double)timeout_ms(ic->target) / 1000);
        return text;
    }
    return words;
}

/* START, what was printed, how it failed, END and REPORT: of this the last 4 KB, in base64.
 * NULL: no memory. */
static char *encode_tail(struct invoke_call *ic, const struct function_result *r) {
    struct buffer all = {0};
    char words[192];
    const char *failure = failure_text(ic, r, words);
    double ms = (double)r->duration_ns / 1e6;
    int error = buffer_printf(&all, "START RequestId: %s Version: $LATEST\n", ic->request_id);
    error = error ? error : buffer_append_slice(&all, buffer_slice(&ic->log));
    if (failure != NULL) {
        error = error ? error
                      : buffer_printf(&all, "RequestId: %s Error: %s\n" SLICE_FMT "\n",
                                      ic->request_id, failure, SLICE_ARG(r->error_type));
    }
    error = error ? error
                  : buffer_printf(&all, "END RequestId: %s\nREPORT RequestId: %s\t",
                                  ic->request_id, ic->request_id);
    error = error       ? error
            : r->report ? buffer_printf(&all, "%s\n", r->report)
                        : buffer_printf(&all, "Duration: %.2f ms\tBilled Duration: %.0f ms\n",
                                        ms, ms + 0.5);
    struct slice tail = buffer_slice(&all);
    if (tail.len > TAIL_BYTES) {
        tail = slice_from(tail, tail.len - TAIL_BYTES);
    }
    char *text = error ? NULL : calloc(1, BASE64_ENCODED_LEN(TAIL_BYTES) + 1);
    if (text == NULL) {
        buffer_fini(&all);
        return NULL;
    }
    (void)base64_encode((const unsigned char *)tail.ptr, tail.len, text);
    buffer_fini(&all);
    return text;
}

/* ---- whole ---- */

/* What stands where the function's answer would: its own error, or ours, made in `made`. */
static struct slice failure_body(struct invoke_call *ic, const struct function_result *r,
                                 struct buffer *made) {
    char words[192];
    const char *failure = failure_text(ic, r, words);
    if (failure == NULL) {
        return r->payload;
    }
    int error = buffer_printf(
        made, "{\"errorType\":\"" SLICE_FMT "\",\"errorMessage\":\"RequestId: %s Error: ",
        SLICE_ARG(r->error_type), ic->request_id);
    error = error ? error : text_json_escape(made, slice_cstr(failure));
    error = error ? error : buffer_append_slice(made, SLICE("\"}"));
    return error ? SLICE("{\"errorType\":\"Runtime.OutOfMemory\"}") : buffer_slice(made);
}

static void answer_whole(struct invoke_call *ic, const struct function_result *r) {
    struct http_header headers[3] = {{SLICE("X-Amz-Executed-Version"), SLICE("$LATEST")}};
    size_t count = 1;
    struct buffer body = {0};
    char *tail = ic->call.log ? encode_tail(ic, r) : NULL;
    if (r->outcome != FUNCTION_OK) {
        headers[count++] =
            (struct http_header){SLICE("X-Amz-Function-Error"), SLICE("Unhandled")};
    }
    if (tail) {
        headers[count++] = (struct http_header){SLICE("X-Amz-Log-Result"), slice_cstr(tail)};
    }
    server_respond(ic->request,
                   &(struct server_answer){.status = 200,
                                           .content_type = SLICE("application/json"),
                                           .headers = headers,
                                           .header_count = count,
                                           .body = failure_body(ic, r, &body)});
    buffer_fini(&body);
    free(tail);
}

/* ---- in parts ---- */

static bool write_message(struct invoke_call *ic, struct slice type, struct slice content_type,
                          struct slice payload) {
    struct invoke_api *a = ic->api;
    buffer_reset(&a->scratch, SCRATCH_KEEP);
    int error = event_stream_append(&a->scratch, a->options.crc, type, content_type, payload);
    ic->broken |= error != 0;
    return ic->broken || server_write(ic->request, buffer_slice(&a->scratch));
}

static void begin(struct invoke_call *ic) {
    static const struct http_header version = {{"X-Amz-Executed-Version", 22}, {"$LATEST", 7}};
    if (!ic->begun) {
        ic->begun = true;
        int error = server_begin(
            ic->request,
            &(struct server_answer){.status = 200,
                                    .content_type = SLICE("application/vnd.amazon.eventstream"),
                                    .headers = &version,
                                    .header_count = 1});
        ASSERT(error == 0);
    }
}

bool invoke_answer_part(struct invoke_call *ic, struct slice bytes) {
    begin(ic);
    return write_message(ic, SLICE("PayloadChunk"), SLICE("application/octet-stream"), bytes);
}

/* {"ErrorCode":...,"ErrorDetails":...,"LogResult":...}: those that there are. Without memory
 * for them the answer breaks off. */
static void answer_end(struct invoke_call *ic, const struct function_result *r) {
    struct buffer body = {0};
    struct buffer failure = {0};
    char *tail = ic->call.log ? encode_tail(ic, r) : NULL;
    begin(ic);
    if (r->outcome == FUNCTION_OK && r->payload.len > 0) {
        (void)invoke_answer_part(ic, r->payload);
    }
    int error = buffer_append_slice(&body, SLICE("{"));
    if (r->outcome != FUNCTION_OK) {
        error = error ? error
                      : buffer_append_slice(
                            &body, SLICE("\"ErrorCode\":\"Unhandled\",\"ErrorDetails\":"));
        error = error ? error : text_json_string(&body, failure_body(ic, r, &failure));
    }
    if (tail) {
        error = error ? error
                      : buffer_printf(&body, "%s\"LogResult\":\"%s\"",
                                      r->outcome != FUNCTION_OK ? "," : "", tail);
    }
    error = error ? error : buffer_append_slice(&body, SLICE("}"));
    ic->broken |= error != 0;
    (void)write_message(ic, SLICE("InvokeComplete"), SLICE("application/json"),
                        buffer_slice(&body));
    if (ic->broken) {
        server_abort(ic->request, "no_memory");
    } else {
        server_end(ic->request);
    }
    buffer_fini(&body);
    buffer_fini(&failure);
    free(tail);
}

void invoke_answer(struct invoke_call *ic, const struct function_result *r) {
    if (ic->streams) {
        answer_end(ic, r);
    } else {
        answer_whole(ic, r);
    }
}
