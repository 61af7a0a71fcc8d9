/* What a client sees: keep-alive, pipelining, bodies, HEAD, Expect, half-close, limits. */
#include "front.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\n"
#define ID  "x-amzn-requestid: "
#define BYE "Connection: close\r\n"

static struct front *start(void) {
    return front_start(&server_options_default, "127.0.0.1:0");
}

static void answers_and_keeps_alive(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    for (size_t i = 1; i <= 3; i++) {
        client_send(f, c, "POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        turn_until(f, client_count(c, "POST /a?b 5") == i);
    }
    assert_int_equal(client_count(c, OK), 3);
    assert_int_equal(client_count(c, ID), 3);
    assert_int_equal(client_count(c, BYE), 0);
    assert_int_equal(client_count(c, "Content-Length: 11\r\n"), 3);
    turn_until(f, front_in_state(f, CONN_IDLE) == 1);
    assert_int_equal(f->server->accepted, 1);
    assert_int_equal(f->server->bytes, 0);
    client_close(c);
    turn_until(f, front_connections(f) == 0);
    front_stop(f);
}

static void over_a_unix_socket(void **state) {
    (void)state;
    char path[64];
    snprintf(path, sizeof(path), "unix:/tmp/penstock-server-%d.sock", (int)getpid());
    struct front *f = front_start(&server_options_default, path);
    struct client *c = client_connect(f);
    client_send(f, c, GET);
    turn_until(f, client_count(c, "GET / 0") == 1);
    client_close(c);
    front_stop(f);
    unlink(path + 5);
}

static void ids_differ(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    client_send(f, c, GET GET);
    turn_until(f, client_count(c, ID) == 2);
    char *one = strstr(buffer_begin(&c->in), ID) + strlen(ID);
    char *two = strstr(one, ID) + strlen(ID);
    assert_memory_not_equal(one, two, 36);
    assert_int_equal(one[36], '\r');
    client_close(c);
    front_stop(f);
}

/* 53: all of them, in order, with bounded memory, whether answered at once or late. */
static void thousand_pipelined(void **state) {
    (void)state;
    struct buffer all = {0};
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(
            buffer_printf(&all, "GET /request-%04d HTTP/1.1\r\nHost: a\r\n\r\n", i), 0);
    }
    for (int hold = 0; hold < 2; hold++) {
        struct front *f = start();
        f->hold = hold;
        struct client *c = client_connect(f);
        size_t done = 0;
        client_send_slice(f, c, buffer_slice(&all));
        while (f->requests < 1000 || done < f->held_count) {
            turn(f, 3);
            assert_true(f->held_count - done <= 32);
            assert_true(f->server->bytes < 500000);
            /* Backwards, to see that the order is kept all the same. */
            for (size_t i = f->held_count; i > done; i--) {
                front_answer(f, f->held[i - 1]);
            }
            done = f->held_count;
        }
        turn_until(f, client_count(c, " 0HTTP/1.1 200") + client_count(c, OK) >= 1999);
        char *at = buffer_begin(&c->in);
        for (int i = 0; i < 1000; i++) {
            char name[32];
            snprintf(name, sizeof(name), "GET /request-%04d", i);
            at = memmem(at, (size_t)(buffer_tail(&c->in) - at), name, strlen(name));
            assert_non_null(at);
        }
        turn_until(f, front_in_state(f, CONN_IDLE) == 1);
        assert_int_equal(f->server->bytes, 0);
        client_close(c);
        front_stop(f);
    }
    buffer_fini(&all);
}

static void bodies_of_every_size(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 2000, 16383, 16384, 65536, 1000000, 10485760};
    struct front *f = start();
    struct client *c = client_connect(f);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct buffer b = {0};
        char expected[64];
        assert_int_equal(buffer_printf(&b,
                                       "PUT /%zu HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n"
                                       "\r\n",
                                       i, sizes[i]),
                         0);
        assert_int_equal(buffer_reserve(&b, sizes[i] + 1), 0);
        memset(buffer_tail(&b), 'x', sizes[i]);
        buffer_grow(&b, sizes[i]);
        client_send_slice(f, c, buffer_slice(&b));
        snprintf(expected, sizeof(expected), "PUT /%zu %zu", i, sizes[i]);
        turn_until(f, client_count(c, expected) == 1);
        buffer_fini(&b);
    }
    client_close(c);
    front_stop(f);
}

