/* Time-outs, clients that leave, slow readers, drain and close. */
#include "front.h"

#include "base/error.h"
#include "net/stream_impl.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\n"
#define BYE "Connection: close\r\n"

static struct server_options quick(void) {
    struct server_options o = server_options_default;
    o.header_timeout_ms = 200;
    o.body_timeout_ms = 200;
    o.first_byte_timeout_ms = 200;
    o.idle_timeout_ms = 200;
    o.write_timeout_ms = 300;
    o.linger_ms = 200;
    return o;
}

static struct front *start_with(struct server_options o) {
    return front_start(&o, "127.0.0.1:0");
}

/* 59 */
static void no_byte_at_all(void **state) {
    (void)state;
    struct front *f = start_with(quick());
    struct client *c = client_connect(f);
    uint64_t begin = front_now_ms();
    turn_until(f, client_ended(c));
    assert_true(front_now_ms() - begin >= 190);
    assert_int_equal(c->in.len, 0);
    assert_int_equal(front_reason(f, "first_byte_timeout"), 1);
    client_close(c);
    front_stop(f);
}

/* 56: the head has its time in all, however it drips. */
static void slow_head(void **state) {
    (void)state;
    struct front *f = start_with(quick());
    struct client *c = client_connect(f);
    static const char head[] =
        "GET / HTTP/1.1\r\nHost: a\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    uint64_t begin = front_now_ms();
    for (const char *at = head; *at && !client_ended(c); at++) {
        client_send_slice(f, c, slice_of(at, 1));
        wait_ms(f, 20);
    }
    turn_until(f, client_ended(c));
    uint64_t took = front_now_ms() - begin;
    assert_true(took >= 190 && took < 2000);
    assert_int_equal(client_count(c, "HTTP/1.1 408 "), 1);
    assert_int_equal(client_count(c, BYE), 1);
    assert_int_equal(front_reason(f, "header_timeout"), 1);
    assert_int_equal(f->server->timeouts, 1);
    client_close(c);
    front_stop(f);
}

