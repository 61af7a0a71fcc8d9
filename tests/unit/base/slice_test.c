#include "base/slice.h"

#include "base/error.h"
#include "support/unit.h"

#include <stdlib.h>

static void equality(void **state) {
    (void)state;
    assert_true(slice_eq(SLICE_EMPTY, SLICE("")));
    assert_true(slice_eq(SLICE("abc"), slice_cstr("abc")));
    assert_false(slice_eq(SLICE("abc"), SLICE("abd")));
    assert_false(slice_eq(SLICE("abc"), SLICE("ab")));
}

static void equality_ignores_ascii_case_only(void **state) {
    (void)state;
    assert_true(slice_eq_nocase(SLICE("Content-Length"), SLICE("cONTENT-lENGTH")));
    assert_true(slice_eq_nocase(SLICE_EMPTY, SLICE_EMPTY));
    /* Pairs that differ in bit 5 but are not letters. */
    assert_false(slice_eq_nocase(SLICE("@"), SLICE("`")));
    assert_false(slice_eq_nocase(SLICE("["), SLICE("{")));
    assert_false(slice_eq_nocase(SLICE("\xc4"), SLICE("\xe4")));
    for (int c = 0; c < 256; c++) {
        char upper = (char)c, other = (char)(c ^ 0x20);
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        assert_int_equal(slice_eq_nocase(slice_of(&upper, 1), slice_of(&other, 1)), letter);
    }
}

static void prefix_and_find(void **state) {
    (void)state;
    assert_true(slice_starts_with(SLICE("penstock"), SLICE("pen")));
    assert_true(slice_starts_with(SLICE("pen"), SLICE_EMPTY));
    assert_false(slice_starts_with(SLICE("pe"), SLICE("pen")));
    assert_int_equal(slice_find(SLICE("a=b"), '='), 1);
    assert_int_equal(slice_find(SLICE("ab"), '='), 2);
    assert_int_equal(slice_find(SLICE_EMPTY, '='), 0);
    assert_true(slice_eq(slice_from(SLICE("abc"), 1), SLICE("bc")));
    assert_int_equal(slice_from(SLICE("abc"), 3).len, 0);
    assert_int_equal(slice_from(SLICE("abc"), 9).len, 0);
}

static void trim(void **state) {
    (void)state;
    assert_true(slice_eq(slice_trim(SLICE(" \t a b\t ")), SLICE("a b")));
    assert_int_equal(slice_trim(SLICE(" \t ")).len, 0);
    assert_true(slice_eq(slice_trim(SLICE("\na\n")), SLICE("\na\n")));
}

static void split(void **state) {
    (void)state;
    struct slice rest = SLICE("a,,b");
    assert_true(slice_eq(slice_split(rest, ',', &rest), SLICE("a")));
    assert_true(slice_eq(slice_split(rest, ',', &rest), SLICE("")));
    assert_true(slice_eq(slice_split(rest, ',', &rest), SLICE("b")));
    assert_int_equal(rest.len, 0);
    assert_int_equal(slice_split(rest, ',', &rest).len, 0);
    assert_true(slice_eq(slice_split(SLICE("a,"), ',', &rest), SLICE("a")));
    assert_int_equal(rest.len, 0);
}

static void numbers(void **state) {
    (void)state;
    uint64_t n = 7;
    assert_int_equal(slice_to_u64(SLICE("0"), &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(slice_to_u64(SLICE("00018446744073709551615"), &n), 0);
    assert_true(n == UINT64_MAX);
    assert_int_equal(slice_to_u64(SLICE("18446744073709551616"), &n), ERR_LIMIT);
    assert_int_equal(slice_to_u64(SLICE("184467440737095516150"), &n), ERR_LIMIT);
    assert_int_equal(slice_to_u64(SLICE("99999999999999999999999999x"), &n), ERR_INVALID);
    const char *bad[] = {"", " 1", "1 ", "-1", "+1", "1.0", "0x1", "1:", "/1"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(slice_to_u64(slice_cstr(bad[i]), &n), ERR_INVALID);
    }
    assert_true(n == UINT64_MAX); /* untouched by failures */
}

static void duplicate(void **state) {
    (void)state;
    char *copy = slice_dup(slice_of("abcdef", 3));
    assert_string_equal(copy, "abc");
    free(copy);
    copy = slice_dup(SLICE_EMPTY);
    assert_string_equal(copy, "");
    free(copy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality),        cmocka_unit_test(equality_ignores_ascii_case_only),
        cmocka_unit_test(prefix_and_find), cmocka_unit_test(trim),
        cmocka_unit_test(split),           cmocka_unit_test(numbers),
        cmocka_unit_test(duplicate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
