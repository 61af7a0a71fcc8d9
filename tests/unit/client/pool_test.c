/* The pool when all goes well: reuse, pipelining, the queue, warm connections, ageing, names.
 */
#include "unit/client/upstream.h"

static struct world w;

static int setup(void **state) {
    (void)state;
    world_init(&w);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    world_fini(&w);
    return 0;
}

static void one_exchange(void **state) {
    (void)state;
    static struct call c;
    world_pool(&w);
    assert_false(pool_ready(w.pool));
    assert_int_equal(pool_free_places(w.pool), 0);
    call_init(&w, &c, 7);
    assert_int_equal(call_submit(&c), 0); /* before any connection is open: it waits */
    assert_int_equal(counts_of(&w).waiting, 1);
    RUN_UNTIL(&w, c.done);
    assert_answered(&c);
    assert_int_equal(c.writes, 1);
    assert_true(pool_ready(w.pool));
    assert_int_equal(pool_free_places(w.pool), 1);
    assert_string_equal(pool_last_error(w.pool), "");
}

static void connection_is_reused(void **state) {
    (void)state;
    world_pool(&w);
    for (unsigned id = 1; id <= 50; id++) {
        struct call c;
        call_init(&w, &c, id);
        assert_int_equal(call_submit(&c), 0);
        RUN_UNTIL(&w, c.done);
        assert_answered(&c);
    }
    assert_int_equal(w.up.accepted, 1);
    assert_int_equal(counts_of(&w).connects, 1);
}

/* The write leaves in the turn it was submitted in, when a connection is free. */
static void writes_at_once(void **state) {
    (void)state;
    static struct call c;
    world_pool(&w);
    RUN_UNTIL(&w, pool_ready(w.pool));
    call_init(&w, &c, 1);
    assert_int_equal(call_submit(&c), 0);
    assert_int_equal(c.writes, 1);
    assert_int_equal(pool_free_places(w.pool), 0);
    assert_int_equal(w.hub.bytes_out, 0);
    turn(&w);
    assert_true(w.hub.bytes_out > 0);
    RUN_UNTIL(&w, c.done);
    assert_answered(&c);
}

/* Two idle connections: the one used last is used again. */
static void last_used_first(void **state) {
    (void)state;
    static struct call a, b, c;
    w.options.max_connections = w.options.warm_connections = 2;
    w.up.act = ACT_HOLD;
    world_pool(&w);
    RUN_UNTIL(&w, counts_of(&w).idle == 2);
    call_init(&w, &a, 1);
    call_init(&w, &b, 2);
    assert_int_equal(call_submit(&a), 0);
    assert_int_equal(call_submit(&b), 0);
    RUN_UNTIL(&w, w.up.requests == 2);
    struct pool_conn *last = b.x.conn;
    struct up_conn *first = container_of(w.up.conns.first, struct up_conn, node);
    struct up_conn *second = container_of(w.up.conns.last, struct up_conn, node);
    up_release(first->held[0] == 1 ? first : second);
    RUN_UNTIL(&w, a.done);
    up_release_all(&w.up);
    RUN_UNTIL(&w, b.done);
    for (unsigned i = 0; i < 3; i++) {
        call_init(&w, &c, 3 + i);
        assert_int_equal(call_submit(&c), 0);
        assert_ptr_equal(c.x.conn, last);
        RUN_UNTIL(&w, w.up.requests == 3 + i);
        up_release_all(&w.up);
        RUN_UNTIL(&w, c.done);
    }
}

static void pipelined_in_order(void **state) {
    (void)state;
    static struct call calls[8];
    w.options.pipeline_depth = 4;
    w.up.act = ACT_HOLD;
    world_pool(&w);
    RUN_UNTIL(&w, pool_ready(w.pool));
    assert_int_equal(pool_free_places(w.pool), 4);
    for (unsigned i = 0; i < COUNT(calls); i++) {
        call_init(&w, &calls[i], i + 1);
        calls[i].body_len = 100 * i;
        assert_int_equal(call_submit(&calls[i]), 0);
    }
    assert_int_equal(pool_free_places(w.pool), 0);
    assert_int_equal(counts_of(&w).waiting, 4);
    RUN_UNTIL(&w, w.up.requests == 4);
    up_release_all(&w.up);
    RUN_UNTIL(&w, w.up.requests == 8);
    assert_int_equal(w.done, 4);
    up_release_all(&w.up);
    RUN_UNTIL(&w, w.done == 8);
    for (unsigned i = 0; i < COUNT(calls); i++) {
        assert_answered(&calls[i]);
        assert_int_equal(w.up.order[i], i + 1);
    }
    assert_int_equal(w.up.accepted, 1);
}

