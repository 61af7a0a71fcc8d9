#include "load_json.h"
#include "support/unit.h"

#include <stdlib.h>

static int covers(const char *actual, const char *expected) {
    struct slice a, e;
    assert_int_equal(load_json_text(slice_cstr(actual), &a), 0);
    assert_int_equal(load_json_text(slice_cstr(expected), &e), 0);
    return load_json_covers(a, e);
}

static void test_covers(void **state) {
    (void)state;
    assert_true(covers("{\"b\":2,\"a\":1,\"added\":true}", "{\"a\":1,\"b\":2}"));
    assert_false(covers("{\"a\":1}", "{\"a\":1,\"b\":2}"));
    assert_false(covers("{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"x\":1}}"));
    assert_true(covers("{\"a\":{\"y\":2,\"x\":1}}", "{\"a\" : {\"x\":1, \"y\":2}}"));
    assert_true(covers("[1, 2]", "[1,2]"));
    assert_false(covers("[2,1]", "[1,2]"));
    assert_false(covers("[1,2,3]", "[1,2]"));
    assert_false(covers("[1]", "[1,2]"));
    assert_true(covers("{}", "{}"));
    assert_false(covers("[]", "{}"));
    assert_false(covers("{\"a\":\"1\"}", "{\"a\":1}"));
    assert_false(covers("{\"a\":true}", "{\"a\":false}"));
    assert_true(covers("{\"a\":null}", "{\"a\":null}"));
}

static void test_strings_by_characters(void **state) {
    (void)state;
    assert_true(covers("\"\\u00e9\\/\\n\"", "\"\xc3\xa9/\\u000A\""));
    assert_true(covers("\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\""));
    assert_false(covers("\"ab\"", "\"a\""));
    assert_false(covers("\"a\"", "\"ab\""));
    assert_true(covers("{\"\\u0061\":1}", "{\"a\":1}"));
}

static void test_numbers_by_value(void **state) {
    (void)state;
    assert_true(covers("1.50", "1.5"));
    assert_true(covers("15e-1", "1.5"));
    assert_true(covers("0.0015E3", "1.5"));
    assert_true(covers("100", "1e2"));
    assert_true(covers("-0", "0.00"));
    assert_true(covers("0.001", "1e-3"));
    assert_false(covers("1", "-1"));
    assert_false(covers("1", "10"));
    assert_false(covers("12345678901234567890123456789012345678",
                        "12345678901234567890123456789012345679"));
}

static void test_reads(void **state) {
    (void)state;
    struct slice o, name, value;
    char out[16];
    assert_int_equal(load_json_text(SLICE(" {\"a\":[1,{\"b\":2}],\"s\":\"x\\ty\"} \n"), &o), 0);
    struct load_json j = load_json_each(load_json_member(o, "a"));
    assert_true(load_json_next(&j, &name, &value));
    assert_true(load_json_number(value, 0) == 1);
    assert_true(load_json_next(&j, &name, &value));
    assert_true(load_json_number(load_json_member(value, "b"), 0) == 2);
    assert_false(load_json_next(&j, &name, &value));
    assert_int_equal(load_json_characters(load_json_member(o, "s"), out, sizeof out), 3);
    assert_memory_equal(out, "x\ty", 3);
    assert_int_equal(load_json_characters(load_json_member(o, "s"), out, 2), -1);
    assert_int_equal(load_json_characters(load_json_member(o, "a"), out, sizeof out), -1);
    assert_int_equal(load_json_member(o, "none").len, 0);
    assert_true(load_json_number(SLICE("1x"), 7) == 7);
}

/* Every cut of a text, and other rubbish: no more than refused. */
static void test_rubbish(void **state) {
    (void)state;
    static const char text[] = "{\"a\":[1,\"\\u00e9\\\\\",{\"b\":null}],\"c\":-1.5e3}";
    struct slice value;
    for (size_t len = 0; len < sizeof text - 1; len++) {
        char *copy = slice_dup(slice_of(text, len));
        assert_int_not_equal(load_json_text(slice_of(copy, len), &value), 0);
        free(copy);
    }
    static const char *const bad[] = {"{",  "}",  "[1,]", "{\"a\"}", "{1:2}",
                                      "\"", "[[", ",",    "1 2"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_not_equal(load_json_text(slice_cstr(bad[i]), &value), 0);
    }
    char deep[1000];
    memset(deep, '[', sizeof deep);
    assert_int_not_equal(load_json_text(slice_of(deep, sizeof deep), &value), 0);
    assert_false(covers("\"\\u12\"", "\"x\""));
    assert_false(covers("1-2", "3"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_covers),           cmocka_unit_test(test_strings_by_characters),
        cmocka_unit_test(test_numbers_by_value), cmocka_unit_test(test_reads),
        cmocka_unit_test(test_rubbish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
