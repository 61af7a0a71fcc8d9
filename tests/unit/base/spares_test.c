#include "base/error.h"
#include "base/spares.h"
#include "support/unit.h"

static struct buffer filled(struct spares *s, size_t len) {
    struct buffer b = {0};
    spares_borrow(s, &b, len);
    assert_int_equal(buffer_reserve(&b, len), 0);
    memset(buffer_tail(&b), 'x', len);
    buffer_grow(&b, len);
    return b;
}

static void test_what_is_given_back_is_borrowed(void **state) {
    struct spares s;
    (void)state;
    spares_init(&s, 65536);
    struct buffer b = filled(&s, 300);
    char *memory = b.data;
    spares_give_back(&s, &b);
    assert_int_equal(b.cap, 0);
    assert_null(b.data);
    assert_int_equal(s.bytes, 512);
    spares_borrow(&s, &b, 512);
    assert_ptr_equal(b.data, memory);
    assert_int_equal(b.cap, 512);
    assert_int_equal(b.len, 0);
    assert_int_equal(s.bytes, 0);
    char *kept = b.data;
    spares_borrow(&s, &b, 1); /* it has memory */
    assert_ptr_equal(b.data, kept);
    spares_give_back(&s, &b);
    spares_fini(&s);
}

static void test_the_smallest_that_is_large_enough(void **state) {
    static const size_t sizes[] = {8192, 256, 1024};
    struct spares s;
    struct buffer b[3], none = {0};
    (void)state;
    spares_init(&s, 65536);
    for (int i = 0; i < 3; i++) {
        b[i] = filled(&s, sizes[i]);
    }
    for (int i = 0; i < 3; i++) {
        spares_give_back(&s, &b[i]);
    }
    spares_borrow(&s, &none, 8193);
    assert_int_equal(none.cap, 0);
    spares_borrow(&s, &b[0], 257);
    assert_int_equal(b[0].cap, 1024);
    spares_borrow(&s, &b[1], 257);
    assert_int_equal(b[1].cap, 8192);
    spares_borrow(&s, &b[2], 0);
    assert_int_equal(b[2].cap, 256);
    for (int i = 0; i < 3; i++) {
        spares_give_back(&s, &b[i]);
    }
    spares_fini(&s);
}

static void test_bounds(void **state) {
    struct spares s;
    (void)state;
    spares_init(&s, 1024);
    struct buffer huge = filled(&s, 32769);
    spares_give_back(&s, &huge);
    assert_int_equal(s.bytes, 0);
    struct buffer a = filled(&s, 512), b = filled(&s, 512), c = filled(&s, 256);
    spares_give_back(&s, &a);
    spares_give_back(&s, &b);
    spares_give_back(&s, &c); /* one too many */
    assert_int_equal(s.bytes, 1024);
    assert_null(c.data);
    struct buffer empty = {0};
    spares_give_back(&s, &empty);
    assert_int_equal(s.bytes, 1024);
    spares_fini(&s);
}

/* Streams of small writes beside a few large ones: after each has been there once, none of the
 * small ones holds the memory of a large one. */
static void test_small_ones_leave_the_large_alone(void **state) {
    struct spares s;
    struct buffer small[64], large;
    (void)state;
    spares_init(&s, 1u << 20);
    for (int round = 0; round < 3; round++) {
        size_t before = s.bytes;
        for (int i = 0; i < 64; i++) {
            small[i] = filled(&s, 200);
        }
        large = filled(&s, 8000);
        for (int i = 0; i < 64; i++) {
            spares_give_back(&s, &small[i]);
        }
        spares_give_back(&s, &large);
        assert_true(round == 0 || s.bytes == before);
    }
    assert_int_equal(s.bytes, 64 * 256 + 8192);
    spares_fini(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_given_back_is_borrowed),
        cmocka_unit_test(test_the_smallest_that_is_large_enough),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_small_ones_leave_the_large_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