static void interim_chunked_and_head(void **state) {
    (void)state;
    static struct call c;
    world_pool(&w);
    w.up.act = ACT_CONTINUE;
    call_init(&w, &c, 1);
    assert_int_equal(call_submit(&c), 0);
    RUN_UNTIL(&w, c.done);
    assert_answered(&c);
    w.up.act = ACT_ANSWER_CHUNKED;
    call_init(&w, &c, 2);
    assert_int_equal(call_submit(&c), 0);
    RUN_UNTIL(&w, c.done);
    assert_int_equal(c.error, 0);
    assert_string_equal(c.body, "cd");
    w.up.act = ACT_ANSWER_HEAD;
    call_init(&w, &c, 3);
    c.x.method = HTTP_HEAD_;
    assert_int_equal(call_submit(&c), 0);
    RUN_UNTIL(&w, c.done);
    assert_int_equal(c.error, 0);
    assert_string_equal(c.body, "");
    w.up.act = ACT_ANSWER;
    call_init(&w, &c, 4);
    assert_int_equal(call_submit(&c), 0);
    RUN_UNTIL(&w, c.done);
    assert_answered(&c);
    assert_int_equal(w.up.accepted, 1);
}

static void queue_is_bounded(void **state) {
    (void)state;
    static struct call calls[6];
    w.options.queue_max = 3;
    w.up.act = ACT_HOLD;
    world_pool(&w);
    RUN_UNTIL(&w, pool_ready(w.pool));
    for (unsigned i = 0; i < 4; i++) {
        call_init(&w, &calls[i], i);
        assert_int_equal(call_submit(&calls[i]), 0);
    }
    call_init(&w, &calls[4], 4);
    assert_int_equal(call_submit(&calls[4]), ERR_BUSY);
    RUN_UNTIL(&w, w.up.requests == 1);
    up_release_all(&w.up);
    RUN_UNTIL(&w, w.done == 1);
    assert_int_equal(call_submit(&calls[4]), 0);
    w.up.act = ACT_ANSWER;
    up_release_all(&w.up);
    RUN_UNTIL(&w, w.up.requests == 2);
    up_release_all(&w.up);
    RUN_UNTIL(&w, w.done == 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_answered(&calls[i]);
        assert_int_equal(w.up.order[i], i); /* first come, first served */
    }
}

static void no_queue_at_all(void **state) {
    (void)state;
    static struct call a, b;
    w.options.queue_max = 0;
    world_pool(&w);
    call_init(&w, &a, 1);
    call_init(&w, &b, 2);
    assert_int_equal(call_submit(&a), ERR_BUSY);
    RUN_UNTIL(&w, pool_ready(w.pool));
    assert_int_equal(call_submit(&a), 0);
    assert_int_equal(call_submit(&b), ERR_BUSY);
    RUN_UNTIL(&w, a.done);
    assert_answered(&a);
}

static void warm_connections_are_opened_and_kept(void **state) {
    (void)state;
    w.options.max_connections = 16;
    w.options.warm_connections = 6;
    w.options.connecting_max = 2;
    world_pool(&w);
    size_t most = 0;
    uint64_t end = clock_monotonic_ns() + 5 * NS_PER_S;
    while (counts_of(&w).idle < 6 && clock_monotonic_ns() < end) {
        turn(&w);
        most = counts_of(&w).connecting > most ? counts_of(&w).connecting : most;
    }
    assert_int_equal(counts_of(&w).idle, 6);
    assert_true(most <= 2);
    turns_for(&w, 20);
    assert_int_equal(w.up.accepted, 6);
    /* Two of them are lost: others take their place. */
    stream_close(&container_of(w.up.conns.first, struct up_conn, node)->stream);
    stream_close(&container_of(w.up.conns.last, struct up_conn, node)->stream);
    RUN_UNTIL(&w, w.up.accepted == 8 && counts_of(&w).idle == 6);
}

