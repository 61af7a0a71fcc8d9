#include "base/arena.h"

#include "base/poison.h"
#include "support/unit.h"

#include <stdlib.h>

static void aligned_and_apart(void **state) {
    (void)state;
    char first[1001];
    struct arena a;
    arena_init(&a, first + 1, sizeof first - 1, 1 << 20);
    unsigned char *pieces[200];
    for (size_t i = 0; i < COUNT(pieces); i++) {
        pieces[i] = arena_alloc(&a, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)i, i);
    }
    for (size_t i = 0; i < COUNT(pieces); i++) {
        for (size_t k = 0; k < i; k++) {
            assert_int_equal(pieces[i][k], i);
        }
    }
    arena_fini(&a);
}

static void first_chunk_costs_no_malloc(void **state) {
    (void)state;
    char first[512];
    struct arena a;
    arena_init(&a, first, sizeof first, 1 << 20);
    for (int round = 0; round < 3; round++) {
        char *p = arena_alloc(&a, 400);
        assert_true(p >= first && p + 400 <= first + sizeof first);
        assert_null(a.chunks);
        char *q = arena_zalloc(&a, 400);
        assert_true(q < first || q >= first + sizeof first);
        assert_non_null(a.chunks);
        assert_int_equal(a.total, 800);
        arena_reset(&a);
        assert_int_equal(a.total, 0);
    }
    arena_fini(&a);
    memset(first, 0, sizeof first); /* given back */
}

static void limit(void **state) {
    (void)state;
    struct arena a;
    arena_init(&a, NULL, 0, 1000);
    assert_non_null(arena_alloc(&a, 1000));
    assert_null(arena_alloc(&a, 1));
    assert_non_null(arena_alloc(&a, 0));
    arena_reset(&a);
    assert_null(arena_alloc(&a, 1001));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_non_null(arena_alloc(&a, 999));
    assert_non_null(arena_alloc(&a, 1));
    arena_reset(&a);
    arena_init(&a, NULL, 0, SIZE_MAX);
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX / 2));
    arena_fini(&a);
}

static void tiny_first_chunk(void **state) {
    (void)state;
    char first[3];
    struct arena a;
    arena_init(&a, first, sizeof first, 1 << 20);
    assert_non_null(arena_alloc(&a, 1));
    arena_fini(&a);
}

static void large_pieces_do_not_waste_the_current_chunk(void **state) {
    (void)state;
    struct arena a;
    arena_init(&a, NULL, 0, 10 << 20);
    char *small = arena_alloc(&a, 16);
    assert_non_null(arena_alloc(&a, 1 << 20));
    assert_ptr_equal(arena_alloc(&a, 16), small + 16);
    arena_reset(&a);
}

static void copies(void **state) {
    (void)state;
    struct arena a;
    arena_init(&a, NULL, 0, 64);
    assert_true(slice_eq(arena_copy(&a, SLICE("abc")), SLICE("abc")));
    assert_null(arena_copy(&a, SLICE_EMPTY).ptr);
    assert_non_null(arena_copy(&a, SLICE("")).ptr);
    assert_string_equal(arena_cstr(&a, slice_of("abcdef", 2)), "ab");
    assert_string_equal(arena_cstr(&a, SLICE_EMPTY), "");
    assert_string_equal(arena_printf(&a, "%s=%d", "n", 12), "n=12");
    char big[100] = {0};
    struct slice none = arena_copy(&a, slice_of(big, sizeof big));
    assert_null(none.ptr);
    assert_int_equal(none.len, 0);
    assert_null(arena_cstr(&a, slice_of(big, sizeof big)));
    assert_null(arena_printf(&a, "%0200d", 1));
    arena_reset(&a);
}

static void finished_memory_is_poisoned(void **state) {
    (void)state;
#ifndef POISON_ON
    skip();
#endif
    char *first = malloc(256);
    struct arena a;
    arena_init(&a, first, 256, 1 << 20);
    char *p = arena_alloc(&a, 20);
    assert_false(poisoned(p) || poisoned(p + 19));
    assert_true(poisoned(p + 32)); /* not handed out yet */
    arena_reset(&a);
    assert_true(poisoned(p));
    arena_fini(&a);
    assert_false(poisoned(p));
    free(first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligned_and_apart),
        cmocka_unit_test(first_chunk_costs_no_malloc),
        cmocka_unit_test(limit),
        cmocka_unit_test(tiny_first_chunk),
        cmocka_unit_test(large_pieces_do_not_waste_the_current_chunk),
        cmocka_unit_test(copies),
        cmocka_unit_test(finished_memory_is_poisoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
