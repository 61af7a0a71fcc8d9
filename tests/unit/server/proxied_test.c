/* Who speaks for whom: PROXY headers of a listener, forwarded headers of a request; and how
 * many connections one address may have. */
#include "front.h"

#define GET "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\n"
#define V1  "PROXY TCP4 203.0.113.9 198.51.100.1 4711 443\r\n"
#define V2  "\r\n\r\n\0\r\nQUIT\n"

static struct net_range networks[2];
static struct net_ranges trusted = {networks, 1};

static void trust(const char *network) {
    assert_int_equal(net_range_parse(slice_cstr(network), &networks[0]), 0);
}

static struct server_options quick(void) {
    struct server_options o = server_options_default;
    o.proxy_header_timeout_ms = 200;
    o.first_byte_timeout_ms = 2000;
    return o;
}

/* A second door, with PROXY headers; the first stays as it is. */
static struct front *start(struct server_options o) {
    struct front *f = front_start(&o, "127.0.0.1:0");
    char reason[128];
    int fd;
    assert_int_equal(net_address_parse(SLICE("127.0.0.1:0"), &f->address), 0);
    assert_int_equal(listener_open_fd(&f->address, 1024, 0, &fd, reason), 0);
    getsockname(fd, (struct sockaddr *)&f->address.sa, &f->address.len);
    assert_int_equal(server_listen_proxied(f->server, fd, NULL, &trusted), 0);
    f->hold = 1;
    return f;
}

static void expect_client(struct front *f, size_t at, const char *ip, unsigned port) {
    char text[NET_ADDRESS_TEXT_MAX];
    turn_until(f, f->held_count > at);
    net_address_format_ip(&f->held[at]->peer, text);
    assert_string_equal(text, ip);
    assert_int_equal(f->held[at]->port, port);
    front_answer(f, f->held[at]);
}

/* In one segment with its request, and another request behind: nothing is lost. */
static void header_and_requests_at_once(void **state) {
    (void)state;
    struct front *f = start(quick());
    struct client *c = client_connect(f);
    client_send(f, c, V1 GET GET);
    expect_client(f, 0, "203.0.113.9", 443);
    expect_client(f, 1, "203.0.113.9", 443);
    turn_until(f, client_count(c, OK) == 2);
    client_close(c);
    front_stop(f);
}

static void byte_by_byte(void **state) {
    static const char text[] =
        V2 "\x21\x11\x00\x0c\xcb\x00\x71\x07\x7f\x00\x00\x01\x00\x01\x1f\x90" GET;
    (void)state;
    struct front *f = start(server_options_default);
    struct client *c = client_connect(f);
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        client_send_slice(f, c, slice_of(text + i, 1));
        turn(f, 2);
    }
    expect_client(f, 0, "203.0.113.7", 8080);
    turn_until(f, client_count(c, OK) == 1);
    client_close(c);
    front_stop(f);
}

/* A health check of the proxy itself keeps the socket's address. */
static void proxy_for_itself(void **state) {
    (void)state;
    struct front *f = start(quick());
    static const struct slice own[] = {
        {"PROXY UNKNOWN\r\n" GET, sizeof("PROXY UNKNOWN\r\n" GET) - 1},
        {V2 "\x20\x00\x00\x00" GET, sizeof(V2 "\x20\x00\x00\x00" GET) - 1},
    };
    for (size_t i = 0; i < 2; i++) {
        struct client *c = client_connect(f);
        client_send_slice(f, c, own[i]);
        expect_client(f, i, "127.0.0.1", net_address_port(&f->address));
        turn_until(f, client_count(c, OK) == 1);
        client_close(c);
    }
    front_stop(f);
}

static void expect_closed(struct front *f, struct slice text, const char *reason) {
    struct client *c = client_connect(f);
    uint64_t before = front_reason(f, reason);
    client_send_slice(f, c, text);
    turn_until(f, client_ended(c));
    assert_int_equal(c->in.len, 0);
    assert_int_equal(front_reason(f, reason), before + 1);
    assert_int_equal(f->requests, 0);
    client_close(c);
}

