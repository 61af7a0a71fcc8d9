#include "http/request_parser.h"

#include "base/error.h"
#include "support/unit.h"

#include <stdlib.h>

struct fixture {
    struct http_request_parser *p;
    char bytes[65536];
};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    f->p = http_request_parser_new(&http_limits_default);
    *state = f;
    return f->p == NULL;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    http_request_parser_free(f->p);
    free(f);
    return 0;
}

static size_t put(struct fixture *f, const char *text) {
    memcpy(f->bytes, text, strlen(text));
    return strlen(text);
}

static void assert_slice(struct slice s, const char *text) {
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(s.ptr, text, s.len);
}

/* Feeds all of it; the first result that is not MORE or HEAD, or the last one. */
static enum http_parse_result feed(struct fixture *f, const char *text) {
    size_t len = put(f, text);
    size_t at = 0;
    enum http_parse_result result;
    do {
        size_t used;
        result = http_request_parser_feed(f->p, f->bytes + at, len - at, &used);
        at += used;
    } while (result == HTTP_PARSE_HEAD || (result == HTTP_PARSE_MORE && at < len));
    return result;
}

static int lies_in(struct slice s, const char *bytes, size_t len) {
    return s.ptr >= bytes && s.ptr + s.len <= bytes + len;
}

static void whole_message_is_not_copied(void **state) {
    struct fixture *f = *state;
    size_t len = put(f, "POST /music?a=b HTTP/1.1\r\nHost: h:1\r\nX-A:  spaced \t\r\n"
                        "X-Empty:\r\nContent-Length: 5\r\n\r\nhelloGET");
    size_t used;
    assert_true(http_request_parser_idle(f->p));
    assert_int_equal(http_request_parser_feed(f->p, f->bytes, len, &used), HTTP_PARSE_HEAD);
    assert_false(http_request_parser_idle(f->p));
    assert_int_equal(used, len - 8);
    const struct http_request *r = http_request_parser_request(f->p);
    assert_int_equal(r->method, HTTP_POST_);
    assert_slice(r->method_text, "POST");
    assert_slice(r->target, "/music?a=b");
    assert_slice(r->host, "h:1");
    assert_int_equal(r->minor, 1);
    assert_true(r->keep_alive);
    assert_true(r->has_body);
    assert_false(r->expect_continue);
    assert_int_equal(r->headers.count, 4);
    assert_slice(http_header_value(&r->headers, SLICE("x-a")), "spaced");
    assert_int_equal(http_header_find(&r->headers, SLICE("X-EMPTY"))->value.len, 0);
    assert_null(http_header_find(&r->headers, SLICE("x-b")));
    size_t more;
    assert_int_equal(http_request_parser_feed(f->p, f->bytes + used, len - used, &more),
                     HTTP_PARSE_DONE);
    assert_int_equal(more, 5);
    assert_slice(r->body, "hello");
    assert_true(lies_in(r->body, f->bytes, len));
    assert_true(lies_in(r->target, f->bytes, len));
    assert_true(lies_in(r->headers.items[0].name, f->bytes, len));
    assert_int_equal(http_request_parser_held(f->p), 0);
    http_request_parser_next(f->p);
    assert_true(http_request_parser_idle(f->p));
}

static void pieces_are_kept(void **state) {
    struct fixture *f = *state;
    const char *text =
        "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nX-Last: v\r\n\r\nfoobar";
    for (size_t i = 0; text[i]; i++) {
        char c = text[i];
        size_t used;
        enum http_parse_result result = http_request_parser_feed(f->p, &c, 1, &used);
        assert_int_equal(used, 1);
        if (result == HTTP_PARSE_HEAD) {
            assert_int_equal(http_request_parser_feed(f->p, &c, 0, &used), HTTP_PARSE_MORE);
        } else {
            assert_int_equal(result, text[i + 1] ? HTTP_PARSE_MORE : HTTP_PARSE_DONE);
        }
        c = '#'; /* nothing may point here any more, but at DONE */
    }
    const struct http_request *r = http_request_parser_request(f->p);
    assert_slice(r->method_text, "PUT");
    assert_slice(r->target, "/a");
    assert_slice(r->host, "h");
    assert_slice(http_header_value(&r->headers, SLICE("x-last")), "v");
    assert_slice(r->body, "foobar");
    assert_true(http_request_parser_held(f->p) > 0);
}

