#include "base/slab.h"

#include "base/poison.h"
#include "support/unit.h"

static void objects_are_apart_and_aligned(void **state) {
    (void)state;
    const size_t sizes[] = {1, 8, 24, 100, 4096, 70000};
    for (size_t n = 0; n < COUNT(sizes); n++) {
        struct slab s;
        unsigned char *objects[300];
        slab_init(&s, "test", sizes[n], 0);
        for (size_t i = 0; i < COUNT(objects); i++) {
            objects[i] = slab_acquire(&s);
            assert_int_equal((uintptr_t)objects[i] % 16, 0);
            memset(objects[i], (int)(i & 255), sizes[n]);
        }
        assert_int_equal(s.used, COUNT(objects));
        for (size_t i = 0; i < COUNT(objects); i++) {
            assert_int_equal(objects[i][0], i & 255);
            assert_int_equal(objects[i][sizes[n] - 1], i & 255);
            slab_release(&s, objects[i]);
        }
        slab_fini(&s);
    }
}

static void last_in_first_out(void **state) {
    (void)state;
    struct slab s;
    slab_init(&s, "test", 64, 0);
    void *a = slab_acquire(&s);
    void *b = slab_acquire(&s);
    assert_true((char *)b > (char *)a);
    slab_release(&s, a);
    slab_release(&s, b);
    assert_ptr_equal(slab_acquire(&s), b);
    assert_ptr_equal(slab_acquire(&s), a);
    slab_release(&s, a);
    slab_release(&s, b);
    slab_fini(&s);
}

static void limit(void **state) {
    (void)state;
    struct slab s;
    slab_init(&s, "test", 64, 2);
    void *a = slab_acquire(&s);
    void *b = slab_acquire(&s);
    assert_null(slab_acquire(&s));
    assert_int_equal(s.used, 2);
    slab_release(&s, a);
    a = slab_acquire(&s);
    assert_non_null(a);
    slab_release(&s, a);
    slab_release(&s, b);
    slab_fini(&s);
}

static void misuse_aborts(void **state) {
    (void)state;
    struct slab s;
    slab_init(&s, "test", 64, 0);
    void *a = slab_acquire(&s);
    assert_aborts(slab_fini(&s)); /* one is still out */
    slab_release(&s, a);
    assert_aborts(slab_release(&s, a));
    assert_aborts(slab_release(&s, NULL));
    slab_fini(&s);
}

static void freed_objects_are_poisoned(void **state) {
    (void)state;
#ifndef POISON_ON
    skip();
#endif
    struct slab s;
    slab_init(&s, "test", 64, 0);
    char *a = slab_acquire(&s);
    assert_false(poisoned(a) || poisoned(a + 63));
    assert_true(poisoned(a + 64));
    slab_release(&s, a);
    assert_true(poisoned(a));
    char *other = slab_acquire(&s);
    slab_release(&s, other);
    assert_aborts((slab_acquire(&s), slab_release(&s, a), slab_release(&s, a)));
    slab_fini(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_apart_and_aligned),
        cmocka_unit_test(last_in_first_out),
        cmocka_unit_test(limit),
        cmocka_unit_test(misuse_aborts),
        cmocka_unit_test(freed_objects_are_poisoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
