/* What the other side, the network and the caller can do wrong, one by one: what becomes of the
 * exchange, how far it is said to have come, and that the next one fares well. */
#include "unit/client/upstream.h"

static struct world w;
static struct call a, b, c, d;

static int setup(void **state) {
    (void)state;
    world_init(&w);
    w.options.retry_pause_ms = 5;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    world_fini(&w);
    return 0;
}

static void submit(struct call *call, unsigned id, enum exchange_resend resend) {
    call_init(&w, call, id);
    call->x.resend = resend;
    assert_int_equal(call_submit(call), 0);
}

static void run(struct call *call, unsigned id, enum exchange_resend resend) {
    submit(call, id, resend);
    RUN_UNTIL(&w, call->done);
}

/* An exchange that must succeed: the pool has recovered. */
static void run_well(unsigned id) {
    static struct call call;
    w.up.act = ACT_ANSWER;
    w.up.choose = NULL;
    run(&call, id, EXCHANGE_RESEND_NEVER);
    assert_answered(&call);
}

/* A connection that has answered once, and what the server does with the second request. */
static void then(enum act act) {
    world_pool(&w);
    run_well(1000);
    w.up.act = act;
}

/* --- the peer closes --- */

static void fin_while_idle_is_noticed(void **state) {
    (void)state;
    w.options.warm_connections = 0;
    world_pool(&w);
    run_well(1);
    assert_true(pool_ready(w.pool));
    up_close_conns(&w.up);
    RUN_UNTIL(&w, !pool_ready(w.pool));
    turns_for(&w, 20);
    assert_int_equal(w.up.accepted, 1); /* nobody needs another */
    run_well(2);
    assert_int_equal(w.up.accepted, 2);
}

static void stale_write_is_repeated(void **state) {
    (void)state;
    static const enum act ends[] = {ACT_FIN, ACT_RESET};
    then(ACT_FIN);
    for (unsigned i = 0; i < COUNT(ends); i++) {
        w.up.act = ends[i];
        submit(&a, 2 + i, EXCHANGE_RESEND_SAFE);
        RUN_UNTIL(&w, w.up.seen[2 + i] == 1);
        w.up.act = ACT_ANSWER;
        RUN_UNTIL(&w, a.done);
        assert_answered(&a);
        assert_int_equal(a.writes, 2); /* signed anew */
        assert_int_equal(counts_of(&w).stale_resends, i + 1);
    }
}

static void but_not_for_ever(void **state) {
    (void)state;
    then(ACT_FIN);
    run(&a, 2, EXCHANGE_RESEND_SAFE);
    assert_failed_with(&a, ERR_CLOSED, EXCHANGE_SENT);
    assert_int_equal(a.writes, 2);
    assert_int_equal(w.up.seen[2], 2);
    run_well(3);
}

static void what_may_not_be_repeated_is_not(void **state) {
    (void)state;
    static const enum act ends[] = {ACT_FIN, ACT_RESET};
    then(ACT_FIN);
    for (unsigned i = 0; i < COUNT(ends); i++) {
        w.up.act = ends[i];
        run(&a, 2 + i, EXCHANGE_RESEND_NEVER);
        assert_failed_with(&a, ends[i] == ACT_FIN ? ERR_CLOSED : ERR_RESET, EXCHANGE_SENT);
        assert_int_equal(a.writes, 1);
        run_well(10 + i);
    }
    assert_int_equal(counts_of(&w).stale_resends, 0);
}

static void half_a_response(void **state) {
    (void)state;
    then(ACT_HALF);
    run(&a, 2, EXCHANGE_RESEND_SAFE);
    assert_failed_with(&a, ERR_CLOSED, EXCHANGE_ANSWERED);
    assert_int_equal(a.writes, 1);
    run_well(3);
}

static void every_response_is_the_last(void **state) {
    (void)state;
    static const enum act ends[] = {ACT_ANSWER_FIN, ACT_SAY_CLOSE};
    world_pool(&w);
    for (unsigned id = 1; id <= 100; id++) {
        w.up.act = ends[id % COUNT(ends)];
        run(&a, id, EXCHANGE_RESEND_SAFE);
        assert_answered(&a);
    }
    assert_true(w.up.accepted >= 50);
}

