/* links: http base */
/* The first byte seeds the cuts; the rest is the input. Whole and cut must agree on every
 * message and on the verdict, and what is accepted must keep its promises. */
#include "base/rng.h"
#include "http/request_parser.h"
#include "http/url.h"

#include <stdlib.h>

#define TRACE_MAX 256

/* What came of an input: a hash for each message, and the status of the failure. */
struct trace {
    uint64_t messages[TRACE_MAX];
    size_t count;
    unsigned status;
    int over;
    size_t consumed;
    int in_parts;
    int in_body;
    uint64_t body; /* of the parts so far */
};

static uint64_t mix(uint64_t hash, struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        hash = (hash ^ (unsigned char)s.ptr[i]) * 1099511628211u;
    }
    return (hash ^ s.len) * 1099511628211u;
}

static void check_promises(const struct http_request *r) {
    struct url_target url;
    ASSERT(r->method != HTTP_OTHER_ && r->minor <= 1);
    ASSERT(r->target.len > 0 && r->target.len <= http_limits_default.target_bytes);
    ASSERT(url_split_target(r->target, &url) == 0);
    ASSERT(r->minor == 0 || r->host.len > 0);
    ASSERT(r->headers.count <= http_limits_default.header_count);
    ASSERT(r->body.len <= http_limits_default.body_bytes);
    for (size_t i = 0; i < r->headers.count; i++) {
        const struct http_header *h = &r->headers.items[i];
        ASSERT(h->name.len > 0 && slice_find(h->name, '\n') == h->name.len);
        ASSERT(slice_find(h->value, '\n') == h->value.len);
        ASSERT(slice_find(h->value, '\r') == h->value.len);
        ASSERT(slice_find(h->value, '\0') == h->value.len);
    }
}

static uint64_t digest(const struct http_request *r) {
    uint64_t hash = mix(14695981039346656037u, r->method_text);
    hash = mix(hash, r->target);
    hash = mix(hash, r->host);
    for (size_t i = 0; i < r->headers.count; i++) {
        hash = mix(hash, r->headers.items[i].name);
        hash = mix(hash, r->headers.items[i].value);
    }
    hash = mix(hash, r->body);
    return hash ^ ((uint64_t)r->keep_alive << 1) ^ r->expect_continue;
}

/* The same with bodies in parts: only what was given out is looked at, byte by byte. */
static void on_parts_result(struct http_request_parser *p, enum http_parse_result result,
                            struct trace *t) {
    const struct http_request *r = http_request_parser_request(p);
    if (result == HTTP_PARSE_ERROR) {
        t->status = http_request_parser_status(p);
        t->over = 1;
        return;
    }
    if (result == HTTP_PARSE_HEAD) {
        http_request_parser_body_in_parts(p);
        t->body = 14695981039346656037u;
        t->in_body = 1;
        return;
    }
    for (size_t i = 0; t->in_body && i < r->body.len; i++) {
        t->body = (t->body ^ (unsigned char)r->body.ptr[i]) * 1099511628211u;
    }
    if (result == HTTP_PARSE_DONE) {
        struct slice trailer = http_request_parser_trailer(p, SLICE("x"));
        ASSERT(slice_find(trailer, '\n') == trailer.len);
        if (t->count < TRACE_MAX) {
            t->messages[t->count++] = mix(t->body, trailer);
        }
        t->in_body = 0;
        t->over = !r->keep_alive;
        http_request_parser_next(p);
    }
}

static void on_result(struct http_request_parser *p, enum http_parse_result result,
                      struct trace *t) {
    if (result == HTTP_PARSE_ERROR) {
        t->status = http_request_parser_status(p);
        ASSERT(t->status >= 400 && http_request_parser_reason(p) != NULL);
        t->over = 1;
    } else if (result == HTTP_PARSE_DONE) {
        const struct http_request *r = http_request_parser_request(p);
        check_promises(r);
        if (t->count < TRACE_MAX) {
            t->messages[t->count++] = digest(r);
        }
        t->over = !r->keep_alive;
        http_request_parser_next(p);
    }
}

static void feed(struct http_request_parser *p, const uint8_t *bytes, size_t len,
                 struct trace *t) {
    char *piece = malloc(len ? len : 1);
    ASSERT(piece != NULL);
    memcpy(piece, bytes, len);
    size_t at = 0;
    enum http_parse_result result;
    do {
        size_t used = 0;
        result = http_request_parser_feed(p, piece + at, len - at, &used);
        ASSERT(used <= len - at);
        at += used;
        (t->in_parts ? on_parts_result : on_result)(p, result, t);
    } while (!t->over && (at < len || result == HTTP_PARSE_HEAD));
    t->consumed += at;
    free(piece);
}

static struct trace run(const uint8_t *bytes, size_t len, struct rng *rng, int in_parts) {
    struct trace t = {.in_parts = in_parts};
    struct http_request_parser *p = http_request_parser_new(&http_limits_default);
    ASSERT(p != NULL);
    for (size_t at = 0; at < len && !t.over;) {
        size_t cut = rng ? 1 + (size_t)rng_below(rng, 24) : len;
        cut = cut < len - at ? cut : len - at;
        feed(p, bytes + at, cut, &t);
        at += cut;
    }
    http_request_parser_free(p);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    for (int in_parts = 0; in_parts < 2; in_parts++) {
        struct rng rng;
        rng_seed(&rng, data[0]);
        struct trace whole = run(data + 1, size - 1, NULL, in_parts);
        struct trace cut = run(data + 1, size - 1, &rng, in_parts);
        ASSERT(whole.count == cut.count && whole.status == cut.status);
        ASSERT(memcmp(whole.messages, cut.messages, whole.count * sizeof(whole.messages[0])) ==
               0);
    }
    return 0;
}