static void taken_body_outlives_the_parser(void **state) {
    struct fixture *f = *state;
    assert_int_equal(feed(f, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nfoo"),
                     HTTP_PARSE_MORE);
    assert_int_equal(feed(f, "bar"), HTTP_PARSE_DONE);
    struct slice body = http_request_parser_request(f->p)->body;
    struct buffer taken = http_request_parser_take_body(f->p);
    assert_ptr_equal(taken.data, body.ptr);
    http_request_parser_next(f->p);
    assert_int_equal(feed(f, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_PARSE_DONE);
    assert_null(http_request_parser_take_body(f->p).data);
    assert_slice(body, "foobar");
    buffer_fini(&taken);
}

static void chunks_are_compacted_in_place(void **state) {
    struct fixture *f = *state;
    assert_int_equal(feed(f, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "3\r\nfoo\r\n1;x=y\r\n \r\n00004\r\nbarr\r\n0\r\nT: t\r\n\r\nGET"),
                     HTTP_PARSE_DONE);
    const struct http_request *r = http_request_parser_request(f->p);
    assert_slice(r->body, "foo barr");
    assert_true(lies_in(r->body, f->bytes, sizeof(f->bytes)));
    assert_int_equal(r->headers.count, 2); /* trailers go nowhere */
    http_request_parser_next(f->p);
    assert_int_equal(feed(f, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_PARSE_DONE);
    assert_int_equal(http_request_parser_request(f->p)->body.len, 0);
}

static void chunks_in_pieces(void **state) {
    struct fixture *f = *state;
    assert_int_equal(feed(f, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "3\r\nfoo\r\n4\r\nb"),
                     HTTP_PARSE_MORE);
    assert_int_equal(feed(f, "ar"), HTTP_PARSE_MORE);
    assert_int_equal(feed(f, "!\r\n1\r\n?\r\n0\r\n\r\n"), HTTP_PARSE_DONE);
    assert_slice(http_request_parser_request(f->p)->body, "foobar!?");
}

static void body_limit_may_go_either_way(void **state) {
    struct fixture *f = *state;
    static const char head[] = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10485761\r\n\r\n";
    size_t used;
    size_t len = put(f, head);
    assert_int_equal(http_request_parser_feed(f->p, f->bytes, len, &used), HTTP_PARSE_HEAD);
    assert_int_equal(http_request_parser_limit_body(f->p, 10485760), ERR_LIMIT);
    assert_int_equal(http_request_parser_limit_body(f->p, 10485761), 0);
    assert_int_equal(http_request_parser_feed(f->p, f->bytes, 0, &used), HTTP_PARSE_MORE);
    assert_true(http_request_parser_held(f->p) < 65536); /* a promise buys no memory */
}

static void body_limit_of_chunks(void **state) {
    static const char text[] =
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nfoo\r\n4\r\nbarr\r\n0\r\n\r\n";
    for (size_t limit = 6; limit <= 7; limit++) {
        struct fixture *f = *state;
        size_t used;
        size_t more;
        size_t len = put(f, text);
        assert_int_equal(http_request_parser_feed(f->p, f->bytes, len, &used), HTTP_PARSE_HEAD);
        assert_int_equal(http_request_parser_limit_body(f->p, limit), 0);
        enum http_parse_result result =
            http_request_parser_feed(f->p, f->bytes + used, len - used, &more);
        assert_int_equal(result, limit == 7 ? HTTP_PARSE_DONE : HTTP_PARSE_ERROR);
        if (limit == 6) {
            assert_int_equal(http_request_parser_status(f->p), 413);
            assert_string_equal(http_request_parser_reason(f->p), "body_too_large");
        }
        teardown(state);
        setup(state);
    }
}

static void absolute_form_wins(void **state) {
    struct fixture *f = *state;
    assert_int_equal(feed(f, "GET http://b.example:81?q HTTP/1.1\r\nHost: a\r\n\r\n"),
                     HTTP_PARSE_DONE);
    assert_slice(http_request_parser_request(f->p)->host, "b.example:81");
}

static void failure_is_final(void **state) {
    struct fixture *f = *state;
    size_t used;
    assert_int_equal(feed(f, "GET / HTTP/1.1\r\n\r\n"), HTTP_PARSE_ERROR);
    assert_string_equal(http_request_parser_reason(f->p), "missing_host");
    assert_int_equal(http_request_parser_status(f->p), 400);
    size_t len = put(f, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(http_request_parser_feed(f->p, f->bytes, len, &used), HTTP_PARSE_ERROR);
    assert_int_equal(used, 0);
}

static void limits_of_ones_own(void **state) {
    (void)state;
    struct http_limits limits = http_limits_default;
    limits.header_count = HTTP_HEADERS_MAX;
    limits.head_bytes = 1 << 20;
    struct http_request_parser *p = http_request_parser_new(&limits);
    struct buffer b = {0};
    assert_int_equal(buffer_printf(&b, "GET / HTTP/1.1\r\nHost: h\r\n"), 0);
    for (int i = 1; i < HTTP_HEADERS_MAX; i++) {
        assert_int_equal(buffer_printf(&b, "X-%d: %d\r\n", i, i), 0);
    }
    assert_int_equal(buffer_printf(&b, "\r\n"), 0);
    size_t used;
    assert_int_equal(http_request_parser_feed(p, buffer_begin(&b), b.len, &used),
                     HTTP_PARSE_HEAD);
    const struct http_request *r = http_request_parser_request(p);
    assert_int_equal(r->headers.count, HTTP_HEADERS_MAX);
    assert_slice(http_header_value(&r->headers, SLICE("x-127")), "127");
    buffer_fini(&b);
    http_request_parser_free(p);
}

static void llhttp_is_the_strict_one(void **state) {
    (void)state;
    assert_int_equal(http_self_test(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole_message_is_not_copied, setup, teardown),
        cmocka_unit_test_setup_teardown(pieces_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(taken_body_outlives_the_parser, setup, teardown),
        cmocka_unit_test_setup_teardown(chunks_are_compacted_in_place, setup, teardown),
        cmocka_unit_test_setup_teardown(chunks_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(body_limit_may_go_either_way, setup, teardown),
        cmocka_unit_test_setup_teardown(body_limit_of_chunks, setup, teardown),
        cmocka_unit_test_setup_teardown(absolute_form_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(failure_is_final, setup, teardown),
        cmocka_unit_test(limits_of_ones_own),
        cmocka_unit_test(llhttp_is_the_strict_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
