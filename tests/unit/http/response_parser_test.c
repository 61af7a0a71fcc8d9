/* Every response is parsed whole, byte by byte and in pieces of three: same result. */
#include "http/response_parser.h"

#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define HEAD_MAX 4096
#define BODY_MAX 1000

struct expected {
    const char *text;
    const char *result; /* "STATUS BODY" of each response, or "error REASON", or "more" */
    enum http_method method;
    int end; /* the peer closes after the text */
};

static const struct expected table[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 hello", HTTP_POST_, 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200 ", HTTP_POST_, 0},
    {"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\na", "200 a", HTTP_POST_, 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 404 Not Found\r\n"
     "Content-Length: 2\r\n\r\nbb",
     "200 a|404 bb", HTTP_POST_, 0},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", "200c a", HTTP_POST_,
     0},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "200c a", HTTP_POST_, 0},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", "200 a",
     HTTP_POST_, 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfoo\r\n3\r\nbar\r\n0\r\nX: "
     "y\r\n"
     "\r\n",
     "200 foobar", HTTP_GET_, 0},
    {"HTTP/1.1 200 OK\r\n\r\nuntil close", "200c until close", HTTP_GET_, 1},
    {"HTTP/1.1 200 OK\r\n\r\n", "200c ", HTTP_GET_, 1},
    {"HTTP/1.1 200 OK\r\n\r\nuntil close", "more", HTTP_GET_, 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "error ended_early", HTTP_GET_, 1},
    {"HTTP/1.1 200 OK\r\nContent-Le", "error ended_early", HTTP_GET_, 1},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfoo\r\n", "error ended_early",
     HTTP_GET_, 1},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 ", HTTP_HEAD_, 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 ", HTTP_HEAD_, 0},
    {"HTTP/1.1 204 No Content\r\n\r\n", "204 ", HTTP_DELETE_, 0},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", "204 ", HTTP_DELETE_, 0},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", "304 ", HTTP_GET_, 0},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 201 "
     "Created"
     "\r\nContent-Length: 1\r\n\r\nx",
     "201 x", HTTP_POST_, 0},
    {"HTTP/1.1 100 Continue\r\n\r\n", "more", HTTP_POST_, 0},
    {"HTTP/1.1 101 Switching Protocols\r\n\r\n", "error unasked_upgrade", HTTP_GET_, 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", "error body_too_large", HTTP_GET_, 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", "error body_too_large",
     HTTP_GET_, 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
     "error bad_content_length", HTTP_GET_, 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "error bad_content_length", HTTP_GET_, 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "error bad_transfer_encoding",
     HTTP_GET_, 0},
    {"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", "error obs_fold", HTTP_GET_,
     0},
    {"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "error bad_version", HTTP_GET_, 0},
    {"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", "error bad_status", HTTP_GET_, 0},
    {"GET / HTTP/1.1\r\n\r\n", "error bad_version", HTTP_GET_, 0},
    {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "error bad_header", HTTP_GET_, 0},
};

struct run {
    struct http_response_parser *p;
    char got[256];
    int failed;
};

static void note(struct run *run, enum http_parse_result result) {
    size_t len = strlen(run->got);
    const struct http_response *r = http_response_parser_response(run->p);
    if (result == HTTP_PARSE_DONE) {
        snprintf(run->got + len, sizeof(run->got) - len, "%s%u%s " SLICE_FMT, len ? "|" : "",
                 r->status, r->keep_alive ? "" : "c", SLICE_ARG(r->body));
        http_response_parser_next(run->p);
    } else if (result == HTTP_PARSE_ERROR) {
        snprintf(run->got + len, sizeof(run->got) - len, "%serror %s", len ? "|" : "",
                 http_response_parser_reason(run->p));
        run->failed = 1;
    }
}

static void run_one(const struct expected *e, size_t piece) {
    struct run run = {http_response_parser_new(HEAD_MAX, BODY_MAX), "", 0};
    http_response_parser_expect(run.p, e->method);
    assert_true(http_response_parser_idle(run.p));
    size_t left = strlen(e->text);
    for (const char *at = e->text; left > 0 && !run.failed;) {
        size_t len = piece < left ? piece : left;
        char *bytes = malloc(len);
        memcpy(bytes, at, len);
        for (size_t done = 0; done < len && !run.failed;) {
            size_t used = 0;
            note(&run, http_response_parser_feed(run.p, bytes + done, len - done, &used));
            done += used;
        }
        free(bytes);
        at += len;
        left -= len;
    }
    if (!run.failed && e->end) {
        note(&run, http_response_parser_end(run.p));
    }
    if (!run.failed && !http_response_parser_idle(run.p)) {
        strcat(run.got, "more");
    }
    if (strcmp(run.got, e->result) != 0) {
        fail_msg("\"%s\" in pieces of %zu: expected %s, got %s", e->text, piece, e->result,
                 run.got);
    }
    http_response_parser_free(run.p);
}