/* `Connection: close` is honoured at once: not one exchange is lost, repeatable or not. */
static void connection_close_is_honoured(void **state) {
    (void)state;
    world_pool(&w);
    w.up.act = ACT_SAY_CLOSE;
    for (unsigned id = 1; id <= 50; id++) {
        run(&a, id, EXCHANGE_RESEND_NEVER);
        assert_answered(&a);
        assert_int_equal(a.writes, 1);
    }
    assert_in_range(w.up.accepted, 50, 51);
}

static enum act close_the_second(struct up_conn *conn, unsigned id) {
    (void)conn;
    return id == 2 ? ACT_SAY_CLOSE : ACT_ANSWER;
}

static void what_flies_behind_connection_close(void **state) {
    (void)state;
    w.options.pipeline_depth = 4;
    world_pool(&w);
    run_well(1000);
    w.up.choose = close_the_second;
    submit(&a, 1, EXCHANGE_RESEND_NEVER);
    submit(&b, 2, EXCHANGE_RESEND_NEVER);
    submit(&c, 3, EXCHANGE_RESEND_SAFE);
    submit(&d, 4, EXCHANGE_RESEND_NEVER);
    RUN_UNTIL(&w, w.done == 5);
    assert_answered(&a);
    assert_answered(&b);
    assert_answered(&c);
    assert_int_equal(c.writes, 2);
    assert_failed_with(&d, ERR_CLOSED, EXCHANGE_SENT);
    run_well(5);
}

static void body_until_close(void **state) {
    (void)state;
    then(ACT_UNTIL_CLOSE);
    run(&a, 2, EXCHANGE_RESEND_NEVER);
    assert_int_equal(a.error, 0);
    assert_string_equal(a.body, "all there is");
    run_well(3);
}

/* --- the peer says the wrong thing --- */

static void garbage(void **state) {
    (void)state;
    then(ACT_GARBAGE);
    run(&a, 2, EXCHANGE_RESEND_SAFE);
    assert_failed_with(&a, ERR_PROTOCOL, EXCHANGE_ANSWERED);
    assert_non_null(strstr(a.reason, "malformed response"));
    run_well(3);
}

static void body_too_large(void **state) {
    (void)state;
    w.options.response_body_max = 10;
    then(ACT_HALF); /* says 100 bytes */
    run(&a, 2, EXCHANGE_RESEND_SAFE);
    assert_failed_with(&a, ERR_PROTOCOL, EXCHANGE_ANSWERED);
    run_well(3);
}

static void surplus_poisons(void **state) {
    (void)state;
    then(ACT_SURPLUS);
    run(&a, 2, EXCHANGE_RESEND_NEVER);
    assert_answered(&a);
    run_well(3);
    assert_int_equal(w.up.accepted, 2);
    w.up.act = ACT_LATE_SURPLUS;
    run(&a, 4, EXCHANGE_RESEND_NEVER);
    assert_answered(&a);
    RUN_UNTIL(&w, w.up.accepted == 3 && pool_ready(w.pool));
    run_well(5);
}

static unsigned greet_id;
static void greet(struct call *call) {
    (void)call;
    submit(&b, greet_id, EXCHANGE_RESEND_NEVER);
}

/* Surplus in the same read as the response, and an exchange submitted from on_done: it is not
 * written to the poisoned connection. */
static void surplus_does_not_reach_the_next(void **state) {
    (void)state;
    then(ACT_SURPLUS);
    submit(&a, 2, EXCHANGE_RESEND_NEVER);
    a.then = greet;
    greet_id = 3;
    RUN_UNTIL(&w, w.up.requests == 2);
    w.up.act = ACT_ANSWER;
    RUN_UNTIL(&w, a.done && b.done);
    assert_answered(&a);
    assert_answered(&b);
    assert_int_equal(w.up.seen[3], 1);
}

/* --- the peer is silent --- */

