/* Headers of the PROXY protocol, whole and at every length, and what must not pass for one. */
#include "net/proxy_header.h"

#include "base/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#define V2        "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(s)  slice_of(s, sizeof(s) - 1)
#define V4_PAIR   "\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x01\xbb" /* .1:56324 .2:443 */
#define V6_PREFIX "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"

/* Every shorter prefix wants more; so does none beyond it, and what follows is left alone. */
static void expect(struct slice header, int has_addresses, const char *source,
                   const char *destination) {
    char text[NET_ADDRESS_TEXT_MAX];
    struct proxy_header out;
    const char *reason;
    char *bytes = malloc(header.len + 5);
    assert_non_null(bytes);
    memcpy(bytes, header.ptr, header.len);
    memcpy(bytes + header.len, "GET /", 5);
    for (size_t len = 0; len < header.len; len++) {
        enum proxy_header_result r = proxy_header_parse(slice_of(bytes, len), &out, &reason);
        if (r != PROXY_HEADER_MORE) {
            fail_msg("result %d of %zu bytes of %zu (%s)", r, len, header.len, reason);
        }
    }
    for (size_t len = header.len; len <= header.len + 5; len++) {
        assert_int_equal(proxy_header_parse(slice_of(bytes, len), &out, &reason),
                         PROXY_HEADER_DONE);
        assert_int_equal(out.len, header.len);
        assert_int_equal(out.has_addresses, has_addresses);
    }
    net_address_format(&out.source, text);
    assert_string_equal(text, source);
    net_address_format(&out.destination, text);
    assert_string_equal(text, destination);
    free(bytes);
}

static void refuse(struct slice header, const char *why) {
    struct proxy_header out;
    const char *reason = NULL;
    enum proxy_header_result r = PROXY_HEADER_MORE;
    for (size_t len = 0; len <= header.len && r == PROXY_HEADER_MORE; len++) {
        r = proxy_header_parse(slice_of(header.ptr, len), &out, &reason);
    }
    assert_int_equal(r, PROXY_HEADER_ERROR);
    assert_string_equal(reason, why);
    assert_int_equal(proxy_header_parse(header, &out, &reason), PROXY_HEADER_ERROR);
    assert_string_equal(reason, why);
}

