#include "net/address.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

static void good(const char *text, const char *ip, uint16_t port, int loopback) {
    struct net_address a;
    char out[NET_ADDRESS_TEXT_MAX];
    assert_int_equal(net_address_parse(slice_cstr(text), &a), 0);
    net_address_format(&a, out);
    assert_string_equal(out, text);
    net_address_format_ip(&a, out);
    assert_string_equal(out, ip);
    assert_int_equal(net_address_port(&a), port);
    assert_int_equal(net_address_is_loopback(&a), loopback);
}

static void test_good(void **state) {
    (void)state;
    good("127.0.0.1:8080", "127.0.0.1", 8080, 1);
    good("127.255.0.9:1", "127.255.0.9", 1, 1);
    good("0.0.0.0:0", "0.0.0.0", 0, 0);
    good("203.0.113.7:65535", "203.0.113.7", 65535, 0);
    good("[::]:8080", "::", 8080, 0);
    good("[::1]:80", "::1", 80, 1);
    good("[2001:db8::1]:443", "2001:db8::1", 443, 0);
    good("[::ffff:127.0.0.1]:443", "127.0.0.1", 443, 1);
    good("[::ffff:1.2.3.4]:5", "1.2.3.4", 5, 0);
    good("[::1.2.3.4]:5", "::1.2.3.4", 5, 0); /* "compatible", not mapped */
    good("unix:/run/x.sock", "unix", 0, 1);
    good("unix:relative", "unix", 0, 1);
}

static void test_bad(void **state) {
    static const char *const bad[] = {
        "",
        ":",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "1.2.3:80",
        "1.2.3.4.5:1",
        "256.1.1.1:80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1]:",
        "[::1:80",
        "[]:80",
        "[127.0.0.1]:80",
        "[::1]:-1",
        "[::1]:+1",
        "localhost:80",
        "1.2.3.4: 80",
        " 1.2.3.4:80",
        "1.2.3.4:080808",
        "unix:",
        "[fe80::1%lo]:1",
        ":80",
        "*:80",
        "[11111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222]:1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct net_address a;
        if (net_address_parse(slice_cstr(bad[i]), &a) != ERR_INVALID) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
    struct net_address a;
    char path[5 + 108] = "unix:"; /* one byte more than the kernel has room for */
    memset(path + 5, 'a', 108);
    assert_int_equal(net_address_parse(slice_of(path, 5 + 108), &a), ERR_INVALID);
    assert_int_equal(net_address_parse(slice_of(path, 5 + 107), &a), 0);
    assert_int_equal(net_address_parse(SLICE("unix:/tmp/a\0b"), &a), ERR_INVALID);
    assert_int_equal(net_address_parse(SLICE("1.2.3.4\0:80"), &a), ERR_INVALID);
}

static void test_port(void **state) {
    struct net_address a;
    (void)state;
    assert_int_equal(net_address_parse(SLICE("[::1]:80"), &a), 0);
    net_address_set_port(&a, 443);
    assert_int_equal(net_address_port(&a), 443);
    assert_int_equal(net_address_parse(SLICE("unix:/x"), &a), 0);
    net_address_set_port(&a, 443);
    assert_int_equal(net_address_port(&a), 0);
    assert_true(net_address_is_unix(&a));
}

static void test_unknown(void **state) {
    struct net_address a;
    char out[NET_ADDRESS_TEXT_MAX];
    (void)state;
    memset(&a, 0, sizeof(a));
    net_address_format(&a, out);
    assert_string_equal(out, "unknown");
    a.sa.ss_family = AF_UNIX; /* a client that did not bind */
    a.len = sizeof(sa_family_t);
    net_address_format(&a, out);
    assert_string_equal(out, "unix");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_port),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
