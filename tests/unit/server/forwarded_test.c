/* Forwarded headers: the walk from the right, and everything that must stop it. */
#include "server/forwarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

static struct net_range networks[2];

static struct server_trust trust_of(unsigned hops, int forwarded) {
    assert_int_equal(net_range_parse(SLICE("10.0.0.0/8"), &networks[0]), 0);
    assert_int_equal(net_range_parse(SLICE("2001:db8:1::/48"), &networks[1]), 0);
    return (struct server_trust){{networks, 2}, hops, forwarded};
}

/* Reads up to three fields, given as name and value in turn. */
static struct forwarded read_fields(const char *peer, unsigned hops, int forwarded,
                                    const char *const fields[6]) {
    struct http_header items[3];
    struct http_headers headers = {items, 0};
    struct server_trust trust = trust_of(hops, forwarded);
    struct forwarded f = {.port = 8080};
    for (int i = 0; i < 6 && fields[i]; i += 2) {
        items[headers.count++] =
            (struct http_header){slice_cstr(fields[i]), slice_cstr(fields[i + 1])};
    }
    assert_int_equal(net_address_parse_ip(slice_cstr(peer), 1, &f.client), 0);
    forwarded_read(&trust, &headers, &f);
    return f;
}

static void expect_ip(struct forwarded f, const char *ip) {
    char text[NET_ADDRESS_TEXT_MAX];
    net_address_format_ip(&f.client, text);
    assert_string_equal(text, ip);
}

static void expect_x(unsigned hops, const char *value, const char *ip) {
    const char *const fields[6] = {"X-Forwarded-For", value};
    expect_ip(read_fields("10.0.0.1", hops, 0, fields), ip);
}

static void expect_forwarded(unsigned hops, const char *value, const char *ip) {
    const char *const fields[6] = {"Forwarded", value};
    expect_ip(read_fields("10.0.0.1", hops, 1, fields), ip);
}

static void from_the_right(void **state) {
    (void)state;
    expect_x(1, "203.0.113.5", "203.0.113.5");
    expect_x(1, "192.0.2.66, 203.0.113.5", "203.0.113.5");
    expect_x(1, "192.0.2.66,203.0.113.5 ", "203.0.113.5");
    expect_x(1, "2001:db8::7", "2001:db8::7");
    expect_x(1, "[2001:db8::7]", "2001:db8::7");
    expect_x(1, "[2001:db8::7]:4711", "2001:db8::7");
    expect_x(1, "203.0.113.5:4711", "203.0.113.5");
    /* a further proxy is believed only if it is one */
    expect_x(1, "192.0.2.66, 10.0.0.2", "10.0.0.2");
    expect_x(2, "192.0.2.66, 10.0.0.2", "192.0.2.66");
    expect_x(2, "192.0.2.66, 203.0.113.5", "203.0.113.5");
    expect_x(3, "192.0.2.66, 10.0.0.3, 10.0.0.2", "192.0.2.66");
    expect_x(2, "192.0.2.66, 10.0.0.3, 10.0.0.2", "10.0.0.3");
    expect_x(9, "10.0.0.3, 10.0.0.2", "10.0.0.3");
}

static void garbage_stops(void **state) {
    (void)state;
    expect_x(1, "", "10.0.0.1");
    expect_x(1, "unknown", "10.0.0.1");
    expect_x(1, "203.0.113.5,", "10.0.0.1");
    expect_x(1, "203.0.113.5, nonsense", "10.0.0.1");
    expect_x(1, "203.0.113.500", "10.0.0.1");
    expect_x(1, "203.0.113.5 192.0.2.1", "10.0.0.1");
    expect_x(1, "203.0.113.05", "10.0.0.1");
    expect_x(1, "unix:/run/x", "10.0.0.1");
    expect_x(1, "[203.0.113.5]", "10.0.0.1");
    expect_x(1, "\"203.0.113.5\"", "10.0.0.1");
    expect_x(2, "203.0.113.5, nonsense, 10.0.0.2", "10.0.0.2");
    expect_x(3, "203.0.113.5, , 10.0.0.2", "10.0.0.2");
    expect_x(2, "192.0.2.1 garbage, 10.0.0.2", "10.0.0.2");
}