/* Grows with need, to its bound and not beyond, and one ahead of the need. */
static void grows_with_need(void **state) {
    (void)state;
    static struct call calls[12];
    w.options.max_connections = 8;
    w.up.act = ACT_HOLD;
    world_pool(&w);
    RUN_UNTIL(&w, pool_ready(w.pool));
    turns_for(&w, 20);
    assert_int_equal(w.up.accepted, 1);
    for (unsigned i = 0; i < 3; i++) {
        call_init(&w, &calls[i], i);
        assert_int_equal(call_submit(&calls[i]), 0);
    }
    RUN_UNTIL(&w, w.up.requests == 3 && pool_free_places(w.pool) == 1);
    turns_for(&w, 20);
    assert_int_equal(w.up.accepted, 4);
    for (unsigned i = 3; i < COUNT(calls); i++) {
        call_init(&w, &calls[i], i);
        assert_int_equal(call_submit(&calls[i]), 0);
    }
    RUN_UNTIL(&w, w.up.requests == 8);
    turns_for(&w, 20);
    assert_int_equal(w.up.accepted, 8);
    assert_int_equal(counts_of(&w).waiting, 4);
    w.up.act = ACT_ANSWER;
    up_release_all(&w.up);
    RUN_UNTIL(&w, w.done == COUNT(calls));
    assert_int_equal(w.up.accepted, 8);
}

static void idle_ones_beyond_the_warm_are_closed(void **state) {
    (void)state;
    static struct call calls[4];
    w.options.max_connections = 4;
    w.options.idle_ms = 150;
    world_pool(&w);
    w.up.act = ACT_HOLD;
    for (unsigned i = 0; i < COUNT(calls); i++) {
        call_init(&w, &calls[i], i);
        assert_int_equal(call_submit(&calls[i]), 0);
    }
    RUN_UNTIL(&w, w.up.requests == 4);
    up_release_all(&w.up);
    RUN_UNTIL(&w, w.done == 4);
    RUN_UNTIL(&w, counts_of(&w).idle == 1 && w.up.conns.count == 1);
    assert_in_range(counts_of(&w).closed_idle, 3, 4);
    /* The warm one is replaced before the peer's own limit would meet it. */
    RUN_UNTIL(&w, counts_of(&w).closed_idle >= 5);
    RUN_UNTIL(&w, counts_of(&w).idle >= 1); /* at once, but for a machine that is busy */
}

/* Opened together, they do not end together: idle limits and ages lie in the last fifth below
 * what is configured, each its own. */
static void limits_are_jittered(void **state) {
    (void)state;
    w.options.max_connections = w.options.warm_connections = 8;
    world_pool(&w);
    RUN_UNTIL(&w, counts_of(&w).idle == 8);
    uint64_t idle_ns = w.options.idle_ms * NS_PER_MS, age_ns = w.options.max_age_ms * NS_PER_MS;
    uint64_t idles[8], ages[8];
    size_t count = 0;
    for (struct list_node *n = w.pool->conns[CONN_IDLE].first; n != NULL; n = n->next) {
        const struct pool_conn *c = container_of(n, struct pool_conn, node);
        assert_in_range(c->idle_limit_ns, idle_ns - idle_ns / 5, idle_ns);
        assert_in_range(c->age_limit_ns, age_ns - age_ns / 5, age_ns);
        for (size_t k = 0; k < count; k++) {
            assert_true(c->idle_limit_ns != idles[k] && c->age_limit_ns != ages[k]);
        }
        idles[count] = c->idle_limit_ns;
        ages[count++] = c->age_limit_ns;
    }
    assert_int_equal(count, 8);
}

