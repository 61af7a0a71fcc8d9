/* Answers: what a handler gave, checked, or what became of its op (DESIGN 3.4), in API
 * Gateway's words. */
#include "lambda/respond.h"

#include "base/log.h"
#include "http/writer.h"
#include "lambda/text.h"

#include <stdio.h>

#define JSON SLICE("application/json")

static const struct http_header outcome_unknown = {{"x-penstock-outcome", 18}, {"unknown", 7}};

/* {"message":"..."} in the worker's scratch buffer: valid until the next such call. */
static struct slice message_body(struct lambda *l, struct slice message) {
    struct buffer *b = &l->scratch;
    buffer_reset(b, LAMBDA_SCRATCH_KEEP);
    if (buffer_append_slice(b, SLICE("{\"message\":")) != 0 ||
        text_json_string(b, message) != 0 || buffer_append_slice(b, SLICE("}")) != 0) {
        return server_error_body(500);
    }
    return buffer_slice(b);
}

static void retry_after_header(uint64_t ms, char text[24], struct http_header *out) {
    uint64_t seconds = ms / 1000 + (ms % 1000 != 0);
    snprintf(text, 24, "%llu", (unsigned long long)(seconds ? seconds : 1));
    *out = (struct http_header){SLICE("Retry-After"), slice_cstr(text)};
}

void respond_for_handler(struct penstock_invocation *i, unsigned status, const char *reason) {
    bool unknown = i->written || i->writes > 0;
    invocation_answer(
        i, &(struct server_answer){
               .status = status,
               .content_type = JSON,
               .headers = &outcome_unknown,
               .header_count = unknown ? 1 : 0,
               .body = message_body(i->lambda,
                                    slice_cstr(status == 504 ? "Endpoint request timed out"
                                                             : "Internal server error")),
               .reason = reason,
           });
}

void respond_refuse(struct penstock_invocation *i, const char *reason) {
    i->lambda->counts.bad_answers++;
    log_event(LOG_WARN, "handler_bad_answer", log_str("request_id", i->request_id),
              log_str("function", i->handler->name), log_str("reason", reason));
    respond_for_handler(i, 502, reason);
}

/* ---- penstock_respond ---- */

/* Fields that are the connection's or ours: a handler's are left out. */
static bool reserved_field(struct slice name) {
    static const struct slice reserved[] = {
        {"connection", 10},
        {"content-length", 14},
        {"transfer-encoding", 17},
        {"keep-alive", 10},
        {"trailer", 7},
        {"te", 2},
        {"upgrade", 7},
        {"date", 4},
        {"proxy-connection", 16},
        {"server", 6},
        {"x-amzn-requestid", 16},
    };
    for (size_t k = 0; k < sizeof(reserved) / sizeof(reserved[0]); k++) {
        if (slice_eq_nocase(name, reserved[k])) {
            return true;
        }
    }
    return false;
}

static bool slice_sound(struct penstock_slice s) {
    return s.ptr != NULL || s.len == 0;
}

const char *respond_check(const struct penstock_response *r,
                          struct http_header fields[HTTP_HEADERS_MAX],
                          struct server_answer *out) {
    if (r->status < 200 || r->status > 599) {
        return "status_out_of_range";
    }
    if (!slice_sound(r->body) || !slice_sound(r->content_type) ||
        (r->header_count > 0 && r->headers == NULL)) {
        return "bad_slice";
    }
    if (r->header_count > HTTP_HEADERS_MAX) {
        return "too_many_headers";
    }
    out->status = (unsigned)r->status;
    out->body = slice_in(r->body);
    out->content_type = slice_in(r->content_type);
    for (size_t k = 0; k < r->header_count; k++) {
        const struct penstock_header_field *h = &r->headers[k];
        if (!slice_sound(h->name) || !http_field_name_valid(slice_in(h->name))) {
            return "bad_header_name";
        }
        if (!slice_sound(h->value) || !http_field_value_valid(slice_in(h->value))) {
            return "bad_header_value";
        }
        if (slice_eq_nocase(slice_in(h->name), SLICE("content-type"))) {
            out->content_type = out->content_type.len ? out->content_type : slice_in(h->value);
        } else if (!reserved_field(slice_in(h->name))) {
            fields[out->header_count++] =
                (struct http_header){slice_in(h->name), slice_in(h->value)};
        }
    }
    out->headers = fields;
    if (!http_field_value_valid(out->content_type)) {
        return "bad_content_type";
    }
    if (out->status == 204 || out->status == 304) {
        out->body = SLICE_EMPTY; /* RFC 9110: these have no content */
    }
    if (out->body.len > 0 && out->content_type.len == 0) {
        out->content_type = JSON;
    }
    return NULL;
}

