#include "base/clock.h"
#include "base/rng.h"
#include "load_report.h"
#include "load_stats.h"
#include "support/unit.h"

#include <math.h>
#include <stdlib.h>

#define BEGIN (1000 * NS_PER_S)

static void answer(struct load_recorder *r, uint64_t at_ns, uint64_t latency_ns,
                   unsigned status) {
    struct load_answer a = {BEGIN + at_ns, BEGIN + at_ns + latency_ns, status, 100, 50};
    load_recorder_answer(r, &a);
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Against the sorted values themselves, over two threads, seven orders of magnitude. */
static void test_percentiles_are_within_one_percent(void **state) {
    (void)state;
    enum { N = 50000 };
    struct load_timeline t;
    struct load_recorder *r = calloc(2, sizeof *r);
    uint64_t *values = calloc(N, sizeof *values);
    struct rng rng;
    rng_seed(&rng, 3);
    load_timeline_init(&t, NS_PER_S);
    for (unsigned k = 0; k < 2; k++) {
        load_recorder_init(&r[k], &t, BEGIN, BEGIN + 100 * NS_PER_S);
    }
    for (uint64_t i = 0; i < N; i++) {
        values[i] = (uint64_t)pow(10, 3 + 7 * rng_unit(&rng));
        answer(&r[i % 2], i * NS_PER_MS, values[i], 200);
    }
    load_recorder_finish(&r[0]);
    load_recorder_finish(&r[1]);
    load_stats_merge(&r[0].stats, &r[1].stats);
    qsort(values, N, sizeof *values, by_value);
    const struct histogram *h = &r[0].stats.latency;
    for (double q = 0; q < 1; q += 0.001) {
        double exact = (double)values[(size_t)fmax(0, ceil(q * N) - 1)];
        assert_true(fabs((double)histogram_quantile(h, q) / exact - 1) < 0.01);
    }
    assert_int_equal(h->max, values[N - 1]);
    struct load_curve_point points[LOAD_CURVE_MAX];
    size_t count = load_report_curve(h, points);
    assert_in_range(count, 50, LOAD_CURVE_MAX);
    for (size_t i = 1; i < count; i++) {
        assert_true(points[i].quantile > points[i - 1].quantile);
        assert_true(points[i].us >= points[i - 1].us);
    }
    assert_true(points[count - 1].us == (double)h->max / 1e3);
    load_timeline_fini(&t);
    free(values);
    free(r);
}

static void test_curve_of_few(void **state) {
    (void)state;
    struct histogram *h = calloc(1, sizeof *h);
    struct load_curve_point points[LOAD_CURVE_MAX];
    assert_int_equal(load_report_curve(h, points), 0);
    histogram_record(h, 1000);
    assert_in_range(load_report_curve(h, points), 0, 1);
    histogram_record(h, 3000);
    assert_true(load_report_curve(h, points) >= 2);
    free(h);
}

static void test_warm_up_is_not_counted(void **state) {
    (void)state;
    struct load_recorder *r = calloc(1, sizeof *r);
    load_recorder_init(r, NULL, BEGIN, BEGIN + NS_PER_S);
    struct load_answer early = {BEGIN - 1, BEGIN + 100, 200, 1, 1};
    load_recorder_answer(r, &early);
    load_recorder_error(r, BEGIN - 1, BEGIN, LOAD_ERROR_RESET, "x");
    assert_int_equal(r->stats.answered, 0);
    assert_int_equal(load_stats_errors(&r->stats), 0);
    answer(r, 0, 10, 201);
    answer(r, 999 * NS_PER_MS, 10 * NS_PER_MS, 503); /* after the end: no part of the rate */
    load_recorder_error(r, BEGIN, BEGIN, LOAD_ERROR_RESET, "first");
    load_recorder_error(r, BEGIN, BEGIN, LOAD_ERROR_RESET, "second");
    load_recorder_finish(r);
    assert_int_equal(r->stats.answered, 2);
    assert_int_equal(r->stats.answered_in_time, 1);
    assert_int_equal(load_stats_refused(&r->stats), 1);
    assert_int_equal(load_stats_errors(&r->stats), 2);
    assert_string_equal(r->stats.reasons[LOAD_ERROR_RESET], "first");
    assert_int_equal(r->stats.bytes_sent, 200);
    free(r);
}

static void test_unsent_counts_its_wait(void **state) {
    (void)state;
    struct load_recorder *r = calloc(1, sizeof *r);
    load_recorder_init(r, NULL, BEGIN, BEGIN + NS_PER_S);
    load_recorder_unsent(r, BEGIN, BEGIN + 700 * NS_PER_MS);
    load_recorder_finish(r);
    assert_int_equal(r->stats.errors[LOAD_ERROR_UNSENT], 1);
    assert_int_equal(r->stats.latency.max, 700 * NS_PER_MS);
    free(r);
}

/* Two threads, one of them far behind the other. */
static void test_timeline_merges_stragglers(void **state) {
    (void)state;
    struct load_timeline t;
    struct load_recorder *r = calloc(2, sizeof *r);
    load_timeline_init(&t, NS_PER_S);
    load_recorder_init(&r[0], &t, BEGIN, BEGIN + 50 * NS_PER_S);
    load_recorder_init(&r[1], &t, BEGIN, BEGIN + 50 * NS_PER_S);
    for (uint64_t i = 0; i < 50; i++) {
        answer(&r[0], i * NS_PER_S, NS_PER_MS, 200);
    }
    for (uint64_t i = 0; i < 50; i++) {
        answer(&r[1], i * NS_PER_S, 9 * NS_PER_MS, 200);
    }
    load_recorder_error(&r[1], BEGIN, BEGIN + 60 * NS_PER_S, LOAD_ERROR_TIMEOUT, "late");
    load_recorder_finish(&r[0]);
    load_recorder_finish(&r[1]);
    load_timeline_finish(&t);
    assert_int_equal(t.count, 50);
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(t.points[i].count, 2);
        assert_int_equal(t.points[i].max_ns, 9 * NS_PER_MS);
        assert_int_equal(t.points[i].errors, i == 49); /* what is late belongs to the last */
    }
    load_timeline_fini(&t);
    free(r);
}

static void test_recent(void **state) {
    (void)state;
    struct load_timeline t;
    struct histogram *h = calloc(1, sizeof *h), *out = calloc(1, sizeof *out);
    uint64_t errors;
    load_timeline_init(&t, NS_PER_S);
    histogram_record(h, 5);
    for (uint64_t i = 0; i < 10; i++) {
        load_timeline_add(&t, i, h, 1);
    }
    load_timeline_recent(&t, 9, 4, out, &errors);
    assert_int_equal(out->count, 4);
    assert_int_equal(errors, 4);
    load_timeline_fini(&t);
    free(h);
    free(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentiles_are_within_one_percent),
        cmocka_unit_test(test_curve_of_few),
        cmocka_unit_test(test_warm_up_is_not_counted),
        cmocka_unit_test(test_unsent_counts_its_wait),
        cmocka_unit_test(test_timeline_merges_stragglers),
        cmocka_unit_test(test_recent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