/* Under constant use every connection is replaced in time, and no exchange notices. */
static void old_ones_are_replaced_first(void **state) {
    (void)state;
    static struct call calls[3];
    unsigned next = 1;
    w.options.max_connections = 3;
    w.options.warm_connections = 3;
    w.options.max_age_ms = 80;
    world_pool(&w);
    RUN_UNTIL(&w, counts_of(&w).idle == 3);
    memset(calls, 0, sizeof calls);
    uint64_t end = clock_monotonic_ns() + 20 * NS_PER_S;
    size_t most = 0;
    while (counts_of(&w).closed_age < 15 && clock_monotonic_ns() < end) {
        for (unsigned i = 0; i < COUNT(calls); i++) {
            if (calls[i].done) {
                assert_answered(&calls[i]);
                assert_int_equal(calls[i].writes, 1);
            }
            if (calls[i].done || calls[i].id == 0) {
                call_init(&w, &calls[i], next);
                next = next + 1 < IDS_MAX ? next + 1 : 1;
                calls[i].x.resend = EXCHANGE_RESEND_NEVER;
                assert_int_equal(call_submit(&calls[i]), 0);
            }
        }
        turn(&w);
        check_pool(w.pool);
        assert_true(pool_open(w.pool) >= 2); /* the successor comes first */
        most = w.up.conns.count > most ? w.up.conns.count : most;
    }
    RUN_UNTIL(&w, w.done == w.submitted);
    assert_true(counts_of(&w).closed_age >= 15);
    assert_true(most <= 3 + 1 + 2); /* one more, and those the server has yet to see closed */
}

/* No successor, no retirement: the old one serves on. */
static void old_one_serves_on_without_a_successor(void **state) {
    (void)state;
    static struct call c;
    w.options.max_age_ms = 40;
    w.options.retry_pause_ms = 5;
    world_pool(&w);
    RUN_UNTIL(&w, pool_ready(w.pool));
    up_stop_listening(&w.up);
    RUN_UNTIL(&w, counts_of(&w).connect_failures >= 2);
    for (unsigned id = 1; id <= 20; id++) {
        call_init(&w, &c, id);
        assert_int_equal(call_submit(&c), 0);
        RUN_UNTIL(&w, c.done);
        assert_answered(&c);
    }
    assert_int_equal(w.up.accepted, 1);
    /* It ends while its successor is still being sought. */
    assert_non_null(w.pool->retiring);
    up_close_conns(&w.up);
    RUN_UNTIL(&w, !pool_ready(w.pool));
    assert_null(w.pool->retiring);
    up_listen(&w.up, &w.loop, &w.hub, "127.0.0.1", w.up.port);
    RUN_UNTIL(&w, pool_ready(w.pool));
}

/* A warm connection that is used again while its replacement is sought is not replaced. */
static void used_again_in_time(void **state) {
    (void)state;
    static struct call c;
    w.options.idle_ms = 400;
    w.options.retry_pause_ms = 5;
    world_pool(&w);
    RUN_UNTIL(&w, pool_ready(w.pool));
    up_stop_listening(&w.up);
    RUN_UNTIL(&w, w.pool->retiring);
    call_init(&w, &c, 1);
    assert_int_equal(call_submit(&c), 0);
    RUN_UNTIL(&w, c.done && !w.pool->retiring);
    assert_answered(&c);
    assert_int_equal(counts_of(&w).closed_idle, 0);
}

/* --- names --- */

static void several_addresses_in_turn(void **state) {
    (void)state;
    struct upstream other = {.act = ACT_ANSWER};
    up_listen(&other, &w.loop, &w.hub, "127.0.0.2", w.up.port);
    names.ips[1] = "127.0.0.2";
    w.options.max_connections = w.options.warm_connections = 6;
    world_pool(&w);
    RUN_UNTIL(&w, counts_of(&w).idle == 6);
    turns_for(&w, 5);
    assert_int_equal(w.up.accepted, 3);
    assert_int_equal(other.accepted, 3);
    world_close_pool(&w);
    up_stop_listening(&other);
    up_close_conns(&other);
    RUN_UNTIL(&w, list_empty(&other.conns) && !other.listening);
}

