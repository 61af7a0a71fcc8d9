#include "base/buffer.h"

#include "base/error.h"
#include "base/rng.h"
#include "support/unit.h"

static void empty_buffer_is_valid(void **state) {
    (void)state;
    struct buffer b = {0};
    assert_int_equal(buffer_slice(&b).len, 0);
    assert_int_equal(buffer_append(&b, NULL, 0), 0);
    assert_int_equal(buffer_append_slice(&b, SLICE_EMPTY), 0);
    buffer_consume(&b, 0);
    buffer_reset(&b, 0);
    assert_int_equal(buffer_reserve(&b, 0), 0);
    assert_non_null(buffer_tail(&b));
    buffer_fini(&b);
    assert_null(b.data);
    buffer_fini(&b);
}

static void append_and_consume(void **state) {
    (void)state;
    struct buffer b = {0};
    assert_int_equal(buffer_append(&b, "hello ", 6), 0);
    assert_int_equal(buffer_append_slice(&b, SLICE("world")), 0);
    assert_true(slice_eq(buffer_slice(&b), SLICE("hello world")));
    buffer_consume(&b, 6);
    assert_true(slice_eq(buffer_slice(&b), SLICE("world")));
    buffer_consume(&b, 5);
    assert_int_equal(b.head, 0); /* all consumed: the room is whole again */
    assert_aborts(buffer_consume(&b, 1));
    buffer_fini(&b);
}

static void formats(void **state) {
    (void)state;
    struct buffer b = {0};
    assert_int_equal(buffer_printf(&b, "%d-%s", 42, "x"), 0);
    assert_int_equal(buffer_printf(&b, "%0600d", 7), 0);
    assert_int_equal(b.len, 604);
    assert_memory_equal(buffer_begin(&b), "42-x000", 7);
    assert_int_equal(b.data[603], '7');
    assert_int_equal(buffer_printf(&b, "%s", ""), 0);
    assert_int_equal(b.len, 604);
    buffer_fini(&b);
}

static void reset_keeps_small_memory(void **state) {
    (void)state;
    struct buffer b = {0};
    assert_int_equal(buffer_reserve(&b, 1000), 0);
    char *data = b.data;
    buffer_grow(&b, 1000);
    buffer_reset(&b, b.cap);
    assert_ptr_equal(b.data, data);
    assert_int_equal(b.len, 0);
    buffer_reset(&b, b.cap - 1);
    assert_null(b.data);
}

static void impossible_sizes_leave_it_as_it_was(void **state) {
    (void)state;
    struct buffer b = {0};
    assert_int_equal(buffer_append(&b, "abc", 3), 0);
    assert_int_equal(buffer_reserve(&b, SIZE_MAX), ERR_NOMEM);
    assert_int_equal(buffer_reserve(&b, SIZE_MAX / 2), ERR_NOMEM);
    assert_true(slice_eq(buffer_slice(&b), SLICE("abc")));
    assert_aborts(buffer_grow(&b, b.cap));
    buffer_fini(&b);
}

/* A queue of bytes: what goes in comes out, and a steady flow does not make it grow. */
static void random_appends_and_consumes(void **state) {
    (void)state;
    struct rng rng;
    struct buffer b = {0};
    unsigned char in = 0, out = 0;
    rng_seed(&rng, 1);
    for (int i = 0; i < 100000; i++) {
        size_t len = rng_below(&rng, 64);
        assert_int_equal(buffer_reserve(&b, len), 0);
        for (size_t k = 0; k < len; k++) {
            buffer_tail(&b)[k] = (char)in++;
        }
        buffer_grow(&b, len);
        size_t take = b.len > 200 ? b.len : rng_below(&rng, b.len + 1);
        for (size_t k = 0; k < take; k++) {
            assert_int_equal((unsigned char)buffer_begin(&b)[k], out++);
        }
        buffer_consume(&b, take);
    }
    assert_true(b.cap <= 1024);
    buffer_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_buffer_is_valid),
        cmocka_unit_test(append_and_consume),
        cmocka_unit_test(formats),
        cmocka_unit_test(reset_keeps_small_memory),
        cmocka_unit_test(impossible_sizes_leave_it_as_it_was),
        cmocka_unit_test(random_appends_and_consumes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