/* 57 */
static void slow_body(void **state) {
    (void)state;
    struct server_options o = quick();
    o.body_min_rate = 100; /* 20 bytes in 200 ms */
    struct front *f = start_with(o);
    struct client *c = client_connect(f);
    client_send(f, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    for (int i = 0; i < 100 && !client_ended(c); i++) {
        client_send(f, c, "x");
        wait_ms(f, 25);
    }
    assert_int_equal(client_count(c, "HTTP/1.1 408 "), 1);
    assert_int_equal(front_reason(f, "body_timeout"), 1);
    assert_int_equal(f->requests, 0);
    assert_int_equal(f->answers_without_request, 0);
    client_close(c);
    front_stop(f);
}

static void steady_body_may_take_long(void **state) {
    (void)state;
    struct server_options o = quick();
    o.body_min_rate = 100;
    o.body_timeout_ms = 500;
    struct front *f = start_with(o);
    struct client *c = client_connect(f);
    client_send(f, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    for (int i = 0; i < 100; i++) {
        client_send(f, c, "xxxxxxxxxx");
        wait_ms(f, 15);
    }
    turn_until(f, client_count(c, "POST / 1000") == 1);
    client_close(c);
    front_stop(f);
}

static void idle_connection_is_closed(void **state) {
    (void)state;
    struct server_options o = quick();
    o.idle_timeout_ms = 600;
    struct front *f = start_with(o);
    struct client *c = client_connect(f);
    client_send(f, c, GET);
    turn_until(f, client_count(c, OK) == 1);
    wait_ms(f, 250);
    assert_false(client_ended(c));
    client_send(f, c, "\r\n" GET); /* a stray empty line is no offence */
    turn_until(f, client_count(c, OK) == 2);
    uint64_t begin = front_now_ms();
    turn_until(f, client_ended(c));
    assert_true(front_now_ms() - begin >= 500);
    assert_int_equal(client_count(c, "HTTP/1.1 "), 2);
    assert_int_equal(f->server->timeouts, 0);
    assert_int_equal(front_reason(f, "idle_timeout"), 1);
    client_close(c);
    front_stop(f);
}

/* Nobody is late while the handler works. */
static void busy_connection_is_not(void **state) {
    (void)state;
    struct front *f = start_with(quick());
    f->hold = 1;
    struct client *c = client_connect(f);
    client_send(f, c, GET);
    turn_until(f, f->held_count == 1);
    wait_ms(f, 700);
    assert_false(client_ended(c));
    front_answer(f, f->held[0]);
    turn_until(f, client_count(c, OK) == 1);
    client_close(c);
    front_stop(f);
}

static void stray_blank_lines_do_not_add_up(void **state) {
    (void)state;
    struct front *f = start_with(quick());
    struct client *c = client_connect(f);
    client_send(f, c, GET);
    turn_until(f, client_count(c, OK) == 1);
    for (int i = 0; i < 6 && !client_ended(c); i++) {
        client_send(f, c, i % 2 ? "\n" : "\r");
        turn(f, 5);
    }
    turn_until(f, client_ended(c));
    assert_int_equal(client_count(c, "HTTP/1.1 400 "), 1);
    assert_int_equal(front_reason(f, "blank_lines"), 1);
    client_close(c);
    front_stop(f);
}

/* 58: memory stays under the mark, the pipeline stalls, and the reader is given up. */
static void slow_reader(void **state) {
    (void)state;
    struct server_options o = quick();
    o.write_timeout_ms = 600;
    o.out_bytes = 65536;
    struct front *f = start_with(o);
    char *page = malloc(20000);
    memset(page, 'p', 20000);
    f->answer_body = slice_of(page, 20000);
    struct client *c = client_connect(f);
    int small = 4096;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    struct buffer all = {0};
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(buffer_append_slice(&all, SLICE(GET)), 0);
    }
    struct slice left = buffer_slice(&all);
    size_t highest = 0;
    uint64_t begin = front_now_ms();
    while (front_connections(f) > 0 || f->server->accepted == 0) {
        ssize_t n = left.len ? send(c->fd, left.ptr, left.len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        left = slice_from(left, n > 0 ? (size_t)n : 0);
        loop_turn(&f->loop);
        struct list_node *node = f->server->by_state[CONN_BUSY].first;
        if (node) {
            struct server_conn *conn = container_of(node, struct server_conn, node);
            size_t queued = stream_queued(&conn->stream);
            highest = queued > highest ? queued : highest;
        }
        usleep(500);
        assert_true(front_now_ms() - begin < 20000);
    }
    assert_true(highest >= 65536 && highest < 65536 + 2 * 20500);
    assert_true(f->requests < 1000);
    assert_int_equal(front_reason(f, "write_timeout"), 1);
    buffer_fini(&all);
    client_close(c);
    front_stop(f);
    free(page);
}

/* Another connection's request ends the wait of the first one's. */
static void answer_the_held_one(void *owner, struct server_request *r) {
    struct front *f = owner;
    if (f->held_count > 0) {
        front_answer(f, f->held[--f->held_count]);
    }
    front_on_request(owner, r);
}

/* An answer that waits for the end of the turn goes out with one that does not wait for it. */
static void sent_is_not_late(void **state) {
    (void)state;
    struct front *f = start_with(quick());
    struct client *c = client_connect(f), *other = client_connect(f);
    struct server_events events = front_events;
    events.on_request = answer_the_held_one;
    f->hold = 1;
    client_send(f, c, GET);
    turn_until(f, f->held_count == 1 && front_connections(f) == 2);
    turn(f, 5);
    f->hold = 0;
    f->server->events = &events;
    /* Both in one poll, this one first. */
    assert_int_equal(send(other->fd, GET, sizeof(GET) - 1, 0), sizeof(GET) - 1);
    assert_int_equal(send(c->fd, GET, sizeof(GET) - 1, 0), sizeof(GET) - 1);
    turn_until(f, client_count(c, OK) == 2 && client_count(other, OK) == 1);
    LIST_FOR_EACH (node, &f->server->by_state[CONN_IDLE]) {
        struct server_conn *idle = container_of(node, struct server_conn, node);
        assert_false(list_linked(&idle->write_deadline.node));
    }
    assert_int_equal(f->server->by_state[CONN_IDLE].count, 2);
    client_close(c);
    client_close(other);
    front_stop(f);
}

/* It is we who cut off what waits behind the answer that is not read. */
static void slow_reader_with_a_request(void **state) {
    (void)state;
    struct server_options o = quick();
    o.write_timeout_ms = 200;
    struct front *f = start_with(o);
    size_t len = 8000000;
    char *page = calloc(1, len);
    f->answer_body = slice_of(page, len);
    f->hold = 1;
    struct client *c = client_connect(f);
    client_send(f, c, GET GET);
    turn_until(f, f->held_count == 2);
    struct server_request *first = f->held[0];
    f->held[0] = NULL;
    front_answer(f, first);
    turn_until(f, f->abandoned == 1);
    assert_string_equal(f->cut_off, "write_timeout");
    client_close(c);
    front_stop(f);
    free(page);
}

/* A reader that takes a little now and then is not given up; all of it arrives. */
static void slow_but_alive_reader(void **state) {
    (void)state;
    struct server_options o = quick();
    struct front *f = start_with(o);
    size_t len = 8000000;
    char *page = malloc(len);
    memset(page, 'p', len);
    f->answer_body = slice_of(page, len);
    struct client *c = client_connect(f);
    int small = 65536;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    struct slice get = SLICE("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_int_equal(send(c->fd, get.ptr, get.len, 0), get.len);
    char bytes[65536];
    size_t got = 0;
    uint64_t begin = front_now_ms();
    for (;;) {
        ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            break;
        }
        got += n > 0 ? (size_t)n : 0;
        if (front_now_ms() - begin < 900) {
            wait_ms(f, 30);
        } else {
            loop_turn(&f->loop);
        }
        assert_true(front_now_ms() - begin < 20000);
    }
    assert_true(got > len);
    assert_int_equal(f->server->timeouts, 0);
    client_close(c);
    front_stop(f);
    free(page);
}

/* After a refusal the peer's rest is read for a while, so that the answer is not lost. */
static void lingers_after_a_refusal(void **state) {
    (void)state;
    struct front *f = start_with(quick());
    struct client *c = client_connect(f);
    client_send(f, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n");
    char body[30000] = {0};
    turn(f, 10);
    assert_int_equal(send(c->fd, body, sizeof(body), MSG_NOSIGNAL), sizeof(body));
    turn_until(f, client_ended(c));
    assert_true(c->eof);
    assert_int_equal(client_count(c, "HTTP/1.1 413 "), 1);
    turn_until(f, front_in_state(f, CONN_LINGERING) == 1);
    uint64_t begin = front_now_ms();
    turn_until(f, front_connections(f) == 0);
    assert_true(front_now_ms() - begin < 2000);
    client_close(c);

    c = client_connect(f);
    client_send(f, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n");
    turn_until(f, client_ended(c));
    for (int i = 0; i < 100 && (i == 0 || front_connections(f) > 0); i++) {
        (void)!send(c->fd, body, sizeof(body), MSG_NOSIGNAL | MSG_DONTWAIT);
        turn(f, 3);
    }
    assert_int_equal(front_connections(f), 0); /* more than linger_bytes: at once */
    client_close(c);
    front_stop(f);
}

/* --- clients that leave --- */

/* 61 */
static void reset_in_a_body(void **state) {
    (void)state;
    struct front *f = start_with(quick());
    struct client *c = client_connect(f);
    client_send(f, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    turn_until(f, front_in_state(f, CONN_READING) == 1);
    client_reset(c);
    turn_until(f, front_connections(f) == 0);
    assert_int_equal(f->requests, 0);
    assert_int_equal(front_reason(f, "reset"), 1);
    front_stop(f);
}

static void reset_abandons_once(void **state) {
    (void)state;
    struct front *f = start_with(quick());
    f->hold = 1;
    struct client *c = client_connect(f);
    client_send(f, c, GET GET GET);
    turn_until(f, f->held_count == 3);
    struct server_request *second = f->held[1];
    f->held[1] = NULL;
    front_answer(f, second); /* before its turn: kept, and dropped with the connection */
    client_reset(c);
    turn_until(f, front_connections(f) == 0);
    assert_int_equal(f->abandoned, 2);
    assert_string_equal(f->cut_off, "");
    assert_int_equal(f->answers, 1);
    assert_int_equal(f->server->bytes, 0);
    front_stop(f);
}

/* An answer between the write that failed and the word of it. */
static void answered_after_the_stream_failed(void **state) {
    (void)state;
    struct front *f = start_with(quick());
    f->hold = 1;
    struct client *c = client_connect(f);
    client_send(f, c, GET GET);
    turn_until(f, f->held_count == 2);
    struct server_request *first = f->held[0];
    f->held[0] = NULL;
    stream_fail_later(&first->conn->stream, ERR_CLOSED);
    front_answer(f, first);
    assert_string_equal(f->last_reason, "reset");
    turn_until(f, front_connections(f) == 0);
    assert_int_equal(f->abandoned, 1);
    assert_string_equal(f->cut_off, "");
    assert_int_equal(front_reason(f, "reset"), 1);
    assert_int_equal(front_reason(f, "no_memory"), 0);
    client_close(c);
    front_stop(f);
}

static void reset_while_an_answer_is_queued(void **state) {
    (void)state;
    struct front *f = start_with(quick());
    size_t len = 4000000;
    char *page = calloc(1, len);
    f->answer_body = slice_of(page, len);
    struct client *c = client_connect(f);
    struct slice get = SLICE(GET GET GET);
    assert_int_equal(send(c->fd, get.ptr, get.len, 0), get.len);
    turn_until(f, f->requests > 0);
    turn(f, 3);
    client_reset(c);
    turn_until(f, front_connections(f) == 0);
    front_stop(f);
    free(page);
}

/* --- drain and close --- */

static void drain_finishes_what_has_begun(void **state) {
    (void)state;
    struct front *f = start_with(quick());
    f->hold = 1;
    struct client *busy = client_connect(f);
    struct client *half = client_connect(f);
    struct client *idle = client_connect(f);
    struct client *late = client_connect(f);
    client_send(f, busy, GET GET);
    client_send(f, half, "GET / HTTP/1.1\r\nHo");
    turn_until(f, f->held_count == 2);
    f->hold = 0;
    client_send(f, idle, GET);
    client_send(f, late, GET);
    turn_until(f, client_count(idle, OK) == 1 && client_count(late, OK) == 1);
    turn_until(f, front_in_state(f, CONN_IDLE) == 2);
    /* In the backlog already: is not turned away either. */
    struct client *waiting = client_connect(f);
    struct slice get = SLICE(GET);
    assert_int_equal(send(waiting->fd, get.ptr, get.len, 0), get.len);
    server_drain(f->server, front_on_drained, f);
    assert_int_equal(f->drained, 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&f->address.sa, f->address.len), -1);
    close(fd);
    turn_until(f, client_ended(waiting));
    assert_int_equal(client_count(waiting, OK) + client_count(waiting, BYE), 2);
    /* Crossed with our decision: served. */
    client_send(f, late, GET);
    turn_until(f, client_ended(late));
    assert_int_equal(client_count(late, OK), 2);
    assert_int_equal(client_count(late, BYE), 1);
    client_send(f, half, "st: a\r\n\r\n");
    turn_until(f, client_ended(half));
    assert_int_equal(client_count(half, OK) + client_count(half, BYE), 2);
    turn_until(f, client_ended(idle));
    assert_int_equal(client_count(idle, OK), 1);
    assert_false(client_ended(busy));
    assert_int_equal(f->drained, 0);
    front_answer(f, f->held[0]);
    turn_until(f, client_count(busy, OK) == 1);
    assert_int_equal(client_count(busy, BYE), 0);
    front_answer(f, f->held[1]);
    turn_until(f, client_ended(busy));
    assert_int_equal(client_count(busy, OK), 2);
    assert_int_equal(client_count(busy, BYE), 1);
    client_close(busy);
    client_close(half);
    client_close(idle);
    client_close(late);
    client_close(waiting);
    turn_until(f, f->drained);
    turn(f, 10);
    assert_int_equal(f->drained, 1);
    front_stop(f);
}

static void drain_of_nothing(void **state) {
    (void)state;
    struct front *f = start_with(quick());
    server_drain(f->server, front_on_drained, f);
    assert_int_equal(f->drained, 0);
    turn_until(f, f->drained);
    front_stop(f);
}

static void close_abandons(void **state) {
    (void)state;
    struct front *f = start_with(quick());
    f->hold = 1;
    struct client *c = client_connect(f);
    struct client *half = client_connect(f);
    client_send(f, c, GET GET);
    client_send(f, half, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    turn_until(f, f->held_count == 2 && front_in_state(f, CONN_READING) == 1);
    server_close(f->server, front_on_closed, f);
    assert_int_equal(f->abandoned, 2);
    assert_string_equal(f->cut_off, "shutdown");
    assert_int_equal(f->closed, 0);
    turn_until(f, f->closed);
    server_free(f->server);
    stream_hub_fini(&f->hub);
    loop_fini(&f->loop);
    client_close(c);
    client_close(half);
    free(f);
}

static void close_it(void *owner, struct server_request *r) {
    (void)r;
    struct front *f = owner;
    f->requests++;
    server_close(f->server, front_on_closed, f);
}

static unsigned close_at_head(void *owner, const struct http_request *head,
                              struct server_head *out) {
    (void)head;
    (void)out;
    close_it(owner, NULL);
    return 0;
}

static void count_abandoned(void *owner, struct server_request *r, const char *reason) {
    (void)r;
    (void)reason;
    ((struct front *)owner)->abandoned++;
}

/* The owner may close the server from inside its own callbacks. */
static void close_from_inside(void **state) {
    (void)state;
    static const struct server_events at_request = {.on_request = close_it,
                                                    .on_abandon = count_abandoned};
    static const struct server_events at_head = {
        .on_head = close_at_head, .on_request = close_it, .on_abandon = count_abandoned};
    const struct server_events *events[] = {&at_request, &at_head};
    for (size_t i = 0; i < COUNT(events); i++) {
        struct front *f = start_with(quick());
        f->server->events = events[i];
        struct client *c = client_connect(f);
        client_send(f, c, GET GET GET);
        turn_until(f, f->closed);
        assert_int_equal(f->requests, 1);
        assert_int_equal(f->abandoned, i == 0);
        server_free(f->server);
        stream_hub_fini(&f->hub);
        loop_fini(&f->loop);
        client_close(c);
        free(f);
    }
}

static void close_during_a_drain(void **state) {
    (void)state;
    struct front *f = start_with(quick());
    f->hold = 1;
    struct client *c = client_connect(f);
    client_send(f, c, GET);
    turn_until(f, f->held_count == 1);
    server_drain(f->server, front_on_drained, f);
    turn(f, 3);
    front_stop(f);
    client_close(c);
}

/* The client may leave, and the server be closed, after every number of turns. */
static void leave_at_every_turn(void **state) {
    (void)state;
    static const char *const inputs[] = {
        GET,
        GET GET GET,
        "GET / HT",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
        "GARBAGE\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"};
    for (size_t i = 0; i < COUNT(inputs); i++) {
        for (int turns = 0; turns < 12; turns++) {
            for (int how = 0; how < 6; how++) {
                struct front *f = start_with(quick());
                f->hold = how % 2;
                struct client *c = client_connect(f);
                (void)!send(c->fd, inputs[i], strlen(inputs[i]), MSG_NOSIGNAL);
                turn(f, turns);
                if (how < 2) {
                    client_close(c);
                    turn(f, 4);
                } else if (how < 4) {
                    client_reset(c);
                    turn(f, 4);
                }
                size_t open = f->held_count - f->abandoned;
                for (size_t k = 0; k < f->held_count && how % 2; k++) {
                    if (f->held[k] && k % 2 == 0) {
                        struct server_request *r = f->held[k];
                        f->held[k] = NULL;
                        front_answer(f, r);
                        open--;
                    }
                }
                size_t before = f->abandoned;
                server_close(f->server, front_on_closed, f);
                assert_int_equal(f->abandoned - before, open);
                turn_until(f, f->closed);
                server_free(f->server);
                stream_hub_fini(&f->hub);
                loop_fini(&f->loop);
                if (how >= 4) {
                    client_close(c);
                }
                free(f);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_byte_at_all),
        cmocka_unit_test(slow_head),
        cmocka_unit_test(slow_body),
        cmocka_unit_test(steady_body_may_take_long),
        cmocka_unit_test(idle_connection_is_closed),
        cmocka_unit_test(busy_connection_is_not),
        cmocka_unit_test(stray_blank_lines_do_not_add_up),
        cmocka_unit_test(slow_reader),
        cmocka_unit_test(sent_is_not_late),
        cmocka_unit_test(slow_reader_with_a_request),
        cmocka_unit_test(slow_but_alive_reader),
        cmocka_unit_test(lingers_after_a_refusal),
        cmocka_unit_test(reset_in_a_body),
        cmocka_unit_test(reset_abandons_once),
        cmocka_unit_test(answered_after_the_stream_failed),
        cmocka_unit_test(reset_while_an_answer_is_queued),
        cmocka_unit_test(drain_finishes_what_has_begun),
        cmocka_unit_test(drain_of_nothing),
        cmocka_unit_test(close_abandons),
        cmocka_unit_test(close_from_inside),
        cmocka_unit_test(close_during_a_drain),
        cmocka_unit_test(leave_at_every_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
