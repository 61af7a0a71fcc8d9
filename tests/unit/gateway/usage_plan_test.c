/* Periods of quotas, against dates written out. */
#include "gateway/usage_plan.h"

#include "base/clock.h"
#include "support/unit.h"

static uint64_t at(const char *text) {
    uint64_t epoch_s;
    int error = clock_parse_iso8601(text, strlen(text), &epoch_s);
    assert_int_equal(error, 0);
    return epoch_s;
}

static void expect(enum quota_period period, unsigned offset, const char *now,
                   const char *start, const char *end) {
    struct quota q = {period, offset, 1};
    uint64_t end_s;
    uint64_t start_s = (uint64_t)quota_period_start(&q, at(now), &end_s) * 86400;
    if (start_s != at(start) || end_s != at(end)) {
        fail_msg("%s: %llu to %llu", now, (unsigned long long)start_s,
                 (unsigned long long)end_s);
    }
}

static void days(void **state) {
    (void)state;
    expect(QUOTA_DAY, 0, "2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z",
           "2026-11-23T00:00:00Z");
    expect(QUOTA_DAY, 0, "2026-11-22T23:59:59Z", "2026-11-22T00:00:00Z",
           "2026-11-23T00:00:00Z");
    expect(QUOTA_DAY, 0, "2026-12-31T23:59:59Z", "2026-12-31T00:00:00Z",
           "2027-01-01T00:00:00Z");
}

/* 2026-11-22 is a Sunday. */
static void weeks(void **state) {
    (void)state;
    expect(QUOTA_WEEK, 0, "2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z",
           "2026-11-29T00:00:00Z");
    expect(QUOTA_WEEK, 0, "2026-11-21T23:59:59Z", "2026-11-15T00:00:00Z",
           "2026-11-22T00:00:00Z");
    expect(QUOTA_WEEK, 1, "2026-11-22T12:00:00Z", "2026-11-16T00:00:00Z",
           "2026-11-23T00:00:00Z");
    expect(QUOTA_WEEK, 1, "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z",
           "2026-11-30T00:00:00Z");
    expect(QUOTA_WEEK, 6, "2026-11-22T12:00:00Z", "2026-11-21T00:00:00Z",
           "2026-11-28T00:00:00Z");
    expect(QUOTA_WEEK, 0, "2027-01-01T00:00:00Z", "2026-12-27T00:00:00Z",
           "2027-01-03T00:00:00Z");
}

static void months(void **state) {
    (void)state;
    expect(QUOTA_MONTH, 0, "2026-11-30T23:59:59Z", "2026-11-01T00:00:00Z",
           "2026-12-01T00:00:00Z");
    expect(QUOTA_MONTH, 0, "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z",
           "2027-01-01T00:00:00Z");
    expect(QUOTA_MONTH, 0, "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z",
           "2028-03-01T00:00:00Z");
    expect(QUOTA_MONTH, 0, "2100-02-28T12:00:00Z", "2100-02-01T00:00:00Z",
           "2100-03-01T00:00:00Z");
    expect(QUOTA_MONTH, 14, "2026-11-14T23:59:59Z", "2026-10-15T00:00:00Z",
           "2026-11-15T00:00:00Z");
    expect(QUOTA_MONTH, 14, "2026-11-15T00:00:00Z", "2026-11-15T00:00:00Z",
           "2026-12-15T00:00:00Z");
    expect(QUOTA_MONTH, 27, "2026-03-01T00:00:00Z", "2026-02-28T00:00:00Z",
           "2026-03-28T00:00:00Z");
}

/* Every hour of forty years is in the period that begins before it and ends after it; periods
 * follow each other without a gap. */
static void no_gap(void **state) {
    (void)state;
    for (unsigned p = QUOTA_DAY; p <= QUOTA_MONTH; p++) {
        for (unsigned offset = 0; offset <= quota_offset_max((enum quota_period)p); offset++) {
            struct quota q = {(enum quota_period)p, offset, 1};
            uint64_t end = at("2000-03-05T00:00:00Z");
            (void)quota_period_start(&q, end, &end);
            while (end < at("2040-01-01T00:00:00Z")) {
                uint64_t next;
                assert_int_equal((uint64_t)quota_period_start(&q, end, &next) * 86400, end);
                assert_true(next > end && next - end <= 31 * 86400);
                uint64_t same;
                assert_int_equal((uint64_t)quota_period_start(&q, next - 1, &same) * 86400,
                                 end);
                assert_int_equal(same, next);
                end = next;
            }
        }
    }
}

static void names(void **state) {
    (void)state;
    assert_int_equal(quota_period_parse("MONTH"), QUOTA_MONTH);
    assert_int_equal(quota_period_parse("month"), QUOTA_NONE);
    assert_int_equal(quota_period_parse(""), QUOTA_NONE);
    assert_string_equal(quota_period_name(QUOTA_WEEK), "WEEK");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days),   cmocka_unit_test(weeks), cmocka_unit_test(months),
        cmocka_unit_test(no_gap), cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