static void verdicts(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        run_one(&table[i], SIZE_MAX);
        run_one(&table[i], 1);
        run_one(&table[i], 3);
    }
}

static void head_limit(void **state) {
    (void)state;
    char text[HEAD_MAX + 8];
    memset(text, 'a', sizeof(text));
    memcpy(text, "HTTP/1.1 200 OK\r\nX: ", 20);
    struct http_response_parser *p = http_response_parser_new(HEAD_MAX, BODY_MAX);
    size_t used;
    assert_int_equal(http_response_parser_feed(p, text, sizeof(text), &used), HTTP_PARSE_ERROR);
    assert_string_equal(http_response_parser_reason(p), "head_too_large");
    http_response_parser_free(p);
}

static void until_close_is_bounded(void **state) {
    (void)state;
    char text[19 + BODY_MAX + 1];
    memset(text, 'a', sizeof(text));
    memcpy(text, "HTTP/1.1 200 OK\r\n\r\n", 19);
    for (size_t extra = 0; extra < 2; extra++) {
        struct http_response_parser *p = http_response_parser_new(HEAD_MAX, BODY_MAX);
        size_t used;
        enum http_parse_result result =
            http_response_parser_feed(p, text, 19 + BODY_MAX + extra, &used);
        assert_int_equal(result, extra ? HTTP_PARSE_ERROR : HTTP_PARSE_MORE);
        if (extra == 0) {
            assert_int_equal(http_response_parser_end(p), HTTP_PARSE_DONE);
            assert_int_equal(http_response_parser_response(p)->body.len, BODY_MAX);
        } else {
            assert_string_equal(http_response_parser_reason(p), "body_too_large");
        }
        /* Whatever comes now is not read. */
        assert_int_equal(http_response_parser_feed(p, text, 19, &used),
                         extra ? HTTP_PARSE_ERROR : HTTP_PARSE_DONE);
        assert_int_equal(used, 0);
        http_response_parser_free(p);
    }
}

static void headers_survive_a_cut_body(void **state) {
    (void)state;
    char one[] = "HTTP/1.1 200 OK\r\nx-amz-crc32: 77\r\nContent-Length: 4\r\n\r\nab";
    char two[] = "cd";
    struct http_response_parser *p = http_response_parser_new(HEAD_MAX, BODY_MAX);
    size_t used;
    assert_int_equal(http_response_parser_feed(p, one, sizeof(one) - 1, &used),
                     HTTP_PARSE_MORE);
    memset(one, '#', sizeof(one));
    assert_int_equal(http_response_parser_feed(p, two, 2, &used), HTTP_PARSE_DONE);
    const struct http_response *r = http_response_parser_response(p);
    assert_true(slice_eq(http_header_value(&r->headers, SLICE("X-Amz-Crc32")), SLICE("77")));
    assert_true(slice_eq(r->body, SLICE("abcd")));
    http_response_parser_free(p);
}

/* A response whose body is dropped: its head, a block of it over and over, its end. */
static void drop(struct http_response_parser *p, const char *head, const char *block,
                 const char *end) {
    char text[256];
    size_t used, seen = 0;
    snprintf(text, sizeof(text), "%s", head);
    assert_int_equal(http_response_parser_feed(p, text, strlen(head), &used), HTTP_PARSE_MORE);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "%s", block);
        assert_int_equal(http_response_parser_feed(p, text, strlen(block), &used),
                         HTTP_PARSE_MORE);
        assert_int_equal(used, strlen(block));
        struct slice part = http_response_parser_response(p)->body;
        assert_true(part.ptr >= text && part.ptr + part.len <= text + sizeof(text));
        seen += part.len;
    }
    assert_int_equal(seen, 10000); /* ten times BODY_MAX */
    snprintf(text, sizeof(text), "%s", end);
    enum http_parse_result result = *end
                                        ? http_response_parser_feed(p, text, strlen(end), &used)
                                        : http_response_parser_end(p);
    assert_int_equal(result, HTTP_PARSE_DONE);
    assert_int_equal(http_response_parser_response(p)->status, 200);
}

static void bodies_are_dropped(void **state) {
    (void)state;
    struct http_response_parser *p = http_response_parser_new(HEAD_MAX, BODY_MAX);
    http_response_parser_drop_bodies(p);
    drop(p, "HTTP/1.1 200 OK\r\nContent-Length: 10001\r\n\r\n", "0123456789", "x");
    http_response_parser_next(p);
    drop(p,
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
         "a\r\n0123456789\r\n", "0\r\nX: y\r\n\r\n");
    http_response_parser_next(p);
    drop(p, "HTTP/1.1 200 OK\r\n\r\n", "0123456789", "");
    http_response_parser_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(head_limit),
        cmocka_unit_test(until_close_is_bounded),
        cmocka_unit_test(headers_survive_a_cut_body),
        cmocka_unit_test(bodies_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
