/* Stand-ins of server/ and dynamodb/ at link level, for tests of what lies between them:
 * requests are made by hand, answers are kept, ops are settled by the test. One test program
 * includes it once. */
#ifndef UNIT_LAMBDA_STAND_INS_H
#define UNIT_LAMBDA_STAND_INS_H

#include "unit/lambda/stand_in_dynamodb.h"

#include "lambda/invocation.h"
#include "server/parts.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- server/ ---- */

struct fake_request {
    struct server_request r;
    struct http_header headers[HTTP_HEADERS_MAX + SERVER_HEADER_ROOM];
    size_t header_count;
    int answers;
    bool full; /* what server_write says */
    bool aborted;
    unsigned status;
    char *body; /* NUL-terminated */
    size_t body_len;
    char content_type[128];
    char fields[1024]; /* "Name: value\n" each */
    char reason[64];
    const struct server_events *events; /* on_answered is called when set */
    void *owner;
};

static inline struct fake_request *fake_request(const char *method, const char *target,
                                                const char *body) {
    struct fake_request *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    arena_init(&f->r.arena, NULL, 0, 1 << 26);
    f->r.http.method_text = arena_copy(&f->r.arena, slice_cstr(method));
    f->r.http.method = http_method_parse(f->r.http.method_text);
    f->r.http.target = arena_copy(&f->r.arena, slice_cstr(target));
    f->r.http.minor = 1;
    f->r.http.host = SLICE("api.example.com:8080");
    f->r.http.body = body ? arena_copy(&f->r.arena, slice_cstr(body)) : SLICE_EMPTY;
    f->r.http.has_body = f->r.http.body.len > 0;
    f->r.http.headers.items = f->headers;
    int error = net_address_parse(SLICE("203.0.113.7:40000"), &f->r.peer);
    assert_int_equal(error, 0);
    snprintf(f->r.request_id, sizeof(f->r.request_id), "00000000-0000-4000-8000-000000000001");
    return f;
}

static inline void fake_header(struct fake_request *f, const char *name, const char *value) {
    f->headers[f->header_count].name = arena_copy(&f->r.arena, slice_cstr(name));
    f->headers[f->header_count++].value = arena_copy(&f->r.arena, slice_cstr(value));
    f->r.http.headers.count = f->header_count;
}

static inline void fake_request_free(struct fake_request *f) {
    arena_reset(&f->r.arena);
    free(f->body);
    free(f);
}

/* As the real one: copies the answer, then the request's memory is gone. */
void server_respond(struct server_request *r, const struct server_answer *answer) {
    struct fake_request *f = container_of(r, struct fake_request, r);
    f->answers++;
    assert_int_equal(f->answers, 1);
    f->status = answer->status;
    f->body_len = answer->body.len;
    f->body = calloc(1, answer->body.len + 1);
    assert_non_null(f->body);
    if (answer->body.len) {
        memcpy(f->body, answer->body.ptr, answer->body.len);
    }
    snprintf(f->content_type, sizeof(f->content_type), SLICE_FMT,
             SLICE_ARG(answer->content_type));
    size_t len = 0;
    for (size_t k = 0; k < answer->header_count; k++) {
        len += (size_t)snprintf(
            f->fields + len, sizeof(f->fields) - len, SLICE_FMT ": " SLICE_FMT "\n",
            SLICE_ARG(answer->headers[k].name), SLICE_ARG(answer->headers[k].value));
        assert_true(len < sizeof(f->fields));
    }
    snprintf(f->reason, sizeof(f->reason), "%s", answer->reason ? answer->reason : "");
    if (f->events && f->events->on_answered) {
        (void)f->events->on_answered(f->owner, r,
                                     &(struct server_answered){.status = answer->status,
                                                               .body_bytes = answer->body.len,
                                                               .body = answer->body,
                                                               .reason = answer->reason});
    }
    arena_reset(&r->arena);
    memset(&r->http, 0xdd, sizeof(r->http));
}

/* Parts go to `body`, as the whole answer does; `answers` counts at the end. */
int server_begin(struct server_request *r, const struct server_answer *answer) {
    struct fake_request *f = container_of(r, struct fake_request, r);
    f->status = answer->status;
    f->body = calloc(1, 1);
    assert_non_null(f->body);
    snprintf(f->content_type, sizeof(f->content_type), SLICE_FMT,
             SLICE_ARG(answer->content_type));
    return 0;
}

bool server_write(struct server_request *r, struct slice part) {
    struct fake_request *f = container_of(r, struct fake_request, r);
    f->body = realloc(f->body, f->body_len + part.len + 1);
    assert_non_null(f->body);
    if (part.len > 0) {
        memcpy(f->body + f->body_len, part.ptr, part.len);
    }
    f->body_len += part.len;
    f->body[f->body_len] = '\0';
    return !f->full;
}

void server_end(struct server_request *r) {
    struct fake_request *f = container_of(r, struct fake_request, r);
    f->answers++;
    arena_reset(&r->arena);
    memset(&r->http, 0xdd, sizeof(r->http));
}

void server_abort(struct server_request *r, const char *reason) {
    struct fake_request *f = container_of(r, struct fake_request, r);
    snprintf(f->reason, sizeof(f->reason), "%s", reason);
    f->aborted = true;
    server_end(r);
}

struct slice server_error_body(unsigned status) {
    static char text[64];
    int len = snprintf(text, sizeof(text), "{\"message\":\"status %u\"}", status);
    return slice_of(text, (size_t)len);
}

/* The client leaves: after the call the request's memory is gone. */
static inline void fake_leave(struct fake_request *f) {
    lambda_abandon(&f->r);
    f->answers = -1000; /* none may come */
    arena_reset(&f->r.arena);
    memset(&f->r.http, 0xdd, sizeof(f->r.http));
}

/* ---- events ---- */

/* An event as the gateway would make it, in the request's arena. */
static inline struct lambda_event *fake_event(struct fake_request *f, const char *route_key) {
    struct lambda_event *e = arena_zalloc(&f->r.arena, sizeof(*e));
    assert_non_null(e);
    struct url_target target;
    int error = url_split_target(f->r.http.target, &target);
    assert_int_equal(error, 0);
    e->route_key = slice_cstr(route_key);
    e->path = e->raw_path = target.path;
    e->raw_query = target.query;
    struct url_pair *pairs = arena_alloc(&f->r.arena, 32 * sizeof(*pairs));
    assert_non_null(pairs);
    error = url_parse_query(&f->r.arena, target.query, pairs, 32, &e->query_parameter_count);
    assert_int_equal(error, 0);
    e->query_parameters = pairs;
    return e;
}

static inline bool has_field(const struct fake_request *f, const char *line) {
    return strstr(f->fields, line) != NULL;
}

#endif
