/* Bodies in parts, both ways: framing, order, back-pressure, and every way to end early. */
#include "front.h"

#include "base/error.h"

#define GET  "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
#define LAST "\r\n0\r\n\r\n"

/* ---- an owner of bodies in parts, on top of the usual one ---- */

static struct buffer body;
static size_t parts, lasts, rooms, abandons;
static char trailer[64];
static struct server_request *taking; /* whose body comes */

static unsigned on_head(void *owner, const struct http_request *head, struct server_head *out) {
    (void)owner;
    if (head->has_body) {
        out->body_limit = SERVER_BODY_PARTS;
    }
    return 0;
}

static void on_request(void *owner, struct server_request *r) {
    struct front *f = owner;
    f->requests++;
    if (r->http.has_body) {
        assert_int_equal(r->http.body.len, 0);
        taking = r;
    } else {
        f->held[f->held_count++] = r;
    }
}

static void on_body(void *owner, struct server_request *r, struct slice part, int last) {
    struct front *f = owner;
    assert_ptr_equal(r, taking);
    assert_int_equal(buffer_append_slice(&body, part), 0);
    parts++;
    lasts += (size_t)last;
    if (last) {
        struct slice value = server_trailer(r, SLICE("x-end"));
        snprintf(trailer, sizeof(trailer), SLICE_FMT, SLICE_ARG(value));
        taking = NULL;
        front_answer(f, r);
    }
}

static void on_room(void *owner, struct server_request *r) {
    (void)owner;
    (void)r;
    rooms++;
}

static void on_abandon(void *owner, struct server_request *r, const char *reason) {
    struct front *f = owner;
    abandons++;
    snprintf(f->cut_off, sizeof(f->cut_off), "%s", reason ? reason : "");
    taking = r == taking ? NULL : taking;
    for (size_t i = 0; i < f->held_count; i++) {
        f->held[i] = f->held[i] == r ? NULL : f->held[i];
    }
}

static const struct server_parts_events parts_events = {.on_body = on_body, .on_room = on_room};
static const struct server_events events = {.on_head = on_head,
                                            .on_request = on_request,
                                            .on_abandon = on_abandon,
                                            .on_answered = front_on_answered,
                                            .parts = &parts_events};

static struct front *start_with(const struct server_options *options) {
    struct front *f = front_start(options, "127.0.0.1:0");
    f->server->events = &events;
    buffer_reset(&body, 0);
    parts = lasts = rooms = abandons = 0;
    trailer[0] = '\0';
    taking = NULL;
    return f;
}

static struct front *start(void) {
    return start_with(&server_options_default);
}

static void stop(struct front *f) {
    turn(f, 3);
    front_stop(f);
    buffer_fini(&body);
}

/* One request, held. */
static struct server_request *ask(struct front *f, struct client *c, const char *text) {
    size_t before = f->held_count;
    client_send(f, c, text);
    turn_until(f, f->held_count == before + 1);
    return f->held[before];
}

static void begin(struct server_request *r) {
    static const struct server_answer answer = {.status = 200,
                                                .content_type = {"text/plain", 10}};
    assert_int_equal(server_begin(r, &answer), 0);
}

/* ---- answers ---- */

static void chunks_leave_as_they_are_made(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    struct server_request *r = ask(f, c, GET);
    begin(r);
    turn_until(f, client_count(c, "Transfer-Encoding: chunked\r\n") == 1);
    assert_int_equal(client_count(c, "Content-Length"), 0);
    assert_true(server_write(r, SLICE("hello")));
    turn_until(f, client_count(c, "\r\n\r\n5\r\nhello\r\n") == 1);
    assert_true(server_write(r, SLICE_EMPTY)); /* not the end */
    assert_true(server_write(r, SLICE("0123456789abcdef!")));
    turn_until(f, client_count(c, "11\r\n0123456789abcdef!\r\n") == 1);
    assert_int_equal(f->answers, 0);
    server_end(r);
    turn_until(f, client_count(c, "!" LAST) == 1);
    assert_int_equal(f->answers, 1);
    assert_int_equal(f->last_status, 200);
    turn_until(f, front_in_state(f, CONN_IDLE) == 1);
    assert_int_equal(f->server->bytes, 0);
    r = ask(f, c, GET); /* the connection goes on */
    begin(r);
    server_end(r);
    turn_until(f, client_count(c, "\r\n\r\n0\r\n\r\n") == 1);
    client_close(c);
    stop(f);
}

