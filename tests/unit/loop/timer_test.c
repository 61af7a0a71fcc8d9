#include "loop/timer.h"

#include "base/clock.h"
#include "support/unit.h"

#include <time.h>

static struct loop l;
static int fired, closed;

static int setup(void **state) {
    (void)state;
    fired = closed = 0;
    return loop_init(&l);
}

static int teardown(void **state) {
    (void)state;
    loop_fini(&l);
    return 0;
}

static void on_close(struct timer *t) {
    (void)t;
    closed++;
}

static void on_fire(struct timer *t) {
    (void)t;
    fired++;
}

static void one_shot_that_can_be_moved(void **state) {
    (void)state;
    struct timer t;
    timer_init(&t, &l, on_fire);
    assert_false(timer_active(&t));
    uint64_t before = clock_monotonic_ns();
    timer_start(&t, 1000000);
    timer_start(&t, 30);
    assert_true(timer_active(&t));
    loop_run(&l);
    assert_int_equal(fired, 1);
    assert_true(clock_monotonic_ns() - before >= 28 * NS_PER_MS);
    timer_start(&t, 1000000);
    timer_stop(&t);
    timer_stop(&t);
    loop_run(&l);
    assert_int_equal(fired, 1);
    timer_start(&t, 1000000);
    timer_close(&t, on_close);
    assert_int_equal(closed, 0); /* in a later turn */
    loop_run(&l);
    assert_int_equal(closed, 1);
    assert_int_equal(fired, 1);
}

static void on_start_other(struct timer *t) {
    struct timer *other = t + 1;
    nanosleep(&(struct timespec){.tv_nsec = 40000000}, NULL); /* a long turn */
    timer_start(other, 30);
    fired += 10;
}

/* The wait begins when it is asked for, not when the turn began. */
static void a_long_turn_does_not_shorten_the_wait(void **state) {
    (void)state;
    struct timer pair[2];
    timer_init(&pair[0], &l, on_start_other);
    timer_init(&pair[1], &l, on_fire);
    timer_start(&pair[0], 1);
    uint64_t before = clock_monotonic_ns();
    loop_run(&l);
    assert_int_equal(fired, 11);
    assert_true(clock_monotonic_ns() - before >= 68 * NS_PER_MS);
    timer_close(&pair[0], NULL);
    timer_close(&pair[1], NULL);
    loop_turn(&l);
}

/* ---- deadlines ---- */

struct waiter {
    struct deadline deadline;
    uint64_t due_ns, fired_ns;
};

static struct waiter waiters[2000];

static void on_due(struct deadline_queue *q, struct deadline *d) {
    struct waiter *w = container_of(d, struct waiter, deadline);
    assert_false(list_linked(&d->node));
    assert_ptr_equal(q->owner, waiters);
    w->fired_ns = clock_monotonic_ns();
    fired++;
}

static void arm(struct deadline_queue *q, struct waiter *w) {
    w->due_ns = clock_monotonic_ns() + q->length_ns;
    deadline_arm(q, &w->deadline);
}

static void start(struct deadline_queue *q, uint64_t length_ms) {
    memset(waiters, 0, sizeof waiters);
    deadline_queue_init(q, &l, length_ms, on_due, waiters);
}

/* More of them than one wake-up handles. Returns how late the last one was, in ms. */
static uint64_t all_fall_due(uint64_t length_ms) {
    struct deadline_queue q;
    uint64_t latest_ns = 0;
    fired = closed = 0;
    start(&q, length_ms);
    for (size_t i = 0; i < COUNT(waiters); i++) {
        arm(&q, &waiters[i]);
    }
    loop_run(&l); /* ends by itself */
    assert_int_equal(fired, COUNT(waiters));
    for (size_t i = 0; i < COUNT(waiters); i++) {
        uint64_t due_ns = waiters[i].deadline.due_ns;
        assert_true(waiters[i].fired_ns >= due_ns); /* none early */
        if (waiters[i].fired_ns - due_ns > latest_ns) {
            latest_ns = waiters[i].fired_ns - due_ns;
        }
    }
    deadline_queue_close(&q, on_close);
    loop_run(&l);
    assert_int_equal(closed, 1);
    return latest_ns / NS_PER_MS;
}

static void none_early_and_none_later_than_the_tick(void **state) {
    (void)state;
    uint64_t late_ms = UINT64_MAX;
    for (int tries = 0; late_ms > 25 && tries < 20; tries++) { /* the machine may be busy */
        late_ms = all_fall_due(80);
    }
    assert_true(late_ms <= 25); /* the tick is 10 ms, and the timer counts whole ones */
}

static void disarmed_ones_do_not_fire_nor_keep_the_loop(void **state) {
    (void)state;
    struct deadline_queue q;
    start(&q, 3600000);
    deadline_disarm(&waiters[0].deadline); /* never armed */
    for (size_t i = 0; i < 10; i++) {
        arm(&q, &waiters[i]);
    }
    assert_true(timer_active(&q.timer));
    for (size_t i = 0; i < 10; i++) {
        deadline_disarm(&waiters[i].deadline);
        deadline_disarm(&waiters[i].deadline);
    }
    assert_false(timer_active(&q.timer));
    loop_run(&l);
    assert_int_equal(fired, 0);
    deadline_queue_close(&q, NULL);
    loop_turn(&l);
}

