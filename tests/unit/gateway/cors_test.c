/* CORS fields, preflights and answers. */
#include "gateway/cors.h"

#include "support/unit.h"

#include <stdio.h>

static struct http_header sent[4];
static char text[1024];

static struct http_request request(enum http_method method, const char *origin,
                                   const char *asked) {
    size_t count = 0;
    sent[count++] = (struct http_header){SLICE("Host"), SLICE("api.example.com")};
    if (origin) {
        sent[count++] = (struct http_header){SLICE("ORIGIN"), slice_cstr(origin)};
    }
    if (asked) {
        sent[count++] =
            (struct http_header){SLICE("Access-Control-Request-Method"), slice_cstr(asked)};
    }
    return (struct http_request){.method = method, .headers = {sent, count}};
}

static const char *show(const struct http_header *fields, size_t count) {
    size_t len = 0;
    text[0] = '\0';
    assert_true(count <= CORS_FIELDS_MAX);
    for (size_t i = 0; i < count; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, SLICE_FMT ": " SLICE_FMT "\n",
                                SLICE_ARG(fields[i].name), SLICE_ARG(fields[i].value));
    }
    return text;
}

static const char *preflight(const struct cors *c, const char *origin) {
    struct http_header fields[CORS_FIELDS_MAX];
    struct http_request r = request(HTTP_OPTIONS_, origin, "POST");
    return show(fields, cors_preflight(c, &r.headers, fields));
}

static const char *simple(const struct cors *c, const char *origin) {
    struct http_header fields[CORS_FIELDS_MAX];
    struct http_request r = request(HTTP_GET_, origin, NULL);
    return show(fields, cors_fields(c, &r.headers, fields));
}

static void which_are_preflights(void **state) {
    (void)state;
    struct http_request r = request(HTTP_OPTIONS_, "https://a.example", "POST");
    assert_true(cors_is_preflight(&r));
    r = request(HTTP_OPTIONS_, NULL, "POST");
    assert_false(cors_is_preflight(&r));
    r = request(HTTP_OPTIONS_, "https://a.example", NULL);
    assert_false(cors_is_preflight(&r));
    r = request(HTTP_POST_, "https://a.example", "POST");
    assert_false(cors_is_preflight(&r));
}

static void named_origins(void **state) {
    (void)state;
    const struct slice origins[] = {SLICE("https://a.example"), SLICE("http://b.example:8080")};
    struct cors c = {.origins = origins,
                     .origin_count = 2,
                     .methods = SLICE("GET,POST"),
                     .headers = SLICE("content-type,x-api-key"),
                     .expose_headers = SLICE("x-amzn-requestid"),
                     .max_age = SLICE("300"),
                     .credentials = 1};
    assert_string_equal(preflight(&c, "https://a.example"),
                        "vary: Origin\n"
                        "access-control-allow-origin: https://a.example\n"
                        "access-control-allow-credentials: true\n"
                        "access-control-allow-methods: GET,POST\n"
                        "access-control-allow-headers: content-type,x-api-key\n"
                        "access-control-max-age: 300\n");
    assert_string_equal(simple(&c, "http://b.example:8080"),
                        "vary: Origin\n"
                        "access-control-allow-origin: http://b.example:8080\n"
                        "access-control-allow-credentials: true\n"
                        "access-control-expose-headers: x-amzn-requestid\n");
    static const char *const others[] = {"https://evil.example",
                                         "https://a.example.evil",
                                         "http://a.example",
                                         "https://a.example:444",
                                         "null",
                                         ""};
    for (size_t i = 0; i < COUNT(others); i++) {
        assert_string_equal(preflight(&c, others[i]), "vary: Origin\n");
        assert_string_equal(simple(&c, others[i]), "vary: Origin\n");
    }
    assert_string_equal(simple(&c, NULL), "vary: Origin\n");
}

static void wildcards(void **state) {
    (void)state;
    const struct slice any[] = {SLICE("*")};
    struct cors c = {.origins = any, .origin_count = 1, .methods = SLICE("*")};
    assert_string_equal(preflight(&c, "https://a.example"),
                        "access-control-allow-origin: *\n"
                        "access-control-allow-methods: *\n");
    assert_string_equal(simple(&c, "null"), "access-control-allow-origin: *\n");
    assert_string_equal(simple(&c, NULL), "");
    const struct slice secure[] = {SLICE("https://*")};
    c = (struct cors){.origins = secure, .origin_count = 1};
    assert_string_equal(simple(&c, "https://any.example"),
                        "vary: Origin\naccess-control-allow-origin: https://any.example\n");
    assert_string_equal(simple(&c, "http://any.example"), "vary: Origin\n");
}

static void what_an_origin_is(void **state) {
    (void)state;
    static const char *const good[] = {"*",
                                       "https://*",
                                       "http://*",
                                       "https://a.example",
                                       "http://localhost:3000",
                                       "https://[::1]:8443"};
    static const char *const bad[] = {"",
                                      "a.example",
                                      "https://",
                                      "https://a.example/",
                                      "https://*.example",
                                      "ftp://a.example",
                                      "https://a b",
                                      "null",
                                      "http://a,http://b"};
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(cors_origin_valid(slice_cstr(good[i])));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(cors_origin_valid(slice_cstr(bad[i])));
    }
}

static void fields_of_ours(void **state) {
    (void)state;
    assert_true(cors_owns_field(SLICE("Access-Control-Allow-Origin")));
    assert_true(cors_owns_field(SLICE("access-control-max-age")));
    assert_false(cors_owns_field(SLICE("access-control-")));
    assert_false(cors_owns_field(SLICE("vary")));
    assert_false(cors_owns_field(SLICE("x-access-control-allow-origin")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_are_preflights),
        cmocka_unit_test(named_origins),
        cmocka_unit_test(wildcards),
        cmocka_unit_test(what_an_origin_is),
        cmocka_unit_test(fields_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
