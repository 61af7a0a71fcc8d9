#include "base/clock.h"
#include "load_schedule.h"
#include "support/unit.h"

#include <math.h>

/* The arrivals of all threads together are even, from the start on, and never drift. */
static void test_constant_threads_interleave(void **state) {
    (void)state;
    struct load_schedule s[3];
    for (unsigned i = 0; i < 3; i++) {
        load_schedule_init(&s[i], LOAD_CONSTANT, 1000, i, 3, 5 * NS_PER_S, 1);
    }
    for (uint64_t n = 0; n < 30000; n++) {
        struct load_schedule *next = &s[n % 3];
        uint64_t expected = 5 * NS_PER_S + n * NS_PER_MS;
        assert_true(next->next_ns + 1 >= expected && next->next_ns <= expected + 1);
        load_schedule_advance(next);
    }
}

static void test_constant_does_not_drift(void **state) {
    (void)state;
    struct load_schedule s;
    load_schedule_init(&s, LOAD_CONSTANT, 3, 0, 1, 0, 1);
    for (int i = 0; i < 3 * 3600; i++) {
        load_schedule_advance(&s);
    }
    assert_true(s.next_ns + 2 >= 3600 * NS_PER_S && s.next_ns <= 3600 * NS_PER_S + 2);
}

/* Exponential distances: mean and deviation are the same. */
static void test_poisson(void **state) {
    (void)state;
    struct load_schedule s;
    double sum = 0, squares = 0;
    enum { N = 200000 };
    load_schedule_init(&s, LOAD_POISSON, 10000, 1, 2, 0, 42);
    uint64_t last = s.next_ns;
    assert_true(last > 0);
    for (int i = 0; i < N; i++) {
        load_schedule_advance(&s);
        assert_true(s.next_ns >= last);
        double distance = (double)(s.next_ns - last);
        sum += distance;
        squares += distance * distance;
        last = s.next_ns;
    }
    double mean = sum / N, deviation = sqrt(squares / N - mean * mean);
    assert_true(fabs(mean / 200e3 - 1) < 0.02); /* 5000 a second on this thread */
    assert_true(fabs(deviation / 200e3 - 1) < 0.02);
}

static void test_seed_repeats(void **state) {
    (void)state;
    struct load_schedule a, b, c;
    load_schedule_init(&a, LOAD_POISSON, 100, 0, 1, 0, 9);
    load_schedule_init(&b, LOAD_POISSON, 100, 0, 1, 0, 9);
    load_schedule_init(&c, LOAD_POISSON, 100, 0, 1, 0, 10);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(a.next_ns, b.next_ns);
        assert_int_not_equal(a.next_ns, c.next_ns);
        load_schedule_advance(&a);
        load_schedule_advance(&b);
        load_schedule_advance(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_threads_interleave),
        cmocka_unit_test(test_constant_does_not_drift),
        cmocka_unit_test(test_poisson),
        cmocka_unit_test(test_seed_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