static void length_zero_is_never(void **state) {
    (void)state;
    struct deadline_queue q;
    start(&q, 0);
    arm(&q, &waiters[0]);
    assert_false(list_linked(&waiters[0].deadline.node));
    assert_false(timer_active(&q.timer));
    deadline_disarm(&waiters[0].deadline);
    loop_run(&l);
    assert_int_equal(fired, 0);
    deadline_queue_close(&q, NULL);
    loop_turn(&l);
}

static struct deadline_queue moving;
static int moves;
static void on_move(struct timer *t) {
    arm(&moving, &waiters[0]);
    if (++moves < 10) {
        timer_start(t, 10);
    }
}

/* Armed again and again it never falls due; then it does, a length after the last time. */
static void arming_again_moves_it(void **state) {
    (void)state;
    struct timer mover;
    moves = 0;
    start(&moving, 500);
    arm(&moving, &waiters[0]);
    arm(&moving, &waiters[1]);
    timer_init(&mover, &l, on_move);
    timer_start(&mover, 10);
    loop_run(&l);
    assert_int_equal(moves, 10);
    assert_int_equal(fired, 2);
    assert_true(waiters[1].fired_ns < waiters[0].fired_ns);
    assert_true(waiters[0].fired_ns >= waiters[0].deadline.due_ns);
    deadline_queue_close(&moving, NULL);
    timer_close(&mover, NULL);
    loop_turn(&l);
}

static void on_due_again(struct deadline_queue *q, struct deadline *d) {
    if (++fired < 5) {
        deadline_arm(q, d);
        deadline_arm(q, &waiters[1].deadline);
        deadline_disarm(&waiters[1].deadline);
    } else {
        deadline_queue_close(q, on_close);
    }
}

static void on_due_may_arm_disarm_and_close(void **state) {
    (void)state;
    struct deadline_queue q;
    start(&q, 10);
    q.on_due = on_due_again;
    arm(&q, &waiters[0]);
    loop_run(&l);
    assert_int_equal(fired, 5);
    assert_int_equal(closed, 1);
}

static void misuse_aborts(void **state) {
    (void)state;
    struct deadline_queue q, other;
    start(&q, 1000);
    deadline_queue_init(&other, &l, 1000, on_due, waiters);
    arm(&q, &waiters[0]);
    assert_aborts(deadline_arm(&other, &waiters[0].deadline));
    assert_aborts(deadline_queue_close(&q, NULL));
    deadline_disarm(&waiters[0].deadline);
    deadline_queue_close(&q, NULL);
    deadline_queue_close(&other, NULL);
    loop_turn(&l);
}

/* A deadline armed by the setup, long before the loop runs, has its full length. */
static void armed_before_the_loop_runs(void **state) {
    (void)state;
    struct deadline_queue q;
    start(&q, 40);
    nanosleep(&(struct timespec){.tv_nsec = 60000000}, NULL);
    arm(&q, &waiters[0]);
    loop_run(&l);
    assert_int_equal(fired, 1);
    assert_true(waiters[0].fired_ns >= waiters[0].due_ns);
    deadline_queue_close(&q, NULL);
    loop_turn(&l);
}

/* For those that wait already, and those behind them; a longer one shortens nothing. */
static void a_shorter_length_counts_at_once(void **state) {
    (void)state;
    struct deadline_queue q;
    start(&q, 3600000);
    arm(&q, &waiters[0]);
    deadline_queue_set_length(&q, 20);
    assert_true(q.timer.due_ns <= loop_now_ns(&l) + 30 * NS_PER_MS);
    arm(&q, &waiters[1]);
    deadline_queue_set_length(&q, 7200000);
    assert_true(waiters[0].deadline.due_ns <= waiters[1].deadline.due_ns);
    loop_run(&l);
    assert_int_equal(fired, 2);
    assert_true(waiters[0].fired_ns <= waiters[1].fired_ns);
    assert_true(waiters[1].fired_ns >= waiters[1].due_ns);
    deadline_queue_close(&q, NULL);
    loop_turn(&l);
}

int main(void) {
#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_LOOP(one_shot_that_can_be_moved),
        WITH_LOOP(a_long_turn_does_not_shorten_the_wait),
        WITH_LOOP(none_early_and_none_later_than_the_tick),
        WITH_LOOP(disarmed_ones_do_not_fire_nor_keep_the_loop),
        WITH_LOOP(length_zero_is_never),
        WITH_LOOP(arming_again_moves_it),
        WITH_LOOP(on_due_may_arm_disarm_and_close),
        WITH_LOOP(misuse_aborts),
        WITH_LOOP(armed_before_the_loop_runs),
        WITH_LOOP(a_shorter_length_counts_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
