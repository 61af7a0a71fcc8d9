/* Plain streams over TCP, IPv6 and unix sockets on this machine. */
#include "unit/net/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>

static void echo_over(const char *address) {
    struct fixture f;
    fixture_init(&f);
    fixture_listen(&f, address);
    f.echo = 1;
    struct peer *c = peer_new(&f);
    assert_int_equal(peer_connect(c, NULL), 0);
    peer_send(c, "before open ", 12); /* waits for the connection */
    turn_until(&f, c->opened != NOT_YET);
    assert_int_equal(c->opened, 0);
    peer_send(c, "hello", 5);
    turn_until(&f, c->got.len == 17);
    assert_memory_equal(buffer_begin(&c->got), "before open hello", 17);
    assert_null(stream_tls_reason(&c->s));

    /* Half-close: the echo side still answers, then ends, too. */
    peer_send(c, " last", 5);
    stream_shutdown(&c->s);
    assert_int_equal(stream_write(&c->s, SLICE("no")), ERR_CLOSED);
    assert_null(stream_reserve(&c->s, 2));
    turn_until(&f, c->end != NOT_YET);
    assert_int_equal(c->end, 0);
    assert_int_equal(c->got.len, 22);
    assert_int_equal(f.accepted[0]->end, 0);
    assert_true(c->drains >= 2);
    peer_free(c);
    fixture_fini(&f);
}

static void test_echo_tcp(void **state) {
    (void)state;
    echo_over("127.0.0.1:0");
}

static void test_echo_ipv6(void **state) {
    (void)state;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int none = fd < 0 || bind(fd, (struct sockaddr *)&in6, sizeof(in6)) != 0;
    if (fd >= 0) {
        close(fd);
    }
    if (none) {
        print_message("skipped: no IPv6 loopback on this machine\n");
        skip();
    }
    echo_over("[::1]:0");
}

static void unix_path(char out[64]) {
    snprintf(out, 64, "unix:/tmp/penstock-test-%d.sock", (int)getpid());
}

static void test_echo_unix(void **state) {
    char path[64];
    (void)state;
    unix_path(path);
    echo_over(path);
    unlink(path + 5);
}

/* A connected pair without recording peers for the other side: c <-> f->accepted[0]. */
static struct peer *connect_pair(struct fixture *f) {
    fixture_init(f);
    fixture_listen(f, "127.0.0.1:0");
    struct peer *c = peer_new(f);
    assert_int_equal(peer_connect(c, NULL), 0);
    turn_until(f, c->opened != NOT_YET && f->accepted_count == 1 &&
                      f->accepted[0]->opened != NOT_YET);
    assert_int_equal(c->opened, 0);
    assert_int_equal(f->accepted[0]->opened, 0);
    return c;
}

static int get_option(struct stream *s, int level, int option) {
    uv_os_fd_t fd;
    int value = -1;
    socklen_t len = sizeof(value);
    assert_int_equal(uv_fileno(&s->uv.handle, &fd), 0);
    assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
    return value;
}

