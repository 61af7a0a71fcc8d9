#include "gateway/refusal.h"

void refusal_send(struct server_request *r, unsigned status, const char *reason) {
    server_respond(r, &(struct server_answer){.status = status,
                                              .content_type = SLICE("application/json"),
                                              .body = server_error_body(status),
                                              .reason = reason});
}

void refusal_send_busy(struct server_request *r) {
    static const struct http_header retry = {{"Retry-After", 11}, {"1", 1}};
    server_respond(r, &(struct server_answer){.status = 503,
                                              .content_type = SLICE("application/json"),
                                              .headers = &retry,
                                              .header_count = 1,
                                              .body = server_error_body(503),
                                              .reason = "busy"});
}

void refusal_send_method(struct server_request *r, unsigned allowed) {
    char text[64]; /* every method there is takes 46 */
    size_t len = 0;
    for (unsigned m = 0; m < HTTP_OTHER_; m++) {
        if (allowed & 1u << m) {
            const char *name = http_method_name((enum http_method)m);
            size_t name_len = strlen(name);
            ASSERT(len + 2 + name_len <= sizeof(text));
            memcpy(text + len, ", ", len ? 2 : 0);
            len += len ? 2 : 0;
            memcpy(text + len, name, name_len);
            len += name_len;
        }
    }
    struct http_header allow = {SLICE("Allow"), slice_of(text, len)};
    server_respond(r, &(struct server_answer){.status = 405,
                                              .content_type = SLICE("application/json"),
                                              .headers = &allow,
                                              .header_count = 1,
                                              .body = server_error_body(405),
                                              .reason = "method_not_allowed"});
}
