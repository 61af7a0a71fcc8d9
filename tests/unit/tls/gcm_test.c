/* AES-GCM on our loop against mbedTLS's own, and that mbedTLS does run on it. */
#include "tls/gcm.h"

#include "base/rng.h"
#include "support/unit.h"
#include "tls/compat.h"

#include <stdlib.h>

#define BYTES 17000

static unsigned char plain[BYTES], ours[BYTES], theirs[BYTES];

static unsigned calls;

static int counted(mbedtls_gcm_context *ctx, size_t len, const unsigned char *in,
                   unsigned char *out) {
    calls++;
    return gcm_update_native()(ctx, len, in, out);
}

static void set_key(mbedtls_gcm_context *ctx, struct rng *r, mbedtls_cipher_id_t cipher,
                    unsigned bits) {
    unsigned char key[32];
    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = (unsigned char)rng_below(r, 256);
    }
    mbedtls_gcm_init(ctx);
    assert_int_equal(mbedtls_gcm_setkey(ctx, cipher, key, bits), 0);
}

static void seal(mbedtls_gcm_context *ctx, gcm_update_fn with, size_t len,
                 const unsigned char *in, unsigned char *out, unsigned char tag[16]) {
    static const unsigned char nonce[12] = "twelve bytes", header[13] = "not encrypted";
    gcm_use(with);
    assert_int_equal(mbedtls_gcm_crypt_and_tag(ctx, MBEDTLS_GCM_ENCRYPT, len, nonce, 12, header,
                                               13, in, out, 16, tag),
                     0);
}

static int unseal(mbedtls_gcm_context *ctx, gcm_update_fn with, size_t len,
                  const unsigned char *in, unsigned char *out, const unsigned char tag[16]) {
    static const unsigned char nonce[12] = "twelve bytes", header[13] = "not encrypted";
    gcm_use(with);
    return mbedtls_gcm_auth_decrypt(ctx, len, nonce, 12, header, 13, tag, 16, in, out);
}

/* Every length up to several groups of blocks, then some up to more than a TLS record. */
static size_t length_of(struct rng *r, size_t round) {
    return round < 400 ? round : 400 + rng_below(r, BYTES - 400);
}

static void both_agree(unsigned bits) {
    mbedtls_gcm_context ctx;
    unsigned char tag[16], want[16];
    struct rng r;
    rng_seed(&r, bits);
    for (size_t i = 0; i < BYTES; i++) {
        plain[i] = (unsigned char)rng_below(&r, 256);
    }
    for (size_t round = 0; round < 700; round++) {
        size_t len = length_of(&r, round), flip = rng_below(&r, (uint32_t)len + 16);
        set_key(&ctx, &r, MBEDTLS_CIPHER_ID_AES, bits);
        seal(&ctx, gcm_update_mbedtls, len, plain, theirs, want);
        seal(&ctx, gcm_update_native(), len, plain, ours, tag);
        assert_memory_equal(tag, want, 16);
        assert_memory_equal(ours, theirs, len);
        /* In place, as TLS does. */
        assert_int_equal(unseal(&ctx, gcm_update_native(), len, ours, ours, tag), 0);
        assert_memory_equal(ours, plain, len);
        (flip < len ? theirs + flip : tag + (flip - len))[0] ^= 1;
        assert_int_equal(unseal(&ctx, gcm_update_native(), len, theirs, ours, tag),
                         MBEDTLS_ERR_GCM_AUTH_FAILED);
        mbedtls_gcm_free(&ctx);
    }
}

static void need_native(void) {
    if (gcm_update_native() == NULL) {
        skip();
    }
}

static void test_both_agree(void **state) {
    (void)state;
    need_native();
    both_agree(128);
    both_agree(192);
    both_agree(256);
}

/* The counter is 32 bits wide and wraps alone (SP 800-38D, section 6.2). */
static void test_the_counter_wraps(void **state) {
    static const unsigned char last[16] = {1, 2,  3,  4,  5,    6,    7,    8,
                                           9, 10, 11, 12, 0xff, 0xff, 0xff, 0xfa};
    mbedtls_gcm_context ctx;
    struct rng r;
    (void)state;
    need_native();
    rng_seed(&r, 1);
    set_key(&ctx, &r, MBEDTLS_CIPHER_ID_AES, 128);
    for (int native = 0; native < 2; native++) {
        assert_int_equal(mbedtls_gcm_starts(&ctx, MBEDTLS_GCM_ENCRYPT, last, 12, NULL, 0), 0);
        memcpy(ctx.y, last, 16);
        gcm_use(native ? gcm_update_native() : gcm_update_mbedtls);
        assert_int_equal(mbedtls_gcm_update(&ctx, 333, plain, native ? ours : theirs), 0);
    }
    assert_memory_equal(ours, theirs, 333);
    mbedtls_gcm_free(&ctx);
}

