/* Meters of several workers that tell each other what they admitted, in virtual time. */
#include "gateway/meter.h"

#include "base/clock.h"
#include "base/rng.h"
#include "support/unit.h"

#define WORKERS 4

static uint64_t at(const char *text) {
    uint64_t epoch_s;
    int error = clock_parse_iso8601(text, strlen(text), &epoch_s);
    assert_int_equal(error, 0);
    return epoch_s;
}

static int ask(struct meters *m, const struct meter_rule *rule, uint64_t now_ns,
               uint64_t epoch_s, uint32_t *retry_after_s) {
    enum meter_limit limit = meter_check(rule, &m->items[0], now_ns, epoch_s, retry_after_s);
    if (limit == METER_FREE) {
        meter_take(m, 0, rule, now_ns, epoch_s, 1);
    }
    return (int)limit;
}

static void quota_rolls_over(void **state) {
    (void)state;
    struct meter_rule rule = {.quota = {QUOTA_DAY, 0, 3}};
    struct meters m;
    uint32_t retry = 0;
    meters_init(&m, 1);
    uint64_t now = at("2026-11-22T23:59:50Z");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(&m, &rule, 0, now, &retry), METER_FREE);
    }
    assert_int_equal(ask(&m, &rule, 0, now, &retry), METER_QUOTA);
    assert_int_equal(retry, 10);
    assert_int_equal(ask(&m, &rule, 0, now + 9, &retry), METER_QUOTA);
    assert_int_equal(ask(&m, &rule, 0, now + 10, &retry), METER_FREE);
    assert_int_equal(m.items[0].used, 1);
    /* A clock that is set back a little does not give the old day back ... */
    assert_int_equal(ask(&m, &rule, 0, now + 9, &retry), METER_FREE);
    assert_int_equal(m.items[0].used, 2);
    assert_int_equal(m.items[0].period, at("2026-11-23T00:00:00Z") / 86400);
    /* ... but one that was years ahead does not keep the key out for years. */
    m.items[0].period += 3650;
    m.items[0].used = 3;
    assert_int_equal(ask(&m, &rule, 0, now + 20, &retry), METER_FREE);
    assert_int_equal(m.items[0].used, 1);
    meters_fini(&m);
}

static void rate_before_quota(void **state) {
    (void)state;
    struct meter_rule rule = {throttle_make(1, 1), {QUOTA_MONTH, 0, 1}};
    struct meters m;
    uint32_t retry = 0;
    meters_init(&m, 1);
    uint64_t now = at("2026-11-30T23:00:00Z");
    assert_int_equal(ask(&m, &rule, 0, now, &retry), METER_FREE);
    assert_int_equal(ask(&m, &rule, 0, now, &retry), METER_RATE);
    assert_int_equal(retry, 1);
    assert_int_equal(ask(&m, &rule, NS_PER_S, now, &retry), METER_QUOTA);
    assert_int_equal(retry, 3600);
    meters_fini(&m);
}

static void unsent_counts(void **state) {
    (void)state;
    struct meter_rule rule = {.quota = {QUOTA_DAY, 0, 100}};
    struct meter_count out[2];
    struct meters m;
    struct meters copy;
    meters_init(&m, 3);
    assert_int_equal(meters_unsent(&m, out, 2), 0);
    meter_take(&m, 1, &rule, 0, 86400, 1);
    meter_take(&m, 1, &rule, 0, 86400, 1);
    meter_take(&m, 0, &rule, 0, 86400, 1);
    meter_take(&m, 2, &rule, 0, 86400, 5);
    meter_learn(&m, 1, &rule, 0, 86400, 7);
    assert_int_equal(meters_unsent(&m, out, 2), 2);
    assert_int_equal(out[0].meter, 2);
    assert_int_equal(out[0].count, 5);
    assert_int_equal(out[1].meter, 0);
    meter_take(&m, 0, &rule, 0, 86400, 1); /* again, while another still waits */
    meters_copy(&copy, &m);
    assert_int_equal(copy.items[1].used, 9);
    assert_int_equal(meters_unsent(&copy, out, 2), 0);
    assert_int_equal(meters_unsent(&m, out, 2), 2);
    assert_int_equal(out[0].count + out[1].count, 3);
    assert_int_equal(meters_unsent(&m, out, 2), 0);
    meters_grow(&m, 10);
    assert_int_equal(m.items[1].used, 9);
    assert_int_equal(m.items[9].used, 0);
    meters_grow(&m, 2); /* never smaller */
    assert_int_equal(m.count, 10);
    meters_fini(&m);
    meters_fini(&copy);
}

/* Tells every worker what the others admitted. */
static void exchange(struct meters m[WORKERS], const struct meter_rule *rule, uint64_t now_ns,
                     uint64_t epoch_s) {
    for (size_t from = 0; from < WORKERS; from++) {
        struct meter_count told;
        if (meters_unsent(&m[from], &told, 1) == 0) {
            continue;
        }
        for (size_t to = 0; to < WORKERS; to++) {
            if (to != from) {
                meter_learn(&m[to], told.meter, rule, now_ns, epoch_s, told.count);
            }
        }
    }
}

/* The named bounds, with an exchange every `every` ns and requests as fast as can be on all
 * workers: the rate is exceeded once, by what the workers did not know of each other, and the
 * quota by as much. */
static void bounded_error(void **state) {
    (void)state;
    struct rng rng;
    rng_seed(&rng, 7);
    for (int round = 0; round < 60; round++) {
        uint64_t rate = 1 + rng_below(&rng, 2000);
        uint64_t burst = 1 + rng_below(&rng, 40);
        uint64_t every = (1 + rng_below(&rng, 10)) * NS_PER_MS;
        struct meter_rule rule = {throttle_make(rate, burst), {QUOTA_DAY, 0, 1500}};
        struct meters m[WORKERS];
        uint64_t admitted = 0;
        uint64_t next = every;
        uint64_t now = 0;
        uint32_t retry;
        for (size_t w = 0; w < WORKERS; w++) {
            meters_init(&m[w], 1);
        }
        uint64_t in_a_step = burst + every / rule.throttle.interval_ns + 1;
        for (; now < 4 * NS_PER_S; now += 100 * NS_PER_US) {
            if (now >= next) {
                exchange(m, &rule, now, 86400);
                next += every;
            }
            admitted +=
                ask(&m[rng_below(&rng, WORKERS)], &rule, now, 86400, &retry) == METER_FREE;
            uint64_t exact = burst + now / rule.throttle.interval_ns;
            assert_true(admitted <= exact + (WORKERS - 1) * in_a_step);
            assert_true(admitted <= 1500 + (WORKERS - 1) * in_a_step);
        }
        uint64_t due = burst + now / rule.throttle.interval_ns;
        due = due < 1500 ? due : 1500;
        assert_true(admitted + in_a_step + rate * 400 / 1000000 + 2 >= due);
        for (size_t w = 0; w < WORKERS; w++) {
            meters_fini(&m[w]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quota_rolls_over),
        cmocka_unit_test(rate_before_quota),
        cmocka_unit_test(unsent_counts),
        cmocka_unit_test(bounded_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