void penstock_respond(struct penstock_invocation *i, const struct penstock_response *response) {
    if (!invocation_complete(i)) {
        return;
    }
    struct http_header fields[HTTP_HEADERS_MAX];
    struct server_answer answer = {0};
    const char *wrong = respond_check(response, fields, &answer);
    if (wrong != NULL) {
        respond_refuse(i, wrong);
    } else {
        invocation_answer(i, &answer);
    }
    invocation_maybe_free(i);
}

/* ---- messages ---- */

static void respond_json_message(struct penstock_invocation *i, unsigned status,
                                 struct slice message, uint64_t retry_after_ms,
                                 const char *reason, bool unknown) {
    struct http_header fields[2];
    size_t count = 0;
    char seconds[24];
    if (status == 429 || status == 503) {
        retry_after_header(retry_after_ms, seconds, &fields[count++]);
    }
    if (unknown) {
        fields[count++] = outcome_unknown;
    }
    invocation_answer(i, &(struct server_answer){
                             .status = status,
                             .content_type = JSON,
                             .headers = fields,
                             .header_count = count,
                             .body = message_body(i->lambda, message),
                             .reason = reason,
                         });
}

void penstock_respond_message(struct penstock_invocation *i, int status, const char *message,
                              const char *reason) {
    if (!invocation_complete(i)) {
        return;
    }
    if (status < 200 || status > 599) {
        respond_refuse(i, "status_out_of_range");
    } else if (status == 204 || status == 304) {
        invocation_answer(
            i, &(struct server_answer){.status = (unsigned)status, .reason = reason});
    } else {
        respond_json_message(i, (unsigned)status, slice_cstr(message), 0, reason, false);
    }
    invocation_maybe_free(i);
}

/* ---- outcomes: the table of DESIGN 3.4 ---- */

static const struct outcome_answer {
    unsigned status;
    const char *message; /* NULL: DynamoDB's own */
    const char *reason;
} outcome_answers[] = {
    [PENSTOCK_OK] = {0, NULL, NULL},
    [PENSTOCK_CONDITION_FAILED] = {409, "The conditional request failed", "condition_failed"},
    [PENSTOCK_REFUSED] = {400, NULL, "dynamodb_refused"},
    [PENSTOCK_THROTTLED] = {429, "Too Many Requests", "dynamodb_throttled"},
    [PENSTOCK_BUSY] = {503, "Service Unavailable", "pipeline_busy"},
    [PENSTOCK_UNAVAILABLE] = {503, "Service Unavailable", "dynamodb_unavailable"},
    [PENSTOCK_DENIED] = {500, "Internal server error", "dynamodb_denied"},
    [PENSTOCK_UNKNOWN] = {502, "Internal server error", "write_unknown"},
    [PENSTOCK_UNKNOWN_TIMEOUT] = {504, "Endpoint request timed out", "write_unknown_timeout"},
    [PENSTOCK_TIMEOUT] = {504, "Endpoint request timed out", "dynamodb_timeout"},
};

/* The access log line says which; this one says why, where the reason is the service's. */
static void log_outcome(const struct penstock_invocation *i, const struct outcome_answer *a,
                        const struct penstock_result *result) {
    log_event(LOG_WARN, a->reason, log_str("request_id", i->request_id),
              log_slice("error", slice_in(result->error_name)),
              log_slice("message", slice_in(result->message)));
}

void penstock_respond_outcome(struct penstock_invocation *i,
                              const struct penstock_result *result) {
    if (!invocation_complete(i)) {
        return;
    }
    unsigned outcome = (unsigned)result->outcome;
    if (outcome == PENSTOCK_OK || outcome > PENSTOCK_TIMEOUT) {
        respond_refuse(i, "bad_outcome");
        invocation_maybe_free(i);
        return;
    }
    const struct outcome_answer *a = &outcome_answers[outcome];
    struct slice message = a->message ? slice_cstr(a->message) : slice_in(result->message);
    if (message.len == 0) {
        message = SLICE("Bad Request");
    }
    if (outcome == PENSTOCK_DENIED || outcome == PENSTOCK_UNAVAILABLE) {
        log_outcome(i, a, result);
    }
    respond_json_message(i, a->status, message, result->retry_after_ms, a->reason,
                         outcome == PENSTOCK_UNKNOWN || outcome == PENSTOCK_UNKNOWN_TIMEOUT);
    invocation_maybe_free(i);
}