static void version_1(void **state) {
    (void)state;
    expect(BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"), 1, "192.0.2.1:56324",
           "192.0.2.2:443");
    expect(BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), 1,
           "255.255.255.255:65535", "255.255.255.255:65535");
    expect(BYTES("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), 1, "0.0.0.0:0", "0.0.0.0:0");
    expect(BYTES("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"), 1, "[2001:db8::1]:1", "[::1]:2");
    /* the longest there is: 107 bytes */
    expect(BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
           0, "unknown", "unknown");
    expect(BYTES("PROXY UNKNOWN\r\n"), 0, "unknown", "unknown");
    expect(BYTES("PROXY UNKNOWN anything at all\r\n"), 0, "unknown", "unknown");
}

static void bad_version_1(void **state) {
    static const char *const malformed[] = {
        "PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 \r\n",
        "PROXY TCP4  192.0.2.1 192.0.2.2 56324 443\r\n",
        "PROXY  TCP4 192.0.2.1 192.0.2.2 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 056324 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 56324 00\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 56324 65536\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 -1 443\r\n",
        "PROXY TCP4 192.0.2.01 192.0.2.2 1 443\r\n",
        "PROXY TCP4 192.0.2.256 192.0.2.2 1 443\r\n",
        "PROXY TCP4 ::1 ::1 1 443\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 443\r\n",
        "PROXY TCP6 fe80::1%lo ::1 1 443\r\n",
        "PROXY tcp4 192.0.2.1 192.0.2.2 1 443\r\n",
        "PROXY TCP5 192.0.2.1 192.0.2.2 1 443\r\n",
        "PROXY UDP4 192.0.2.1 192.0.2.2 1 443\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\rX",
        "PROXY TCP4 192.0.2.1\t192.0.2.2 56324 443\r\n",
        "PROXY UNKNOWN \x01\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        refuse(slice_cstr(malformed[i]), "proxy_malformed");
    }
    refuse(BYTES("GET / HTTP/1.1\r\n"), "proxy_missing");
    refuse(BYTES("PRI * HTTP/2.0\r\n"), "proxy_missing");
    refuse(BYTES("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), "proxy_missing");
    refuse(BYTES("\x16\x03\x01\x02"), "proxy_missing");
    refuse(BYTES("\r\n\r\nGET / HTTP/1.1\r\n"), "proxy_missing");
    refuse(BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535x\r\n"),
           "proxy_too_long");
}

static void version_2(void **state) {
    (void)state;
    expect(BYTES(V2 "\x21\x11\x00\x0c" V4_PAIR), 1, "192.0.2.1:56324", "192.0.2.2:443");
    expect(BYTES(V2 "\x21\x21\x00\x24" V6_PREFIX "\x01" V6_PREFIX "\x02\x00\x07\x01\xbb"), 1,
           "[2001:db8::1]:7", "[2001:db8::2]:443");
    /* health checks speak for themselves, whatever follows */
    expect(BYTES(V2 "\x20\x00\x00\x00"), 0, "unknown", "unknown");
    expect(BYTES(V2 "\x20\x11\x00\x0c" V4_PAIR), 0, "unknown", "unknown");
    expect(BYTES(V2 "\x20\xff\x00\x03xyz"), 0, "unknown", "unknown");
    expect(BYTES(V2 "\x21\x00\x00\x00"), 0, "unknown", "unknown");
    /* TLVs are skipped: no-op padding, and the VPC endpoint id that AWS adds */
    expect(BYTES(V2 "\x21\x11\x00\x17" V4_PAIR "\x04\x00\x00"
                    "\xea\x00\x05\x01vpce"),
           1, "192.0.2.1:56324", "192.0.2.2:443");
}

static void version_2_unix(void **state) {
    char header[16 + 216];
    (void)state;
    memset(header, 0, sizeof(header));
    memcpy(header, V2 "\x21\x31\x00\xd8", 16);
    memcpy(header + 16, "/run/a", 6);
    memset(header + 16 + 108, 'b', 108); /* a full path has no NUL */
    char full[5 + 108 + 1] = "unix:";
    memset(full + 5, 'b', 108);
    expect(slice_of(header, sizeof(header)), 1, "unix:/run/a", full);
}

static void longest_version_2(void **state) {
    static char header[PROXY_HEADER_MAX + 1];
    (void)state;
    memcpy(header, V2 "\x20\x00\x10\x00", 16);
    expect(slice_of(header, PROXY_HEADER_MAX), 0, "unknown", "unknown");
    header[15] = 1;
    refuse(slice_of(header, 16), "proxy_too_long");
}

static void bad_version_2(void **state) {
    (void)state;
    refuse(BYTES(V2 "\x11"), "proxy_unsupported");
    refuse(BYTES(V2 "\x31"), "proxy_unsupported");
    refuse(BYTES(V2 "\x22"), "proxy_unsupported");
    refuse(BYTES(V2 "\x21\x12\x00\x0c" V4_PAIR), "proxy_unsupported"); /* UDP */
    refuse(BYTES(V2 "\x21\x41\x00\x0c" V4_PAIR), "proxy_unsupported");
    refuse(BYTES(V2 "\x21\x10\x00\x0c" V4_PAIR), "proxy_unsupported");
    refuse(BYTES(V2 "\x21\x11\x00\x0b" V4_PAIR), "proxy_malformed");
    refuse(BYTES(V2 "\x21\x21\x00\x0c" V4_PAIR), "proxy_malformed");
    refuse(BYTES(V2 "\x21\x31\x00\x0c" V4_PAIR), "proxy_malformed");
    refuse(BYTES("\r\n\r\n\0\r\nQUIT\r"), "proxy_missing");
    /* TLVs that do not fit */
    refuse(BYTES(V2 "\x21\x11\x00\x0e" V4_PAIR "\x04\x00"), "proxy_malformed");
    refuse(BYTES(V2 "\x21\x11\x00\x10" V4_PAIR "\x04\x00\x02x"), "proxy_malformed");
}

/* The value was computed apart, by a program that has 0xe3069283 for "123456789" (RFC 3720). */
static void checksum(void **state) {
    char header[] = V2 "\x21\x11\x00\x13" V4_PAIR "\x03\x00\x04"
                       "\xd6\xc8\xc7\x5f";
    (void)state;
    expect(slice_of(header, sizeof(header) - 1), 1, "192.0.2.1:56324", "192.0.2.2:443");
    for (size_t i = 16; i < sizeof(header) - 1; i++) {
        if (i < 28 || i > 30) { /* the TLV's own head */
            header[i] ^= 1;
            refuse(slice_of(header, sizeof(header) - 1), "proxy_checksum");
            header[i] ^= 1;
        }
    }
    refuse(BYTES(V2 "\x21\x11\x00\x12" V4_PAIR "\x03\x00\x03xyz"), "proxy_malformed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1),         cmocka_unit_test(bad_version_1),
        cmocka_unit_test(version_2),         cmocka_unit_test(version_2_unix),
        cmocka_unit_test(longest_version_2), cmocka_unit_test(bad_version_2),
        cmocka_unit_test(checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
