/* The ring of API keys: found, unknown, crowded rows. The hash is a stand-in that lets the test
 * choose the row. */
#include "gateway/api_key.h"

#include "support/unit.h"

#include <stdio.h>

static size_t hashes;

/* The secret itself, padded: its first bytes choose the row. */
static void padded(const void *bytes, size_t len, unsigned char out[API_KEY_DIGEST_LEN]) {
    memset(out, 0, API_KEY_DIGEST_LEN);
    for (size_t i = 0; i < len && i < API_KEY_DIGEST_LEN; i++) {
        out[i] = ((const unsigned char *)bytes)[i];
    }
    hashes++;
}

static struct api_key key_of(const char *secret, const char *name, int enabled) {
    struct api_key k = {.name = name, .enabled = enabled};
    padded(secret, strlen(secret), k.digest);
    return k;
}

static void finds(void **state) {
    (void)state;
    struct api_key keys[] = {key_of("alpha", "a", 1), key_of("beta", "b", 0),
                             key_of("alphabet", "c", 1)}; /* a and c share a row */
    struct api_key_ring *r = api_key_ring_new(keys, COUNT(keys), padded);
    assert_ptr_equal(api_key_find(r, SLICE("alpha")), &keys[0]);
    assert_ptr_equal(api_key_find(r, SLICE("beta")), &keys[1]); /* disabled ones, too */
    assert_ptr_equal(api_key_find(r, SLICE("alphabet")), &keys[2]);
    assert_null(api_key_find(r, SLICE("alph")));
    assert_null(api_key_find(r, SLICE("alphb")));
    assert_null(api_key_find(r, SLICE("gamma")));
    assert_null(api_key_find(r, SLICE_EMPTY));
    api_key_ring_free(r);
}

static void empty(void **state) {
    (void)state;
    struct api_key_ring *r = api_key_ring_new(NULL, 0, padded);
    assert_null(api_key_find(r, SLICE("anything")));
    api_key_ring_free(r);
    api_key_ring_free(NULL);
}

static void many(void **state) {
    (void)state;
    static struct api_key keys[10000];
    static char names[10000][16];
    for (size_t i = 0; i < COUNT(keys); i++) {
        snprintf(names[i], sizeof names[i], "%05zu-key", i);
        keys[i] = key_of(names[i], names[i], i % 2 == 0);
    }
    struct api_key_ring *r = api_key_ring_new(keys, COUNT(keys), padded);
    for (size_t i = 0; i < COUNT(keys); i++) {
        assert_ptr_equal(api_key_find(r, slice_cstr(names[i])), &keys[i]);
    }
    assert_null(api_key_find(r, SLICE("10000-key")));
    api_key_ring_free(r);
}

/* A known, a disabled and an unknown key: each is hashed once. */
static void hashed_once(void **state) {
    (void)state;
    struct api_key keys[] = {key_of("alpha", "a", 1), key_of("beta", "b", 0)};
    struct api_key_ring *r = api_key_ring_new(keys, COUNT(keys), padded);
    static const char *const secrets[] = {"alpha", "beta", "gamma"};
    for (size_t i = 0; i < COUNT(secrets); i++) {
        hashes = 0;
        (void)api_key_find(r, slice_cstr(secrets[i]));
        assert_int_equal(hashes, 1);
    }
    api_key_ring_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds),
        cmocka_unit_test(empty),
        cmocka_unit_test(many),
        cmocka_unit_test(hashed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
