/* What functions answer, well-formed and not, in both payload formats. */
#include "support/unit.h"

#include "lambda/payload.h"

#include <stdio.h>

static struct arena arena;
static struct penstock_response response;
static char shown[4096];

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, NULL, 0, 1 << 24);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_reset(&arena);
    return 0;
}

/* "200|content/type|Name: value\n...|body" */
static const char *show(void) {
    int len = snprintf(shown, sizeof(shown), "%d|%.*s|", response.status,
                       (int)response.content_type.len,
                       response.content_type.ptr ? response.content_type.ptr : "");
    for (size_t k = 0; k < response.header_count; k++) {
        const struct penstock_header_field *h = &response.headers[k];
        len += snprintf(shown + len, sizeof(shown) - (size_t)len, "%.*s: %.*s\n",
                        (int)h->name.len, h->name.ptr, (int)h->value.len, h->value.ptr);
    }
    snprintf(shown + len, sizeof(shown) - (size_t)len, "|%.*s", (int)response.body.len,
             response.body.ptr ? response.body.ptr : "");
    return shown;
}

struct answer {
    const char *text;
    const char *good; /* or */
    const char *wrong;
};

static void check(unsigned format, const struct answer *a) {
    const char *wrong = payload_read(format, slice_cstr(a->text), &arena, &response);
    if (a->wrong != NULL) {
        if (wrong == NULL || strcmp(wrong, a->wrong) != 0) {
            fail_msg("%s: %s, not %s", a->text, wrong ? wrong : show(), a->wrong);
        }
    } else if (wrong != NULL || strcmp(show(), a->good) != 0) {
        fail_msg("%s: %s, not %s", a->text, wrong ? wrong : shown, a->good);
    }
}

static void format_1(void **state) {
    (void)state;
    static const struct answer answers[] = {
        {"{}", "200|||", NULL},
        {"{\"statusCode\":201,\"body\":\"hi\"}", "201|||hi", NULL},
        {" {\"statusCode\":\"404\"} \r\n", "404|||", NULL},
        {"{\"statusCode\":200,\"headers\":{\"X-A\":\"1\",\"X-B\":true}}",
         "200||X-A: 1\nX-B: true\n|", NULL},
        {"{\"headers\":null,\"multiValueHeaders\":null,\"body\":null,\"isBase64Encoded\":null,"
         "\"statusCode\":null}",
         "200|||", NULL},
        {"{\"headers\":{\"a\":\"x\",\"B\":\"y\"},\"multiValueHeaders\":{\"A\":[\"1\",\"2\"]}}",
         "200||A: 1\nA: 2\na: x\nB: y\n|", NULL},
        {"{\"headers\":{\"a\":\"2\",\"B\":true},"
         "\"multiValueHeaders\":{\"A\":[\"1\",\"2\"],\"b\":[\"true\"]}}",
         "200||A: 1\nA: 2\nb: true\n|", NULL},
        {"{\"headers\":{\"a\":\"1\",\"A\":\"1\"},\"multiValueHeaders\":{\"a\":[\"1\",\"1\"]}}",
         "200||a: 1\na: 1\n|", NULL},
        {"{\"body\":\"aGVsbG8=\",\"isBase64Encoded\":true}", "200|||hello", NULL},
        {"{\"body\":\"aGVsbG8=\",\"isBase64Encoded\":false}", "200|||aGVsbG8=", NULL},
        {"{\"body\":\"\"}", "200|||", NULL},
        {"{\"body\":\"\\u00e4\\ud83c\\udfb5\"}", "200|||\xc3\xa4\xf0\x9f\x8e\xb5", NULL},
        {"{\"body\":{\"a\":1}}", NULL, "bad_body"},
        {"{\"body\":5}", NULL, "bad_body"},
        {"{\"body\":\"!!\",\"isBase64Encoded\":true}", NULL, "bad_base64_body"},
        {"{\"body\":\"aGVsbG8\",\"isBase64Encoded\":true}", NULL, "bad_base64_body"},
        {"{\"isBase64Encoded\":\"yes\"}", NULL, "bad_is_base64_encoded"},
        {"{\"statusCode\":199}", NULL, "bad_status_code"},
        {"{\"statusCode\":600}", NULL, "bad_status_code"},
        {"{\"statusCode\":-1}", NULL, "bad_status_code"},
        {"{\"statusCode\":18446744073709551815}", NULL, "bad_status_code"},
        {"{\"statusCode\":200.5}", NULL, "bad_status_code"},
        {"{\"statusCode\":\"2xx\"}", NULL, "bad_status_code"},
        {"{\"statusCode\":true}", NULL, "bad_status_code"},
        {"{\"statusCode\":[]}", NULL, "bad_status_code"},
        {"{\"headers\":[]}", NULL, "bad_headers"},
        {"{\"headers\":{\"a\":null}}", NULL, "bad_header_value"},
        {"{\"headers\":{\"a\":{}}}", NULL, "bad_header_value"},
        {"{\"multiValueHeaders\":{\"a\":\"x\"}}", NULL, "bad_multi_value_headers"},
        {"{\"multiValueHeaders\":{\"a\":[[]]}}", NULL, "bad_header_value"},
        {"{\"statusCode\":200,\"extra\":1}", NULL, "unknown_member"},
        {"{\"cookies\":[]}", NULL, "unknown_member"},
        {"\"hello\"", NULL, "response_not_an_object"},
        {"null", NULL, "response_not_an_object"},
        {"[]", NULL, "response_not_an_object"},
        {"", NULL, "response_not_json"},
        {"{", NULL, "response_not_json"},
        {"{}x", NULL, "response_not_json"},
        {"{} {}", NULL, "response_not_json"},
        {"nonsense", NULL, "response_not_json"},
        {"{\"body\":\"\xff\"}", NULL, "response_not_json"},
    };
    for (size_t k = 0; k < COUNT(answers); k++) {
        check(1, &answers[k]);
    }
}

