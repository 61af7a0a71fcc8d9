#include "base/log_json.h"

#include "base/rng.h"
#include "support/unit.h"

#include <stdio.h>

static char line[LOG_LINE_MAX + 1];

static const char *format(const struct log_head *head, const struct log_field *fields) {
    size_t len = log_format(line, head, fields);
    assert_in_range(len, 2, LOG_LINE_MAX);
    assert_int_equal(line[len - 1], '\n');
    line[len - 1] = '\0';
    assert_int_equal(strlen(line), len - 1);
    return line;
}

#define HEAD(...) ((struct log_head){1440938160123, LOG_WARN, "closed", __VA_ARGS__})
#define FIELDS(...)                                                                            \
    ((const struct log_field[]){__VA_ARGS__, {LOG_FIELD_END, 0, SLICE_EMPTY, 0}})

static void every_kind_of_field(void **state) {
    (void)state;
    const char *got = format(&HEAD(.thread = NULL),
                             FIELDS(log_str("reason", "idle"), log_u64("age", UINT64_MAX),
                                    log_i64("skew", INT64_MIN), log_i64("n", 3),
                                    log_raw("list", SLICE("[1,2]")), log_str("none", NULL)));
    assert_string_equal(got, "{\"time\":\"2015-08-30T12:36:00.123Z\",\"level\":\"warn\","
                             "\"event\":\"closed\",\"reason\":\"idle\","
                             "\"age\":18446744073709551615,\"skew\":-9223372036854775808,"
                             "\"n\":3,\"list\":[1,2],\"none\":\"\"}");
}

static void thread_and_dropped(void **state) {
    (void)state;
    const char *got =
        format(&HEAD(.thread = "worker-0", .dropped = 7), FIELDS(log_u64("n", 0)));
    assert_string_equal(got, "{\"time\":\"2015-08-30T12:36:00.123Z\",\"level\":\"warn\","
                             "\"event\":\"closed\",\"thread\":\"worker-0\",\"n\":0,"
                             "\"dropped\":7}");
}

static void escapes(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"plain", "plain"},
        {"\"\\/", "\\\"\\\\/"},
        {"\n\r\t\x01\x1b\x7f", "\\n\\r\\t\\u0001\\u001b\\u007f"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\xc2\x9b\x41", "\\u009bA"}, /* C1 control */
        {"\xc2\xa0", "\xc2\xa0"},
        {"a\xff\x62", "a\xef\xbf\xbd\x62"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* surrogate */
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* cut */
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        char expected[256];
        snprintf(expected, sizeof expected, ",\"s\":\"%s\"}", pairs[i][1]);
        const char *got = format(&HEAD(.thread = NULL), FIELDS(log_str("s", pairs[i][0])));
        assert_string_equal(got + strlen(got) - strlen(expected), expected);
    }
    const char *got = format(&HEAD(.thread = NULL), FIELDS(log_slice("s", SLICE("a\0b"))));
    assert_non_null(strstr(got, "\"a\\u0000b\""));
}

static void a_long_string_is_cut(void **state) {
    (void)state;
    static char big[3 * LOG_LINE_MAX];
    const char fill[] = {'x', '\x01', '\xff'};
    for (size_t i = 0; i < COUNT(fill); i++) {
        memset(big, fill[i], sizeof big);
        for (size_t len = LOG_LINE_MAX / 8; len < sizeof big; len += 997) {
            const char *got =
                format(&HEAD(.thread = "t", .dropped = UINT64_MAX),
                       FIELDS(log_slice("s", slice_of(big, len)), log_u64("after", 1)));
            size_t total = strlen(got);
            if (total < LOG_LINE_MAX / 2) {
                assert_null(strstr(got, "truncated"));
                continue;
            }
            const char *tail = "\"truncated\":true,\"dropped\":18446744073709551615}";
            if (strstr(got, "truncated")) {
                assert_string_equal(got + total - strlen(tail), tail);
            } else {
                assert_non_null(strstr(got, ",\"after\":1,"));
            }
        }
    }
}

static void raw_that_does_not_fit_is_left_out(void **state) {
    (void)state;
    static char big[LOG_LINE_MAX];
    memset(big, '1', sizeof big);
    const char *got =
        format(&HEAD(.thread = NULL), FIELDS(log_raw("big", slice_of(big, sizeof big)),
                                             log_u64("n", 1), log_raw("empty", SLICE_EMPTY)));
    assert_non_null(strstr(got, "\"closed\",\"n\":1,\"truncated\":true}"));
}

/* Whatever the bytes, the line has balanced quotes and no control character. */
static void random_bytes_make_one_clean_line(void **state) {
    (void)state;
    struct rng rng;
    rng_seed(&rng, 1);
    for (int n = 0; n < 20000; n++) {
        char bytes[64];
        size_t len = rng_below(&rng, sizeof bytes);
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (char)rng_u64(&rng);
        }
        const char *got =
            format(&HEAD(.thread = NULL), FIELDS(log_slice("s", slice_of(bytes, len))));
        int quotes = 0;
        for (size_t i = 0; got[i]; i++) {
            assert_true((unsigned char)got[i] >= 0x20);
            if (got[i] == '\\') {
                i++;
            } else if (got[i] == '"') {
                quotes++;
            }
        }
        assert_int_equal(quotes, 16); /* 4 names, 4 strings */
        ;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_field),
        cmocka_unit_test(thread_and_dropped),
        cmocka_unit_test(escapes),
        cmocka_unit_test(a_long_string_is_cut),
        cmocka_unit_test(raw_that_does_not_fit_is_left_out),
        cmocka_unit_test(random_bytes_make_one_clean_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