/* 64 and its kind: closed without a word, with a reason in the log. */
static void no_header(void **state) {
    (void)state;
    struct front *f = start(quick());
    expect_closed(f, SLICE(GET), "proxy_missing");
    expect_closed(f, SLICE("\x16\x03\x01\x02\x00\x01"), "proxy_missing");
    expect_closed(f, SLICE("PROXY TCP4 203.0.113.9 1\r\n" GET), "proxy_malformed");
    expect_closed(f, SLICE(V2 "\x21\x11\x20\x00"), "proxy_too_long");
    expect_closed(f, SLICE(V2 "\x23"), "proxy_unsupported");
    expect_closed(f, SLICE(""), "proxy_timeout");
    expect_closed(f, SLICE("PROXY TCP4 203.0.113.9 "), "proxy_timeout");
    assert_int_equal(f->server->timeouts, 2);
    front_stop(f);
}

static void left_in_the_middle(void **state) {
    (void)state;
    struct front *f = start(quick());
    struct client *c = client_connect(f);
    client_send(f, c, "PROXY TCP4");
    turn(f, 5);
    shutdown(c->fd, SHUT_WR);
    turn_until(f, client_ended(c));
    assert_int_equal(front_reason(f, "proxy_incomplete"), 1);
    client_close(c);
    c = client_connect(f); /* a check that the port is open, no more */
    turn_until(f, front_connections(f) == 1);
    client_close(c);
    turn_until(f, front_connections(f) == 0);
    size_t reasons;
    (void)server_reasons(f->server, &reasons);
    assert_int_equal(reasons, 1);
    front_stop(f);
}

static void from_a_stranger(void **state) {
    (void)state;
    trust("10.0.0.0/8");
    struct front *f = start(quick());
    expect_closed(f, SLICE(V1 GET), "proxy_untrusted");
    trust("127.0.0.0/8");
    front_stop(f);
}

/* A drain does not wait for a header that does not come. */
static void drain(void **state) {
    (void)state;
    struct server_options o = server_options_default;
    o.linger_ms = 100;
    struct front *f = start(o);
    struct client *c = client_connect(f);
    turn_until(f, front_connections(f) == 1);
    server_drain(f->server, front_on_drained, f);
    turn_until(f, f->drained);
    client_close(c);
    front_stop(f);
}

/* ---- forwarded headers on a connection ---- */

static void forwarded_on_the_wire(void **state) {
    (void)state;
    struct server_options o = quick();
    o.trust = (struct server_trust){.addresses = trusted, .hops = 1};
    struct front *f = front_start(&o, "127.0.0.1:0");
    f->hold = 1;
    struct client *c = client_connect(f);
    client_send(f, c,
                "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.66, 203.0.113.5\r\n"
                "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n\r\n" GET);
    expect_client(f, 0, "203.0.113.5", 8443);
    expect_client(f, 1, "127.0.0.1", net_address_port(&f->address)); /* of each request */
    client_close(c);
    front_stop(f);
}

/* ---- connections per address ---- */

static void too_many_of_one_address(void **state) {
    (void)state;
    struct server_options o = quick();
    o.connections_per_address = 2;
    struct front *f = front_start(&o, "127.0.0.1:0");
    struct client *c[5];
    for (int i = 0; i < 4; i++) {
        c[i] = client_connect(f);
        turn_until(f, front_connections(f) == (size_t)i + 1);
    }
    for (int i = 2; i < 4; i++) { /* told, while there are not too many to tell */
        client_send(f, c[i], GET);
        turn_until(f, client_count(c[i], "HTTP/1.1 503 ") == 1);
        assert_int_equal(client_count(c[i], "Retry-After: 1\r\n"), 1);
        assert_int_equal(client_count(c[i], "Connection: close\r\n"), 1);
    }
    c[4] = client_connect(f);
    turn_until(f, client_ended(c[4]));
    assert_int_equal(c[4]->in.len, 0);
    assert_int_equal(front_reason(f, "connections_per_address"), 3);
    for (int i = 0; i < 2; i++) {
        client_send(f, c[i], GET);
        turn_until(f, client_count(c[i], OK) == 1);
    }
    assert_int_equal(f->requests, 2);
    for (int i = 0; i < 5; i++) {
        client_close(c[i]);
    }
    turn_until(f, front_connections(f) == 0);
    assert_int_equal(f->server->addresses.entries.used, 0);
    c[0] = client_connect(f); /* and there is room again */
    client_send(f, c[0], GET);
    turn_until(f, client_count(c[0], OK) == 1);
    client_close(c[0]);
    front_stop(f);
}

