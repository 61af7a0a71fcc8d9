/* Token buckets in virtual time. */
#include "gateway/throttle.h"

#include "base/clock.h"
#include "base/rng.h"
#include "support/unit.h"

static int admit(const struct throttle *t, uint64_t *full_ns, uint64_t now_ns) {
    if (throttle_wait_ns(t, *full_ns, now_ns) > 0) {
        return 0;
    }
    *full_ns = throttle_take(t, *full_ns, now_ns, 1);
    return 1;
}

static void burst_then_rate(void **state) {
    (void)state;
    struct throttle t = throttle_make(10, 5);
    uint64_t full = 0;
    uint64_t now = 7 * NS_PER_S;
    for (int i = 0; i < 5; i++) {
        assert_true(admit(&t, &full, now));
    }
    assert_false(admit(&t, &full, now));
    assert_int_equal(throttle_wait_ns(&t, full, now), 100 * NS_PER_MS);
    assert_false(admit(&t, &full, now + 100 * NS_PER_MS - 1));
    assert_true(admit(&t, &full, now + 100 * NS_PER_MS));
    assert_false(admit(&t, &full, now + 100 * NS_PER_MS));
    /* Idle for an hour: the burst again, and no more than that. */
    now += 3600 * NS_PER_S;
    for (int i = 0; i < 5; i++) {
        assert_true(admit(&t, &full, now));
    }
    assert_false(admit(&t, &full, now));
}

static void bounds(void **state) {
    (void)state;
    struct throttle none = throttle_make(0, 0);
    assert_int_equal(throttle_wait_ns(&none, 0, 1), 0);
    assert_int_equal(throttle_take(&none, 5, 1, 1000), 5);
    struct throttle one = throttle_make(1, 1);
    uint64_t full = 0;
    assert_true(admit(&one, &full, 0));
    assert_false(admit(&one, &full, NS_PER_S - 1));
    assert_true(admit(&one, &full, NS_PER_S));
    struct throttle same = throttle_make(100, 0);
    assert_int_equal(same.depth_ns, 100 * same.interval_ns);
    struct throttle most = throttle_make(THROTTLE_RATE_MAX, THROTTLE_BURST_MAX);
    assert_int_equal(most.interval_ns, 1000);
    assert_int_equal(throttle_take(&most, 0, 0, UINT64_MAX), most.depth_ns + THROTTLE_DEBT_NS);
}

/* Whatever was taken elsewhere is paid back, and never more than a minute of it. */
static void debt(void **state) {
    (void)state;
    struct throttle t = throttle_make(10, 2);
    uint64_t full = throttle_take(&t, 0, NS_PER_S, 12); /* ten more than there were */
    assert_int_equal(throttle_wait_ns(&t, full, NS_PER_S), 11 * 100 * NS_PER_MS);
    full = throttle_take(&t, full, NS_PER_S, 1000000);
    assert_int_equal(throttle_wait_ns(&t, full, NS_PER_S), THROTTLE_DEBT_NS + 100 * NS_PER_MS);
    assert_true(throttle_wait_ns(&t, full, NS_PER_S + THROTTLE_DEBT_NS + NS_PER_S) == 0);
}

/* In any window of time at most burst + rate x window goes through; and a caller that asks all
 * the time gets at least rate x window of it. */
static void property(void **state) {
    (void)state;
    struct rng rng;
    rng_seed(&rng, 20261122);
    for (int round = 0; round < 200; round++) {
        uint64_t rate = 1 + rng_below(&rng, 5000);
        uint64_t burst = 2 + rng_below(&rng, 50);
        struct throttle t = throttle_make(rate, burst);
        uint64_t full = 0;
        uint64_t start = rng_below(&rng, 1000 * NS_PER_S);
        uint64_t now = start;
        uint64_t admitted = 0;
        for (int i = 0; i < 2000; i++) {
            admitted += (uint64_t)admit(&t, &full, now);
            uint64_t most = burst + (now - start) / t.interval_ns;
            if (admitted > most) {
                fail_msg("rate %llu burst %llu: %llu of %llu", (unsigned long long)rate,
                         (unsigned long long)burst, (unsigned long long)admitted,
                         (unsigned long long)most);
            }
            now += rng_below(&rng, t.interval_ns + 1); /* always faster than the rate */
        }
        assert_true(admitted + 3 >= burst + (now - start) / t.interval_ns);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(burst_then_rate),
        cmocka_unit_test(bounds),
        cmocka_unit_test(debt),
        cmocka_unit_test(property),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
