/* The pool over TLS: resumption, what fails to verify, and ends without close_notify. */
#include "unit/client/upstream_tls.h"

static struct world w;
static struct call a, b;

static int setup(void **state) {
    (void)state;
    world_init(&w);
    world_over_tls(&w);
    w.options.retry_pause_ms = 5;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    world_fini(&w);
    return 0;
}

static void run(struct call *call, unsigned id, enum exchange_resend resend) {
    call_init(&w, call, id);
    call->x.resend = resend;
    assert_int_equal(call_submit(call), 0);
    RUN_UNTIL(&w, call->done);
}

static void run_well(unsigned id) {
    static struct call call;
    w.up.act = ACT_ANSWER;
    run(&call, id, EXCHANGE_RESEND_NEVER);
    assert_answered(&call);
}

static void exchanges(void **state) {
    (void)state;
    static struct call calls[20];
    w.options.pipeline_depth = 4;
    w.options.max_connections = 2;
    world_pool(&w);
    for (unsigned i = 0; i < COUNT(calls); i++) {
        call_init(&w, &calls[i], i);
        calls[i].body_len = i * 2000;
        assert_int_equal(call_submit(&calls[i]), 0);
    }
    RUN_UNTIL(&w, w.done == COUNT(calls));
    for (unsigned i = 0; i < COUNT(calls); i++) {
        assert_answered(&calls[i]);
    }
}

/* One full handshake; whoever comes later resumes, and nobody comes with it. */
static void sessions_are_shared(void **state) {
    (void)state;
    w.options.max_connections = w.options.warm_connections = 6;
    w.options.connecting_max = 3;
    w.options.first_alone_ms = 60000;
    world_pool(&w);
    RUN_UNTIL(&w, counts_of(&w).idle == 6);
    assert_int_equal(counts_of(&w).connects, 6);
    assert_int_equal(counts_of(&w).resumed, 5);
    /* All reconnect: a storm of resumed handshakes. */
    up_close_conns(&w.up);
    RUN_UNTIL(&w, counts_of(&w).connects == 12 && counts_of(&w).idle == 6);
    assert_int_equal(counts_of(&w).resumed, 11);
    run_well(1);
}

static void must_not_open(const char *why) {
    w.options.response_timeout_ms = 150;
    world_pool(&w);
    RUN_UNTIL(&w, counts_of(&w).connect_failures > 0);
    run(&a, 1, EXCHANGE_RESEND_SAFE);
    assert_failed_with(&a, ERR_TIMEOUT, EXCHANGE_NOT_SENT);
    assert_int_equal(a.writes, 0);
    assert_int_equal(w.up.seen[1], 0);
    assert_int_equal(counts_of(&w).connects, 0);
    assert_in_range(counts_of(&w).connect_failures, 1, 12); /* paced */
    if (!strstr(pool_last_error(w.pool), why) || !strstr(a.reason, why)) {
        fail_msg("%s / %s", pool_last_error(w.pool), a.reason);
    }
}

static void other_name(void **state) {
    (void)state;
    struct tls_context *other =
        tls_serve(certs_leaf(&certs, "other", "other.test", CERT_EC, -1, 30, 0));
    w.up.tls.context = other;
    must_not_open("name");
    world_close_pool(&w);
    up_close_conns(&w.up);
    RUN_UNTIL(&w, list_empty(&w.up.conns));
    tls_context_free(other);
}

static void expired(void **state) {
    (void)state;
    struct tls_context *old =
        tls_serve(certs_leaf(&certs, "old", "table.test", CERT_EC, -30, -2, 0));
    w.up.tls.context = old;
    must_not_open("expired");
    world_close_pool(&w);
    up_close_conns(&w.up);
    RUN_UNTIL(&w, list_empty(&w.up.conns));
    tls_context_free(old);
}

static void not_tls_at_all(void **state) {
    (void)state;
    w.up.tls.context = NULL; /* never answers a ClientHello */
    w.options.connect_timeout_ms = 50;
    must_not_open("timed out");
}

/* The first handshake is alone, but not for as long as a dead address takes to show. */
static void first_hangs(void **state) {
    (void)state;
    w.up.tls.context = NULL; /* never answers a ClientHello */
    w.options.connect_timeout_ms = 60000;
    w.options.first_alone_ms = 20;
    w.options.connecting_max = w.options.max_connections = 2;
    w.options.warm_connections = 2;
    world_pool(&w);
    RUN_UNTIL(&w, counts_of(&w).connecting == 2);
    assert_int_equal(counts_of(&w).connect_failures, 0);
    w.up.tls.context = tls_server;
}

static void closed_in_the_handshake(void **state) {
    (void)state;
    w.up.tls.context = NULL;
    w.up.close_on_accept = 1;
    must_not_open("");
    w.up.close_on_accept = 0;
    w.up.tls.context = tls_server;
    RUN_UNTIL(&w, pool_ready(w.pool));
    run_well(2);
}

static void stale_write_is_repeated(void **state) {
    (void)state;
    static const enum act ends[] = {ACT_FIN, ACT_RESET};
    world_pool(&w);
    run_well(1);
    for (unsigned i = 0; i < COUNT(ends); i++) {
        w.up.act = ends[i];
        call_init(&w, &a, 2 + i);
        assert_int_equal(call_submit(&a), 0);
        RUN_UNTIL(&w, w.up.seen[2 + i] == 1);
        w.up.act = ACT_ANSWER;
        RUN_UNTIL(&w, a.done);
        assert_answered(&a);
        assert_int_equal(counts_of(&w).stale_resends, i + 1);
        w.up.act = ends[i];
        run(&b, 10 + i, EXCHANGE_RESEND_NEVER);
        assert_int_equal(b.x.progress, EXCHANGE_SENT);
        assert_true(b.error == ERR_CLOSED || b.error == ERR_RESET);
        run_well(20 + i);
    }
}

/* Only close_notify says that a body without a length is whole. */
static void body_until_close(void **state) {
    (void)state;
    world_pool(&w);
    run_well(1);
    w.up.act = ACT_UNTIL_CLOSE;
    run(&a, 2, EXCHANGE_RESEND_NEVER);
    assert_int_equal(a.error, 0);
    assert_string_equal(a.body, "all there is");
    run_well(3);
    w.up.act = ACT_CUT;
    run(&a, 4, EXCHANGE_RESEND_NEVER);
    assert_failed_with(&a, ERR_CLOSED, EXCHANGE_ANSWERED);
    run_well(5);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(exchanges),
        TEST(sessions_are_shared),
        TEST(other_name),
        TEST(expired),
        TEST(not_tls_at_all),
        TEST(first_hangs),
        TEST(closed_in_the_handshake),
        TEST(stale_write_is_repeated),
        TEST(body_until_close),
    };
    return cmocka_run_group_tests(tests, tls_group_setup, tls_group_teardown);
}