static void no_response(void **state) {
    (void)state;
    w.options.pipeline_depth = 2;
    w.options.response_timeout_ms = 60;
    then(ACT_NEVER);
    submit(&a, 2, EXCHANGE_RESEND_SAFE);
    submit(&b, 3, EXCHANGE_RESEND_SAFE);
    RUN_UNTIL(&w, a.done && b.done);
    assert_failed_with(&a, ERR_TIMEOUT, EXCHANGE_SENT);
    assert_failed_with(&b, ERR_CLOSED, EXCHANGE_SENT);
    assert_int_equal(a.writes, 1);
    assert_true(loop_now_ns(&w.loop) - a.x.written_ns >= 60 * NS_PER_MS);
    assert_true(loop_now_ns(&w.loop) - a.x.written_ns < 1000 * NS_PER_MS);
    run_well(4);
}

static void own_deadline_in_flight(void **state) {
    (void)state;
    w.options.pipeline_depth = 3;
    then(ACT_HOLD);
    submit(&a, 2, EXCHANGE_RESEND_SAFE);
    call_init(&w, &b, 3);
    b.x.deadline_ns = loop_now_ns(&w.loop) + 40 * NS_PER_MS;
    assert_int_equal(call_submit(&b), 0);
    submit(&c, 4, EXCHANGE_RESEND_SAFE);
    RUN_UNTIL(&w, b.done);
    assert_failed_with(&b, ERR_TIMEOUT, EXCHANGE_SENT);
    assert_int_equal(pool_free_places(w.pool), 0); /* its place is taken until the response */
    assert_int_equal(a.done + c.done, 0);
    up_release_all(&w.up);
    RUN_UNTIL(&w, a.done && c.done);
    assert_answered(&a);
    assert_answered(&c);
    assert_int_equal(w.up.accepted, 1);
    run_well(5);
    assert_int_equal(w.up.accepted, 1);
}

static void own_deadline_while_waiting(void **state) {
    (void)state;
    then(ACT_HOLD);
    submit(&a, 2, EXCHANGE_RESEND_SAFE);
    call_init(&w, &b, 3);
    b.x.deadline_ns = loop_now_ns(&w.loop) + 30 * NS_PER_MS;
    assert_int_equal(call_submit(&b), 0);
    submit(&c, 4, EXCHANGE_RESEND_SAFE);
    RUN_UNTIL(&w, b.done);
    assert_failed_with(&b, ERR_TIMEOUT, EXCHANGE_NOT_SENT);
    assert_int_equal(b.writes, 0);
    w.up.act = ACT_ANSWER;
    up_release_all(&w.up);
    RUN_UNTIL(&w, a.done && c.done);
    assert_answered(&a);
    assert_answered(&c);
    assert_int_equal(w.up.seen[3], 0);
}

static void deadline_already_passed(void **state) {
    (void)state;
    then(ACT_ANSWER);
    call_init(&w, &a, 2);
    a.x.deadline_ns = loop_now_ns(&w.loop) - 1;
    assert_int_equal(call_submit(&a), 0);
    RUN_UNTIL(&w, a.done);
    assert_failed_with(&a, ERR_TIMEOUT, EXCHANGE_NOT_SENT);
    assert_int_equal(a.writes, 0);
}

/* Without a deadline of its own it does not wait for ever either. */
static void waits_no_longer_than_for_a_response(void **state) {
    (void)state;
    w.options.response_timeout_ms = 80;
    up_stop_listening(&w.up);
    RUN_UNTIL(&w, !w.up.listening);
    world_pool(&w);
    run(&a, 1, EXCHANGE_RESEND_SAFE);
    assert_failed_with(&a, ERR_TIMEOUT, EXCHANGE_NOT_SENT);
    assert_non_null(strstr(a.reason, "refused")); /* why no connection was there */
}

/* --- connecting --- */