/* Slices stay good after the callback, wherever the bytes came from. */
static void requests_outlive_the_buffers(void **state) {
    (void)state;
    struct front *f = start();
    f->hold = 1;
    struct client *c = client_connect(f);
    struct client *other = client_connect(f);
    client_send(f, c, "POST /kept HTTP/1.1\r\nHost: kept.example\r\nX-Kept: ye");
    turn(f, 5);
    client_send(f, c, "s\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    turn(f, 5);
    client_send(f, c, "3\r\ndef\r\n0\r\n\r\n");
    client_send(f, other,
                "POST /other HTTP/1.1\r\nHost: o\r\nContent-Length: 26\r\n\r\n"
                "################################");
    turn_until(f, f->held_count == 2);
    const struct http_request *r = &f->held[0]->http;
    assert_true(slice_eq(r->method_text, SLICE("POST")));
    assert_true(slice_eq(r->target, SLICE("/kept")));
    assert_true(slice_eq(r->host, SLICE("kept.example")));
    assert_true(slice_eq(http_header_value(&r->headers, SLICE("x-kept")), SLICE("yes")));
    assert_true(slice_eq(r->body, SLICE("abcdef")));
    front_answer(f, f->held[0]);
    front_answer(f, f->held[1]);
    client_close(c);
    client_close(other);
    front_stop(f);
}

static void head_has_length_but_no_body(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    client_send(f, c, "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n" GET);
    turn_until(f, client_count(c, "GET / 0") == 1);
    assert_int_equal(client_count(c, "Content-Length: 9\r\n"), 1);
    assert_int_equal(client_count(c, "HEAD /x 0"), 0);
    client_close(c);
    front_stop(f);
}

static void http_1_0(void **state) {
    (void)state;
    struct front *f = start();
    struct client *c = client_connect(f);
    client_send(f, c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    turn_until(f, client_count(c, "GET / 0") == 1);
    assert_int_equal(client_count(c, "Connection: keep-alive\r\n"), 1);
    client_send(f, c, "GET /b HTTP/1.0\r\n\r\n");
    turn_until(f, client_ended(c));
    assert_true(c->eof);
    assert_int_equal(client_count(c, "GET /b 0"), 1);
    assert_int_equal(client_count(c, BYE), 1);
    client_close(c);
    front_stop(f);
}

static void expect_continue_waits_for_its_turn(void **state) {
    (void)state;
    struct front *f = start();
    f->hold = 1;
    struct client *c = client_connect(f);
    client_send(f, c,
                GET "POST /b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                    "Content-Length: 3\r\n\r\n");
    turn_until(f, f->held_count == 1);
    turn(f, 10);
    assert_int_equal(client_count(c, "HTTP/1.1 "), 0);
    front_answer(f, f->held[0]);
    turn_until(f, client_count(c, "HTTP/1.1 100 Continue\r\n\r\n") == 1);
    assert_true(strstr(buffer_begin(&c->in), " 200 OK") <
                strstr(buffer_begin(&c->in), " 100 Continue"));
    client_send(f, c, "abc");
    turn_until(f, f->held_count == 2);
    front_answer(f, f->held[1]);
    turn_until(f, client_count(c, "POST /b 3") == 1);
    client_close(c);
    front_stop(f);
}

/* Behind the last answer nothing comes, whether its owner or the peer has made it the last. */
static void no_continue_behind_the_last_answer(void **state) {
    (void)state;
    for (int half_closed = 0; half_closed < 2; half_closed++) {
        struct front *f = start();
        f->hold = 1;
        f->close_answer = !half_closed;
        struct client *c = client_connect(f);
        client_send(f, c,
                    GET "POST /b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                        "Content-Length: 3\r\n\r\n");
        turn_until(f, f->held_count == 1);
        if (half_closed) {
            shutdown(c->fd, SHUT_WR);
            turn_until(f, front_reason(f, "incomplete_request") == 1);
        }
        front_answer(f, f->held[0]);
        turn_until(f, client_ended(c));
        assert_int_equal(client_count(c, BYE), 1);
        assert_int_equal(client_count(c, "100 Continue"), 0);
        client_close(c);
        front_stop(f);
    }
}

static void no_continue_when_refused(void **state) {
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct front *f = start();
        f->head_limit = how == 0 ? 2 : 0;
        f->head_status = how == 0 ? 0 : 503;
        struct client *c = client_connect(f);
        client_send(f, c,
                    "POST /b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                    "Content-Length: 3\r\n\r\n");
        turn_until(f, client_ended(c));
        assert_int_equal(client_count(c, "100 Continue"), 0);
        assert_int_equal(client_count(c, how == 0 ? "HTTP/1.1 413 " : "HTTP/1.1 503 "), 1);
        assert_int_equal(client_count(c, "Retry-After: 1\r\n"), how);
        assert_int_equal(client_count(c, BYE), 1);
        assert_int_equal(client_count(c, ID), 1);
        assert_int_equal(f->requests, 0);
        assert_int_equal(f->answers_without_request, 0);
        client_close(c);
        front_stop(f);
    }
}

static void route_may_take_more_than_usual(void **state) {
    (void)state;
    struct server_options options = server_options_default;
    options.http.body_bytes = 2;
    struct front *f = front_start(&options, "127.0.0.1:0");
    f->head_limit = 3;
    struct client *c = client_connect(f);
    client_send(f, c, "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    turn_until(f, client_count(c, "POST /b 3") == 1);
    client_send(f, c, "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    turn_until(f, client_count(c, "{\"message\":\"Request Too Long\"}") == 1);
    assert_int_equal(front_reason(f, "body_too_large"), 1);
    client_close(c);
    front_stop(f);
}

/* 60 */
static void half_close_is_answered(void **state) {
    (void)state;
    struct front *f = start();
    f->hold = 1;
    struct client *c = client_connect(f);
    client_send(f, c, GET GET);
    shutdown(c->fd, SHUT_WR);
    turn_until(f, f->held_count == 2);
    turn(f, 20);
    front_answer(f, f->held[1]);
    front_answer(f, f->held[0]);
    turn_until(f, client_ended(c));
    assert_true(c->eof);
    assert_int_equal(client_count(c, OK), 2);
    assert_int_equal(f->abandoned, 0);
    turn_until(f, front_connections(f) == 0);
    client_close(c);
    front_stop(f);
}

static void half_close_in_a_pipeline(void **state) {
    (void)state;
    struct buffer all = {0};
    for (int i = 0; i < 200; i++) {
        assert_int_equal(buffer_append_slice(&all, SLICE(GET)), 0);
    }
    assert_int_equal(buffer_append_slice(&all, SLICE("POST / HTTP/1.1\r\nHost:")), 0);
    struct front *f = start();
    f->hold = 1;
    struct client *c = client_connect(f);
    client_send_slice(f, c, buffer_slice(&all));
    shutdown(c->fd, SHUT_WR);
    for (size_t done = 0; done < 200; done++) {
        turn_until(f, f->held_count > done);
        front_answer(f, f->held[done]);
    }
    turn_until(f, client_ended(c));
    assert_true(c->eof);
    assert_int_equal(client_count(c, OK), 200);
    assert_int_equal(front_reason(f, "incomplete_request"), 1);
    buffer_fini(&all);
    client_close(c);
    front_stop(f);
}

static void close_of_an_answer_comes_last(void **state) {
    (void)state;
    struct front *f = start();
    f->hold = 1;
    struct client *c = client_connect(f);
    client_send(f, c, GET GET);
    turn_until(f, f->held_count == 2);
    f->close_answer = 1;
    front_answer(f, f->held[0]);
    f->close_answer = 0;
    turn_until(f, client_count(c, OK) == 1);
    assert_int_equal(client_count(c, BYE), 0);
    client_send(f, c, GET);
    turn(f, 10);
    front_answer(f, f->held[1]);
    turn_until(f, client_ended(c));
    assert_int_equal(client_count(c, OK), 2);
    assert_int_equal(client_count(c, BYE), 1);
    assert_int_equal(f->requests, 2);
    client_close(c);
    front_stop(f);
}

/* 71 */
static void answers_that_must_not_be_sent(void **state) {
    (void)state;
    static const struct http_header bad = {{"X", 1}, {"a\r\nY: b", 7}};
    const struct server_answer answers[] = {
        {.status = 200, .headers = &bad, .header_count = 1},
        {.status = 99},
        {.status = 600},
        {.status = 101},
        {.status = 200, .content_type = {"a\nb", 3}},
    };
    struct front *f = start();
    f->hold = 1;
    struct client *c = client_connect(f);
    for (size_t i = 0; i < COUNT(answers); i++) {
        client_send(f, c, GET);
        turn_until(f, f->held_count == i + 1);
        server_respond(f->held[i], &answers[i]);
        turn_until(f, client_count(c, "{\"message\":\"Internal server error\"}") == i + 1);
        assert_int_equal(f->last_status, 500);
        assert_string_equal(f->last_reason, "bad_answer");
    }
    assert_int_equal(client_count(c, "Y: b"), 0);
    client_close(c);
    front_stop(f);
}

static void connections_are_bounded(void **state) {
    (void)state;
    struct server_options options = server_options_default;
    options.connections = 3;
    struct front *f = front_start(&options, "127.0.0.1:0");
    struct client *c[6];
    for (size_t i = 0; i < 6; i++) {
        c[i] = client_connect(f);
        turn(f, 3);
    }
    assert_int_equal(front_connections(f), 3);
    client_send(f, c[2], GET);
    turn_until(f, client_count(c[2], OK) == 1);
    client_send(f, c[4], GET);
    turn(f, 50);
    assert_int_equal(client_count(c[4], OK), 0); /* waits in the backlog */
    assert_int_equal(front_connections(f), 3);
    client_close(c[0]);
    client_close(c[1]);
    turn_until(f, client_count(c[4], OK) == 1);
    assert_int_equal(front_connections(f), 3);
    for (size_t i = 2; i < 6; i++) {
        client_close(c[i]);
    }
    turn_until(f, front_connections(f) == 0 && f->server->accepted == 6);
    front_stop(f);
}

static void request_memory_is_bounded(void **state) {
    (void)state;
    struct server_options options = server_options_default;
    options.request_bytes = 300000; /* the parser's buffer grows to 262144 */
    struct front *f = front_start(&options, "127.0.0.1:0");
    f->hold = 1;
    struct client *one = client_connect(f);
    struct client *two = client_connect(f);
    struct client *three = client_connect(f);
    char body[150000];
    memset(body, 'x', sizeof(body));
    client_send(f, one, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n");
    client_send_slice(f, one, slice_of(body, sizeof(body)));
    turn_until(f, f->held_count == 1);
    assert_true(f->server->bytes > 150000);
    /* Announced: refused before the body. Not announced: when it has grown. */
    client_send(f, two, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n");
    turn_until(f, client_ended(two));
    assert_int_equal(client_count(two, "HTTP/1.1 503 "), 1);
    assert_int_equal(client_count(two, "Retry-After: 1\r\n"), 1);
    client_send(f, three,
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n249f0\r\n");
    client_send_slice(f, three, slice_of(body, sizeof(body)));
    turn_until(f, client_ended(three));
    assert_int_equal(client_count(three, "HTTP/1.1 503 "), 1);
    assert_int_equal(front_reason(f, "request_memory"), 2);
    assert_int_equal(f->server->refused, 2);
    front_answer(f, f->held[0]);
    turn_until(f, client_count(one, OK) == 1);
    assert_int_equal(f->server->bytes, 0);
    client_close(one);
    client_close(two);
    client_close(three);
    front_stop(f);
}

/* 66: what an idle connection costs. */
static void idle_connections_are_small(void **state) {
    (void)state;
    assert_true(sizeof(struct server_conn) <= 2048);
    struct front *f = start();
    struct client *c[200];
    for (size_t i = 0; i < COUNT(c); i++) {
        c[i] = client_connect(f);
        client_send(f, c[i], "POST / HTTP/1.1\r\nHost: a\r\nContent-");
        turn(f, 2);
    }
    turn_until(f, front_in_state(f, CONN_READING) == COUNT(c));
    for (size_t i = 0; i < COUNT(c); i++) {
        client_send(f, c[i], "Length: 3\r\n\r\nabc");
    }
    turn_until(f, front_in_state(f, CONN_IDLE) == COUNT(c));
    LIST_FOR_EACH (node, &f->server->by_state[CONN_IDLE]) {
        struct server_conn *conn = container_of(node, struct server_conn, node);
        assert_null(conn->parser);
        assert_int_equal(conn->input.cap + conn->stream.out.cap + conn->stream.sending.cap, 0);
    }
    assert_int_equal(f->server->slots.used, 0);
    assert_int_equal(f->server->bytes, 0);
    assert_true(f->server->parsers->count <= SERVER_PARSERS_MAX);
    for (size_t i = 0; i < COUNT(c); i++) {
        client_close(c[i]);
    }
    front_stop(f);
}

static void counts_and_reasons(void **state) {
    (void)state;
    struct front *f = start();
    for (int i = 0; i < 3; i++) {
        struct client *c = client_connect(f);
        client_send(f, c, i == 2 ? "GET /a//b HTTP/1.1\r\n\r\n" : "GET / HTTP/1.1\r\n\r\n");
        turn_until(f, client_ended(c));
        assert_int_equal(client_count(c, "{\"message\":\"Bad Request\"}"), 1);
        client_close(c);
    }
    struct server_counts counts;
    server_count(f->server, &counts);
    assert_int_equal(counts.accepted, 3);
    assert_int_equal(counts.refused, 3);
    assert_int_equal(counts.requests, 0);
    assert_int_equal(front_reason(f, "missing_host"), 2);
    assert_int_equal(front_reason(f, "bad_path"), 1);
    assert_int_equal(f->answers_without_request, 3);
    front_stop(f);
}

static void words_of_errors(void **state) {
    (void)state;
    assert_true(slice_eq(server_error_body(413), SLICE("{\"message\":\"Request Too Long\"}")));
    assert_true(
        slice_eq(server_error_body(414), SLICE("{\"message\":\"Request URI too long\"}")));
    assert_true(
        slice_eq(server_error_body(502), SLICE("{\"message\":\"Internal server error\"}")));
    assert_true(slice_eq(server_error_body(418), SLICE("{\"message\":\"Bad Request\"}")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_and_keeps_alive),
        cmocka_unit_test(over_a_unix_socket),
        cmocka_unit_test(ids_differ),
        cmocka_unit_test(thousand_pipelined),
        cmocka_unit_test(bodies_of_every_size),
        cmocka_unit_test(requests_outlive_the_buffers),
        cmocka_unit_test(head_has_length_but_no_body),
        cmocka_unit_test(http_1_0),
        cmocka_unit_test(expect_continue_waits_for_its_turn),
        cmocka_unit_test(no_continue_behind_the_last_answer),
        cmocka_unit_test(no_continue_when_refused),
        cmocka_unit_test(route_may_take_more_than_usual),
        cmocka_unit_test(half_close_is_answered),
        cmocka_unit_test(half_close_in_a_pipeline),
        cmocka_unit_test(close_of_an_answer_comes_last),
        cmocka_unit_test(answers_that_must_not_be_sent),
        cmocka_unit_test(connections_are_bounded),
        cmocka_unit_test(request_memory_is_bounded),
        cmocka_unit_test(idle_connections_are_small),
        cmocka_unit_test(counts_and_reasons),
        cmocka_unit_test(words_of_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
