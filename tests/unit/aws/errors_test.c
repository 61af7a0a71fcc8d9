/* What an answer means: the table of error names, the names' parsing, checksum and clock. */
#include "aws/crc32.h"
#include "aws/errors.h"
#include "aws/skew.h"
#include "base/clock.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
    unsigned status;
    const char *name;
    enum aws_error_kind kind;
} table[] = {
    {200, "", AWS_OK},
    {400, "ProvisionedThroughputExceededException", AWS_THROTTLE},
    {400, "ThrottlingException", AWS_THROTTLE},
    {400, "RequestLimitExceeded", AWS_THROTTLE},
    {400, "TransactionInProgressException", AWS_THROTTLE},
    {400, "TransactionConflictException", AWS_THROTTLE},
    {503, "SlowDown", AWS_THROTTLE},
    {429, "", AWS_THROTTLE},
    {500, "InternalServerError", AWS_TRANSIENT},
    {500, "", AWS_TRANSIENT},
    {502, "", AWS_TRANSIENT},
    {503, "ServiceUnavailable", AWS_TRANSIENT},
    {504, "", AWS_TRANSIENT},
    {520, "", AWS_TRANSIENT}, /* whoever invents a 5xx: it may have happened */
    {400, "RequestTimeout", AWS_TRANSIENT},
    {400, "ConditionalCheckFailedException", AWS_CONDITION},
    {400, "ValidationException", AWS_VALIDATION},
    {413, "", AWS_VALIDATION},
    {400, "AccessDeniedException", AWS_ACCESS},
    {403, "", AWS_ACCESS},
    {400, "ExpiredTokenException", AWS_CREDENTIALS},
    {400, "UnrecognizedClientException", AWS_CREDENTIALS},
    {400, "InvalidSignatureException", AWS_CREDENTIALS},
    {400, "RequestTimeTooSkewed", AWS_CLOCK_SKEW},
    {400, "ResourceNotFoundException", AWS_NOT_FOUND},
    {400, "ResourceInUseException", AWS_IN_USE},
    {400, "ItemCollectionSizeLimitExceededException", AWS_OTHER_CLIENT},
    {400, "TransactionCanceledException", AWS_OTHER_CLIENT},
    {400, "IdempotentParameterMismatchException", AWS_OTHER_CLIENT},
    {400, "NeverHeardOfException", AWS_OTHER_CLIENT},
    {404, "", AWS_OTHER_CLIENT},
    {302, "", AWS_OTHER_CLIENT},
};

static void test_classify(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        enum aws_error_kind kind =
            aws_error_classify(table[i].status, slice_cstr(table[i].name));
        if (kind != table[i].kind) {
            fail_msg("%u %s: %s, not %s", table[i].status, table[i].name,
                     aws_error_kind_name(kind), aws_error_kind_name(table[i].kind));
        }
    }
}

static void expect_parse(const char *body, const char *name, const char *message) {
    struct slice n, m;
    aws_error_parse(slice_cstr(body), &n, &m);
    if (!slice_eq(n, slice_cstr(name)) || !slice_eq(m, slice_cstr(message))) {
        fail_msg("%s: '" SLICE_FMT "' '" SLICE_FMT "'", body, SLICE_ARG(n), SLICE_ARG(m));
    }
}

static void test_parse(void **state) {
    (void)state;
    expect_parse("{\"__type\":\"com.amazonaws.dynamodb.v20120810#ValidationException\","
                 "\"message\":\"no \\\"key\\\"\"}",
                 "ValidationException", "no \\\"key\\\"");
    expect_parse(" { \"Message\" : \"m\" , \"__type\" : \"com.amazon.coral.service#"
                 "SerializationException\" } ",
                 "SerializationException", "m");
    expect_parse("{\"CancellationReasons\":[{\"Code\":\"]}\\\"\"},[1,{}]],\"message\":\"x\","
                 "\"__type\":\"a#TransactionCanceledException\"}",
                 "TransactionCanceledException", "x");
    expect_parse("{\"code\":\"SlowDown\",\"message\":null}", "SlowDown", "null");
    expect_parse("{\"__type\":\"ThrottlingException:http://internal/\"}", "ThrottlingException",
                 "");
    static const char *const broken[] = {"",
                                         "<html>",
                                         "[]",
                                         "{",
                                         "{}",
                                         "{\"__type",
                                         "{\"__type\"",
                                         "{\"__type\":",
                                         "{\"__type\":\"abc",
                                         "{\"__type\":\"abc\\",
                                         "{\"__type\":\"abc\\\"",
                                         "{\"a\":[1,2",
                                         "{\"a\":{\"b\":\"",
                                         "{\"a\" 1,\"__type\":\"x\"}",
                                         "null"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        expect_parse(broken[i], "", "");
    }
}