static void refused_then_recovers(void **state) {
    (void)state;
    w.options.retry_pause_ms = 20;
    w.options.warm_connections = w.options.max_connections = 4;
    up_stop_listening(&w.up);
    RUN_UNTIL(&w, !w.up.listening);
    world_pool(&w);
    submit(&a, 1, EXCHANGE_RESEND_NEVER);
    turns_for(&w, 300);
    /* 20, 40, 80, 160: one attempt at a time but for the first two, ever more seldom. */
    assert_in_range(counts_of(&w).connect_failures, 2, 6);
    assert_false(pool_ready(w.pool));
    assert_non_null(strstr(pool_last_error(w.pool), "refused"));
    assert_int_equal(a.done, 0);
    up_listen(&w.up, &w.loop, &w.hub, "127.0.0.1", w.up.port);
    RUN_UNTIL(&w, a.done);
    assert_answered(&a);
    RUN_UNTIL(&w, counts_of(&w).idle == 4);
}

/* A listener that accepts nothing, its queue full: connecting there never ends. */
static int full_listener(uint16_t *port) {
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sin;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
    *port = ntohs(sin.sin_port);
    int filler = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(filler, (struct sockaddr *)&sin, sizeof sin), 0);
    assert_int_equal(dup2(filler, 199), 199); /* closed by the test */
    close(filler);
    return fd;
}

static void connect_timeout(void **state) {
    (void)state;
    int fd = full_listener(&w.options.port);
    w.options.connect_timeout_ms = 60;
    world_pool(&w);
    call_init(&w, &a, 1);
    a.x.deadline_ns = loop_now_ns(&w.loop) + 300 * NS_PER_MS;
    assert_int_equal(call_submit(&a), 0);
    RUN_UNTIL(&w, a.done);
    assert_failed_with(&a, ERR_TIMEOUT, EXCHANGE_NOT_SENT);
    assert_non_null(strstr(pool_last_error(w.pool), "connect timed out"));
    assert_true(counts_of(&w).connect_failures >= 1);
    close(fd);
    close(199);
}

/* A server that is up but of no use is not hammered. */
static void closed_on_accept_is_paced(void **state) {
    (void)state;
    w.options.retry_pause_ms = 20;
    w.up.close_on_accept = 1;
    world_pool(&w);
    turns_for(&w, 300);
    assert_in_range(w.up.accepted, 2, 6);
    w.up.close_on_accept = 0;
    run_well(1);
}

static void garbage_for_every_request_is_paced(void **state) {
    (void)state;
    w.options.retry_pause_ms = 20;
    w.up.act = ACT_GARBAGE;
    world_pool(&w);
    uint64_t end = clock_monotonic_ns() + 300 * NS_PER_MS;
    while (clock_monotonic_ns() < end) {
        run(&a, 1, EXCHANGE_RESEND_SAFE);
        assert_int_equal(a.error, ERR_PROTOCOL);
    }
    assert_in_range(w.up.accepted, 2, 7);
    run_well(2);
}

/* --- the caller --- */

static void request_cannot_be_made(void **state) {
    (void)state;
    then(ACT_ANSWER);
    call_init(&w, &a, 2);
    a.write_error = ERR_CREDENTIALS;
    assert_int_equal(call_submit(&a), 0);
    RUN_UNTIL(&w, a.done);
    assert_failed_with(&a, ERR_CREDENTIALS, EXCHANGE_NOT_SENT);
    assert_int_equal(w.up.accepted, 1); /* the connection is none the worse */
    run_well(3);
    assert_int_equal(w.up.accepted, 1);
}

static unsigned stubborn_left;
static void stubborn(struct call *call) {
    if (stubborn_left > 0) {
        stubborn_left--;
        call->done = 0;
        assert_int_equal(call_submit(call), 0);
    }
}

/* One that fails at once and is submitted at once again does not hold the turn. */
static void failing_again_and_again(void **state) {
    (void)state;
    then(ACT_ANSWER);
    call_init(&w, &a, 2);
    a.write_error = ERR_CREDENTIALS;
    a.then = stubborn;
    stubborn_left = 1000;
    assert_int_equal(call_submit(&a), 0);
    turn(&w);
    turn(&w);
    assert_true(stubborn_left > 900);
    RUN_UNTIL(&w, stubborn_left == 0 && a.done);
}

/* --- what is logged --- */

static char logged[65536];