static void dead_address_is_left_alone(void **state) {
    (void)state;
    static struct call c;
    names.ips[0] = "127.0.0.2"; /* nobody listens there */
    names.ips[1] = "127.0.0.1";
    names.ips[2] = "127.0.0.3";
    w.options.max_connections = w.options.warm_connections = 6;
    world_pool(&w);
    RUN_UNTIL(&w, counts_of(&w).idle == 6);
    assert_true(counts_of(&w).connect_failures >= 2);
    assert_true(counts_of(&w).connect_failures <= 4);
    call_init(&w, &c, 1);
    assert_int_equal(call_submit(&c), 0);
    RUN_UNTIL(&w, c.done);
    assert_answered(&c);
    assert_non_null(strstr(pool_last_error(w.pool), "127.0.0."));
}

static void name_is_looked_up_again(void **state) {
    (void)state;
    struct upstream other = {.act = ACT_ANSWER};
    up_listen(&other, &w.loop, &w.hub, "127.0.0.2", w.up.port);
    w.options.resolve_ms = 30;
    world_pool(&w);
    RUN_UNTIL(&w, names.asked >= 3 && !names.pending);
    assert_int_equal(w.up.accepted, 1);
    names.ips[0] = "127.0.0.2";
    unsigned asked = names.asked;
    RUN_UNTIL(&w, names.asked > asked && !names.pending);
    up_close_conns(&w.up);
    RUN_UNTIL(&w, other.accepted == 1 && pool_ready(w.pool));
    /* No answer, then an empty one: the last good address stays in use. */
    names.error = ERR_RESOLVE;
    asked = names.asked;
    RUN_UNTIL(&w, names.asked > asked + 1 && !names.pending);
    up_close_conns(&other);
    RUN_UNTIL(&w, other.accepted == 2);
    names.error = 0;
    names.ips[0] = NULL;
    asked = names.asked;
    RUN_UNTIL(&w, names.asked > asked + 1 && !names.pending);
    up_close_conns(&other);
    RUN_UNTIL(&w, other.accepted == 3);
    world_close_pool(&w);
    up_stop_listening(&other);
    up_close_conns(&other);
    RUN_UNTIL(&w, list_empty(&other.conns) && !other.listening);
}

static void repeated_and_unusable_addresses(void **state) {
    (void)state;
    names.ips[0] = "255.255.255.255"; /* connect fails at once */
    names.ips[1] = "127.0.0.1";
    names.ips[2] = "127.0.0.1";
    names.ips[3] = "255.255.255.255";
    w.options.max_connections = w.options.warm_connections = 3;
    names.start_error = ERR_NOMEM; /* even the look-up */
    w.options.retry_pause_ms = 5;
    world_pool(&w);
    RUN_UNTIL(&w, names.asked >= 3);
    names.start_error = 0;
    RUN_UNTIL(&w, counts_of(&w).idle == 3);
    assert_int_equal(w.pool->addresses.count, 2);
    assert_true(counts_of(&w).connect_failures >= 1);
}

static void name_comes_later(void **state) {
    (void)state;
    static struct call c;
    names.error = ERR_RESOLVE;
    w.options.retry_pause_ms = 5;
    world_pool(&w);
    call_init(&w, &c, 1);
    assert_int_equal(call_submit(&c), 0);
    RUN_UNTIL(&w, names.asked >= 4);
    assert_non_null(strstr(pool_last_error(w.pool), "table.test"));
    assert_int_equal(c.done, 0);
    names.error = 0;
    RUN_UNTIL(&w, c.done);
    assert_answered(&c);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_exchange),
        TEST(connection_is_reused),
        TEST(writes_at_once),
        TEST(last_used_first),
        TEST(pipelined_in_order),
        TEST(interim_chunked_and_head),
        TEST(queue_is_bounded),
        TEST(no_queue_at_all),
        TEST(warm_connections_are_opened_and_kept),
        TEST(grows_with_need),
        TEST(idle_ones_beyond_the_warm_are_closed),
        TEST(limits_are_jittered),
        TEST(old_ones_are_replaced_first),
        TEST(old_one_serves_on_without_a_successor),
        TEST(used_again_in_time),
        TEST(several_addresses_in_turn),
        TEST(dead_address_is_left_alone),
        TEST(name_is_looked_up_again),
        TEST(repeated_and_unusable_addresses),
        TEST(name_comes_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
