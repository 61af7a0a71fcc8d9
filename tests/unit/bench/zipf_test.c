#include "load_zipf.h"
#include "support/unit.h"

#include <math.h>

#define DRAWS 200000

/* Against the exact distribution: each of the first ranks within 6 sigma. */
static void check(uint64_t n, double exponent) {
    struct load_zipf z;
    struct rng r;
    uint32_t seen[21] = {0};
    double norm = 0;
    rng_seed(&r, 7);
    load_zipf_init(&z, n, exponent);
    for (int i = 0; i < DRAWS; i++) {
        uint64_t rank = load_zipf_draw(&z, &r);
        assert_true(rank >= 1 && rank <= n);
        if (rank <= 20) {
            seen[rank]++;
        }
    }
    for (uint64_t k = 1; k <= n; k++) {
        norm += pow((double)k, -exponent);
    }
    for (uint64_t k = 1; k <= 20 && k <= n; k++) {
        double expected = DRAWS * pow((double)k, -exponent) / norm;
        assert_true(fabs(seen[k] - expected) < 6 * sqrt(expected) + 6);
    }
}

static void test_distribution(void **state) {
    (void)state;
    static const double exponents[] = {0.5, 0.99, 1, 1.0000001, 1.2, 3};
    for (size_t i = 0; i < COUNT(exponents); i++) {
        check(1, exponents[i]);
        check(2, exponents[i]);
        check(1000, exponents[i]);
        check(1000000, exponents[i]);
    }
}

static void test_wide(void **state) {
    (void)state;
    struct load_zipf z;
    struct rng r;
    uint64_t high = 0;
    rng_seed(&r, 1);
    load_zipf_init(&z, 1ull << 53, 0.99);
    for (int i = 0; i < 10000; i++) {
        uint64_t rank = load_zipf_draw(&z, &r);
        assert_true(rank >= 1 && rank <= 1ull << 53);
        high = rank > high ? rank : high;
    }
    assert_true(high > 1ull << 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distribution),
        cmocka_unit_test(test_wide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
