/* Closing the pool with everything in flight, at every stage: N turns after its beginning, for
 * every N. Each exchange ends once, none is said to be less far than it was, nothing is left.
 */
#include "unit/client/upstream_tls.h"

#define CALLS 10
#define TURNS 30

static struct world w;
static struct call calls[CALLS];

static void submit_all(void) {
    for (unsigned i = 0; i < CALLS; i++) {
        call_init(&w, &calls[i], i);
        calls[i].body_len = i * 50;
        calls[i].x.resend = i % 2 ? EXCHANGE_RESEND_SAFE : EXCHANGE_RESEND_NEVER;
        assert_int_equal(call_submit(&calls[i]), 0);
    }
}

static void check_all(void) {
    for (unsigned i = 0; i < CALLS; i++) {
        const struct call *c = &calls[i];
        assert_int_equal(c->done, 1);
        assert_true(!c->error || c->x.progress != EXCHANGE_NOT_SENT || w.up.seen[i] == 0);
    }
}

struct stage {
    enum act act;
    size_t depth;
    size_t connections;
    const char *ip;
    uint64_t resolve_delay_ms;
};

static void close_after(const struct stage *s, unsigned turns, enum transport transport) {
    world_init(&w);
    if (transport == OVER_TLS) {
        world_over_tls(&w);
    }
    names.ips[0] = s->ip;
    names.delay_ms = s->resolve_delay_ms;
    w.up.act = s->act;
    w.options.pipeline_depth = s->depth;
    w.options.max_connections = w.options.warm_connections = s->connections;
    world_pool(&w);
    submit_all();
    for (unsigned i = 0; i < turns; i++) {
        turn(&w);
        check_pool(w.pool);
    }
    world_close_pool(&w);
    check_all();
    turn(&w);
    turn(&w);
    check_all(); /* also against what arrived meanwhile */
    world_fini(&w);
}

static void at_every_stage(void **state) {
    (void)state;
    static const struct stage stages[] = {
        {ACT_ANSWER, 1, 3, "127.0.0.1", 0},         {ACT_ANSWER, 3, 2, "127.0.0.1", 0},
        {ACT_HOLD, 1, 3, "127.0.0.1", 0},           {ACT_HOLD, 4, 2, "127.0.0.1", 0},
        {ACT_ANSWER_CHUNKED, 1, 2, "127.0.0.1", 0}, {ACT_FIN, 2, 2, "127.0.0.1", 0},
        {ACT_RESET, 2, 2, "127.0.0.1", 0},          {ACT_HALF, 1, 4, "127.0.0.1", 0},
        {ACT_SURPLUS, 1, 4, "127.0.0.1", 0},        {ACT_ANSWER, 1, 3, "127.0.0.9", 0},
        {ACT_ANSWER, 1, 3, "127.0.0.1", 1},         {ACT_SAY_CLOSE, 2, 4, "127.0.0.1", 0},
    };
    for (size_t i = 0; i < COUNT(stages); i++) {
        for (unsigned turns = 0; turns <= TURNS; turns++) {
            close_after(&stages[i], turns, OVER_TCP);
        }
    }
}

static void at_every_stage_of_tls(void **state) {
    (void)state;
    static const struct stage stages[] = {
        {ACT_ANSWER, 2, 2, "127.0.0.1", 0},
        {ACT_FIN, 1, 3, "127.0.0.1", 0},
    };
    for (size_t i = 0; i < COUNT(stages); i++) {
        for (unsigned turns = 0; turns <= TURNS; turns++) {
            close_after(&stages[i], turns, OVER_TLS);
        }
    }
}

static void close_now(struct call *c) {
    if (!w.pool->closing) {
        pool_close(w.pool, on_pool_closed, &w);
        struct call again;
        call_init(&w, &again, c->id);
        assert_int_equal(pool_submit(w.pool, &again.x), ERR_CANCELED);
    }
}

/* From inside the on_done of each exchange in turn, however it ends. */
static void from_inside_on_done(void **state) {
    (void)state;
    for (unsigned act = 0; act < ACTS; act++) {
        for (unsigned depth = 1; depth <= 3; depth++) {
            for (unsigned i = 0; i < CALLS; i++) {
                world_init(&w);
                w.up.act = act == ACT_HOLD ? ACT_ANSWER : (enum act)act;
                w.options.pipeline_depth = depth;
                w.options.max_connections = 2;
                w.options.response_timeout_ms = 30;
                world_pool(&w);
                submit_all();
                calls[i].then = close_now;
                RUN_UNTIL(&w, w.pool_closed);
                for (unsigned k = 0; k < CALLS; k++) {
                    assert_int_equal(calls[k].done, 1);
                    assert_true(!calls[k].error || calls[k].x.progress != EXCHANGE_NOT_SENT ||
                                w.up.seen[k] == 0);
                }
                pool_free(w.pool);
                w.pool = NULL;
                w.pool_closed = 0;
                world_fini(&w);
            }
        }
    }
}

/* A pool nobody ever used, and one whose name never came. */
static void unused(void **state) {
    (void)state;
    for (unsigned turns = 0; turns < 10; turns++) {
        world_init(&w);
        names.error = turns % 2 ? ERR_RESOLVE : 0;
        world_pool(&w);
        for (unsigned i = 0; i < turns; i++) {
            turn(&w);
        }
        world_fini(&w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_every_stage),
        cmocka_unit_test(at_every_stage_of_tls),
        cmocka_unit_test(from_inside_on_done),
        cmocka_unit_test(unused),
    };
    return cmocka_run_group_tests(tests, tls_group_setup, tls_group_teardown);
}
