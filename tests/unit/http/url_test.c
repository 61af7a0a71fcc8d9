#include "http/url.h"

#include "base/error.h"
#include "support/unit.h"

#include <stdio.h>

#define ASSERT_SLICE(s, text) assert_true(slice_eq((s), slice_cstr(text)))

static void targets(void **state) {
    (void)state;
    struct url_target t;
    assert_int_equal(url_split_target(SLICE("/a/b?x=1&y"), &t), 0);
    ASSERT_SLICE(t.path, "/a/b");
    ASSERT_SLICE(t.query, "x=1&y");
    assert_int_equal(t.authority.len, 0);
    assert_int_equal(url_split_target(SLICE("/a"), &t), 0);
    assert_null(t.query.ptr);
    assert_int_equal(url_split_target(SLICE("/a?"), &t), 0);
    assert_non_null(t.query.ptr);
    assert_int_equal(t.query.len, 0);
    assert_int_equal(url_split_target(SLICE("*"), &t), 0);
    ASSERT_SLICE(t.path, "*");
    assert_int_equal(url_split_target(SLICE("HTTP://h:80/p?q"), &t), 0);
    ASSERT_SLICE(t.authority, "h:80");
    ASSERT_SLICE(t.path, "/p");
    ASSERT_SLICE(t.query, "q");
    assert_int_equal(url_split_target(SLICE("https://h?q"), &t), 0);
    ASSERT_SLICE(t.path, "/");
    ASSERT_SLICE(t.query, "q");
    static const char *bad[] = {"",           "a",         "/a#b",         "http:/h", "http://",
                                "ftp://h/",   "http:///a", "http://u@h/a", "h:443",   "http",
                                "http://h:x", "**",        "http://[::1"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(url_split_target(slice_cstr(bad[i]), &t), ERR_INVALID);
    }
}

static void authorities(void **state) {
    (void)state;
    static const char *good[] = {"a",  "a.b-c_d", "127.0.0.1:8080", "[::1]", "[::1]:1",
                                 "a:", "A~!"};
    static const char *bad[] = {"",      ":80",  "a:b",  "a:65536", "a b",  "a/b",    "u@a",
                                "[]",    "[g]",  "[::1", "[::1]x",  "a]",   "a\\b",   "a?b",
                                "a:1:2", "a\"b", "<a>",  "a%20b",   "\xff", "[::1]:x"};
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(url_authority_valid(slice_cstr(good[i])));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(url_authority_valid(slice_cstr(bad[i])));
    }
    assert_false(url_authority_valid(slice_of("a\0b", 3)));
}

static void paths(void **state) {
    (void)state;
    static const char *good[] = {"/",     "/a",    "/a/",    "/a/b.c",   "/...",
                                 "/a..b", "/.a",   "/a%20b", "/AC%2FDC", "/a%2f%2fb",
                                 "/%41",  "/a%2f", "/.%2ea", "/%c3%a4",  "/\xc3\xa4"};
    static const char *bad[] = {
        "",      "a",      "//",      "/a//b",   "/.",      "/..",       "/./",     "/../a",
        "/a/..", "/a/./b", "/%2e",    "/%2E%2e", "/.%2e/a", "/a/%2e.",   "/%00",    "/a%",
        "/a%2",  "/a%zz",  "/..%2fa", "/a%2f..", "/a%5c..", "/a\\..\\b", "/%2f.%2f"};
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(url_check_path(slice_cstr(good[i])), 0);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (url_check_path(slice_cstr(bad[i])) != ERR_INVALID) {
            fail_msg("%s", bad[i]);
        }
    }
    assert_int_equal(url_check_path(slice_of("/a\0", 3)), ERR_INVALID);
}