/* Runs one end of a connection with the log in `logged`; returns how many lines. */
static unsigned log_of(void (*end)(void)) {
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    assert_non_null(file);
    dup2(fileno(file), STDERR_FILENO);
    log_threshold = LOG_DEBUG;
    end();
    log_threshold = LOG_OFF;
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    logged[fread(logged, 1, sizeof logged - 1, file)] = 0;
    fclose(file);
    unsigned lines = 0;
    for (const char *at = logged; (at = strstr(at, "\"upstream_closed\"")) != NULL; at++) {
        lines++;
    }
    return lines;
}

static void assert_logged(const char *text) {
    if (!strstr(logged, text)) {
        fail_msg("%s is not in %s", text, logged);
    }
}

static void end_act(void) {
    static unsigned id = 100;
    run(&a, id++, EXCHANGE_RESEND_NEVER);
    RUN_UNTIL(&w, counts_of(&w).idle == 0 || w.up.act == ACT_ANSWER);
}

static void end_refused(void) {
    unsigned long before = counts_of(&w).connect_failures;
    up_close_conns(&w.up);
    up_stop_listening(&w.up);
    RUN_UNTIL(&w, counts_of(&w).connect_failures == before + 1);
}

/* One line for each connection that ends, with its reason; only the abnormal ones are loud. */
static void every_end_has_its_line(void **state) {
    (void)state;
    static const struct {
        enum act act;
        const char *level, *reason, *error;
    } ends[] = {
        {ACT_FIN, "warn", "closed by the peer before the response", "closed"},
        {ACT_RESET, "warn", "closed by the peer before the response", "reset"},
        {ACT_SAY_CLOSE, "debug", "Connection: close", ""},
        {ACT_GARBAGE, "warn", "malformed response", "protocol"},
        {ACT_SURPLUS, "warn", "bytes nobody asked for", "protocol"},
        {ACT_NEVER, "warn", "no response in time", "timeout"},
        {ACT_ANSWER_FIN, "debug", "closed by the peer while idle", ""},
    };
    char text[128];
    w.options.warm_connections = 0;
    w.options.response_timeout_ms = 500;
    world_pool(&w);
    for (size_t i = 0; i < COUNT(ends); i++) {
        w.up.act = ends[i].act;
        assert_int_equal(log_of(end_act), 1);
        snprintf(text, sizeof text, "\"level\":\"%s\"", ends[i].level);
        assert_logged(text);
        snprintf(text, sizeof text, "\"error\":\"%s\"", ends[i].error);
        assert_logged(text);
        assert_logged(ends[i].reason);
        assert_logged("\"age_ms\":");
        assert_logged("\"peer\":\"127.0.0.1:");
        RUN_UNTIL(&w, counts_of(&w).idle == 0);
    }
    world_close_pool(&w);
    w.options.warm_connections = 1;
    w.options.retry_pause_ms = 10000;
    world_pool(&w);
    RUN_UNTIL(&w, pool_ready(w.pool));
    assert_int_equal(log_of(end_refused), 2);
    assert_logged("refused");
    assert_logged("\"state\":\"connecting\"");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(fin_while_idle_is_noticed),
        TEST(stale_write_is_repeated),
        TEST(but_not_for_ever),
        TEST(what_may_not_be_repeated_is_not),
        TEST(half_a_response),
        TEST(every_response_is_the_last),
        TEST(connection_close_is_honoured),
        TEST(what_flies_behind_connection_close),
        TEST(body_until_close),
        TEST(garbage),
        TEST(body_too_large),
        TEST(surplus_poisons),
        TEST(surplus_does_not_reach_the_next),
        TEST(no_response),
        TEST(own_deadline_in_flight),
        TEST(own_deadline_while_waiting),
        TEST(deadline_already_passed),
        TEST(waits_no_longer_than_for_a_response),
        TEST(refused_then_recovers),
        TEST(connect_timeout),
        TEST(closed_on_accept_is_paced),
        TEST(garbage_for_every_request_is_paced),
        TEST(request_cannot_be_made),
        TEST(failing_again_and_again),
        TEST(every_end_has_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