static void test_bare_name(void **state) {
    (void)state;
    assert_true(slice_eq(aws_error_bare_name(SLICE("a#B:c#d")), SLICE("B")));
    assert_true(slice_eq(aws_error_bare_name(SLICE("B")), SLICE("B")));
    assert_int_equal(aws_error_bare_name(SLICE("a#")).len, 0);
    assert_int_equal(aws_error_bare_name(SLICE_EMPTY).len, 0);
}

static void test_crc32(void **state) {
    (void)state;
    assert_int_equal(aws_crc32(SLICE("{}")), 2745614147u); /* what DynamoDB sends for a put */
    assert_int_equal(aws_crc32(SLICE("123456789")), 0xcbf43926u);
    assert_int_equal(aws_crc32_check(SLICE_EMPTY, SLICE("{}")), 0);
    assert_int_equal(aws_crc32_check(SLICE("2745614147"), SLICE("{}")), 0);
    assert_int_equal(aws_crc32_check(SLICE("2745614148"), SLICE("{}")), ERR_PROTOCOL);
    assert_int_equal(aws_crc32_check(SLICE("7040581443"), SLICE("{}")), ERR_PROTOCOL);
    assert_int_equal(aws_crc32_check(SLICE("-1"), SLICE("{}")), ERR_PROTOCOL);
    assert_int_equal(aws_crc32_check(slice_of("", 0), SLICE("{}")), ERR_PROTOCOL);
    assert_int_equal(aws_crc32_check(SLICE("0"), SLICE("")), 0);
}

static void expect_skew(uint64_t theirs, uint64_t ours, enum aws_error_kind kind,
                        int64_t before, int moved, int64_t after) {
    char date[30];
    int64_t offset = before;
    clock_format_http(theirs, date);
    assert_int_equal(aws_skew_update(slice_cstr(date), ours, kind, &offset), moved);
    assert_int_equal(offset, after);
}

static void test_skew(void **state) {
    (void)state;
    const uint64_t now = 1440938160;
    expect_skew(now, now, AWS_OK, 0, 0, 0);
    expect_skew(now + 299, now, AWS_OK, 0, 0, 0);
    expect_skew(now + 300, now, AWS_OK, 0, 1, 300);
    expect_skew(now - 4000, now, AWS_OK, 0, 1, -4000);
    expect_skew(now - 4000, now, AWS_OK, -4000, 0, -4000);
    expect_skew(now, now, AWS_OK, -4000, 1, 0); /* our clock was set right */
    expect_skew(now + 100, now, AWS_CLOCK_SKEW, 0, 1, 100);
    expect_skew(now + 100, now, AWS_CREDENTIALS, 0, 1, 100);
    expect_skew(now + 2, now, AWS_CREDENTIALS, 0, 0, 0); /* the clock is not the cause */
    expect_skew(now + 100, now, AWS_VALIDATION, 0, 0, 0);
    int64_t offset = 7;
    assert_int_equal(aws_skew_update(SLICE_EMPTY, now, AWS_CLOCK_SKEW, &offset), 0);
    assert_int_equal(aws_skew_update(SLICE("yesterday"), now, AWS_CLOCK_SKEW, &offset), 0);
    assert_int_equal(offset, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classify),  cmocka_unit_test(test_parse),
        cmocka_unit_test(test_bare_name), cmocka_unit_test(test_crc32),
        cmocka_unit_test(test_skew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
