/* What one item costs: no malloc once the buffers are warm, and the time, which is printed. */
#include "encoding.h"

#include "base/clock.h"

#include <stdio.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

static unsigned long allocations;

#if !defined(SANITIZED) && defined(__GLIBC__)
/* The C library's own allocator, counted. */
void *__libc_malloc(size_t len);
void *__libc_calloc(size_t n, size_t len);
void *__libc_realloc(void *old, size_t len);
void *malloc(size_t len) {
    allocations++;
    return __libc_malloc(len);
}
void *calloc(size_t n, size_t len) {
    allocations++;
    return __libc_calloc(n, len);
}
void *realloc(void *old, size_t len) {
    allocations++;
    return __libc_realloc(old, len);
}
#endif

static const char flat[] =
    "{\"Artist\":\"No One You Know\",\"SongTitle\":\"Call Me Today\",\"AlbumTitle\":\"Somewhat "
    "Famous, with as many words more as it takes to bring this item to the two hundred and "
    "fifty "
    "bytes of an ordinary one\",\"Awards\":12,\"Price\":1.10,\"Live\":true,\"Year\":1987}";

static const char nested[] =
    "{\"Artist\":\"a\",\"SongTitle\":\"b\",\"tags\":[\"x\",\"y\"],\"m\":{\"a\":1,\"b\":[1,2,3],"
    "\"c\":{\"d\":\"\\u00e9\\n\xe6\x97\xa5\"}},\"a1\":1,\"a2\":1,\"a3\":1,\"a4\":1,\"a5\":1,"
    "\"a6\":1,\"a7\":1,\"a8\":1,\"a9\":1,\"b1\":1,\"b2\":1,\"b3\":1,\"b4\":1,\"b5\":1,\"b6\":1,"
    "\"b7\":1,\"b8\":1,\"b9\":1}";

static void cost(const char *what, const struct model_encode *how, const char *json,
                 int rounds) {
    struct slice text = slice_cstr(json);
    struct buffer out = {0}, back = {0};
    struct model_key_buffer keys = {0};
    struct model_encoded info;
    char message[MODEL_MESSAGE_MAX];
    uint64_t best[2] = {UINT64_MAX, UINT64_MAX};

    for (int warm = 0; warm < 3; warm++) {
        out.len = back.len = 0;
        assert_int_equal(model_encode_item(how, text, &out, &keys, &info, message), 0);
        assert_int_equal(model_decode_item(buffer_slice(&out), &back), 0);
    }
    unsigned long before = allocations;
    for (int part = 0; part < 10; part++) {
        uint64_t start = clock_monotonic_ns(), middle, end;
        for (int i = 0; i < rounds; i++) {
            out.len = 0;
            (void)!model_encode_item(how, text, &out, &keys, &info, message);
        }
        middle = clock_monotonic_ns();
        for (int i = 0; i < rounds; i++) {
            back.len = 0;
            (void)!model_decode_item(buffer_slice(&out), &back);
        }
        end = clock_monotonic_ns();
        best[0] = middle - start < best[0] ? middle - start : best[0];
        best[1] = end - middle < best[1] ? end - middle : best[1];
    }
    assert_int_equal(allocations - before, 0);
    printf("%s, %zu bytes: encode %.0f ns, decode %.0f ns\n", what, text.len,
           (double)best[0] / rounds, (double)best[1] / rounds);
    buffer_fini(&out);
    buffer_fini(&back);
    model_key_buffer_fini(&keys);
}

static void no_malloc_per_item(void **state) {
    static const struct model_type types[] = {{{"tags", 4}, MODEL_TYPED_SS}};
    static const struct model_extra extras[] = {{{"created_at", 10}, {"1700000000000", 13}, 1}};
    const struct model_encode plain = {.table = &music};
    const struct model_encode typed = {&music, types, 1, extras, 1};
    (void)state;
    cost("flat", &plain, flat, 20000);
    cost("22 attributes, nested, a set", &typed, nested, 10000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_malloc_per_item)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
