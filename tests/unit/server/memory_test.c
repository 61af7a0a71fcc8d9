/* Answers nobody reads: reading pauses at out_bytes of a connection, and all of them together
 * count towards request_bytes, where the next request is refused and those connections that
 * hold more than out_bytes are closed. */
#include "front.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\n"

static char big[200000];

static struct front *start(struct server_options o) {
    struct front *f = front_start(&o, "127.0.0.1:0");
    memset(big, 'x', sizeof(big));
    f->answer_body = slice_of(big, sizeof(big));
    return f;
}

/* The first of several requests takes its time; the answers behind it wait for it. Once these
 * are too many, no more requests are taken in, and all is well again afterwards. */
static void answers_that_wait_pause_reading(void **state) {
    (void)state;
    struct server_options o = server_options_default;
    o.out_bytes = 500000; /* three answers at most */
    struct front *f = start(o);
    struct client *c = client_connect(f);
    f->hold = 1;
    client_send(f, c, GET);
    turn_until(f, f->held_count == 1);
    f->hold = 0;
    for (int i = 0; i < 10; i++) {
        client_send(f, c, GET);
    }
    turn(f, 50);
    assert_true(f->requests >= 3 && f->requests <= 4);
    struct server_conn *conn = f->held[0]->conn;
    assert_true(conn->kept >= o.out_bytes && conn->kept < 2 * o.out_bytes);
    assert_false(conn->reading);
    front_answer(f, f->held[0]);
    turn_until(f, client_count(c, OK) == 11);
    turn_until(f, front_in_state(f, CONN_IDLE) == 1);
    assert_int_equal(conn->kept, 0);
    assert_true(f->server->bytes < sizeof(big));
    client_close(c);
    front_stop(f);
}

/* Connects with so small a window that the answers stay with the server. */
static struct client *deaf(struct front *f, int requests) {
    int small = 4096;
    struct client *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    assert_int_equal(connect(c->fd, (struct sockaddr *)&f->address.sa, f->address.len), 0);
    for (int i = 0; i < requests; i++) {
        assert_int_equal(send(c->fd, GET, sizeof(GET) - 1, 0), sizeof(GET) - 1);
    }
    return c;
}

#define DEAF 8

/* Each at its own bound, all of them at theirs. */
static void unread_answers_are_bounded_together(void **state) {
    (void)state;
    struct server_options o = server_options_default;
    o.out_bytes = 400000;
    o.request_bytes = 2000000;
    o.write_timeout_ms = 1500;
    struct front *f = start(o);
    struct client *c[DEAF];
    for (int i = 0; i < DEAF; i++) {
        c[i] = deaf(f, 30);
        turn(f, 30);
        assert_true(f->server->bytes < o.request_bytes + o.out_bytes);
    }
    assert_true(f->server->bytes > o.request_bytes / 2 - o.out_bytes);
    assert_true(front_reason(f, "answer_memory") >= 1);
    assert_int_equal(front_reason(f, "request_memory"), 0);
    struct client *late = client_connect(f); /* they leave room for others */
    client_send(f, late, GET);
    turn_until(f, client_count(late, OK) == 1);
    client_close(late);
    /* Who does not read is closed. */
    turn_until(f, front_connections(f) == 0);
    assert_true(front_reason(f, "write_timeout") >= 1);
    assert_int_equal(f->server->bytes, 0);
    for (int i = 0; i < DEAF; i++) {
        client_close(c[i]);
    }
    front_stop(f);
}