/* What a proxy says counts for its clients, not for itself. */
static void address_behind_a_proxy(void **state) {
    (void)state;
    struct server_options o = quick();
    o.connections_per_address = 1;
    o.trust = (struct server_trust){.addresses = trusted, .hops = 1};
    struct front *f = start(o);
    struct client *c[4];
    static const char *const head[] = {V1, "PROXY TCP4 203.0.113.10 198.51.100.1 1 443\r\n", V1,
                                       "PROXY UNKNOWN\r\n"};
    for (int i = 0; i < 4; i++) {
        c[i] = client_connect(f);
        client_send(f, c[i], head[i]);
        turn_until(f, front_connections(f) == (size_t)i + 1);
    }
    turn_until(f, client_count(c[2], "HTTP/1.1 503 ") == 1);
    assert_int_equal(front_reason(f, "connections_per_address"), 1);
    for (int i = 0; i < 4; i++) {
        assert_true(i == 2 || !client_ended(c[i]));
        client_close(c[i]);
    }
    front_stop(f);
}

/* A door more, to which every IPv4 client comes from ::ffff:a.b.c.d. */
static void open_dual_stack(struct front *f) {
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&f->address.sa;
    int off = 0;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)), 0);
    assert_int_equal(net_address_parse(SLICE("[::ffff:127.0.0.1]:0"), &f->address), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)in6, f->address.len), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)in6, &f->address.len), 0);
    uint16_t port = ntohs(in6->sin6_port);
    assert_int_equal(net_address_parse_ip(SLICE("127.0.0.1"), port, &f->address), 0);
    assert_int_equal(server_listen(f->server, fd, NULL), 0);
}

/* One client, by whichever door it comes. */
static void ipv4_on_a_dual_stack(void **state) {
    (void)state;
    struct server_options o = quick();
    o.connections_per_address = 2;
    struct front *f = front_start(&o, "127.0.0.1:0");
    f->hold = 1;
    struct client *c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = client_connect(f);
        turn_until(f, front_connections(f) == (size_t)i + 1);
        if (i == 0) {
            open_dual_stack(f);
        }
    }
    turn_until(f, client_count(c[2], "HTTP/1.1 503 ") == 1);
    client_send(f, c[1], GET);
    expect_client(f, 0, "127.0.0.1", net_address_port(&f->address));
    for (int i = 0; i < 3; i++) {
        client_close(c[i]);
    }
    front_stop(f);
    o.trust = (struct server_trust){.addresses = trusted, .hops = 2};
    f = front_start(&o, "127.0.0.1:0");
    f->hold = 1;
    open_dual_stack(f);
    c[0] = client_connect(f);
    client_send(f, c[0],
                "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.66, "
                "::ffff:203.0.113.5, [::ffff:127.0.0.1]:2\r\n\r\n");
    expect_client(f, 0, "203.0.113.5", net_address_port(&f->address));
    client_close(c[0]);
    front_stop(f);
}

/* A /64 is one client; a unix socket is none. */
static void networks_and_none(void **state) {
    (void)state;
    struct addresses a;
    struct net_address ip;
    addresses_init(&a, 8);
    static const char *const same[] = {"[2001:db8::1]:1", "[2001:db8::ffff:0:0:1]:2"};
    struct address_count *first = NULL;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(net_address_parse(slice_cstr(same[i]), &ip), 0);
        struct address_count *entry = addresses_add(&a, &ip);
        assert_true(first == NULL || entry == first);
        first = entry;
    }
    assert_int_equal(first->connections, 2);
    assert_int_equal(net_address_parse(SLICE("[2001:db8:0:1::1]:1"), &ip), 0);
    struct address_count *other = addresses_add(&a, &ip);
    assert_int_equal(other->connections, 1);
    assert_int_equal(net_address_parse(SLICE("unix:/x"), &ip), 0);
    assert_null(addresses_add(&a, &ip));
    addresses_remove(&a, first);
    addresses_remove(&a, first);
    addresses_remove(&a, other);
    addresses_fini(&a);
}

int main(void) {
    trust("127.0.0.0/8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_and_requests_at_once),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(proxy_for_itself),
        cmocka_unit_test(no_header),
        cmocka_unit_test(left_in_the_middle),
        cmocka_unit_test(from_a_stranger),
        cmocka_unit_test(drain),
        cmocka_unit_test(forwarded_on_the_wire),
        cmocka_unit_test(too_many_of_one_address),
        cmocka_unit_test(address_behind_a_proxy),
        cmocka_unit_test(ipv4_on_a_dual_stack),
        cmocka_unit_test(networks_and_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
