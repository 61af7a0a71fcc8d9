#include "load_ramp.h"
#include "support/unit.h"

/* A service that holds up to `capacity`: the ramp must find it to 5 %, and come to an end. */
static double found(double capacity, double first, size_t *steps) {
    static struct load_ramp r;
    double rate;
    memset(&r, 0, sizeof r);
    while ((rate = load_ramp_next(&r, first)) > 0) {
        assert_true(r.count < LOAD_RAMP_STEPS);
        int held = rate <= capacity;
        r.steps[r.count++] = (struct load_ramp_step){.asked = rate, .held = held};
        r.best = held && rate > r.best ? rate : r.best;
    }
    *steps = r.count;
    return r.best;
}

static void test_finds_the_rate(void **state) {
    (void)state;
    static const double capacities[] = {3, 999, 1000, 1001, 12345, 99999, 3e6};
    for (size_t i = 0; i < COUNT(capacities); i++) {
        size_t steps;
        double best = found(capacities[i], 1000, &steps);
        assert_true(best <= capacities[i] && best >= capacities[i] / 1.06);
        assert_true(steps <= 40);
    }
}

/* Each rate fails at the first look: the second one counts. */
static void test_looks_twice(void **state) {
    (void)state;
    static struct load_ramp r;
    double rate, last = 0;
    memset(&r, 0, sizeof r);
    while ((rate = load_ramp_next(&r, 100)) > 0) {
        int held = rate == last && rate <= 5000;
        r.steps[r.count++] = (struct load_ramp_step){.asked = rate, .held = held};
        r.best = held && rate > r.best ? rate : r.best;
        last = rate == last ? 0 : rate;
    }
    assert_true(r.best <= 5000 && r.best >= 5000 / 1.06);
}

static void test_comes_to_an_end(void **state) {
    (void)state;
    size_t steps;
    assert_true(found(0, 1000, &steps) == 0);
    assert_true(steps <= 25);
    assert_true(found(1e18, 1000, &steps) > 4e6);
    assert_true(steps <= 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_the_rate),
        cmocka_unit_test(test_looks_twice),
        cmocka_unit_test(test_comes_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