static void decoding(void **state) {
    (void)state;
    struct arena a;
    struct slice out;
    arena_init(&a, NULL, 0, 512);
    struct slice plain = SLICE("Daft");
    assert_int_equal(url_decode(&a, plain, &out), 0);
    assert_ptr_equal(out.ptr, plain.ptr);
    assert_int_equal(url_decode(&a, SLICE("AC%2fDC+%c3%A4"), &out), 0);
    ASSERT_SLICE(out, "AC/DC+\xc3\xa4");
    assert_int_equal(url_decode_form(&a, SLICE("a+b%2B"), &out), 0);
    ASSERT_SLICE(out, "a b+");
    assert_int_equal(url_decode(&a, SLICE_EMPTY, &out), 0);
    assert_int_equal(out.len, 0);
    static const char *bad[] = {"%",    "%4",        "%4g",       "%00",
                                "%c3",  "%c0%80",    "%ed%a0%80", "%f4%90%80%80",
                                "\xff", "%e0%80%80", "%80"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(url_decode(&a, slice_cstr(bad[i]), &out), ERR_INVALID);
    }
    assert_int_equal(url_decode(&a, slice_of("a\0b", 3), &out), ERR_INVALID);
    static const char *good[] = {"%f0%9f%8e%b5", "%ed%9f%bf", "%ee%80%80", "%f4%8f%bf%bf"};
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(url_decode(&a, slice_cstr(good[i]), &out), 0);
    }
    arena_reset(&a);
    char text[600];
    memset(text, '%', sizeof(text));
    assert_int_equal(url_decode(&a, slice_of(text, sizeof(text)), &out), ERR_NOMEM);
    arena_reset(&a);
}

static void queries(void **state) {
    (void)state;
    struct arena a;
    struct url_pair pairs[3];
    size_t count;
    arena_init(&a, NULL, 0, 512);
    assert_int_equal(url_parse_query(&a, SLICE("a=1&b=x%3Dy=z&&c"), pairs, 3, &count), 0);
    assert_int_equal(count, 3);
    ASSERT_SLICE(pairs[0].name, "a");
    ASSERT_SLICE(pairs[0].value, "1");
    ASSERT_SLICE(pairs[1].value, "x=y=z");
    ASSERT_SLICE(pairs[2].name, "c");
    assert_int_equal(pairs[2].value.len, 0);
    assert_int_equal(url_parse_query(&a, SLICE("a&b&c&d"), pairs, 3, &count), ERR_LIMIT);
    assert_int_equal(url_parse_query(&a, SLICE("a=%zz"), pairs, 3, &count), ERR_INVALID);
    assert_int_equal(url_parse_query(&a, SLICE_EMPTY, pairs, 3, &count), 0);
    assert_int_equal(count, 0);
    arena_reset(&a);
}

static void endpoints(void **state) {
    (void)state;
    struct url_endpoint e;
    assert_int_equal(url_parse_endpoint(SLICE("https://dynamodb.eu-west-1.amazonaws.com"), &e),
                     0);
    assert_true(e.tls);
    assert_string_equal(e.host, "dynamodb.eu-west-1.amazonaws.com");
    assert_string_equal(e.authority, e.host);
    assert_int_equal(e.port, 443);
    assert_string_equal(e.path, "/");
    assert_int_equal(url_parse_endpoint(SLICE("http://[::1]:8000/x/y"), &e), 0);
    assert_false(e.tls);
    assert_string_equal(e.host, "::1");
    assert_string_equal(e.authority, "[::1]:8000");
    assert_string_equal(e.path, "/x/y");
    assert_int_equal(url_parse_endpoint(SLICE("http://[::1]"), &e), 0);
    assert_string_equal(e.authority, "[::1]");
    assert_int_equal(url_parse_endpoint(SLICE("HTTPS://h:443/"), &e), 0);
    assert_true(e.tls);
    assert_string_equal(e.authority, "h");
    assert_int_equal(url_parse_endpoint(SLICE("http://h:443"), &e), 0);
    assert_string_equal(e.authority, "h:443");
    static const char *bad[] = {"",
                                "h",
                                "/x",
                                "h:80",
                                "http://",
                                "http://h:0",
                                "http://h:65536",
                                "http://u:p@h",
                                "ftp://h",
                                "http://h?x",
                                "http://h/#f"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(url_parse_endpoint(slice_cstr(bad[i]), &e), ERR_INVALID);
    }
    char longer[1200];
    snprintf(longer, sizeof(longer), "http://%0254d", 0);
    assert_int_equal(url_parse_endpoint(slice_cstr(longer), &e), ERR_INVALID);
    snprintf(longer, sizeof(longer), "http://[%0253d]:12345", 0);
    assert_int_equal(url_parse_endpoint(slice_cstr(longer), &e), 0);
    assert_int_equal(strlen(e.authority), 253 + 2 + 6);
    snprintf(longer, sizeof(longer), "http://h/%01100d", 0);
    assert_int_equal(url_parse_endpoint(slice_cstr(longer), &e), ERR_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets),  cmocka_unit_test(authorities), cmocka_unit_test(paths),
        cmocka_unit_test(decoding), cmocka_unit_test(queries),     cmocka_unit_test(endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
