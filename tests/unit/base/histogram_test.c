#include "base/histogram.h"

#include "base/rng.h"
#include "support/unit.h"

#include <stdlib.h>

static struct histogram h, other;

static double distance(double a, double b) {
    return a < b ? b - a : a - b;
}

static void empty(void **state) {
    (void)state;
    histogram_reset(&h);
    assert_int_equal(histogram_quantile(&h, 0.5), 0);
    assert_int_equal(histogram_quantile(&h, 1), 0);
    assert_true(histogram_mean(&h) == 0);
    histogram_merge(&h, &h);
    assert_int_equal(h.count, 0);
}

/* Every power of two and its neighbours, and values between. */
static void one_value_comes_back_within_a_percent(void **state) {
    (void)state;
    struct rng rng;
    rng_seed(&rng, 1);
    for (unsigned bit = 0; bit < HISTOGRAM_MAX_BITS; bit++) {
        for (unsigned n = 0; n < 200; n++) {
            uint64_t value = (1ull << bit) + (n < 100 ? n : rng_below(&rng, 1ull << bit)) - 1;
            if (value >> HISTOGRAM_MAX_BITS) {
                continue;
            }
            histogram_reset(&h);
            histogram_record(&h, value);
            /* Two neighbours on either side, so that min and max do not help. */
            histogram_record(&h, 0);
            histogram_record(&h, UINT64_MAX);
            double got = (double)histogram_quantile(&h, 0.5);
            assert_true(distance(got, (double)value) <= (double)value * 0.01);
        }
    }
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void quantiles_agree_with_a_sorted_array(void **state) {
    (void)state;
    static uint64_t values[20000];
    const double quantiles[] = {0, 0.001, 0.5, 0.9, 0.99, 0.999, 1};
    struct rng rng;
    double sum = 0;
    rng_seed(&rng, 2);
    histogram_reset(&h);
    for (size_t i = 0; i < COUNT(values); i++) {
        values[i] = rng_below(&rng, 2ull << rng_below(&rng, 30));
        histogram_record(&h, values[i]);
        sum += (double)values[i];
    }
    qsort(values, COUNT(values), sizeof values[0], by_value);
    for (size_t i = 0; i < COUNT(quantiles); i++) {
        size_t rank = (size_t)(quantiles[i] * COUNT(values) + 0.999999);
        double expected = (double)values[rank ? rank - 1 : 0];
        double got = (double)histogram_quantile(&h, quantiles[i]);
        assert_true(distance(got, expected) <= expected * 0.01);
    }
    assert_int_equal(h.min, values[0]);
    assert_int_equal(h.max, values[COUNT(values) - 1]);
    assert_true(distance(histogram_mean(&h), sum / COUNT(values)) < 1e-6 * sum);
}

static void merge_is_recording_both(void **state) {
    (void)state;
    static struct histogram all;
    struct rng rng;
    rng_seed(&rng, 3);
    histogram_reset(&h);
    histogram_reset(&other);
    histogram_reset(&all);
    for (int i = 0; i < 10000; i++) {
        uint64_t value = rng_below(&rng, 1 << 20);
        histogram_record(i % 3 ? &h : &other, value);
        histogram_record(&all, value);
    }
    histogram_merge(&h, &other);
    assert_memory_equal(&h, &all, sizeof h);
    histogram_reset(&other);
    histogram_merge(&h, &other);
    assert_memory_equal(&h, &all, sizeof h);
    histogram_merge(&other, &h);
    assert_memory_equal(&other, &all, sizeof h);
}

static void beyond_the_range_is_clamped(void **state) {
    (void)state;
    histogram_reset(&h);
    histogram_record(&h, UINT64_MAX);
    assert_true(h.max == (1ull << HISTOGRAM_MAX_BITS) - 1);
    assert_true(histogram_quantile(&h, 0.5) == h.max);
    h.buckets[HISTOGRAM_BUCKETS - 1] = UINT32_MAX; /* full, not round to zero */
    histogram_record(&h, UINT64_MAX);
    assert_true(h.buckets[HISTOGRAM_BUCKETS - 1] == UINT32_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),
        cmocka_unit_test(one_value_comes_back_within_a_percent),
        cmocka_unit_test(quantiles_agree_with_a_sorted_array),
        cmocka_unit_test(merge_is_recording_both),
        cmocka_unit_test(beyond_the_range_is_clamped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
