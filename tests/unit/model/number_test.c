#include "model/number.h"

#include "base/rng.h"
#include "support/unit.h"

#include <stdio.h>

static struct number read_whole(const char *text) {
    struct number n;
    const char *reason = number_read(text, text + strlen(text), &n);
    assert_null(reason);
    assert_int_equal(n.text.len, strlen(text));
    return n;
}

static void normal_forms(void **state) {
    static const struct {
        const char *text, *normal;
    } cases[] = {
        {"0", "0"},
        {"-0", "0"},
        {"0.000", "0"},
        {"0e99999999999999999999", "0"},
        {"1", "1"},
        {"1.0", "1"},
        {"1e0", "1"},
        {"10e-1", "1"},
        {"0.1E+1", "1"},
        {"-15.0", "-15"},
        {"-1.5", "-15E-1"},
        {"100", "1E2"},
        {"1e2", "1E2"},
        {"120.50", "1205E-1"},
        {"0.00120", "12E-4"},
        {"1e-130", "1E-130"},
        {"9.9999999999999999999999999999999999999E+125",
         "99999999999999999999999999999999999999E88"},
        {"1000000000000000000000000000000000000000000000000000000000000000000000000e50",
         "1E122"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct number n = read_whole(cases[i].text);
        char out[NUMBER_NORMAL_MAX + 1];
        assert_null(number_check(&n));
        out[number_normal(&n, out)] = '\0';
        assert_string_equal(out, cases[i].normal);
    }
}

static void bad_syntax(void **state) {
    static const char *const cases[] = {"",    "-",  ".5", "+1",  "1.",   "1.e5", "1e",
                                        "1e+", "-a", "e5", "--1", "1.5.", "1e5."};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct number n;
        const char *end = cases[i] + strlen(cases[i]);
        assert_true(number_read(cases[i], end, &n) != NULL || n.text.ptr + n.text.len != end);
    }
}

/* Leading zeros are not part of the number: it ends before them. */
static void ends_where_the_grammar_does(void **state) {
    static const char zero_one[] = "01", minus_zeros[] = "-00";
    struct number n;
    (void)state;
    assert_null(number_read(zero_one, zero_one + 2, &n));
    assert_int_equal(n.text.len, 1);
    assert_null(number_read(minus_zeros, minus_zeros + 3, &n));
    assert_int_equal(n.text.len, 2);
}

static void range(void **state) {
    static const struct {
        const char *text;
        int good;
    } cases[] = {
        {"12345678901234567890123456789012345678", 1},
        {"123456789012345678901234567890123456789", 0},
        {"0.00012345678901234567890123456789012345678", 1},
        {"1234567890123456789012345678901234567800000", 1},
        {"1.234567890123456789012345678901234567800", 1},
        {"1e-130", 1},
        {"9e-131", 0},
        {"0.9e-130", 0},
        {"1e125", 1},
        {"1e126", 0},
        {"9.99e125", 1},
        {"99e125", 0},
        {"-1e126", 0},
        {"1e400", 0},
        {"1e-400", 0},
        {"1e99999999999999999999", 0},
        {"1e-99999999999999999999", 0},
        {"0e400", 1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct number n = read_whole(cases[i].text);
        assert_int_equal(number_check(&n) == NULL, cases[i].good);
    }
}

static void sizes(void **state) {
    struct number n;
    (void)state;
    n = read_whole("0");
    assert_int_equal(number_bytes(&n), 1);
    n = read_whole("12");
    assert_int_equal(number_bytes(&n), 2);
    n = read_whole("1200.0");
    assert_int_equal(number_bytes(&n), 2);
    n = read_whole("-123");
    assert_int_equal(number_bytes(&n), 4);
}

/* Random numbers in random spellings: one normal form, and it reads back as itself. */
static void spellings_agree(void **state) {
    struct rng r;
    (void)state;
    rng_seed(&r, 7);
    for (int round = 0; round < 200000; round++) {
        char digits[40], text[120], normal[2][NUMBER_NORMAL_MAX];
        size_t count = 1 + rng_below(&r, 38), lens[2];
        int exponent = (int)rng_below(&r, 180) - 90;
        size_t shift = rng_below(&r, 12);
        const char *sign = rng_below(&r, 2) ? "-" : "";
        struct number n;

        for (size_t i = 0; i < count; i++) {
            digits[i] = (char)('0' + rng_below(&r, 10));
        }
        digits[0] = (char)('1' + rng_below(&r, 9));
        digits[count] = '\0';
        snprintf(text, sizeof text, "%s%sE%d", sign, digits, exponent);
        n = read_whole(text);
        if (number_check(&n) != NULL) {
            continue;
        }
        lens[0] = number_normal(&n, normal[0]);
        /* 0.000digits and an exponent that makes up for it */
        snprintf(text, sizeof text, "%s0.%.*s%s%se%+d", sign, (int)shift, "000000000000",
                 digits, round % 2 ? "00" : "", exponent + (int)(shift + count));
        n = read_whole(text);
        assert_null(number_check(&n));
        lens[1] = number_normal(&n, normal[1]);
        assert_int_equal(lens[0], lens[1]);
        assert_memory_equal(normal[0], normal[1], lens[0]);
        assert_null(number_read(normal[0], normal[0] + lens[0], &n));
        assert_int_equal(n.text.len, lens[0]);
        lens[1] = number_normal(&n, normal[1]);
        assert_int_equal(lens[0], lens[1]);
        assert_memory_equal(normal[0], normal[1], lens[0]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_forms),
        cmocka_unit_test(bad_syntax),
        cmocka_unit_test(ends_where_the_grammar_does),
        cmocka_unit_test(range),
        cmocka_unit_test(sizes),
        cmocka_unit_test(spellings_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
