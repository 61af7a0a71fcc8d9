#include "net/range.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

static int contains(const char *range, const char *ip) {
    struct net_range r;
    struct net_address a;
    assert_int_equal(net_range_parse(slice_cstr(range), &r), 0);
    if (net_address_parse(slice_cstr(ip), &a) != 0) {
        assert_int_equal(net_address_parse_ip(slice_cstr(ip), 9, &a), 0);
    }
    struct net_ranges ranges = {&r, 1};
    return net_ranges_contain(&ranges, &a);
}

static void inside_and_outside(void **state) {
    (void)state;
    assert_true(contains("10.0.0.0/8", "10.255.1.2"));
    assert_false(contains("10.0.0.0/8", "11.0.0.0"));
    assert_true(contains("10.1.2.128/25", "10.1.2.200"));
    assert_false(contains("10.1.2.128/25", "10.1.2.127"));
    assert_true(contains("172.16.0.0/12", "172.31.255.255"));
    assert_false(contains("172.16.0.0/12", "172.32.0.0"));
    assert_true(contains("192.0.2.7", "192.0.2.7"));
    assert_false(contains("192.0.2.7", "192.0.2.6"));
    assert_true(contains("0.0.0.0/0", "203.0.113.9"));
    assert_false(contains("0.0.0.0/0", "2001:db8::1"));
    assert_true(contains("2001:db8::/32", "2001:db8:ffff::1"));
    assert_false(contains("2001:db8::/32", "2001:db9::1"));
    assert_true(contains("::/0", "2001:db9::1"));
    assert_false(contains("::/0", "192.0.2.1"));
    assert_true(contains("::1", "::1"));
    /* mapped addresses are what they map */
    assert_true(contains("10.0.0.0/8", "::ffff:10.1.1.1"));
    assert_false(contains("::/0", "::ffff:10.1.1.1"));
    assert_true(contains("::ffff:10.1.1.1", "10.1.1.1"));
    assert_true(contains("unix", "unix:/run/x"));
    assert_false(contains("unix", "10.1.1.1"));
    assert_false(contains("10.0.0.0/8", "unix:/run/x"));
}

static void bad_text(void **state) {
    static const char *const bad[] = {"",
                                      "/8",
                                      "10.0.0.0/",
                                      "10.0.0.0/33",
                                      "10.0.0.0/-1",
                                      "10.0.0.0/8/8",
                                      "10.0.0.1/8",
                                      "10.0.0.0/0008",
                                      "::/129",
                                      "2001:db8::1/32",
                                      "::ffff:10.0.0.0/104",
                                      "10.0.0",
                                      "localhost",
                                      "10.0.0.0:80",
                                      "[::1]",
                                      "10.0.0.0 /8",
                                      "unix:/x"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct net_range r;
        if (net_range_parse(slice_cstr(bad[i]), &r) != ERR_INVALID) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
}

static void nobody_is_in_nothing(void **state) {
    (void)state;
    struct net_address none = {0};
    struct net_range all;
    struct net_ranges ranges = {&all, 1};
    struct net_ranges empty = {NULL, 0};
    assert_int_equal(net_range_parse(SLICE("0.0.0.0/0"), &all), 0);
    assert_false(net_ranges_contain(&ranges, &none));
    assert_false(net_ranges_contain(&empty, &none));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inside_and_outside),
        cmocka_unit_test(bad_text),
        cmocka_unit_test(nobody_is_in_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
