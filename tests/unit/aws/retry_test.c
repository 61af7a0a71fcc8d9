/* The quota's arithmetic and the bounds and spread of the delays. */
#include "aws/retry.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_quota(void **state) {
    (void)state;
    struct retry_quota q;
    uint32_t paid = 0;
    retry_quota_init(&q);
    assert_int_equal(q.tokens, 500);
    /* 500, 500, 200: two retries, the last one's cost comes back */
    assert_int_equal(retry_quota_take(&q, RETRY_TRANSIENT, &paid), 0);
    assert_int_equal(q.tokens, 486);
    assert_int_equal(retry_quota_take(&q, RETRY_TRANSIENT, &paid), 0);
    assert_int_equal(q.tokens, 472);
    retry_quota_refund(&q, paid);
    assert_int_equal(q.tokens, 486);
    retry_quota_refund(&q, 0);
    assert_int_equal(q.tokens, 487);
    assert_int_equal(retry_quota_take(&q, RETRY_THROTTLE, &paid), 0);
    assert_int_equal(q.tokens, 477);
    retry_quota_refund(&q, 1000);
    assert_int_equal(q.tokens, 500); /* never over the capacity */
    retry_quota_refund(&q, 0);
    assert_int_equal(q.tokens, 500);
}

static void test_quota_empty(void **state) {
    (void)state;
    struct retry_quota q;
    uint32_t paid;
    unsigned retries = 0;
    retry_quota_init(&q);
    while (retry_quota_take(&q, RETRY_THROTTLE, &paid) == 0) {
        retries++;
    }
    assert_int_equal(retries, 50);
    paid = 77;
    assert_int_equal(retry_quota_take(&q, RETRY_TIMEOUT, &paid), ERR_BUSY);
    assert_int_equal(paid, 77);
    /* ten first-try successes buy one throttle retry: a tenth of extra load at most */
    for (int i = 0; i < 10; i++) {
        assert_int_equal(retry_quota_take(&q, RETRY_THROTTLE, &paid), ERR_BUSY);
        retry_quota_refund(&q, 0);
    }
    assert_int_equal(retry_quota_take(&q, RETRY_THROTTLE, &paid), 0);
}

static void expect_bound(enum retry_kind kind, unsigned attempt, uint64_t bound) {
    struct rng r;
    uint64_t least = UINT64_MAX, most = 0, sum = 0;
    rng_seed(&r, 5);
    for (int i = 0; i < 4000; i++) {
        uint64_t d = retry_delay_ms(&r, kind, attempt, -1);
        least = d < least ? d : least;
        most = d > most ? d : most;
        sum += d;
    }
    assert_true(most < bound && most >= bound * 95 / 100);
    assert_true(least <= bound / 20);
    assert_true(sum / 4000 >= bound * 45 / 100 && sum / 4000 <= bound * 55 / 100);
}

static void test_delay(void **state) {
    (void)state;
    expect_bound(RETRY_TRANSIENT, 1, 25);
    expect_bound(RETRY_TRANSIENT, 2, 50);
    expect_bound(RETRY_TRANSIENT, 3, 100);
    expect_bound(RETRY_TIMEOUT, 1, 25);
    expect_bound(RETRY_THROTTLE, 1, 1000);
    expect_bound(RETRY_THROTTLE, 4, 8000);
    expect_bound(RETRY_THROTTLE, 6, 20000);
    expect_bound(RETRY_TRANSIENT, 11, 20000);
    expect_bound(RETRY_TRANSIENT, 4000000000u, 20000);
    expect_bound(RETRY_TRANSIENT, 0, 25);
}

static void test_retry_after(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct rng r;
        rng_seed(&r, seed);
        uint64_t own = retry_delay_ms(&r, RETRY_THROTTLE, 2, -1);
        int64_t hints[] = {0, 1500, 4000, 1000000, INT64_MAX, INT64_MIN};
        for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
            rng_seed(&r, seed);
            uint64_t got = retry_delay_ms(&r, RETRY_THROTTLE, 2, hints[i]);
            uint64_t want = hints[i] < 0 || (uint64_t)hints[i] < own ? own : (uint64_t)hints[i];
            want = want > own + 5000 ? own + 5000 : want;
            assert_int_equal(got, want);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_quota_empty),
        cmocka_unit_test(test_delay),
        cmocka_unit_test(test_retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
