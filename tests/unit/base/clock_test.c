#include "base/clock.h"

#include "base/error.h"
#include "base/rng.h"
#include "support/unit.h"

#include <stdio.h>
#include <time.h>

/* strftime is the reference; the dates are every 17 hours or so of ten centuries. */
static void formats_agree_with_strftime(void **state) {
    (void)state;
    struct rng rng;
    rng_seed(&rng, 3);
    for (uint64_t s = 0; s < 32503680000; s += 61000 + rng_below(&rng, 4000)) {
        char got[40], date[9], expected[40];
        time_t t = (time_t)s;
        struct tm tm;
        assert_non_null(gmtime_r(&t, &tm));
        clock_format_http(s, got);
        strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        assert_string_equal(got, expected);
        uint64_t back = 0;
        assert_int_equal(clock_parse_http(got, strlen(got), &back), 0);
        assert_true(back == s);
        clock_format_amz(s, got, date);
        strftime(expected, sizeof expected, "%Y%m%dT%H%M%SZ", &tm);
        assert_string_equal(got, expected);
        expected[8] = '\0';
        assert_string_equal(date, expected);
        clock_format_clf(s, got);
        strftime(expected, sizeof expected, "%d/%b/%Y:%H:%M:%S +0000", &tm);
        assert_string_equal(got, expected);
        clock_format_iso8601_ms(s * 1000 + 7, got);
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.007Z", &tm);
        assert_string_equal(got, expected);
        assert_int_equal(clock_parse_iso8601(got, strlen(got), &back), 0);
        assert_true(back == s);
    }
}

static void known_dates(void **state) {
    (void)state;
    char a[40], b[9];
    clock_format_http(784111777, a);
    assert_string_equal(a, "Sun, 06 Nov 1994 08:49:37 GMT");
    clock_format_amz(1440938160, a, b);
    assert_string_equal(a, "20150830T123600Z");
    assert_string_equal(b, "20150830");
    clock_format_clf(1583349317, a);
    assert_string_equal(a, "04/Mar/2020:19:15:17 +0000");
    clock_format_iso8601_ms(1440938160123, a);
    assert_string_equal(a, "2015-08-30T12:36:00.123Z");
    clock_format_http(0, a);
    assert_string_equal(a, "Thu, 01 Jan 1970 00:00:00 GMT");
    clock_format_http(951782400, a);
    assert_string_equal(a, "Tue, 29 Feb 2000 00:00:00 GMT");
    clock_format_http(UINT64_MAX, a); /* the last date with four digits */
    assert_string_equal(a, "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void bad_http_dates(void **state) {
    (void)state;
    const char *bad[] = {
        "",
        "Sun, 06 Nov 1994 08:49:37 GM",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Xyz 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT ",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1969 08:49:37 GMT",
        "Wed, 29 Feb 2100 00:00:00 GMT",
        "Sun; 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    uint64_t s;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(clock_parse_http(bad[i], strlen(bad[i]), &s), ERR_INVALID);
    }
    const char *leap = "Sat, 31 Dec 2016 23:59:60 GMT";
    assert_int_equal(clock_parse_http(leap, strlen(leap), &s), 0);
    assert_true(s == 1483228800);
}

static void iso8601(void **state) {
    (void)state;
    uint64_t s = 0;
    const char *good[] = {"2015-08-30T12:36:00Z", "2015-08-30T12:36:00.1Z",
                          "2015-08-30T12:36:00.123456789Z"};
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(clock_parse_iso8601(good[i], strlen(good[i]), &s), 0);
        assert_true(s == 1440938160);
    }
    const char *bad[] = {"",
                         "2015-08-30T12:36:00",
                         "2015-08-30 12:36:00Z",
                         "2015-08-30T12:36:00.Z",
                         "2015-08-30T12:36:00,1Z",
                         "2015-08-30T12:36:00.1xZ",
                         "2015-08-30T12:36:00+Z",
                         "2015-13-30T12:36:00Z",
                         "2015-00-30T12:36:00Z",
                         "2015-02-29T12:36:00Z",
                         "2015-08-30T12:36:00.123",
                         "2015-08-30T12:36:0xZ"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(clock_parse_iso8601(bad[i], strlen(bad[i]), &s), ERR_INVALID);
    }
}

static void clocks_run(void **state) {
    (void)state;
    uint64_t a = clock_monotonic_ns(), b = clock_monotonic_ns();
    assert_true(b >= a && a > 0);
    assert_true(clock_wall_ms() / 1000 - (uint64_t)time(NULL) + 1 <= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_agree_with_strftime),
        cmocka_unit_test(known_dates),
        cmocka_unit_test(bad_http_dates),
        cmocka_unit_test(iso8601),
        cmocka_unit_test(clocks_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
