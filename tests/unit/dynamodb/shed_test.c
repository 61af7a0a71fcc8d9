/* When a queue stands, and how it is kept short. */
#include "dynamodb/shed.h"

#include "base/clock.h"
#include "support/unit.h"

#define MS NS_PER_MS

static int admits(struct shed *s, size_t ready, size_t at_once, size_t flying,
                  uint64_t now_ns) {
    return !shed_overloaded(s, now_ns) || shed_admits(s, ready, at_once, flying);
}

static void bursts_are_let_be(void **state) {
    struct shed s = {0};
    (void)state;
    for (uint64_t t = 0; t < 1000; t++) {
        /* Waits of up to 90 ms, but the queue empties in each window. */
        shed_left(&s, t % 90 * MS, t * MS);
        assert_int_equal(admits(&s, 10000, 0, 0, t * MS), 1);
    }
}

static void a_standing_queue_is_cut(void **state) {
    struct shed s = {0};
    (void)state;
    for (uint64_t t = 0; t < 200; t += 4) {
        shed_left(&s, 51 * MS, t * MS);
    }
    assert_int_equal(admits(&s, 24, 0, 0, 200 * MS), 1);
    assert_int_equal(admits(&s, 25, 0, 0, 200 * MS), 0);
    assert_int_equal(admits(&s, 174, 50, 100, 200 * MS), 1);
    assert_int_equal(admits(&s, 175, 50, 100, 200 * MS), 0);
    /* They wait less by that, which is no reason to let all in again... */
    for (uint64_t t = 201; t < 500; t++) {
        shed_left(&s, 1 * MS, t * MS);
        assert_int_equal(admits(&s, 125, 0, 100, t * MS), 0);
    }
    /* ...until nobody is refused. */
    for (uint64_t t = 500; t < 700; t++) {
        shed_left(&s, 1 * MS, t * MS);
    }
    assert_int_equal(admits(&s, 10000, 0, 0, 700 * MS), 1);
}

/* An upstream that stands still is no overload: what comes waits for it. */
static void a_pause_is_waited_out(void **state) {
    struct shed s = {0};
    (void)state;
    for (uint64_t t = 0; t < 3000; t++) {
        assert_int_equal(admits(&s, t, 0, 64, t * MS), 1);
    }
}

static void an_old_overload_is_forgotten(void **state) {
    struct shed s = {0};
    (void)state;
    for (uint64_t t = 0; t < 200; t += 4) {
        shed_left(&s, 90 * MS, t * MS);
    }
    assert_int_equal(admits(&s, 25, 0, 0, 200 * MS), 0);
    assert_int_equal(admits(&s, 24, 0, 0, 400 * MS), 1);
    assert_int_equal(admits(&s, 25, 0, 0, 600 * MS), 1);
}

/* 512 clients that come again at once were cut while 4 left in a millisecond. When 20 do, all
 * find room, and the overload is over. */
static void a_crowd_that_fits_again_is_let_in(void **state) {
    struct shed s = {0};
    (void)state;
    for (uint64_t t = 0; t < 2000; t++) {
        shed_left(&s, 100 * MS, t * MS / 4);
    }
    assert_int_equal(admits(&s, 199, 0, 64, 500 * MS), 1);
    assert_int_equal(admits(&s, 448, 0, 64, 500 * MS), 0);
    for (uint64_t t = 0; t < 4000; t++) {
        shed_left(&s, 5 * MS, 500 * MS + t * MS / 20);
        (void)admits(&s, 448, 0, 64, 500 * MS + t * MS / 20);
    }
    assert_int_equal(admits(&s, 448, 0, 64, 700 * MS), 1);
    for (uint64_t t = 0; t < 4000; t++) {
        shed_left(&s, 20 * MS, 700 * MS + t * MS / 20);
        assert_int_equal(admits(&s, 448, 0, 64, 700 * MS + t * MS / 20), 1);
    }
    assert_int_equal(shed_overloaded(&s, 1000 * MS), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bursts_are_let_be),
        cmocka_unit_test(a_standing_queue_is_cut),
        cmocka_unit_test(a_pause_is_waited_out),
        cmocka_unit_test(an_old_overload_is_forgotten),
        cmocka_unit_test(a_crowd_that_fits_again_is_let_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