static void from_hex(const char *hex, unsigned char *out, size_t len) {
    assert_int_equal(strlen(hex), 2 * len);
    for (size_t i = 0; i < len; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], 0}, *end;
        out[i] = (unsigned char)strtoul(digits, &end, 16);
        assert_ptr_equal(end, digits + 2);
    }
}

/* Test case 4 of the GCM specification (McGrew and Viega), in parts. */
static void test_the_specification(void **state) {
    static const char key_hex[] = "feffe9928665731c6d6a8f9467308308";
    static const char nonce_hex[] = "cafebabefacedbaddecaf888";
    static const char header_hex[] = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
    static const char text_hex[] = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a3"
                                   "18a721c3c0c95956809532fcf0e24"
                                   "49a6b525b16aedf5aa0de657ba637b39";
    static const char want_hex[] = "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329a"
                                   "ca12e21d514b25466931c7d8f6a5a"
                                   "ac84aa051ba30b396a0aac973d58e091";
    static const char tag_hex[] = "5bc94fbc3221a5db94fae95ae7121a47";
    unsigned char key[16], nonce[12], header[20], text[60], want[60], tag[16], got[60], mac[16];
    mbedtls_gcm_context ctx;
    (void)state;
    from_hex(key_hex, key, sizeof(key));
    from_hex(nonce_hex, nonce, sizeof(nonce));
    from_hex(header_hex, header, sizeof(header));
    from_hex(text_hex, text, sizeof(text));
    from_hex(want_hex, want, sizeof(want));
    from_hex(tag_hex, tag, sizeof(tag));
    gcm_init();
    mbedtls_gcm_init(&ctx);
    assert_int_equal(mbedtls_gcm_setkey(&ctx, MBEDTLS_CIPHER_ID_AES, key, 128), 0);
    assert_int_equal(mbedtls_gcm_starts(&ctx, MBEDTLS_GCM_ENCRYPT, nonce, 12, header, 20), 0);
    assert_int_equal(mbedtls_gcm_update(&ctx, 32, text, got), 0);
    assert_int_equal(mbedtls_gcm_update(&ctx, 28, text + 32, got + 32), 0);
    assert_int_equal(mbedtls_gcm_finish(&ctx, mac, 16), 0);
    assert_memory_equal(got, want, 60);
    assert_memory_equal(mac, tag, 16);
    mbedtls_gcm_free(&ctx);
}

static void test_mbedtls_runs_on_it(void **state) {
    mbedtls_gcm_context ctx;
    unsigned char tag[16];
    struct rng r;
    (void)state;
    need_native();
    rng_seed(&r, 2);
    set_key(&ctx, &r, MBEDTLS_CIPHER_ID_AES, 128);
    calls = 0;
    seal(&ctx, counted, 100, plain, ours, tag);
    assert_int_equal(calls, 1);
    mbedtls_gcm_free(&ctx);
}

static void test_what_is_refused(void **state) {
    mbedtls_gcm_context ctx;
    struct rng r;
    (void)state;
    need_native();
    rng_seed(&r, 3);
    set_key(&ctx, &r, MBEDTLS_CIPHER_ID_AES, 128);
    gcm_use(gcm_update_native());
    /* Output that would overwrite input not yet read. */
    assert_int_equal(mbedtls_gcm_update(&ctx, 64, ours, ours + 1), MBEDTLS_ERR_GCM_BAD_INPUT);
    ctx.len = 0xfffffffe0 - 15;
    assert_int_equal(mbedtls_gcm_update(&ctx, 16, ours, ours), MBEDTLS_ERR_GCM_BAD_INPUT);
    ctx.len = UINT64_MAX;
    assert_int_equal(mbedtls_gcm_update(&ctx, 16, ours, ours), MBEDTLS_ERR_GCM_BAD_INPUT);
    mbedtls_gcm_free(&ctx);
}

/* Another cipher's key schedule is not ours to read. */
static void test_another_cipher(void **state) {
    mbedtls_gcm_context ctx;
    unsigned char tag[16], want[16];
    struct rng r;
    (void)state;
    need_native();
    if (mbedtls_cipher_info_from_values(MBEDTLS_CIPHER_ID_CAMELLIA, 128, MBEDTLS_MODE_ECB) ==
        NULL) {
        skip();
    }
    rng_seed(&r, 4);
    set_key(&ctx, &r, MBEDTLS_CIPHER_ID_CAMELLIA, 128);
    seal(&ctx, gcm_update_mbedtls, 1000, plain, theirs, want);
    seal(&ctx, gcm_update_native(), 1000, plain, ours, tag);
    assert_memory_equal(ours, theirs, 1000);
    assert_memory_equal(tag, want, 16);
    mbedtls_gcm_free(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_specification), cmocka_unit_test(test_both_agree),
        cmocka_unit_test(test_the_counter_wraps), cmocka_unit_test(test_mbedtls_runs_on_it),
        cmocka_unit_test(test_what_is_refused),   cmocka_unit_test(test_another_cipher),
    };
    compat_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
