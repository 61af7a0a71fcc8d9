#include "base/rng.h"

#include "support/unit.h"

#include <ctype.h>

static void seeds_replay(void **state) {
    (void)state;
    struct rng a, b, c;
    rng_seed(&a, 42);
    rng_seed(&b, 42);
    rng_seed(&c, 43);
    int differ = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t x = rng_u64(&a);
        assert_true(x == rng_u64(&b));
        differ += x != rng_u64(&c);
    }
    assert_int_equal(differ, 100);
    rng_seed_random(&a);
    rng_seed_random(&b);
    assert_true(rng_u64(&a) != rng_u64(&b));
}

/* The authors' xoshiro256** from state 1, 2, 3, 4. */
static void known_outputs(void **state) {
    (void)state;
    struct rng r = {{1, 2, 3, 4}};
    assert_true(rng_u64(&r) == 11520);
    assert_true(rng_u64(&r) == 0);
    assert_true(rng_u64(&r) == 1509978240);
    assert_true(rng_u64(&r) == 1215971899390074240);
}

static void below_is_uniform_and_in_range(void **state) {
    (void)state;
    struct rng r;
    unsigned counts[10] = {0};
    rng_seed(&r, 1);
    assert_int_equal(rng_below(&r, 0), 0);
    assert_int_equal(rng_below(&r, 1), 0);
    for (int i = 0; i < 100000; i++) {
        counts[rng_below(&r, 10)]++;
    }
    for (size_t i = 0; i < COUNT(counts); i++) {
        assert_in_range(counts[i], 9500, 10500); /* more than five standard deviations */
    }
    const uint64_t large = UINT64_MAX / 2 + 2; /* rejects nearly half */
    for (int i = 0; i < 1000; i++) {
        assert_true(rng_below(&r, large) < large);
    }
}

static void unit_interval(void **state) {
    (void)state;
    struct rng r;
    double sum = 0;
    rng_seed(&r, 1);
    for (int i = 0; i < 100000; i++) {
        double x = rng_unit(&r);
        assert_true(x >= 0 && x < 1);
        sum += x;
    }
    assert_true(sum > 49500 && sum < 50500);
}

static void uuids(void **state) {
    (void)state;
    struct rng r;
    char last[37] = "";
    rng_seed(&r, 1);
    for (int n = 0; n < 1000; n++) {
        char id[37];
        rng_uuid(&r, id);
        assert_int_equal(strlen(id), 36);
        for (int i = 0; i < 36; i++) {
            if (i == 8 || i == 13 || i == 18 || i == 23) {
                assert_int_equal(id[i], '-');
            } else {
                assert_true(isdigit((unsigned char)id[i]) || (id[i] >= 'a' && id[i] <= 'f'));
            }
        }
        assert_int_equal(id[14], '4');
        assert_non_null(strchr("89ab", id[19]));
        assert_string_not_equal(id, last);
        memcpy(last, id, sizeof last);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_replay),  cmocka_unit_test(known_outputs),
        cmocka_unit_test(unit_interval), cmocka_unit_test(below_is_uniform_and_in_range),
        cmocka_unit_test(uuids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