/* Where each holds one answer that is not too much, the next request is. */
static void requests_are_refused_when_answers_take_all(void **state) {
    (void)state;
    struct server_options o = server_options_default;
    o.out_bytes = 300000;
    o.request_bytes = 1000000;
    struct front *f = start(o);
    struct client *c[DEAF];
    for (int i = 0; i < DEAF; i++) {
        c[i] = deaf(f, 30);
        turn(f, 30);
    }
    assert_true(f->server->bytes <= o.request_bytes + o.out_bytes);
    struct client *late = client_connect(f);
    client_send(f, late, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n");
    turn_until(f, client_ended(late));
    assert_int_equal(client_count(late, "HTTP/1.1 503 "), 1);
    assert_int_equal(client_count(late, "Retry-After: 1\r\n"), 1);
    assert_true(front_reason(f, "request_memory") >= 1);
    client_close(late);
    for (int i = 0; i < DEAF; i++) {
        client_close(c[i]);
    }
    front_stop(f);
}

#define HELD 30

/* As many requests as a connection may have in hand, each with a large answer that nobody
 * reads: no more is kept than the bound says, in whatever order they are answered, none is sent
 * out of order, and others are served. */
static void hold_and_answer(int last_first) {
    struct server_options o = server_options_default;
    o.request_bytes = 2000000;
    struct front *f = start(o);
    struct client *other = client_connect(f), *c = deaf(f, HELD);
    f->hold = 1;
    turn_until(f, f->held_count == HELD);
    f->hold = 0;
    size_t most = 0;
    for (size_t i = 0; i < HELD; i++) {
        struct server_request *r = f->held[last_first ? HELD - 1 - i : i];
        front_answer(f, r);
        most = f->server->bytes > most ? f->server->bytes : most;
    }
    assert_int_equal(f->answers, HELD);
    assert_string_equal(f->last_reason, "answer_memory");
    assert_true(most > o.request_bytes / 2 - sizeof(big));
    assert_true(most <= o.request_bytes / 2 + o.out_bytes);
    turn_until(f, front_connections(f) == 1);
    assert_int_equal(front_reason(f, "answer_memory"), 1);
    assert_int_equal(f->server->bytes, 0);
    assert_int_equal(f->abandoned, 0);
    client_read(c);
    /* The first ones, as far as the kernel took them, and nothing after a gap. */
    assert_true(c->in.len < 5 * sizeof(big) && (!last_first || c->in.len == 0));
    client_send(f, other, GET);
    turn_until(f, client_count(other, OK) == 1);
    client_close(c);
    client_close(other);
    front_stop(f);
}

static void answers_to_what_was_taken_in_are_bounded(void **state) {
    (void)state;
    hold_and_answer(0);
    hold_and_answer(1);
}

/* One answer beyond out_bytes is no pipelining: all of the memory is for it. */
static void one_large_answer_may_take_it_all(void **state) {
    (void)state;
    struct server_options o = server_options_default;
    o.out_bytes = 4096;
    o.request_bytes = 210000;
    struct front *f = start(o);
    struct client *c = client_connect(f);
    client_send(f, c, GET);
    turn_until(f, client_count(c, OK) == 1 && c->in.len > sizeof(big));
    f->server->options.request_bytes = 200000;
    client_send(f, c, GET);
    turn_until(f, client_ended(c));
    assert_int_equal(client_count(c, OK), 1);
    assert_int_equal(front_reason(f, "answer_memory"), 1);
    client_close(c);
    front_stop(f);
}

/* Whether a request with so large a body may come: 1; or is refused for want of memory: 0. */
static int may_send(struct front *f, size_t bytes) {
    struct client *c = client_connect(f);
    char head[120];
    (void)snprintf(head, sizeof head,
                   "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   bytes);
    client_send(f, c, head);
    turn_until(f, client_count(c, "HTTP/1.1 ") > 0);
    int may = client_count(c, "HTTP/1.1 100 Continue") == 1;
    assert_true(may || client_count(c, "HTTP/1.1 503 ") == 1);
    client_close(c);
    return may;
}

/* Clients that each hold an answer within their own bound, and together all of the memory, lose
 * them when another asks; not at once, and not for a request that could never have room. */
static void slow_readers_make_room(void **state) {
    (void)state;
    struct server_options o = server_options_default;
    o.request_bytes = 1000000;
    o.http.body_bytes = 2000000;
    struct front *f = start(o);
    struct client *c[DEAF];
    for (int i = 0; i < DEAF; i++) {
        c[i] = deaf(f, 1);
        turn(f, 30);
    }
    size_t held = f->server->bytes;
    assert_false(may_send(f, 900000));
    assert_int_equal(front_reason(f, "slow_reader"), 0);
    wait_ms(f, 1200);
    assert_false(may_send(f, 1900000));
    assert_int_equal(f->server->bytes, held);
    assert_false(may_send(f, 900000));
    turn_until(f, f->server->bytes < 100000);
    assert_in_range(front_reason(f, "slow_reader"), 1, DEAF);
    assert_true(may_send(f, 900000));
    for (int i = 0; i < DEAF; i++) {
        client_close(c[i]);
    }
    front_stop(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_that_wait_pause_reading),
        cmocka_unit_test(unread_answers_are_bounded_together),
        cmocka_unit_test(requests_are_refused_when_answers_take_all),
        cmocka_unit_test(answers_to_what_was_taken_in_are_bounded),
        cmocka_unit_test(one_large_answer_may_take_it_all),
        cmocka_unit_test(slow_readers_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
