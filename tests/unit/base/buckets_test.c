/* Values land in the bucket whose bound is the first not below them; merging adds. */
#include "base/buckets.h"

#include "support/unit.h"

static uint64_t total(const struct buckets *b) {
    uint64_t sum = 0;
    for (size_t i = 0; i <= BUCKETS_BOUNDS; i++) {
        sum += b->counts[i];
    }
    return sum;
}

static void a_bound_is_its_buckets_own(void **state) {
    (void)state;
    const uint64_t *const scales[] = {buckets_wait_ns, buckets_work_ns, buckets_batch_ops};
    for (size_t k = 0; k < sizeof scales / sizeof scales[0]; k++) {
        for (size_t i = 0; i < BUCKETS_BOUNDS; i++) {
            struct buckets b = {0};
            assert_true(i == 0 || scales[k][i] > scales[k][i - 1]);
            buckets_add(&b, scales[k], scales[k][i]);
            buckets_add(&b, scales[k], scales[k][i] + 1);
            assert_int_equal(b.counts[i], 1);
            assert_int_equal(b.counts[i + 1], 1);
            assert_int_equal(b.sum, 2 * scales[k][i] + 1);
            assert_int_equal(total(&b), 2);
        }
    }
}

static void what_is_beyond_the_bounds_is_counted(void **state) {
    (void)state;
    struct buckets b = {0};
    buckets_add(&b, buckets_wait_ns, UINT64_MAX / 2);
    buckets_add(&b, buckets_wait_ns, 0);
    assert_int_equal(b.counts[BUCKETS_BOUNDS], 1);
    assert_int_equal(b.counts[0], 1);
}

static void merging_adds(void **state) {
    (void)state;
    struct buckets a = {0};
    struct buckets b = {0};
    for (uint64_t n = 0; n < 30; n++) {
        buckets_add(n % 2 ? &a : &b, buckets_batch_ops, n);
    }
    buckets_merge(&a, &b);
    assert_int_equal(total(&a), 30);
    assert_int_equal(a.sum, 29 * 30 / 2);
    assert_int_equal(a.counts[0], 2);              /* 0 and 1 */
    assert_int_equal(a.counts[BUCKETS_BOUNDS], 4); /* 26 to 29 */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bound_is_its_buckets_own),
        cmocka_unit_test(what_is_beyond_the_bounds_is_counted),
        cmocka_unit_test(merging_adds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
