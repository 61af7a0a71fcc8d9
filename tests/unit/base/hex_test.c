#include "base/hex.h"

#include "base/error.h"
#include "base/rng.h"
#include "support/unit.h"

#include <inttypes.h>
#include <stdio.h>

static void hex(void **state) {
    (void)state;
    char out[9] = {0};
    hex_encode((const unsigned char *)"\x00\x9f\xff\x0a", 4, out);
    assert_string_equal(out, "009fff0a");
    hex_encode(NULL, 0, out);
}

/* Eight bytes at a time, and those left over, say what printf says. */
static void hex_of_any_length(void **state) {
    (void)state;
    struct rng r;
    rng_seed(&r, 7);
    for (int i = 0; i < 1000; i++) {
        unsigned char bytes[40];
        char out[81] = {0}, expected[81] = {0};
        uint64_t value = rng_u64(&r) >> rng_below(&r, 64);
        hex_u64(value, out);
        snprintf(expected, sizeof expected, "%016" PRIx64, value);
        assert_memory_equal(out, expected, 16);
        size_t len = rng_below(&r, sizeof bytes + 1);
        for (size_t k = 0; k < len; k++) {
            bytes[k] = (unsigned char)rng_u64(&r);
            snprintf(expected + 2 * k, 3, "%02x", bytes[k]);
        }
        hex_encode(bytes, len, out);
        assert_memory_equal(out, expected, 2 * len);
    }
}

/* RFC 4648 section 10. */
static void base64_vectors(void **state) {
    (void)state;
    static const char *const pairs[][3] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/", "-_-_"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        char text[16];
        unsigned char bytes[16];
        size_t len = strlen(pairs[i][0]), got;
        assert_int_equal(base64_encode((const unsigned char *)pairs[i][0], len, text),
                         BASE64_ENCODED_LEN(len));
        assert_memory_equal(text, pairs[i][1], strlen(pairs[i][1]));
        assert_int_equal(base64_decode(slice_cstr(pairs[i][1]), bytes, &got), 0);
        assert_int_equal(got, len);
        assert_memory_equal(bytes, pairs[i][0], len);
        got = base64url_encode((const unsigned char *)pairs[i][0], len, text);
        assert_int_equal(got, strlen(pairs[i][2]));
        assert_memory_equal(text, pairs[i][2], got);
        assert_int_equal(base64url_decode(slice_cstr(pairs[i][2]), bytes, &got), 0);
        assert_int_equal(got, len);
        assert_memory_equal(bytes, pairs[i][0], len);
    }
}

static void strict(void **state) {
    (void)state;
    const char *bad[] = {"Z",
                         "Zg",
                         "Zg=",
                         "Zg===",
                         "Z===",
                         "====",
                         "=",
                         "Zh==",
                         "Zm9=",
                         "Zm 9v",
                         "Zm9v\n",
                         "Zm9-",
                         "Zm9_",
                         "Zg==Zg==",
                         "Zg=v",
                         "Zm9v=",
                         "\xff\xff\xff\xff"};
    const char *bad_url[] = {"Z", "Zh", "Zm9", "Zg==", "Zm9+", "Zm9/", "Zm9vZ"};
    unsigned char out[32];
    size_t len;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(base64_decode(slice_cstr(bad[i]), out, &len), ERR_INVALID);
    }
    for (size_t i = 0; i < COUNT(bad_url); i++) {
        assert_int_equal(base64url_decode(slice_cstr(bad_url[i]), out, &len), ERR_INVALID);
    }
}

static void random_round_trips(void **state) {
    (void)state;
    struct rng rng;
    rng_seed(&rng, 1);
    for (size_t n = 0; n < 3000; n++) {
        unsigned char bytes[64], back[BASE64_DECODED_MAX(BASE64_ENCODED_LEN(64))];
        char text[BASE64_ENCODED_LEN(64)];
        size_t len = n % 65, got;
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (unsigned char)rng_u64(&rng);
        }
        size_t text_len = base64_encode(bytes, len, text);
        assert_int_equal(base64_decode(slice_of(text, text_len), back, &got), 0);
        assert_int_equal(got, len);
        assert_memory_equal(back, bytes, len);
        text_len = base64url_encode(bytes, len, text);
        assert_int_equal(base64url_decode(slice_of(text, text_len), back, &got), 0);
        assert_int_equal(got, len);
        assert_memory_equal(back, bytes, len);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex),
        cmocka_unit_test(hex_of_any_length),
        cmocka_unit_test(base64_vectors),
        cmocka_unit_test(strict),
        cmocka_unit_test(random_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
