#include "http/writer.h"

#include "base/error.h"
#include "support/unit.h"

static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";

static void assert_response(const struct http_response_head *head, struct slice body,
                            const char *expected) {
    struct buffer out = {0};
    assert_int_equal(http_write_response(&out, head, body), 0);
    assert_int_equal(out.len, strlen(expected));
    assert_memory_equal(buffer_begin(&out), expected, out.len);
    assert_true(out.len <= http_response_bound(head, body));
    buffer_fini(&out);
}

static void usual(void **state) {
    (void)state;
    struct http_header allow = {SLICE("Allow"), SLICE("GET, POST")};
    struct http_response_head head = {.status = 201,
                                      .minor = 1,
                                      .keep_alive = 1,
                                      .date = date,
                                      .content_type = SLICE("application/json"),
                                      .request_id = SLICE("r-1"),
                                      .headers = &allow,
                                      .header_count = 1};
    assert_response(&head, SLICE("{}"),
                    "HTTP/1.1 201 Created\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                    "Content-Type: application/json\r\nContent-Length: 2\r\n"
                    "x-amzn-requestid: r-1\r\nAllow: GET, POST\r\n\r\n{}");
}

static void connection(void **state) {
    (void)state;
    struct http_response_head head = {.status = 200, .minor = 1};
    assert_response(&head, SLICE(""),
                    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    head.keep_alive = 1;
    head.minor = 0;
    assert_response(&head, SLICE(""),
                    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
}

static void bodyless(void **state) {
    (void)state;
    struct http_response_head head = {
        .status = 200, .minor = 1, .keep_alive = 1, .head_only = 1};
    assert_response(&head, SLICE("hello"), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    head.head_only = 0;
    head.status = 204;
    assert_response(&head, SLICE("hello"), "HTTP/1.1 204 No Content\r\n\r\n");
    head.status = 304;
    assert_response(&head, SLICE("hello"), "HTTP/1.1 304 Not Modified\r\n\r\n");
}

static void unknown_status_has_no_words(void **state) {
    (void)state;
    struct http_response_head head = {.status = 299, .minor = 1, .keep_alive = 1};
    assert_response(&head, SLICE(""), "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n");
}

static void framing_stays_ours(void **state) {
    (void)state;
    struct http_header headers[] = {
        {SLICE("content-LENGTH"), SLICE("9")},
        {SLICE("Transfer-Encoding"), SLICE("chunked")},
        {SLICE("Connection"), SLICE("upgrade")},
        {SLICE("Upgrade"), SLICE("h2c")},
        {SLICE("Keep-Alive"), SLICE("1")},
        {SLICE("Trailer"), SLICE("x")},
        {SLICE("TE"), SLICE("x")},
        {SLICE("Date"), SLICE("x")},
        {SLICE("Proxy-Connection"), SLICE("x")},
        {SLICE("Content-Type"), SLICE("a/b")},
        {SLICE("X-Amzn-RequestId"), SLICE("b")},
        {SLICE("X"), SLICE("kept")},
    };
    struct http_response_head head = {.status = 200,
                                      .minor = 1,
                                      .keep_alive = 1,
                                      .headers = headers,
                                      .header_count = COUNT(headers)};
    assert_response(&head, SLICE(""),
                    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: a/b\r\n"
                    "X-Amzn-RequestId: b\r\nX: kept\r\n\r\n");
    head.content_type = SLICE("c/d");
    head.request_id = SLICE("a");
    assert_response(&head, SLICE(""),
                    "HTTP/1.1 200 OK\r\nContent-Type: c/d\r\nContent-Length: 0\r\n"
                    "x-amzn-requestid: a\r\nX: kept\r\n\r\n");
}

static void must_not_be_sent(void **state) {
    (void)state;
    static const struct http_header bad[] = {
        {{"X", 1}, {"a\r\nB: c", 7}}, {{"X", 1}, {"a\nb", 3}}, {{"X", 1}, {"a\rb", 3}},
        {{"X", 1}, {"a\0b", 3}},      {{"X", 1}, {"\x7f", 1}}, {{"X Y", 3}, {"a", 1}},
        {{"X:", 2}, {"a", 1}},        {{"", 0}, {"a", 1}},     {{"X\r\nY", 4}, {"a", 1}},
        {{"\xc3\xa4", 2}, {"a", 1}},
    };
    struct buffer out = {0};
    struct http_response_head head = {.status = 200, .minor = 1, .header_count = 1};
    for (size_t i = 0; i < COUNT(bad); i++) {
        head.headers = &bad[i];
        assert_int_equal(http_write_response(&out, &head, SLICE("x")), ERR_INVALID);
        assert_int_equal(out.len, 0);
    }
    head.header_count = 0;
    head.content_type = SLICE("a\r\nb");
    assert_int_equal(http_write_response(&out, &head, SLICE("x")), ERR_INVALID);
    head.content_type = SLICE_EMPTY;
    head.status = 99;
    assert_int_equal(http_write_response(&out, &head, SLICE("x")), ERR_INVALID);
    head.status = 600;
    assert_int_equal(http_write_response(&out, &head, SLICE("x")), ERR_INVALID);
    buffer_fini(&out);
}

static void high_bytes_and_tabs_may(void **state) {
    (void)state;
    assert_true(http_field_value_valid(SLICE("a\tb \xc3\xa4\xff")));
    assert_true(http_field_value_valid(SLICE("")));
    assert_true(http_field_name_valid(SLICE("x-Amz_9.!#$%&'*+^`|~")));
}

static void every_status_fits_the_bound(void **state) {
    (void)state;
    struct http_response_head head = {.minor = 0, .keep_alive = 1, .date = date};
    for (head.status = 100; head.status < 600; head.status++) {
        struct buffer out = {0};
        assert_int_equal(http_write_response(&out, &head, SLICE("body")), 0);
        assert_true(out.len <= http_response_bound(&head, SLICE("body")));
        buffer_fini(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usual),
        cmocka_unit_test(connection),
        cmocka_unit_test(bodyless),
        cmocka_unit_test(unknown_status_has_no_words),
        cmocka_unit_test(framing_stays_ours),
        cmocka_unit_test(must_not_be_sent),
        cmocka_unit_test(high_bytes_and_tabs_may),
        cmocka_unit_test(every_status_fits_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
