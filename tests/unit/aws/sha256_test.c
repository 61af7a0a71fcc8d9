/* Our SHA-256 against mbedTLS, on both ways through the processor, and HMAC against RFC 4231.
 */
#include "aws/sha256.h"
#include "aws/sigv4.h"
#include "base/hex.h"
#include "base/rng.h"

#include <mbedtls/md.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BYTES 20000

static unsigned char bytes[BYTES];

static void expect_digest(const unsigned char *p, size_t len, const unsigned char got[32]) {
    unsigned char want[32];
    const mbedtls_md_info_t *md = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    assert_int_equal(mbedtls_md(md, p, len, want), 0);
    assert_memory_equal(got, want, 32);
}

static void every_length(void) {
    unsigned char got[32];
    for (size_t len = 0; len < 700; len++) {
        sha256(slice_of((const char *)bytes + len % 3, len), got);
        expect_digest(bytes + len % 3, len, got);
    }
    sha256(slice_of((const char *)bytes, BYTES), got);
    expect_digest(bytes, BYTES, got);
}

static void every_split(void) {
    unsigned char got[32];
    struct rng r;
    rng_seed(&r, 7);
    for (int round = 0; round < 2000; round++) {
        struct sha256_state s;
        size_t len = rng_below(&r, 600), done = 0;
        sha256_start(&s);
        while (done < len) {
            size_t step = 1 + rng_below(&r, 150);
            step = step < len - done ? step : len - done;
            sha256_update(&s, bytes + done, step);
            done += step;
            sha256_digest(&s, got); /* does not disturb the state */
            expect_digest(bytes, done, got);
        }
    }
}

static void test_native(void **state) {
    (void)state;
    if (!sha256_blocks_native()) {
        skip();
    }
    sha256_use(sha256_blocks_native());
    every_length();
    every_split();
}

static void test_fallback(void **state) {
    (void)state;
    sha256_use(sha256_blocks_mbedtls);
    every_length();
    every_split();
    if (sha256_blocks_native()) {
        sha256_use(sha256_blocks_native());
    }
}

static void test_hmac(void **state) {
    (void)state;
    const mbedtls_md_info_t *md = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    for (size_t key_len = 0; key_len < 200; key_len++) {
        for (size_t len = 0; len < 300; len += 17) {
            struct hmac_key key;
            unsigned char got[32], want[32];
            hmac_key_init(&key, slice_of((const char *)bytes + 5, key_len));
            hmac_sha256(&key, slice_of((const char *)bytes, len), got);
            assert_int_equal(mbedtls_md_hmac(md, bytes + 5, key_len, bytes, len, want), 0);
            assert_memory_equal(got, want, 32);
        }
    }
}

/* RFC 4231 test case 2. */
static void test_hmac_known(void **state) {
    (void)state;
    struct hmac_key key;
    unsigned char got[32];
    char hex[65] = {0};
    hmac_key_init(&key, SLICE("Jefe"));
    hmac_sha256(&key, SLICE("what do ya want for nothing?"), got);
    hex_encode(got, 32, hex);
    assert_string_equal(hex,
                        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

int main(void) {
    struct rng r;
    rng_seed(&r, 1);
    for (size_t i = 0; i < BYTES; i++) {
        bytes[i] = (unsigned char)rng_u64(&r);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_native),
        cmocka_unit_test(test_fallback),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_hmac_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