/* Fields of one name are one list. */
static void several_fields(void **state) {
    (void)state;
    const char *const two[6] = {"x-forwarded-for", "192.0.2.66", "X-Forwarded-For", "10.0.0.2"};
    expect_ip(read_fields("10.0.0.1", 1, 0, two), "10.0.0.2");
    expect_ip(read_fields("10.0.0.1", 2, 0, two), "192.0.2.66");
    expect_ip(read_fields("10.0.0.1", 2, 1, two), "10.0.0.1"); /* not the kind that counts */
}

static void from_strangers(void **state) {
    (void)state;
    const char *const x[6] = {"X-Forwarded-For", "203.0.113.5", "X-Forwarded-Proto", "https"};
    const char *const fwd[6] = {"Forwarded", "for=203.0.113.5;proto=https"};
    struct forwarded f = read_fields("203.0.113.77", 9, 0, x);
    expect_ip(f, "203.0.113.77");
    assert_int_equal(f.tls, 0);
    f = read_fields("203.0.113.77", 9, 1, fwd);
    expect_ip(f, "203.0.113.77");
    assert_int_equal(f.port, 8080);
    expect_ip(read_fields("2001:db8:1::1", 1, 0, x), "203.0.113.5");
}

static void expect_scheme(const char *proto, const char *port, int tls, unsigned number) {
    const char *const fields[6] = {"X-Forwarded-Proto", proto, port ? "X-Forwarded-Port" : NULL,
                                   port};
    struct forwarded f = read_fields("10.0.0.1", 1, 0, fields);
    assert_int_equal(f.tls, tls);
    assert_int_equal(f.port, number);
    expect_ip(f, "10.0.0.1");
}

static void scheme_and_port(void **state) {
    (void)state;
    expect_scheme("https", NULL, 1, 443);
    expect_scheme("HTTP", NULL, 0, 80);
    expect_scheme("http, https", NULL, 1, 443);
    expect_scheme("https", "8443", 1, 8443);
    expect_scheme("https", "1, 8443", 1, 8443);
    expect_scheme("ftp", NULL, 0, 8080);
    expect_scheme("", "70000", 0, 8080);
    expect_scheme("https", "0", 1, 443);
    expect_scheme("https", "44x", 1, 443);
}

/* RFC 7239 section 4 */
static void rfc_7239(void **state) {
    (void)state;
    expect_forwarded(1, "for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60");
    expect_forwarded(1, "For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17");
    expect_forwarded(1, "For=\"[2001:db8:cafe::17]\"", "2001:db8:cafe::17");
    expect_forwarded(1, "for=192.0.2.43, for=\"192.0.2.44:80\"", "192.0.2.44");
    expect_forwarded(2, "for=192.0.2.43, for=10.0.0.2;by=x", "192.0.2.43");
    expect_forwarded(2, "host=\"a,b\";for=192.0.2.43, for=10.0.0.2", "192.0.2.43");
    expect_forwarded(1, "for=_gazonk", "10.0.0.1");
    expect_forwarded(1, "for=unknown", "10.0.0.1");
    expect_forwarded(1, "proto=https", "10.0.0.1");
    expect_forwarded(1, "for=192.0.2.43;for=192.0.2.44", "10.0.0.1");
    expect_forwarded(1, "for=\"192.0.2\\.43\"", "10.0.0.1");
    expect_forwarded(1, "for=\"192.0.2.43", "10.0.0.1");
    /* what its client opened, the proxy's own entry does not close */
    expect_forwarded(1, "for=\"192.0.2.66, for=192.0.2.44", "192.0.2.44");
    expect_forwarded(1, "for=\"192.0.2.66, for=\"[2001:db8::1]:1\"", "2001:db8::1");
    const char *const fields[6] = {"Forwarded", "for=192.0.2.43;proto=https"};
    struct forwarded f = read_fields("10.0.0.1", 1, 1, fields);
    assert_int_equal(f.tls, 1);
    assert_int_equal(f.port, 443);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_the_right),  cmocka_unit_test(garbage_stops),
        cmocka_unit_test(several_fields),  cmocka_unit_test(from_strangers),
        cmocka_unit_test(scheme_and_port), cmocka_unit_test(rfc_7239),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