static void test_socket_options(void **state) {
    struct fixture f;
    (void)state;
    struct peer *c = connect_pair(&f);
    struct stream *both[] = {&c->s, &f.accepted[0]->s};
    for (int i = 0; i < 2; i++) {
        assert_true(get_option(both[i], IPPROTO_TCP, TCP_NODELAY));
        assert_true(get_option(both[i], SOL_SOCKET, SO_KEEPALIVE));
        assert_int_equal(get_option(both[i], IPPROTO_TCP, TCP_KEEPIDLE), 60);
        assert_int_equal(get_option(both[i], IPPROTO_TCP, TCP_KEEPINTVL), 15);
        assert_int_equal(get_option(both[i], IPPROTO_TCP, TCP_KEEPCNT), 4);
        assert_int_equal(get_option(both[i], IPPROTO_TCP, TCP_NOTSENT_LOWAT), 131072);
    }
    assert_int_equal(get_option(&c->s, IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
    assert_int_equal(get_option(&f.accepted[0]->s, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    struct net_address peer;
    char text[NET_ADDRESS_TEXT_MAX], want[NET_ADDRESS_TEXT_MAX];
    stream_peer(&c->s, &peer);
    net_address_format(&peer, text);
    net_address_format(&f.address, want);
    assert_string_equal(text, want);
    peer_free(c);
    fixture_fini(&f);
}

static void test_one_write_per_turn(void **state) {
    struct fixture f;
    (void)state;
    struct peer *c = connect_pair(&f);
    uint64_t calls = f.hub.write_calls;
    for (int i = 0; i < 100; i++) {
        peer_send(c, "0123456789", 10);
    }
    char *room = stream_reserve(&c->s, 100);
    assert_non_null(room);
    memcpy(room, "reserved", 8);
    stream_wrote(&c->s, 8);
    assert_int_equal(stream_queued(&c->s), 1008);
    int drains = c->drains;
    turn_until(&f, f.accepted[0]->got.len == 1008);
    assert_int_equal(f.hub.write_calls, calls + 1);
    assert_int_equal(c->drains, drains + 1);
    assert_int_equal(stream_queued(&c->s), 0);
    assert_int_equal(c->s.out.cap, 0); /* nothing held when idle */
    assert_memory_equal(buffer_begin(&f.accepted[0]->got) + 1000, "reserved", 8);
    peer_free(c);
    fixture_fini(&f);
}

enum { BIG = 8 << 20 };

static void test_backpressure(void **state) {
    struct fixture f;
    (void)state;
    struct peer *c = connect_pair(&f);
    struct peer *reader = f.accepted[0];
    f.in_call++;
    stream_read_stop(&reader->s);
    f.in_call--;
    char *bytes = malloc(BIG);
    assert_non_null(bytes);
    for (int i = 0; i < BIG; i++) {
        bytes[i] = (char)(i * 7 + (i >> 13));
    }
    int drains = c->drains;
    peer_send(c, bytes, BIG);
    assert_int_equal(stream_queued(&c->s), BIG);
    for (int i = 0; i < 50; i++) {
        loop_turn(&f.loop);
    }
    assert_true(stream_queued(&c->s) > 0); /* the kernel does not take 8 MiB */
    assert_int_equal(c->drains, drains);
    peer_send(c, "tail", 4); /* gathers behind what uv_write is busy with */
    assert_int_equal(reader->got.len, 0);
    stream_read_start(&reader->s);
    turn_until(&f, reader->got.len == BIG + 4);
    assert_memory_equal(buffer_begin(&reader->got), bytes, BIG);
    assert_memory_equal(buffer_begin(&reader->got) + BIG, "tail", 4);
    turn_until(&f, c->drains > drains);
    free(bytes);
    peer_free(c);
    fixture_fini(&f);
}

/* A raw socket in place of the peer, so that it can send a reset. */
static int raw_connect(struct fixture *f) {
    int fd = socket(f->address.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&f->address.sa, f->address.len), 0);
    turn_until(f, f->accepted_count == 1 && f->accepted[0]->opened == 0);
    return fd;
}

/* A reader that never stops reading, slowly, is seen to make progress: stream_queued falls with
 * every few hundred kilobytes it has read, not in steps of megabytes. */
static void test_slow_reader_is_seen(void **state) {
    struct fixture f;
    (void)state;
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0");
    int fd = raw_connect(&f), small = 65536;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    struct peer *p = f.accepted[0];
    static char chunk[65536];
    char *bytes = calloc(1, BIG);
    assert_non_null(bytes);
    peer_send(p, bytes, BIG);
    for (int i = 0; i < 20; i++) {
        loop_turn(&f.loop);
    }
    size_t queued = stream_queued(&p->s), since = 0, most = 0;
    while (queued > 0) {
        ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
        assert_true(n > 0);
        since += (size_t)n;
        loop_turn(&f.loop);
        if (stream_queued(&p->s) < queued) {
            queued = stream_queued(&p->s);
            most = since > most ? since : most;
            since = 0;
        }
    }
    assert_true(most <= 1u << 20);
    free(bytes);
    close(fd);
    fixture_fini(&f);
}

static void close_when_drained(struct peer *p) {
    peer_close(p);
}

static void test_close_in_drain(void **state) {
    struct fixture f;
    (void)state;
    struct peer *c = connect_pair(&f);
    c->on_drain = close_when_drained;
    peer_send(c, "bye", 3);
    turn_until(&f, c->closed && f.accepted[0]->end != NOT_YET);
    assert_int_equal(f.accepted[0]->end, 0);
    assert_int_equal(f.accepted[0]->got.len, 3);
    peer_free(c);
    fixture_fini(&f);
}

static void stop_reading(struct peer *p) {
    stream_read_stop(&p->s);
}

static void test_read_stop_and_start(void **state) {
    struct fixture f;
    (void)state;
    struct peer *c = connect_pair(&f);
    struct peer *r = f.accepted[0];
    r->on_data = stop_reading;
    peer_send(c, "one", 3);
    turn_until(&f, r->got.len == 3);
    peer_send(c, "two", 3);
    for (int i = 0; i < 20; i++) {
        loop_turn(&f.loop);
    }
    assert_int_equal(r->got.len, 3);
    stream_read_start(&r->s);
    stream_read_start(&r->s);
    turn_until(&f, r->got.len == 6);
    peer_free(c);
    fixture_fini(&f);
}

static void reset(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    close(fd);
}

static void test_reset_while_reading(void **state) {
    struct fixture f;
    (void)state;
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0");
    int fd = raw_connect(&f);
    reset(fd);
    turn_until(&f, f.accepted[0]->end != NOT_YET);
    assert_int_equal(f.accepted[0]->end, ERR_RESET);
    assert_int_equal(stream_write(&f.accepted[0]->s, SLICE("x")), ERR_CLOSED);
    struct net_address peer;
    stream_peer(&f.accepted[0]->s, &peer); /* gone, but no crash */
    fixture_fini(&f);
}

static void test_reset_while_writing(void **state) {
    struct fixture f;
    (void)state;
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0");
    int fd = raw_connect(&f);
    struct peer *p = f.accepted[0];
    stream_read_stop(&p->s); /* only the write can notice */
    char *bytes = calloc(1, BIG);
    assert_non_null(bytes);
    peer_send(p, bytes, BIG);
    for (int i = 0; i < 5; i++) {
        loop_turn(&f.loop);
    }
    assert_true(stream_queued(&p->s) > 0);
    reset(fd);
    turn_until(&f, p->end != NOT_YET);
    assert_int_equal(p->end, ERR_RESET);
    assert_int_equal(stream_queued(&p->s), 0);
    free(bytes);
    fixture_fini(&f);
}

/* The peer ends cleanly, then resets: the late write's failure comes as a second on_end. */
static void test_write_fails_after_end(void **state) {
    struct fixture f;
    (void)state;
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0");
    int fd = raw_connect(&f);
    struct peer *p = f.accepted[0];
    shutdown(fd, SHUT_WR);
    turn_until(&f, p->end != NOT_YET);
    assert_int_equal(p->end, 0);
    reset(fd);
    for (int i = 0; i < 100 && p->ends < 2; i++) {
        if (p->s.error == 0) {
            (void)!stream_write(&p->s, SLICE("late"));
        }
        loop_turn(&f.loop);
    }
    assert_int_equal(p->ends, 2);
    fixture_fini(&f);
}

static void test_refused(void **state) {
    struct fixture f;
    (void)state;
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0");
    struct net_address address = f.address;
    listener_close(&f.listener, fixture_on_listener_close);
    f.listening = 0;
    loop_turn(&f.loop);
    f.listener_closed = 0;
    f.address = address;
    struct peer *c = peer_new(&f);
    assert_int_equal(peer_connect(c, NULL), 0);
    assert_int_equal(stream_write(&c->s, SLICE("lost")), 0);
    turn_until(&f, c->opened != NOT_YET);
    assert_int_equal(c->opened, ERR_REFUSED);
    assert_int_equal(stream_write(&c->s, SLICE("x")), ERR_CLOSED);
    peer_free(c);
    assert_int_equal(net_address_parse(SLICE("unix:/tmp/penstock-no-such-socket"), &f.address),
                     0);
    c = peer_new(&f);
    assert_int_equal(peer_connect(c, NULL), 0);
    turn_until(&f, c->opened != NOT_YET);
    assert_true(c->opened < 0);
    peer_free(c);
    fixture_fini(&f);
}

static void test_close_unopened(void **state) {
    struct fixture f;
    (void)state;
    fixture_init(&f);
    struct peer *c = peer_new(&f);
    assert_int_equal(stream_write(&c->s, SLICE("x")), ERR_CLOSED);
    peer_free(c); /* on_close comes even without a handle */
    c = peer_new(&f);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(stream_accept(&c->s, fd, NULL), 0);
    peer_close(c);
    peer_free(c);
    fixture_fini(&f);
}

static void test_accept_of_bad_fd(void **state) {
    struct fixture f;
    (void)state;
    fixture_init(&f);
    struct peer *c = peer_new(&f);
    int error = stream_accept(&c->s, 1023, NULL);
    if (error == 0) { /* libuv looks only when it polls */
        turn_until(&f, c->opened != NOT_YET && (c->opened != 0 || c->end != NOT_YET));
    }
    peer_free(c);
    fixture_fini(&f);
}

/* Close after N turns, at every point of connect, write and echo. */
static void close_after(int turns, int close_server) {
    struct fixture f;
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0");
    f.echo = 1;
    struct peer *c = peer_new(&f);
    assert_int_equal(peer_connect(c, NULL), 0);
    char *bytes = calloc(1, BIG);
    assert_non_null(bytes);
    peer_send(c, bytes, (size_t)BIG / 8);
    for (int i = 0; i < turns; i++) {
        loop_turn(&f.loop);
    }
    if (close_server && f.accepted_count) {
        peer_close(f.accepted[0]);
        turn_until(&f, f.accepted[0]->closed);
        turn_until(&f, c->opened != 0 || c->end != NOT_YET);
    }
    int opened = c->opened, end = c->end;
    peer_close(c);
    turn_until(&f, c->closed);
    assert_int_equal(c->opened, opened); /* nothing but on_close after stream_close */
    assert_int_equal(c->end, end);
    free(bytes);
    peer_free(c);
    fixture_fini(&f);
}

static void test_close_after_n_turns(void **state) {
    (void)state;
    for (int n = 0; n <= 20; n++) {
        close_after(n, 0);
        close_after(n, 1);
    }
}

static void close_self(struct peer *p) {
    peer_close(p);
}

static void test_close_in_events(void **state) {
    struct fixture f;
    (void)state;
    struct peer *c = connect_pair(&f);
    f.accepted[0]->on_data = close_self;
    peer_send(c, "x", 1);
    turn_until(&f, f.accepted[0]->closed && c->end != NOT_YET);
    peer_free(c);
    c = peer_new(&f);
    c->on_open = close_self;
    assert_int_equal(peer_connect(c, NULL), 0);
    turn_until(&f, c->closed);
    peer_free(c);
    fixture_fini(&f);
}

/* One fast peer must not hold the turn: libuv would read up to 2 MiB from it. */
static void test_read_is_bounded_per_turn(void **state) {
    struct fixture f;
    (void)state;
    struct peer *c = connect_pair(&f);
    struct peer *r = f.accepted[0];
    r->discard = 1;
    int size = 4 << 20;
    uv_os_fd_t fd;
    assert_int_equal(uv_fileno(&r->s.uv.handle, &fd), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    char *bytes = calloc(1, BIG);
    assert_non_null(bytes);
    peer_send(c, bytes, BIG);
    size_t most = 0;
    while (r->got_bytes < BIG) {
        size_t before = r->got_bytes;
        loop_turn(&f.loop);
        most = r->got_bytes - before > most ? r->got_bytes - before : most;
    }
    assert_true(most <= 262144u + 65536u);
    free(bytes);
    peer_free(c);
    fixture_fini(&f);
}

/* The shared read buffer is in use further up the stack: the data waits, nothing is lost. */
static void test_read_buffer_busy(void **state) {
    struct fixture f;
    (void)state;
    struct peer *c = connect_pair(&f);
    f.loop.read_buffer_busy = 1;
    peer_send(c, "patience", 8);
    for (int i = 0; i < 10; i++) {
        loop_turn(&f.loop);
    }
    assert_int_equal(f.accepted[0]->got.len, 0);
    assert_int_equal(f.accepted[0]->end, NOT_YET);
    assert_int_equal(f.loop.read_buffer_busy, 1);
    f.loop.read_buffer_busy = 0;
    turn_until(&f, f.accepted[0]->got.len == 8);
    assert_int_equal(f.loop.read_buffer_busy, 0);
    peer_free(c);
    fixture_fini(&f);
}

/* The memory of the queues is bounded however many streams were busy. */
static void test_spares_are_bounded(void **state) {
    struct fixture f;
    struct peer *c[PEERS_MAX];
    (void)state;
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0");
    char *bytes = calloc(1, 32000);
    assert_non_null(bytes);
    for (int i = 0; i < PEERS_MAX; i++) {
        c[i] = peer_new(&f);
        assert_int_equal(peer_connect(c[i], NULL), 0);
        peer_send(c[i], bytes, 32000);
    }
    for (int i = 0; i < PEERS_MAX; i++) {
        turn_until(&f, c[i]->drains > 0);
    }
    assert_true(f.hub.spares.bytes <= STREAM_SPARES_BYTES_MAX);
    assert_true(f.hub.spares.bytes > 0);
    for (int i = 0; i < PEERS_MAX; i++) {
        assert_int_equal(c[i]->s.out.cap, 0);
        peer_free(c[i]);
    }
    free(bytes);
    fixture_fini(&f);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_tcp),
        cmocka_unit_test(test_echo_ipv6),
        cmocka_unit_test(test_echo_unix),
        cmocka_unit_test(test_socket_options),
        cmocka_unit_test(test_one_write_per_turn),
        cmocka_unit_test(test_backpressure),
        cmocka_unit_test(test_slow_reader_is_seen),
        cmocka_unit_test(test_close_in_drain),
        cmocka_unit_test(test_read_stop_and_start),
        cmocka_unit_test(test_reset_while_reading),
        cmocka_unit_test(test_reset_while_writing),
        cmocka_unit_test(test_write_fails_after_end),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_close_unopened),
        cmocka_unit_test(test_accept_of_bad_fd),
        cmocka_unit_test(test_close_after_n_turns),
        cmocka_unit_test(test_close_in_events),
        cmocka_unit_test(test_read_is_bounded_per_turn),
        cmocka_unit_test(test_read_buffer_busy),
        cmocka_unit_test(test_spares_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
