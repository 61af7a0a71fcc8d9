#include "support/unit.h"

#include "base/error.h"
#include "gateway/gateway.h"

#include <stdio.h>

static struct gateway_routes *routes;
static struct arena arena;
static char reason[160];

static int set_up(void **state) {
    (void)state;
    routes = gateway_routes_new();
    arena_init(&arena, NULL, 0, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    gateway_routes_free(routes);
    arena_reset(&arena);
    return 0;
}

/* The target of a route is its own key, so that a match tells which it was. */
static void add(const char *key) {
    int error = gateway_routes_add(routes, slice_cstr(key), (void *)(uintptr_t)key, reason);
    if (error != 0) {
        print_error("%s: %s\n", key, reason);
    }
    assert_int_equal(error, 0);
    assert_string_equal(reason, "");
}

static struct gateway_match match;

static int look_up(const char *method, const char *path) {
    memset(&match, 0xee, sizeof(match));
    return gateway_routes_match(routes, http_method_parse(slice_cstr(method)), slice_cstr(path),
                                &arena, &match);
}

static size_t route_index; /* that the last gateway_routes_find found */

static void expect(const char *method, const char *path, const char *key) {
    int error = look_up(method, path);
    if (error != 0) {
        print_error("%s %s: %s\n", method, path, error_text(error));
    }
    assert_int_equal(error, 0);
    assert_string_equal(match.target, key);
    assert_true(slice_eq(match.route_key, slice_cstr(key)));
    assert_ptr_equal(gateway_routes_find(routes, http_method_parse(slice_cstr(method)),
                                         slice_cstr(path), &route_index),
                     match.target);
    assert_int_equal(route_index, match.index);
}

static void expect_error(const char *method, const char *path, int error) {
    assert_int_equal(look_up(method, path), error);
    assert_null(match.target);
    assert_null(gateway_routes_find(routes, http_method_parse(slice_cstr(method)),
                                    slice_cstr(path), &route_index));
}

static void expect_param(size_t k, const char *name, const char *value) {
    assert_true(k < match.param_count);
    assert_true(slice_eq(match.params[k].name, slice_cstr(name)));
    assert_true(slice_eq(match.params[k].value, slice_cstr(value)));
}

/* The worked example of API Gateway's developer guide. */
static void developer_guide(void **state) {
    (void)state;
    add("GET /pets/dog/1");
    add("GET /pets/dog/{id}");
    add("GET /pets/{proxy+}");
    add("ANY /{proxy+}");
    add("$default");
    expect("GET", "/pets/dog/1", "GET /pets/dog/1");
    assert_int_equal(match.param_count, 0);
    expect("GET", "/pets/dog/2", "GET /pets/dog/{id}");
    expect_param(0, "id", "2");
    expect("GET", "/pets/cat/1", "GET /pets/{proxy+}");
    expect_param(0, "proxy", "cat/1");
    expect("POST", "/test/5", "ANY /{proxy+}");
    expect_param(0, "proxy", "test/5");
    expect("POST", "/pets/dog/1", "ANY /{proxy+}");
    expect("GET", "/", "$default");
    assert_int_equal(match.param_count, 0);
}

static void method_before_any(void **state) {
    (void)state;
    add("ANY /music");
    add("POST /music");
    add("ANY /{x}");
    expect("POST", "/music", "POST /music");
    expect("GET", "/music", "ANY /music");
    expect("GET", "/other", "ANY /{x}");
}

/* A literal path without the method gives way to a parameter path that has it. */
static void falls_back_for_the_method(void **state) {
    (void)state;
    add("GET /music/best");
    add("DELETE /music/{id}");
    add("POST /{proxy+}");
    expect("GET", "/music/best", "GET /music/best");
    expect("DELETE", "/music/best", "DELETE /music/{id}");
    expect_param(0, "id", "best");
    expect("POST", "/music/best", "POST /{proxy+}");
    expect_error("PATCH", "/music/best", ERR_UNSUPPORTED);
    assert_int_equal(match.allowed_methods,
                     1u << HTTP_GET_ | 1u << HTTP_DELETE_ | 1u << HTTP_POST_);
}

/* Segment by segment, a literal first; but a full match before any greedy one. */
static void priorities(void **state) {
    (void)state;
    add("GET /a/{y}");
    add("GET /{x}/b");
    add("GET /a/{proxy+}");
    add("GET /{x}/b/{proxy+}");
    add("GET /a/b/c/{proxy+}");
    expect("GET", "/a/b", "GET /a/{y}");
    expect("GET", "/z/b", "GET /{x}/b");
    expect("GET", "/a/z/z", "GET /a/{proxy+}");
    expect("GET", "/z/b/c/d", "GET /{x}/b/{proxy+}");
    expect_param(0, "x", "z");
    expect_param(1, "proxy", "c/d");
    expect("GET", "/a/b/c/d", "GET /a/b/c/{proxy+}");
    expect("GET", "/a/b/c", "GET /a/{proxy+}"); /* greedy takes one segment or more */
    expect_param(0, "proxy", "b/c");
    expect_error("GET", "/z/z/z", ERR_NOT_FOUND);
}

static void full_before_greedy(void **state) {
    (void)state;
    add("GET /a/{proxy+}");
    add("GET /{x}/b");
    expect("GET", "/a/b", "GET /{x}/b");
    expect("GET", "/a/c", "GET /a/{proxy+}");
}

static void slashes_matter(void **state) {
    (void)state;
    add("GET /music");
    add("GET /both");
    add("GET /both/");
    add("GET /x/{id}");
    add("GET /y/{proxy+}");
    add("GET /");
    expect("GET", "/music", "GET /music");
    expect_error("GET", "/music/", ERR_NOT_FOUND);
    expect("GET", "/both", "GET /both");
    expect("GET", "/both/", "GET /both/");
    expect_error("GET", "/x/", ERR_NOT_FOUND); /* a parameter is never empty */
    expect_error("GET", "/x", ERR_NOT_FOUND);
    expect_error("GET", "/y/", ERR_NOT_FOUND);
    expect("GET", "/y/a/", "GET /y/{proxy+}");
    expect_param(0, "proxy", "a/");
    expect("GET", "/", "GET /");
    expect_error("GET", "/musi", ERR_NOT_FOUND);
    expect_error("GET", "/musicx", ERR_NOT_FOUND);
    expect_error("GET", "/Music", ERR_NOT_FOUND);
}

static void escapes(void **state) {
    (void)state;
    add("GET /music/{Artist}/{SongTitle}");
    add("GET /caf%C3%A9");
    add("GET /files/{proxy+}");
    expect("GET", "/music/AC%2FDC/T.N.T.", "GET /music/{Artist}/{SongTitle}");
    expect_param(0, "Artist", "AC/DC");
    expect_param(1, "SongTitle", "T.N.T.");
    expect("GET", "/%6dusic/a+b/%7B%C3%BC%7D", "GET /music/{Artist}/{SongTitle}");
    expect_param(0, "Artist", "a+b"); /* a plus is a plus in a path */
    expect_param(1, "SongTitle", "{\xc3\xbc}");
    expect("GET", "/caf%c3%a9", "GET /caf%C3%A9");
    expect("GET", "/caf\xc3\xa9", "GET /caf%C3%A9");
    expect("GET", "/files/a%20b/c", "GET /files/{proxy+}");
    expect_param(0, "proxy", "a b/c");
    expect_error("GET", "/music%2Fa/b", ERR_NOT_FOUND); /* not a slash */
}

/* Refused once, for the router and everyone after it. */
static void bad_paths(void **state) {
    (void)state;
    add("ANY /{proxy+}");
    add("$default");
    static const char *const paths[] = {
        "/a/../b",   "/..",       "/a/..",  "/./a", "/a/.",  "/a/%2e%2e/b",
        "/%2E%2e",   "/a/.%2e/b", "/a%00b", "/%00", "//",    "//a",
        "/a//b",     "/a/b//",    "/%",     "/%4",  "/%zz",  "/a%2f..%2fb",
        "/a\\..\\b", "",          "a",      "*",    "/%2e/",
    };
    for (size_t k = 0; k < COUNT(paths); k++) {
        if (look_up("GET", paths[k]) != ERR_INVALID) {
            fail_msg("%s was not refused", paths[k]);
        }
        assert_null(gateway_routes_find(routes, HTTP_GET_, slice_cstr(paths[k]), &route_index));
    }
    /* A parameter that is not UTF-8 when decoded. */
    assert_int_equal(look_up("GET", "/a%ff"), ERR_INVALID);
    assert_int_equal(look_up("GET", "/a%c0%af"), ERR_INVALID);
}

static void allowed_methods(void **state) {
    (void)state;
    add("GET /music");
    add("POST /music");
    add("PUT /{proxy+}");
    expect_error("DELETE", "/music", ERR_UNSUPPORTED);
    assert_int_equal(match.allowed_methods,
                     1u << HTTP_GET_ | 1u << HTTP_POST_ | 1u << HTTP_PUT_);
    expect_error("HEAD", "/music", ERR_UNSUPPORTED); /* as API Gateway: HEAD is its own */
    expect_error("GET", "/x/y", ERR_UNSUPPORTED);
    assert_int_equal(match.allowed_methods, 1u << HTTP_PUT_);
    expect_error("GET", "/", ERR_NOT_FOUND);
    assert_int_equal(match.allowed_methods, 0);
}

static void refuse(const char *key, int error, const char *why) {
    int got = gateway_routes_add(routes, slice_cstr(key), NULL, reason);
    if (got != error || strstr(reason, why) == NULL) {
        fail_msg("%s: %d %s", key, got, reason);
    }
}

static void bad_routes(void **state) {
    (void)state;
    refuse("", ERR_INVALID, "begins with GET");
    refuse("/music", ERR_INVALID, "begins with GET");
    refuse("get /music", ERR_INVALID, "begins with GET");
    refuse("FETCH /music", ERR_INVALID, "FETCH");
    refuse("GET", ERR_INVALID, "begins with /");
    refuse("GET music", ERR_INVALID, "begins with /");
    refuse("GET  /music", ERR_INVALID, "begins with /");
    refuse("GET /mu sic", ERR_INVALID, "one space");
    refuse("GET /music ", ERR_INVALID, "one space");
    refuse("ANY $default", ERR_INVALID, "begins with /");
    refuse("$Default", ERR_INVALID, "$default");
    refuse("GET /{}", ERR_INVALID, "the name of a path parameter");
    refuse("GET /{+}", ERR_INVALID, "the name of a path parameter");
    refuse("GET /{a b}", ERR_INVALID, "one space");
    refuse("GET /{a$}", ERR_INVALID, "the name of a path parameter");
    refuse("GET /{a++}", ERR_INVALID, "the name of a path parameter");
    refuse("GET /x{a}", ERR_INVALID, "whole segment");
    refuse("GET /{a}x", ERR_INVALID, "whole segment");
    refuse("GET /{a", ERR_INVALID, "whole segment");
    refuse("GET /{a}/{a}", ERR_INVALID, "twice: {a}");
    refuse("GET /{a}/{a+}", ERR_INVALID, "twice");
    refuse("GET /{a+}/x", ERR_INVALID, "last segment");
    refuse("GET /{a+}/", ERR_INVALID, "last segment");
    refuse("GET /a//b", ERR_INVALID, "no request can have this path");
    refuse("GET /a/../b", ERR_INVALID, "no request can have this path");
    refuse("GET /a%2", ERR_INVALID, "no request can have this path");
    refuse("GET /a?x=1", ERR_INVALID, "no query");
    refuse("GET /a#x", ERR_INVALID, "no query");
    refuse("GET /{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q}",
           ERR_INVALID, "more than 16");
    refuse("GET /{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q+}",
           ERR_INVALID, "more than 16");
    /* What a refused route left behind matches nothing. */
    expect_error("GET", "/a/b/c", ERR_NOT_FOUND);
}

static void long_routes(void **state) {
    (void)state;
    static char key[600] = "GET /";
    memset(key + 5, 'a', 256);
    add(key);
    expect("GET", key + 4, key);
    char other[601];
    strcat(strcpy(other, key), "a");
    refuse(other, ERR_INVALID, "over 256 bytes");
    expect_error("GET", other + 4, ERR_NOT_FOUND);
    static char deep[600] = "GET ";
    for (int k = 0; k < 64; k++) {
        strcat(deep, "/d");
    }
    add(deep);
    expect("GET", deep + 4, deep);
    strcat(deep, "/d");
    refuse(deep, ERR_INVALID, "more than 64");
}

static void duplicates(void **state) {
    (void)state;
    add("GET /music/{Artist}");
    add("GET /{proxy+}");
    add("$default");
    refuse("GET /music/{Artist}", ERR_EXISTS, "GET /music/{Artist}");
    refuse("GET /music/{Other}", ERR_EXISTS, "GET /music/{Artist}");
    refuse("GET /m%75sic/{Other}", ERR_EXISTS, "GET /music/{Artist}");
    refuse("GET /{rest+}", ERR_EXISTS, "GET /{proxy+}");
    refuse("$default", ERR_EXISTS, "$default");
    add("ANY /music/{Name}"); /* its own name at the same place */
    expect("POST", "/music/x", "ANY /music/{Name}");
    expect_param(0, "Name", "x");
    expect("GET", "/music/x", "GET /music/{Artist}");
    expect_param(0, "Artist", "x");
}

static void sixteen_params(void **state) {
    (void)state;
    add("GET /{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}");
    add("PUT /{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p+}");
    assert_int_equal(look_up("GET", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"), 0);
    assert_int_equal(match.param_count, 16);
    expect_param(15, "p", "16");
    assert_int_equal(look_up("PUT", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"), 0);
    expect_param(15, "p", "16/17");
}

static char listing[1024];

static void on_route(void *arg, struct slice route_key, void *target) {
    (void)arg;
    (void)target;
    strncat(listing, route_key.ptr, route_key.len);
    strcat(listing, "\n");
}

static void lists_in_order(void **state) {
    (void)state;
    add("$default");
    add("ANY /{proxy+}");
    add("GET /pets/{proxy+}");
    add("ANY /pets/dog/{id}");
    add("GET /pets/dog/{id}");
    add("GET /pets/dog/1");
    add("GET /pets/cat");
    listing[0] = '\0';
    gateway_routes_each(routes, on_route, NULL);
    assert_string_equal(listing, "GET /pets/cat\n"
                                 "GET /pets/dog/1\n"
                                 "GET /pets/dog/{id}\n"
                                 "ANY /pets/dog/{id}\n"
                                 "GET /pets/{proxy+}\n"
                                 "ANY /{proxy+}\n"
                                 "$default\n");
}

/* ---- the trie against a plain list of routes, on random tables and paths ---- */

enum { SEGMENTS = 4 };
static const char *const words[] = {"a", "b", "{p}", "{q+}"};
static const char *const methods[] = {"GET", "POST", "ANY"};

struct simple {
    char key[64];
    const char *method;
    const char *segments[SEGMENTS];
    size_t count;
    int greedy;
};

static unsigned seed = 1;

static unsigned draw(unsigned bound) {
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % bound;
}

static void random_route(struct simple *s) {
    s->method = methods[draw(3)];
    s->count = 1 + draw(SEGMENTS);
    s->greedy = draw(3) == 0;
    int len = snprintf(s->key, sizeof(s->key), "%s ", s->method);
    for (size_t k = 0; k < s->count; k++) {
        int last = k + 1 == s->count;
        s->segments[k] = last && s->greedy ? words[3] : words[draw(3)];
        /* Names must differ within a route. */
        if (s->segments[k][0] == '{') {
            len += snprintf(s->key + len, sizeof(s->key) - (size_t)len, "/{p%zu%s}", k,
                            s->segments[k] == words[3] ? "+" : "");
        } else {
            len += snprintf(s->key + len, sizeof(s->key) - (size_t)len, "/%s", s->segments[k]);
        }
    }
}

/* 0: no match. Else a rank: full before greedy, literal before parameter from the left, the
 * greedy part as late as can be, the method before ANY. */
static unsigned long rank(const struct simple *s, const char *method, const char *const *path,
                          size_t count) {
    size_t fixed = s->greedy ? s->count - 1 : s->count;
    if (s->greedy ? count < s->count : count != s->count) {
        return 0;
    }
    if (strcmp(s->method, "ANY") != 0 && strcmp(s->method, method) != 0) {
        return 0;
    }
    unsigned long r = s->greedy ? 1 : 2;
    for (size_t k = 0; k < SEGMENTS + 1; k++) {
        unsigned long step = 0; /* the greedy part, and beyond the end */
        if (k < fixed && k < SEGMENTS) {
            int param = s->segments[k][0] == '{';
            if (!param && strcmp(s->segments[k], path[k]) != 0) {
                return 0;
            }
            step = param ? 1 : 2;
        }
        r = r * 3 + step;
    }
    return r * 2 + (strcmp(s->method, "ANY") != 0);
}

static void against_a_list(void **state) {
    (void)state;
    for (int round = 0; round < 400; round++) {
        struct gateway_routes *table = gateway_routes_new();
        struct simple list[12];
        size_t count = 0;
        for (int tries = 0; tries < 12; tries++) {
            random_route(&list[count]);
            count += gateway_routes_add(table, slice_cstr(list[count].key), &list[count],
                                        reason) == 0;
        }
        for (int probe = 0; probe < 60; probe++) {
            const char *path[SEGMENTS + 1];
            char text[64] = "";
            size_t segments = 1 + draw(SEGMENTS + 1);
            for (size_t k = 0; k < segments; k++) {
                path[k] = (const char *const[]){"a", "b", "c"}[draw(3)];
                strcat(strcat(text, "/"), path[k]);
            }
            const char *method = methods[draw(2)];
            const struct simple *best = NULL;
            unsigned long best_rank = 0;
            for (size_t k = 0; k < count; k++) {
                unsigned long r = rank(&list[k], method, path, segments);
                if (r > best_rank) {
                    best_rank = r;
                    best = &list[k];
                }
            }
            const struct simple *got = gateway_routes_find(
                table, http_method_parse(slice_cstr(method)), slice_cstr(text), &route_index);
            if (got != best) {
                fail_msg("%s %s: %s, not %s", method, text, got ? got->key : "none",
                         best ? best->key : "none");
            }
        }
        gateway_routes_free(table);
    }
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(developer_guide), T(method_before_any),  T(falls_back_for_the_method),
        T(priorities),      T(full_before_greedy), T(slashes_matter),
        T(escapes),         T(bad_paths),          T(allowed_methods),
        T(bad_routes),      T(long_routes),        T(duplicates),
        T(sixteen_params),  T(lists_in_order),     T(against_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
