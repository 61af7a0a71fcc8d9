/* The fast path against the general signer, over days, seconds, operations and credentials; and
 * what both refuse. */
#include "aws/sigv4.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HOST "dynamodb.eu-west-1.amazonaws.com"
#define ID   "3f2504e0-4f89-41d3-9a0c-0305e82c3301"

static const struct sigv4_key plain = {
    .access_key_id = {"AKIDEXAMPLE", 11},
    .secret_access_key = {"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 40},
    .region = {"eu-west-1", 9},
    .service = {"dynamodb", 8},
};

static struct sigv4_signer *new_signer(const struct sigv4_key *k) {
    struct sigv4_signer *s = sigv4_signer_new(HOST, "eu-west-1", "dynamodb");
    sigv4_signer_set_credentials(s, k->access_key_id, k->secret_access_key, k->session_token);
    return s;
}

/* What the fast path must write, made the slow way. */
static void slow(const struct sigv4_key *k, const char *operation, uint64_t epoch_s,
                 unsigned attempt, struct slice body, struct buffer *out) {
    char target[80], date_time[17], date[9];
    struct buffer authorization = {0};
    snprintf(target, sizeof(target), "DynamoDB_20120810.%s", operation);
    clock_format_amz(epoch_s, date_time, date);
    const struct http_header headers[] = {
        {SLICE("Host"), SLICE(HOST)},
        {SLICE("Content-Type"), SLICE("application/x-amz-json-1.0")},
        {SLICE("X-Amz-Target"), slice_cstr(target)},
        {SLICE("X-Amz-Date"), slice_cstr(date_time)},
        {SLICE("X-Amz-Security-Token"), k->session_token},
    };
    const struct sigv4_request r = {
        .method = SLICE("POST"),
        .path = SLICE("/"),
        .headers = {headers, k->session_token.len > 0 ? 5 : 4},
        .body = body,
        .normalize_path = 1,
    };
    assert_int_equal(sigv4_authorization(k, &r, epoch_s, &authorization), 0);
    int e = buffer_printf(out,
                          "POST / HTTP/1.1\r\nHost: " HOST "\r\nUser-Agent: penstock\r\n"
                          "Accept-Encoding: identity\r\n"
                          "Content-Type: application/x-amz-json-1.0\r\n"
                          "X-Amz-Target: %s\r\nX-Amz-Date: %s\r\n",
                          target, date_time);
    if (k->session_token.len > 0) {
        e |= buffer_printf(out, "X-Amz-Security-Token: " SLICE_FMT "\r\n",
                           SLICE_ARG(k->session_token));
    }
    e |= buffer_printf(out,
                       "Authorization: " SLICE_FMT "\r\namz-sdk-invocation-id: " ID "\r\n"
                       "amz-sdk-request: attempt=%u; max=4\r\nContent-Length: %zu\r\n\r\n",
                       SLICE_ARG(buffer_slice(&authorization)), attempt, body.len);
    e |= buffer_append_slice(out, body);
    assert_int_equal(e, 0);
    buffer_fini(&authorization);
}

/* The User-Agent may carry a version that only the build knows. */
static void drop_version(struct buffer *b) {
    char *at = memmem(buffer_begin(b), b->len, "penstock/", 9);
    if (at) {
        char *end = memchr(at, '\r', b->len - (size_t)(at - buffer_begin(b)));
        assert_non_null(end);
        memmove(at + 8, end, (size_t)(buffer_tail(b) - end));
        b->len -= (size_t)(end - at - 8);
    }
}

static void expect_same(struct sigv4_signer *s, const struct sigv4_key *k,
                        const char *operation, uint64_t epoch_s, struct slice body) {
    struct buffer got = {0}, want = {0};
    assert_int_equal(
        sigv4_write_request(s, slice_cstr(operation), epoch_s, ID, 2, 4, body, &got), 0);
    slow(k, operation, epoch_s, 2, body, &want);
    drop_version(&got);
    if (!slice_eq(buffer_slice(&got), buffer_slice(&want))) {
        fail_msg("--- want\n" SLICE_FMT "\n--- got\n" SLICE_FMT, SLICE_ARG(buffer_slice(&want)),
                 SLICE_ARG(buffer_slice(&got)));
    }
    buffer_fini(&got);
    buffer_fini(&want);
}

static void test_fast_path(void **state) {
    (void)state;
    static const char *const operations[] = {
        "PutItem", "BatchWriteItem", "GetItem", "Query",        "UpdateItem",   "DeleteItem",
        "Scan",    "CreateTable",    "List",    "BatchGetItem", "DescribeTable"};
    static char body[3000];
    struct sigv4_signer *s = new_signer(&plain);
    struct rng r;
    rng_seed(&r, 42);
    memset(body, 'x', sizeof(body));
    uint64_t now = 1440938160;
    for (int i = 0; i < 3000; i++) {
        now += rng_below(&r, 4) == 0 ? rng_below(&r, 3) : 0;
        now += rng_below(&r, 500) == 0 ? 86400 : 0;
        body[rng_below(&r, sizeof(body))]++;
        size_t operation = rng_below(&r, i % 300 < 150 ? 3 : 11);
        struct slice b = slice_of(body, rng_below(&r, sizeof(body)));
        expect_same(s, &plain, operations[operation], now, b);
    }
    expect_same(s, &plain, "PutItem", now, SLICE_EMPTY);
    expect_same(s, &plain, "PutItem", now - 5, SLICE("{}")); /* a clock that went back */
    sigv4_signer_free(s);
}

static void test_token_and_change(void **state) {
    (void)state;
    char token[1200];
    memset(token, 'T', sizeof(token));
    struct sigv4_key with_token = plain;
    with_token.session_token = slice_of(token, sizeof(token));
    struct sigv4_key long_secret = plain;
    long_secret.secret_access_key = slice_of(token, 100);
    struct sigv4_signer *s = new_signer(&plain);
    expect_same(s, &plain, "PutItem", 1440938160, SLICE("{\"a\":1}"));
    sigv4_signer_set_credentials(s, with_token.access_key_id, with_token.secret_access_key,
                                 with_token.session_token);
    expect_same(s, &with_token, "PutItem", 1440938160, SLICE("{\"a\":1}"));
    sigv4_signer_set_credentials(s, long_secret.access_key_id, long_secret.secret_access_key,
                                 SLICE_EMPTY);
    expect_same(s, &long_secret, "PutItem", 1440938160, SLICE("{\"a\":1}"));
    sigv4_signer_free(s);
}

static void test_appends(void **state) {
    (void)state;
    struct sigv4_signer *s = new_signer(&plain);
    struct buffer out = {0};
    assert_int_equal(buffer_append(&out, "before", 6), 0);
    assert_int_equal(
        sigv4_write_request(s, SLICE("PutItem"), 1440938160, ID, 1, 4, SLICE("{}"), &out), 0);
    assert_memory_equal(buffer_begin(&out), "beforePOST / HTTP/1.1\r\n", 23);
    assert_memory_equal(buffer_tail(&out) - 6, "\r\n\r\n{}", 6);
    buffer_fini(&out);
    sigv4_signer_free(s);
}

static void expect_no_credentials(struct sigv4_signer *s) {
    struct buffer out = {0};
    assert_false(sigv4_signer_ready(s));
    assert_int_equal(
        sigv4_write_request(s, SLICE("PutItem"), 1440938160, ID, 1, 4, SLICE("{}"), &out),
        ERR_CREDENTIALS);
    assert_int_equal(out.len, 0);
    buffer_fini(&out);
}

static void test_refuses(void **state) {
    (void)state;
    struct sigv4_signer *s = sigv4_signer_new(HOST, "eu-west-1", "dynamodb");
    expect_no_credentials(s);
    sigv4_signer_set_credentials(s, SLICE("AK"), SLICE_EMPTY, SLICE_EMPTY);
    expect_no_credentials(s);
    /* bytes that would start a header of their own */
    sigv4_signer_set_credentials(s, SLICE("AK"), SLICE("secret"), SLICE("t\r\nX-Evil: 1"));
    expect_no_credentials(s);
    sigv4_signer_set_credentials(s, SLICE("AK\n"), SLICE("secret"), SLICE_EMPTY);
    expect_no_credentials(s);
    sigv4_signer_set_credentials(s, SLICE("AK"), SLICE("secret"), SLICE_EMPTY);
    assert_true(sigv4_signer_ready(s));
    sigv4_signer_free(s);

    char hex[65];
    struct sigv4_key nobody = plain;
    nobody.secret_access_key = SLICE_EMPTY;
    assert_int_equal(sigv4_signature(&nobody, 1440938160, SLICE("x"), hex), ERR_CREDENTIALS);
}

static void expect_canonical(struct sigv4_request r, const char *second_line,
                             const char *third_line) {
    struct buffer out = {0}, names = {0};
    assert_int_equal(sigv4_canonical_request(&r, &out, &names), 0);
    struct slice rest = buffer_slice(&out);
    slice_split(rest, '\n', &rest);
    struct slice path = slice_split(rest, '\n', &rest);
    struct slice query = slice_split(rest, '\n', &rest);
    assert_true(slice_eq(path, slice_cstr(second_line)));
    assert_true(slice_eq(query, slice_cstr(third_line)));
    buffer_fini(&out);
    buffer_fini(&names);
}

/* What the vectors do not show. */
static void test_canonical(void **state) {
    (void)state;
    struct sigv4_request r = {.method = SLICE("GET"), .normalize_path = 1};
    expect_canonical(r, "/", "");
    r.path = SLICE("/a%20b/../c%2Fd/");
    expect_canonical(r, "/c%252Fd/", "");
    r.path = SLICE("/../..");
    expect_canonical(r, "/", "");
    r.path = SLICE("/a%20b");
    r.normalize_path = 0; /* as S3 wants it: encoded once */
    expect_canonical(r, "/a%20b", "");
    r.query = SLICE("b&a=2&a=1&&c=x%2Fy+z");
    expect_canonical(r, "/a%20b", "a=1&a=2&b=&c=x%2Fy%2Bz");
    r.query = SLICE("ab=1&a=2&a-b=3");
    expect_canonical(r, "/a%20b", "a=2&a-b=3&ab=1");
}

static void test_limits(void **state) {
    (void)state;
    struct http_header many[HTTP_HEADERS_MAX + 1];
    struct buffer out = {0}, names = {0};
    for (size_t i = 0; i < HTTP_HEADERS_MAX + 1; i++) {
        many[i] = (struct http_header){SLICE("x-h"), SLICE("v")};
    }
    struct sigv4_request r = {.method = SLICE("GET"), .headers = {many, HTTP_HEADERS_MAX + 1}};
    assert_int_equal(sigv4_canonical_request(&r, &out, &names), ERR_LIMIT);
    char query[300];
    memset(query, '&', sizeof(query));
    for (size_t i = 0; i < sizeof(query); i += 2) {
        query[i] = 'q';
    }
    r.headers.count = 1;
    r.query = slice_of(query, sizeof(query));
    assert_int_equal(sigv4_canonical_request(&r, &out, &names), ERR_LIMIT);
    buffer_fini(&out);
    buffer_fini(&names);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fast_path), cmocka_unit_test(test_token_and_change),
        cmocka_unit_test(test_appends),   cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_canonical), cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
