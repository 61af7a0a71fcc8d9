/* The same server behind TLS: the client is a stream of the same loop. */
#include "front.h"
#include "unit/tls/certs.h"

#include "tls/context.h"

struct tls_client {
    struct stream stream;
    struct buffer in;
    int opened;
    int ended;
    int closed;
};

static struct certs certs;
static struct tls_context *client_context;
static struct tls_context *server_context;

static struct tls_client *tls_of(struct stream *s) {
    return container_of(s, struct tls_client, stream);
}

static void on_open(struct stream *s, int error) {
    assert_int_equal(error, 0);
    tls_of(s)->opened = 1;
}

static void on_data(struct stream *s, char *data, size_t len) {
    assert_int_equal(buffer_append(&tls_of(s)->in, data, len), 0);
}

static void on_end(struct stream *s, int error) {
    (void)error;
    tls_of(s)->ended++;
}

static void on_close(struct stream *s) {
    tls_of(s)->closed = 1;
}

static const struct stream_events client_events = {
    .on_open = on_open, .on_data = on_data, .on_end = on_end, .on_close = on_close};

static int set_up(void **state) {
    char reason[TLS_REASON_MAX];
    (void)state;
    tls_global_init();
    certs_init(&certs);
    struct leaf leaf = certs_leaf(&certs, "good", "localhost", CERT_EC, -1, 30, 0);
    assert_int_equal(
        tls_server_context_new(&server_context, leaf.certificate, leaf.key, reason), 0);
    assert_int_equal(tls_client_context_new(&client_context, certs.ca, reason), 0);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tls_context_free(client_context);
    tls_context_free(server_context);
    certs_fini(&certs);
    return 0;
}

/* A TLS listener beside the plain one; clients connect to it. */
static struct front *start(struct server_options options) {
    struct front *f = front_start(&options, "127.0.0.1:0");
    char reason[128];
    int fd;
    assert_int_equal(net_address_parse(SLICE("127.0.0.1:0"), &f->address), 0);
    assert_int_equal(listener_open_fd(&f->address, 16, 0, &fd, reason), 0);
    f->address.len = sizeof(f->address.sa);
    getsockname(fd, (struct sockaddr *)&f->address.sa, &f->address.len);
    assert_int_equal(server_listen(f->server, fd, server_context), 0);
    return f;
}

static void tls_connect(struct front *f, struct tls_client *c) {
    memset(c, 0, sizeof(*c));
    stream_init(&c->stream, &f->hub, &client_events);
    struct stream_tls with = {client_context, "localhost", NULL};
    assert_int_equal(stream_connect(&c->stream, &f->address, &with), 0);
    turn_until(f, c->opened);
}

static void tls_close(struct front *f, struct tls_client *c) {
    stream_close(&c->stream);
    turn_until(f, c->closed);
    buffer_fini(&c->in);
}

static size_t count(const struct tls_client *c, const char *text) {
    size_t found = 0;
    struct slice in = buffer_slice(&c->in);
    const char *at;
    while (in.len > 0 && (at = memmem(in.ptr, in.len, text, strlen(text))) != NULL) {
        found++;
        in = slice_from(in, (size_t)(at - in.ptr) + strlen(text));
    }
    return found;
}

static void requests_over_tls(void **state) {
    (void)state;
    struct front *f = start(server_options_default);
    struct tls_client c;
    char body[100000];
    memset(body, 'x', sizeof(body));
    tls_connect(f, &c);
    for (size_t i = 1; i <= 3; i++) {
        assert_int_equal(stream_write(&c.stream, SLICE("POST /t HTTP/1.1\r\nHost: a\r\n"
                                                       "Content-Length: 100000\r\n\r\n")),
                         0);
        assert_int_equal(stream_write(&c.stream, slice_of(body, sizeof(body))), 0);
        turn_until(f, count(&c, "POST /t 100000") == i);
    }
    tls_close(f, &c);
    turn_until(f, front_connections(f) == 0);
    front_stop(f);
}

/* Beyond the depth, what the engine holds back comes when reading goes on. */
static void pipeline_over_tls(void **state) {
    (void)state;
    struct server_options options = server_options_default;
    options.pipeline_depth = 2;
    struct front *f = start(options);
    f->hold = 1;
    struct tls_client c;
    tls_connect(f, &c);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(
            stream_write(&c.stream, SLICE("GET /aaaaaaaaaaaa HTTP/1.1\r\nHost: a\r\n\r\n")), 0);
    }
    for (size_t done = 0; done < 1000; done++) {
        turn_until(f, f->held_count > done);
        assert_true(f->held_count <= done + 2);
        front_answer(f, f->held[done]);
    }
    turn_until(f, count(&c, "HTTP/1.1 200 OK") == 1000);
    tls_close(f, &c);
    front_stop(f);
}

static void refusal_is_read_over_tls(void **state) {
    (void)state;
    struct front *f = start(server_options_default);
    struct tls_client c;
    tls_connect(f, &c);
    assert_int_equal(stream_write(&c.stream, SLICE("GET / HTTP/1.1\r\n\r\n")), 0);
    turn_until(f, c.ended);
    assert_int_equal(count(&c, "HTTP/1.1 400 "), 1);
    tls_close(f, &c);
    turn_until(f, front_connections(f) == 0);
    front_stop(f);
}

static void drain_over_tls(void **state) {
    (void)state;
    struct server_options options = server_options_default;
    options.linger_ms = 100;
    struct front *f = start(options);
    struct tls_client c;
    tls_connect(f, &c);
    server_drain(f->server, front_on_drained, f);
    assert_int_equal(stream_write(&c.stream, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n")), 0);
    turn_until(f, c.ended);
    assert_int_equal(count(&c, "Connection: close"), 1);
    tls_close(f, &c);
    turn_until(f, f->drained);
    front_stop(f);
}

/* 64's kin: plain HTTP to a TLS port, and a handshake that never comes. */
static void no_tls_on_a_tls_port(void **state) {
    (void)state;
    struct server_options options = server_options_default;
    options.first_byte_timeout_ms = 200;
    struct front *f = start(options);
    struct client *plain = client_connect(f);
    client_send(f, plain, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    turn_until(f, client_ended(plain));
    assert_int_equal(client_count(plain, "HTTP"), 0);
    assert_int_equal(front_reason(f, "tls_handshake"), 1);
    struct client *silent = client_connect(f);
    turn_until(f, client_ended(silent));
    assert_int_equal(front_reason(f, "first_byte_timeout"), 1);
    assert_int_equal(f->requests, 0);
    client_close(plain);
    client_close(silent);
    front_stop(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_over_tls),        cmocka_unit_test(pipeline_over_tls),
        cmocka_unit_test(refusal_is_read_over_tls), cmocka_unit_test(drain_over_tls),
        cmocka_unit_test(no_tls_on_a_tls_port),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
