/* Sixty virtual seconds in which the table throttles everything, partly, or one key range; and
 * what the limiter makes of answers, one by one. */
#include "support/unit.h"
#include "unit/dynamodb/world.h"

#define SECONDS     80
#define STORM_FROM  5
#define STORM_UNTIL 65

static uint64_t ops_in[SECONDS + 1], exchanges_in[SECONDS + 1], stored_in[SECONDS + 1];

static size_t second_of(const struct world *w) {
    size_t s = (size_t)(w->now_ns / NS_PER_S) - 1;
    return s < SECONDS ? s : SECONDS;
}

static void on_sent(struct world *w, size_t ops) {
    ops_in[second_of(w)] += ops;
    exchanges_in[second_of(w)]++;
}

static void on_settled(struct world *w, struct world_op *op, const struct op_result *r) {
    (void)op;
    stored_in[second_of(w)] += r->outcome == OUTCOME_OK;
}

static void run_until(struct world *w, uint64_t second) {
    while (w->now_ns < (second + 1) * NS_PER_S && world_step(w)) {
    }
}

static uint64_t sum(const uint64_t *in, size_t from, size_t until) {
    uint64_t total = 0;
    for (size_t i = from; i < until; i++) {
        total += in[i];
    }
    return total;
}

static struct world *storm(const struct profile *base, struct faults faults) {
    struct profile p = *base;
    p.ops = 3000000;
    p.end_ns = (SECONDS + 1) * NS_PER_S;
    memset(ops_in, 0, sizeof ops_in);
    memset(exchanges_in, 0, sizeof exchanges_in);
    memset(stored_in, 0, sizeof stored_in);
    struct world *w = world_new(&p, 7);
    w->on_sent = on_sent;
    w->on_settled = on_settled;
    run_until(w, STORM_FROM);
    w->p.faults = faults;
    run_until(w, STORM_UNTIL);
    w->p.faults = (struct faults){0};
    world_run(w);
    return w;
}

static struct profile busy_profile(void) {
    struct profile p = profile_default;
    p.clients = 64;
    p.keys = 0;
    p.think_ns = 2 * NS_PER_MS;
    return p;
}

static void full_throttling_is_met_with_silence(void **state) {
    struct profile p = busy_profile();
    (void)state;
    struct world *w = storm(&p, (struct faults){.throttle = 1000});
    uint64_t before = sum(ops_in, 2, 5), exchanges_before = sum(exchanges_in, 2, 5);
    /* From the second second on: ten times less; and that is an upper bound. */
    for (size_t s = STORM_FROM + 2; s < STORM_UNTIL; s++) {
        assert_true(ops_in[s] * 10 <= before / 3);
        assert_true(exchanges_in[s] * 10 <= exchanges_before / 3);
        assert_true(exchanges_in[s] > 0 || exchanges_in[s + 1] > 0); /* it still asks */
    }
    print_message("per second: %" PRIu64 " ops in %" PRIu64 " exchanges before, %.1f in %.1f "
                  "throttled;",
                  before / 3, exchanges_before / 3,
                  (double)sum(ops_in, STORM_FROM + 2, STORM_UNTIL) / 58,
                  (double)sum(exchanges_in, STORM_FROM + 2, STORM_UNTIL) / 58);
    for (size_t s = STORM_UNTIL; s < STORM_UNTIL + 6; s++) {
        print_message(" %" PRIu64, stored_in[s]);
    }
    print_message(" stored in the seconds after\n");
    /* Back to nine tenths within five seconds, and it stays there. */
    for (size_t s = STORM_UNTIL + 4; s < SECONDS; s++) {
        assert_true(stored_in[s] * 10 >= sum(stored_in, 2, 5) / 3 * 9);
    }
    world_end(w);
}

static void a_hot_key_range_does_not_slow_the_table(void **state) {
    struct profile p = busy_profile();
    (void)state;
    struct world *w = storm(&p, (struct faults){.key_range = 20});
    for (size_t s = STORM_FROM + 1; s < STORM_UNTIL; s++) {
        assert_int_equal(w->d->tables[0]->writes.limit, LIMITER_MAX);
        assert_true(stored_in[s] > 1000);
    }
    world_end(w);
}

static uint64_t stored_of_table[2];
static void on_settled_by_table(struct world *w, struct world_op *op,
                                const struct op_result *r) {
    (void)w;
    stored_of_table[op->table] += r->outcome == OUTCOME_OK;
}