static void old_clients_get_bytes_until_close(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    struct server_request *r =
        ask(f, c, "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    begin(r);
    assert_true(server_write(r, SLICE("hello")));
    turn_until(f, client_count(c, "\r\n\r\nhello") == 1);
    assert_int_equal(client_count(c, "Connection: close\r\n"), 1);
    assert_int_equal(client_count(c, "chunked"), 0);
    server_end(r);
    turn_until(f, client_ended(c));
    assert_int_equal(c->error, 0);
    client_close(c);
    stop(f);
}

/* Their answers cannot be told apart: the second is not given. */
static void old_clients_that_pipeline(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    static const char old[] = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    client_send(f, c, old);
    client_send(f, c, old);
    turn_until(f, f->held_count == 2);
    begin(f->held[0]);
    begin(f->held[1]);
    assert_true(server_write(f->held[1], SLICE("second")));
    server_end(f->held[0]);
    turn_until(f, client_ended(c));
    assert_int_equal(abandons, 1);
    assert_int_equal(client_count(c, "second"), 0);
    client_close(c);
    stop(f);
}

static void heads_alone(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    struct server_request *r = ask(f, c, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    begin(r);
    assert_true(server_write(r, SLICE("hello")));
    server_end(r);
    turn_until(f, client_count(c, "chunked") == 1);
    r = ask(f, c, GET);
    assert_int_equal(server_begin(r, &(struct server_answer){.status = 204}), 0);
    assert_true(server_write(r, SLICE("hello")));
    server_end(r);
    turn_until(f, client_count(c, "HTTP/1.1 204") == 1);
    assert_int_equal(client_count(c, "chunked"), 1);
    turn(f, 5);
    assert_int_equal(client_count(c, "hello") + client_count(c, LAST), 0);
    client_close(c);
    stop(f);
}

static void bad_heads_are_refused(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    struct server_request *r = ask(f, c, GET);
    const struct http_header bad = {SLICE("X-A"), SLICE("a\r\nX-B: b")};
    assert_int_equal(
        server_begin(
            r, &(struct server_answer){.status = 200, .headers = &bad, .header_count = 1}),
        ERR_INVALID);
    assert_int_equal(server_begin(r, &(struct server_answer){.status = 101}), ERR_INVALID);
    front_answer(f, r); /* still to be answered */
    turn_until(f, client_count(c, "GET / 0") == 1);
    client_close(c);
    stop(f);
}

static void order_is_kept(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    client_send(f, c, GET GET GET);
    turn_until(f, f->held_count == 3);
    begin(f->held[1]);
    assert_true(server_write(f->held[1], SLICE("one")));
    front_answer(f, f->held[2]);
    turn(f, 5);
    assert_int_equal(c->in.len, 0);
    begin(f->held[0]);
    assert_true(server_write(f->held[0], SLICE("zero")));
    turn_until(f, client_count(c, "zero") == 1);
    assert_int_equal(client_count(c, "one"), 0);
    server_end(f->held[0]);
    turn_until(f, client_count(c, "one") == 1);
    assert_true(server_write(f->held[1], SLICE("more")));
    turn_until(f, client_count(c, "more") == 1);
    assert_int_equal(client_count(c, "GET / 0"), 0);
    server_end(f->held[1]);
    turn_until(f, client_count(c, "more" LAST "HTTP/1.1 200 OK\r\n") == 1);
    turn_until(f, client_count(c, "GET / 0") == 1);
    turn_until(f, front_in_state(f, CONN_IDLE) == 1);
    assert_int_equal(f->server->bytes, 0);
    client_close(c);
    stop(f);
}

/* A client that does not read costs out_bytes and a part, in its turn or before it. */
/* One that closes leaves those that were taken in behind it their answers: the last says so. */
static void closing_comes_last(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    const struct server_answer closing = {.status = 200, .close = 1};
    client_send(f, c, GET GET);
    turn_until(f, f->held_count == 2);
    assert_int_equal(server_begin(f->held[0], &closing), 0);
    assert_true(server_write(f->held[0], SLICE("first")));
    server_end(f->held[0]);
    turn_until(f, client_count(c, "first" LAST) == 1);
    assert_int_equal(client_count(c, "Connection: close"), 0);
    client_send(f, c, GET); /* not taken in any more */
    turn(f, 10);
    front_answer(f, f->held[1]);
    turn_until(f, client_ended(c));
    assert_int_equal(client_count(c, "HTTP/1.1 200 OK"), 2);
    assert_int_equal(client_count(c, "Connection: close"), 1);
    assert_int_equal(f->requests, 2);
    client_close(c);
    stop(f);
}

static void a_slow_client_stops_its_producer(void **state) {
    (void)state;
    static char part[10000];
    memset(part, 'x', sizeof(part));
    struct server_options o = server_options_default;
    o.out_bytes = 100000;
    struct front *f = start_with(&o);
    struct client *c = client_connect(f);
    client_send(f, c, GET GET);
    turn_until(f, f->held_count == 2);
    begin(f->held[0]);
    begin(f->held[1]);
    size_t waiting = 0;
    while (server_write(f->held[1], slice_of(part, sizeof(part)))) {
        waiting += sizeof(part);
        assert_true(waiting < 100000);
    }
    size_t sent = 0;
    size_t before = rooms;
    do { /* until the kernel's buffers are full, too */
        before = rooms;
        while (server_write(f->held[0], slice_of(part, sizeof(part)))) {
            sent += sizeof(part);
        }
        turn(f, 10);
    } while (rooms > before);
    assert_true(stream_queued(&f->held[0]->conn->stream) < 100000 + 2 * sizeof(part));
    assert_true(sent >= 100000);
    turn_until(f, (client_read(c), rooms > before)); /* it reads on */
    server_end(f->held[0]);
    before = rooms;
    turn_until(f, (client_read(c), rooms > before)); /* the other one's turn */
    server_end(f->held[1]);
    turn_until(f, client_count(c, LAST) == 2);
    client_close(c);
    stop(f);
}

/* All of a connection's answers that wait for their turn count; whoever is stopped by another
 * one's bytes goes on when its turn comes, even if nothing of its own was waiting. */
static void waiting_answers_count_together(void **state) {
    (void)state;
    static char part[60000];
    memset(part, 'x', sizeof(part));
    struct server_options o = server_options_default;
    o.out_bytes = 100000;
    struct front *f = start_with(&o);
    struct client *c = client_connect(f);
    client_send(f, c, GET GET GET);
    turn_until(f, f->held_count == 3);
    begin(f->held[2]);
    assert_true(server_write(f->held[2], slice_of(part, sizeof(part))));
    assert_false(server_write(f->held[2], slice_of(part, sizeof(part))));
    begin(f->held[1]);
    assert_false(server_write(f->held[1], SLICE("second")));
    turn(f, 10);
    assert_int_equal(rooms, 0);
    front_answer(f, f->held[0]);
    turn_until(f, (client_read(c), rooms == 1));
    server_end(f->held[1]);
    turn_until(f, (client_read(c), rooms == 2));
    server_end(f->held[2]);
    turn_until(f, client_count(c, LAST) == 2);
    client_close(c);
    stop(f);
}

static void an_abort_is_no_end(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    client_send(f, c, GET GET);
    turn_until(f, f->held_count == 2);
    begin(f->held[0]);
    assert_true(server_write(f->held[0], SLICE("hello")));
    server_abort(f->held[0], "broken");
    assert_int_equal(f->answers, 1);
    assert_string_equal(f->last_reason, "broken");
    turn_until(f, client_ended(c));
    assert_int_equal(client_count(c, "5\r\nhello\r\n"), 1); /* what was made is delivered */
    assert_int_equal(client_count(c, LAST), 0);
    assert_int_equal(abandons, 1); /* the one behind it */
    assert_string_equal(f->cut_off, "after_last_answer");
    client_close(c);

    c = client_connect(f); /* where a close would be the end: a reset */
    struct server_request *r = ask(f, c, "GET / HTTP/1.0\r\n\r\n");
    begin(r);
    assert_true(server_write(r, SLICE("hello")));
    turn_until(f, client_count(c, "hello") == 1);
    server_abort(r, "broken");
    turn_until(f, client_ended(c));
    assert_int_not_equal(c->error, 0);
    client_close(c);

    c = client_connect(f); /* before its turn */
    client_send(f, c, GET GET);
    turn_until(f, f->held_count == 5);
    begin(f->held[4]);
    server_abort(f->held[4], "broken");
    front_answer(f, f->held[3]);
    turn_until(f, client_ended(c));
    assert_int_equal(client_count(c, "GET / 0"), 1);
    assert_int_equal(client_count(c, "chunked"), 1);
    client_close(c);
    stop(f);
}

static void the_client_leaves(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    struct server_request *r = ask(f, c, GET);
    begin(r);
    client_close(c);
    for (int i = 0; i < 10000 && f->held[0] != NULL; i++) {
        (void)server_write(r, SLICE("hello"));
        turn(f, 1);
    }
    assert_null(f->held[0]);
    assert_int_equal(abandons, 1);
    assert_string_equal(f->cut_off, "");
    stop(f);
}

static void a_drain_waits_for_the_end(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    struct server_request *r = ask(f, c, GET);
    begin(r);
    server_drain(f->server, front_on_drained, f);
    assert_true(server_write(r, SLICE("hello")));
    turn(f, 20);
    assert_int_equal(f->drained, 0);
    server_end(r);
    turn_until(f, client_count(c, LAST) == 1);
    turn_until(f, f->drained == 1);
    client_close(c);
    stop(f);
}

/* ---- requests ---- */

static void parts_come_as_they_are_sent(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    client_send(f, c, POST "\r\n");
    turn_until(f, taking != NULL);
    client_send(f, c, "3\r\none\r\n");
    turn_until(f, body.len == 3);
    client_send(f, c, "3\r\ntwo\r\n1\r\n!\r\n");
    turn_until(f, body.len == 7);
    assert_int_equal(lasts, 0);
    client_send(f, c, "0\r\nX-Other: 1\r\nX-End:  the end \r\n\r\n");
    turn_until(f, client_count(c, "POST / 0") == 1);
    assert_int_equal(lasts, 1);
    assert_string_equal(trailer, "the end");
    assert_memory_equal(buffer_begin(&body), "onetwo!", 7);
    client_clear(c);
    client_send(f, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
    turn_until(f, body.len == 10);
    client_send(f, c, "lo" GET);
    turn_until(f, client_count(c, "POST / 0") == 1);
    assert_string_equal(trailer, "");
    turn_until(f, f->held_count == 1); /* the request behind it */
    front_answer(f, f->held[0]);
    turn_until(f, client_count(c, "GET / 0") == 1);
    turn_until(f, front_in_state(f, CONN_IDLE) == 1);
    assert_int_equal(f->server->bytes, 0);
    client_close(c);
    stop(f);
}

/* Cut anywhere, the same comes out. */
static void byte_by_byte(void **state) {
    (void)state;
    static const char text[] =
        POST "\r\n3\r\none\r\nb;x=y\r\nhello world\r\n0\r\nX-End: e\r\n\r\n";
    struct front *f = start();
    struct client *c = client_connect(f);
    for (size_t i = 0; text[i]; i++) {
        client_send_slice(f, c, slice_of(text + i, 1));
        turn(f, 2);
    }
    turn_until(f, client_count(c, "POST / 0") == 1);
    assert_memory_equal(buffer_begin(&body), "onehello world", 14);
    assert_string_equal(trailer, "e");
    client_close(c);
    stop(f);
}

static void a_pause_stops_the_peer(void **state) {
    (void)state;
    static char chunk[65536 + 16];
    size_t len = (size_t)snprintf(chunk, sizeof(chunk), "10000\r\n");
    memset(chunk + len, 'x', 65536);
    memcpy(chunk + len + 65536, "\r\n", 2);
    len += 65538;
    struct front *f = start();
    struct client *c = client_connect(f);
    client_send(f, c, POST "\r\n");
    turn_until(f, taking != NULL);
    struct server_request *r = taking;
    server_pause(r);
    size_t sent = 0;
    size_t at = 0;
    for (int blocked = 0; blocked < 100;) { /* until the kernel takes no more */
        ssize_t n = send(c->fd, chunk + at, len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        turn(f, 1);
        blocked = n > 0 ? 0 : blocked + 1;
        sent += n > 0 ? (size_t)n : 0;
        at = (at + (n > 0 ? (size_t)n : 0)) % len;
    }
    assert_true(sent > 65536);
    assert_true(body.len <= 2 * 65536); /* what had come already */
    assert_true(f->server->bytes < 2 * 65536);
    server_resume(r);
    turn_until(f, body.len + 65536 > sent / len * 65536);
    client_close(c);
    turn_until(f, abandons == 1);
    stop(f);
}

static void cut_short_or_malformed(void **state) {
    (void)state;
    static const char *const texts[] = {"3\r\non", "zz\r\n", "3\r\nonetwo\r\n"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct front *f = start();
        struct client *c = client_connect(f);
        client_send(f, c, POST "\r\n");
        turn_until(f, taking != NULL);
        client_send(f, c, texts[i]);
        if (i == 0) {
            shutdown(c->fd, SHUT_WR);
        }
        turn_until(f, abandons == 1);
        assert_int_equal(f->cut_off[0] == '\0', i == 0); /* it left; we cut it off */
        turn_until(f, client_ended(c));
        assert_int_equal(c->in.len, 0);
        assert_int_equal(lasts, 0);
        client_close(c);
        stop(f);
    }
}

static void trailers_are_bounded(void **state) {
    (void)state;
    static char many[4000];
    memset(many, 'x', sizeof(many) - 1);
    struct front *f = start();
    struct client *c = client_connect(f);
    client_send(f, c, POST "\r\n0\r\nX-End: ");
    client_send(f, c, many);
    turn_until(f, abandons == 1);
    client_close(c);
    stop(f);
}

static void an_early_answer_closes(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    client_send(f, c, POST "\r\n3\r\none\r\n");
    turn_until(f, body.len == 3);
    struct server_request *r = taking;
    taking = NULL;
    front_answer(f, r);
    turn_until(f, client_count(c, "Connection: close\r\n") == 1);
    client_send(f, c, "3\r\ntwo\r\n0\r\n\r\n" GET);
    turn(f, 10);
    assert_int_equal(body.len, 3);
    assert_int_equal(f->held_count, 0);
    shutdown(c->fd, SHUT_WR);
    turn_until(f, client_ended(c));
    client_close(c);
    stop(f);
}

static void expecting_clients_are_told_to_go_on(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    client_send(f, c, POST "Expect: 100-continue\r\n\r\n");
    turn_until(f, client_count(c, "HTTP/1.1 100 Continue\r\n\r\n") == 1);
    client_send(f, c, "0\r\n\r\n");
    turn_until(f, client_count(c, "POST / 0") == 1);
    client_close(c);
    stop(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_leave_as_they_are_made),
        cmocka_unit_test(old_clients_get_bytes_until_close),
        cmocka_unit_test(old_clients_that_pipeline),
        cmocka_unit_test(heads_alone),
        cmocka_unit_test(bad_heads_are_refused),
        cmocka_unit_test(order_is_kept),
        cmocka_unit_test(closing_comes_last),
        cmocka_unit_test(a_slow_client_stops_its_producer),
        cmocka_unit_test(waiting_answers_count_together),
        cmocka_unit_test(an_abort_is_no_end),
        cmocka_unit_test(the_client_leaves),
        cmocka_unit_test(a_drain_waits_for_the_end),
        cmocka_unit_test(parts_come_as_they_are_sent),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(a_pause_stops_the_peer),
        cmocka_unit_test(cut_short_or_malformed),
        cmocka_unit_test(trailers_are_bounded),
        cmocka_unit_test(an_early_answer_closes),
        cmocka_unit_test(expecting_clients_are_told_to_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