static void format_2(void **state) {
    (void)state;
    static const struct answer answers[] = {
        {"{\"statusCode\":200,\"headers\":{\"Content-Type\":\"text/plain\"},\"body\":\"x\"}",
         "200||Content-Type: text/plain\n|x", NULL},
        {"{\"statusCode\":200,\"cookies\":[\"a=1\",\"b=2; Secure\"]}",
         "200||set-cookie: a=1\nset-cookie: b=2; Secure\n|", NULL},
        {"{\"statusCode\":200,\"headers\":{\"X-N\":5,\"X-D\":1.5}}", "200||X-N: 5\nX-D: 1.5\n|",
         NULL},
        {"{\"statusCode\":200,\"other\":1}", "200|||", NULL},
        {"{\"statusCode\":\"302\",\"headers\":{\"Location\":\"/x\"}}", "302||Location: /x\n|",
         NULL},
        /* Without a statusCode the output itself is the answer. */
        {"\"Hello from Lambda!\"", "200|application/json||Hello from Lambda!", NULL},
        {"{ \"message\": \"Hello from Lambda!\" }",
         "200|application/json||{ \"message\": \"Hello from Lambda!\" }", NULL},
        {"{\"body\":\"x\"}", "200|application/json||{\"body\":\"x\"}", NULL},
        {"[1, 2]\n", "200|application/json||[1, 2]", NULL},
        {"42", "200|application/json||42", NULL},
        {"123456789012345678901234567890",
         "200|application/json||123456789012345678901234567890", NULL},
        {"true", "200|application/json||true", NULL},
        {"null", "200|application/json||null", NULL},
        {"\"\"", "200|application/json||", NULL},
        {"{\"statusCode\":99}", NULL, "bad_status_code"},
        {"{\"statusCode\":200,\"cookies\":\"a=1\"}", NULL, "bad_cookies"},
        {"{\"statusCode\":200,\"cookies\":[1]}", NULL, "bad_cookies"},
        {"{\"statusCode\":200,\"body\":{}}", NULL, "bad_body"},
        {"", NULL, "response_not_json"},
        {"oops", NULL, "response_not_json"},
        {"{\"a\":", NULL, "response_not_json"},
    };
    for (size_t k = 0; k < COUNT(answers); k++) {
        check(2, &answers[k]);
    }
}

static void limits(void **state) {
    (void)state;
    static char text[20000] = "{\"statusCode\":200,\"headers\":{";
    for (int k = 0; k < 129; k++) {
        snprintf(text + strlen(text), 32, "%s\"h%d\":\"\"", k ? "," : "", k);
    }
    strcat(text, "}}");
    check(1, &(struct answer){text, NULL, "too_many_headers"});
    static char deep[4000];
    memset(deep, '[', 1500);
    memset(deep + 1500, ']', 1500);
    check(2, &(struct answer){deep, NULL, "response_not_json"});
    /* Memory that is out is said, not answered. */
    struct arena small;
    arena_init(&small, NULL, 0, 5000);
    static char large[9000] = "{\"statusCode\":200,\"body\":\"";
    memset(large + strlen(large), 'x', 7000);
    strcat(large, "\"}");
    assert_string_equal(payload_read(2, slice_cstr(large), &small, &response), "no_memory");
    arena_reset(&small);
}

static void streamed(void **state) {
    (void)state;
    static const char type[] = "application/vnd.awslambda.http-integration-response";
    static const char bytes[] = "{\"statusCode\":206,\"headers\":{\"X-A\":\"1\"},\"cookies\":["
                                "\"c=1\"]}\0\0\0\0\0\0\0\0the \0 body";
    assert_null(payload_read_streamed(SLICE(type), SLICE(bytes), &arena, &response));
    assert_int_equal(response.status, 206);
    assert_int_equal(response.header_count, 2);
    assert_int_equal(response.body.len, 10);
    assert_memory_equal(response.body.ptr, "the \0 body", 10);
    assert_null(payload_read_streamed(SLICE("text/html"), SLICE("<p>"), &arena, &response));
    assert_string_equal(show(), "200|text/html||<p>");
    assert_string_equal(payload_read_streamed(SLICE(type), SLICE("{}"), &arena, &response),
                        "no_stream_prelude");
    assert_string_equal(
        payload_read_streamed(SLICE(type), SLICE("x\0\0\0\0\0\0\0\0"), &arena, &response),
        "bad_stream_prelude");
    assert_string_equal(payload_read_streamed(SLICE(type), SLICE_EMPTY, &arena, &response),
                        "no_stream_prelude");
}

/* In pieces, as a socket gives it: the NULs may lie across two of them. */
static void prelude_in_pieces(void **state) {
    (void)state;
    static const char bytes[] = "{\"statusCode\":200}\0\0\0\0\0\0\0\0body";
    size_t whole = strlen("{\"statusCode\":200}") + 8;
    for (size_t first = 0; first < sizeof(bytes) - 1; first++) {
        size_t found = payload_find_prelude(slice_of(bytes, first), 0);
        assert_int_equal(found, first >= whole ? whole : 0);
        assert_int_equal(payload_find_prelude(SLICE(bytes), first), first <= whole ? whole : 0);
    }
    assert_int_equal(payload_find_prelude(SLICE_EMPTY, 0), 0);
    assert_true(
        payload_has_prelude(SLICE("Application/vnd.awslambda.http-integration-response")));
    assert_false(payload_has_prelude(SLICE("application/json")));
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {T(format_1), T(format_2), T(limits), T(streamed),
                                       T(prelude_in_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
