/* The table of bad input on the parser alone: whole, byte by byte and in random splits, every
 * way with the same verdict. */
#include "../../http_bad/cases.h"

#include "base/rng.h"
#include "http/request_parser.h"
#include "support/unit.h"

#define SPLITS 50

struct verdict {
    char text[64];
    int over; /* nothing more is read */
};

static void add(struct verdict *v, const char *what) {
    size_t len = strlen(v->text);
    ASSERT(len + strlen(what) + 2 < sizeof(v->text));
    snprintf(v->text + len, sizeof(v->text) - len, "%s%s", len ? " " : "", what);
}

static void on_result(struct http_request_parser *p, enum http_parse_result result,
                      struct verdict *v) {
    const struct http_request *r = http_request_parser_request(p);
    char status[8];
    switch (result) {
    case HTTP_PARSE_HEAD:
        if (r->expect_continue && r->has_body &&
            http_request_parser_limit_body(p, http_limits_default.body_bytes) == 0) {
            add(v, "100");
        }
        break;
    case HTTP_PARSE_DONE:
        add(v, r->keep_alive ? "200" : "200c");
        v->over = !r->keep_alive;
        http_request_parser_next(p);
        break;
    case HTTP_PARSE_ERROR:
        ASSERT(http_request_parser_reason(p) != NULL);
        snprintf(status, sizeof(status), "%uc", http_request_parser_status(p));
        add(v, status);
        v->over = 1;
        break;
    case HTTP_PARSE_MORE:
        break;
    }
}

/* One piece, from memory of exactly its size so that the sanitizer sees every overrun. */
static void feed(struct http_request_parser *p, const char *bytes, size_t len,
                 struct verdict *v) {
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
        on_result(p, result, v);
    } while (!v->over && (at < len || result == HTTP_PARSE_HEAD));
    free(piece);
}

static size_t next_cut(size_t left, struct rng *rng, int bytewise) {
    if (bytewise) {
        return 1;
    }
    if (rng == NULL) {
        return left;
    }
    /* Mostly small pieces, now and then a big one. */
    uint64_t bound = rng_below(rng, 8) ? 64 : left;
    size_t cut = 1 + (size_t)rng_below(rng, bound ? bound : 1);
    return cut < left ? cut : left;
}

static struct verdict run(const struct bad_case *c, struct rng *rng, int bytewise) {
    struct verdict v = {0};
    struct http_request_parser *p = http_request_parser_new(&http_limits_default);
    ASSERT(p != NULL);
    const char *bytes = buffer_begin(&c->input);
    for (size_t at = 0; at < c->input.len && !v.over;) {
        size_t cut = next_cut(c->input.len - at, rng, bytewise);
        feed(p, bytes + at, cut, &v);
        at += cut;
    }
    if (!v.over && (!http_request_parser_idle(p) || v.text[0] == '\0')) {
        add(&v, "more");
    }
    http_request_parser_free(p);
    return v;
}

struct table_run {
    uint64_t seed;
    int failures;
};

static int compare(struct table_run *t, const struct bad_case *c, struct verdict v,
                   const char *how) {
    int same = strcmp(v.text, c->expected) == 0;
    if (!same) {
        print_error("%s: expected %s, %s %s\n", c->name, c->expected, how, v.text);
        t->failures++;
    }
    return same;
}

static void run_case(struct bad_case *c, void *arg) {
    struct table_run *t = arg;
    if (!compare(t, c, run(c, NULL, 0), "whole") ||
        !compare(t, c, run(c, NULL, 1), "byte by byte")) {
        return;
    }
    for (uint64_t i = 0; i < SPLITS; i++) {
        struct rng rng;
        rng_seed(&rng, t->seed + i);
        if (!compare(t, c, run(c, &rng, 0), "split")) {
            return;
        }
    }
}

static void test_table(void **state) {
    (void)state;
    struct rng rng;
    rng_seed_random(&rng);
    const char *given = getenv("PENSTOCK_SEED");
    struct table_run table = {given ? strtoull(given, NULL, 10) : rng_u64(&rng) >> 16, 0};
    print_message("PENSTOCK_SEED=%llu\n", (unsigned long long)table.seed);
    size_t count = cases_each(run_case, &table);
    print_message("%zu cases\n", count);
    assert_int_equal(table.failures, 0);
    assert_true(count > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
