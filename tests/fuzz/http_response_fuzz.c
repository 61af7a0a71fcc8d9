/* links: http base */
/* The first byte chooses the request's method, the second seeds the cuts; the rest is the
 * input. Whole and cut must agree. */
#include "base/rng.h"
#include "http/response_parser.h"

#include <stdlib.h>

#define HEAD_MAX  8192
#define BODY_MAX  4096
#define TRACE_MAX 256

struct trace {
    uint64_t messages[TRACE_MAX];
    size_t count;
    int failed;
};

static uint64_t mix(uint64_t hash, struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        hash = (hash ^ (unsigned char)s.ptr[i]) * 1099511628211u;
    }
    return (hash ^ s.len) * 1099511628211u;
}

static uint64_t digest(const struct http_response *r) {
    uint64_t hash = 14695981039346656037u ^ r->status ^ ((uint64_t)r->keep_alive << 32);
    for (size_t i = 0; i < r->headers.count; i++) {
        hash = mix(hash, r->headers.items[i].name);
        hash = mix(hash, r->headers.items[i].value);
    }
    return mix(hash, r->body);
}

static void on_result(struct http_response_parser *p, enum http_parse_result result,
                      struct trace *t) {
    ASSERT(result != HTTP_PARSE_HEAD);
    if (result == HTTP_PARSE_ERROR) {
        ASSERT(http_response_parser_reason(p) != NULL);
        t->failed = 1;
    } else if (result == HTTP_PARSE_DONE) {
        const struct http_response *r = http_response_parser_response(p);
        ASSERT(r->status >= 200 && r->status <= 599 && r->body.len <= BODY_MAX);
        if (t->count < TRACE_MAX) {
            t->messages[t->count++] = digest(r);
        }
        http_response_parser_next(p);
    }
}

static void feed(struct http_response_parser *p, const uint8_t *bytes, size_t len,
                 struct trace *t) {
    char *piece = malloc(len);
    ASSERT(piece != NULL);
    memcpy(piece, bytes, len);
    for (size_t at = 0; at < len && !t->failed;) {
        size_t used = 0;
        enum http_parse_result result =
            http_response_parser_feed(p, piece + at, len - at, &used);
        ASSERT(used <= len - at);
        at += used;
        on_result(p, result, t);
    }
    free(piece);
}

static struct trace run(const uint8_t *bytes, size_t len, enum http_method method,
                        struct rng *rng) {
    struct trace t = {0};
    struct http_response_parser *p = http_response_parser_new(HEAD_MAX, BODY_MAX);
    ASSERT(p != NULL);
    http_response_parser_expect(p, method);
    for (size_t at = 0; at < len && !t.failed;) {
        size_t cut = rng ? 1 + (size_t)rng_below(rng, 24) : len;
        cut = cut < len - at ? cut : len - at;
        feed(p, bytes + at, cut, &t);
        at += cut;
    }
    if (!t.failed && !http_response_parser_idle(p)) {
        on_result(p, http_response_parser_end(p), &t);
    }
    http_response_parser_free(p);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3) {
        return 0;
    }
    enum http_method method = data[0] % HTTP_OTHER_;
    struct rng rng;
    rng_seed(&rng, data[1]);
    struct trace whole = run(data + 2, size - 2, method, NULL);
    struct trace cut = run(data + 2, size - 2, method, &rng);
    ASSERT(whole.count == cut.count && whole.failed == cut.failed);
    ASSERT(memcmp(whole.messages, cut.messages, whole.count * sizeof(whole.messages[0])) == 0);
    return 0;
}