/* Clients of a table that is throttled stop; those of the other do not notice. */
static void one_table_does_not_slow_another(void **state) {
    struct profile p = busy_profile();
    (void)state;
    p.tables = 2;
    p.keys = WORLD_KEYS;
    p.clients = 400; /* many: each picks its table anew, and most will wait for the bad one */
    p.ops = 40000;
    p.end_ns = 4 * NS_PER_S;
    struct world *w = world_new(&p, 3);
    memset(stored_of_table, 0, sizeof stored_of_table);
    w->on_settled = on_settled_by_table;
    w->throttled_table = 1;
    world_run(w);
    assert_true(stored_of_table[0] > 300);
    assert_int_equal(stored_of_table[1], 0);
    assert_int_equal(w->d->tables[0]->writes.limit, LIMITER_MAX);
    assert_int_equal(w->d->tables[1]->writes.limit, 1);
    assert_true(w->latency_max_ns < 20 * NS_PER_MS);
    world_end(w);
}

static void bounds_refuse_at_once(void **state) {
    struct profile p = busy_profile();
    (void)state;
    p.options.queue_ops = 16;
    p.clients = 64;
    p.ops = 2000;
    struct world *w = world_new(&p, 5);
    world_run(w);
    assert_true(w->busy > 0);
    world_end(w);
}

static uint64_t slow_reads;
static void on_settled_late(struct world *w, struct world_op *op, const struct op_result *r) {
    (void)r;
    slow_reads +=
        op->submitted_ns > 2 * NS_PER_S && w->now_ns - op->submitted_ns > 500 * NS_PER_MS;
}

/* Many more than leave: once the first crowd is in, nobody is let in who would wait long. */
static void reads_do_not_stand_in_a_queue(void **state) {
    static const enum op_kind kinds[] = {OP_GET_ITEM, OP_QUERY};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct profile p = busy_profile();
        p.one_kind = 1;
        p.kind = kinds[i];
        p.places = 4;
        p.clients = 4000;
        p.ops = 100000;
        p.end_ns = 8 * NS_PER_S;
        slow_reads = 0;
        struct world *w = world_new(&p, 9);
        w->on_settled = on_settled_late;
        world_run(w);
        assert_true(w->ok > 4000); /* of 800 a second */
        assert_true(w->busy > 0);
        assert_int_equal(slow_reads, 0);
        world_end(w);
    }
}

/* ---- the limiter alone ---- */

static void limiter_rises_by_one_per_limit_successes(void **state) {
    struct limiter l;
    (void)state;
    limiter_init(&l);
    l.limit = 4;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(l.limit, 4);
        limiter_succeeded(&l);
    }
    assert_int_equal(l.limit, 5);
    l.limit = LIMITER_MAX;
    limiter_succeeded(&l);
    assert_int_equal(l.limit, LIMITER_MAX);
}

static void limiter_cuts_once_per_round_trip(void **state) {
    struct limiter l;
    struct rng r;
    (void)state;
    rng_seed(&r, 1);
    limiter_init(&l);
    limiter_throttled(&l, LIMITER_HALVE, 40, 100, 200, &r); /* 40 were in flight */
    assert_int_equal(l.limit, 20);
    limiter_throttled(&l, LIMITER_HALVE, 39, 110, 210, &r); /* sent before that cut */
    assert_int_equal(l.limit, 20);
    limiter_throttled(&l, LIMITER_TENTH, 20, 200, 300, &r);
    assert_int_equal(l.limit, 18);
    for (uint64_t t = 300; t < 1000; t += 10) {
        limiter_throttled(&l, LIMITER_HALVE, l.limit, t, t + 5, &r);
    }
    assert_int_equal(l.limit, 1);
    assert_true(!limiter_admits(&l, 0, 1000)); /* at the floor it pauses */
    assert_true(limiter_admits(&l, 0, 1000 + LIMITER_PAUSE_MAX_MS * NS_PER_MS));
    assert_true(!limiter_admits(&l, 1, 1000 + LIMITER_PAUSE_MAX_MS * NS_PER_MS));
    limiter_succeeded(&l);
    assert_true(limiter_admits(&l, 1, 1000));
    /* After a success the pauses begin anew. */
    limiter_throttled(&l, LIMITER_HALVE, 2, 2000, 2000, &r);
    limiter_throttled(&l, LIMITER_HALVE, 1, 3000, 3000, &r);
    assert_true(!limiter_admits(&l, 0, 3000));
    assert_true(limiter_admits(&l, 0, 3000 + LIMITER_PAUSE_MIN_MS * NS_PER_MS));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_throttling_is_met_with_silence),
        cmocka_unit_test(a_hot_key_range_does_not_slow_the_table),
        cmocka_unit_test(one_table_does_not_slow_another),
        cmocka_unit_test(bounds_refuse_at_once),
        cmocka_unit_test(reads_do_not_stand_in_a_queue),
        cmocka_unit_test(limiter_rises_by_one_per_limit_successes),
        cmocka_unit_test(limiter_cuts_once_per_round_trip),
    };
    log_threshold = LOG_OFF;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
