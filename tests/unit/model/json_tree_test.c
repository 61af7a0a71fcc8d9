/* JSON as a tree: what is taken and what is not, and that digits are kept. */
#include "model/json_tree.h"

#include "support/unit.h"

#include "base/error.h"

#include <string.h>

static void good(const char *text, const char *written) {
    struct json_object *tree;
    assert_int_equal(json_tree_check(slice_cstr(text)), 0);
    assert_int_equal(json_tree_read(slice_cstr(text), &tree), 0);
    assert_string_equal(json_object_to_json_string_ext(
                            tree, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
                        written);
    json_object_put(tree);
}

static void bad(const char *text, size_t len) {
    struct json_object *tree;
    if (json_tree_check(slice_of(text, len)) != ERR_INVALID ||
        json_tree_read(slice_of(text, len), &tree) != ERR_INVALID || tree != NULL) {
        fail_msg("%s is taken for JSON", text);
    }
}

static void values(void **state) {
    (void)state;
    good("null", "null");
    good(" true ", "true");
    good("[]", "[]");
    good("{ }", "{}");
    good("\"\"", "\"\"");
    good("[1, -2,\t3.50,\r\n1e5,[ ] , {}]", "[1,-2,3.50,1e5,[],{}]");
    good("{\"a\":{\"b\":[null,false]},\"\":\"/\"}", "{\"a\":{\"b\":[null,false]},\"\":\"/\"}");
    good("{\"a\":1,\"a\":2}", "{\"a\":2}");
    good("9223372036854775807", "9223372036854775807");
    good("-9223372036854775807", "-9223372036854775807");
    good("12345678901234567890123456789012345678", "12345678901234567890123456789012345678");
    good("-0", "-0");
}

static void strings(void **state) {
    (void)state;
    good("\"\\u00e4\\ud83c\\udfb5\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
         "\"\xc3\xa4\xf0\x9f\x8e\xb5\\\"\\\\/\\b\\f\\n\\r\\t\"");
    good("\"\\ud83c\"", "\"\xef\xbf\xbd\"");
    good("\"\\udfb5x\"", "\"\xef\xbf\xbdx\"");
    good("\"a\\u0000b\"", "\"a\\u0000b\"");
}

static void not_json(void **state) {
    static const char *const texts[] = {
        "",          " ",          "{",
        "[",         "[1",         "[1,]",
        "[1 2]",     "{\"a\"}",    "{\"a\":",
        "{a:1}",     "{\"a\":1,}", "{1:1}",
        "'a'",       "\"a",        "\"\\x\"",
        "\"\\u12\"", "\"\\ud83\"", "\"\n\"",
        "nul",       "True",       "NaN",
        "-",         "01",         "1.",
        ".5",        "+1",         "1e",
        "{}x",       "{} {}",      "// x\n{}",
        "]",         "\"\xff\"",   "\"\xed\xa0\x80\"",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        bad(texts[i], strlen(texts[i]));
    }
    bad("\"a\0b\"", 5);
    bad("1\0", 2);
}

/* json-c would cut it: {"a":...} in place of another name. */
static void name_with_nul(void **state) {
    struct json_object *tree;
    (void)state;
    assert_int_equal(json_tree_read(SLICE("{\"a\\u0000b\":1}"), &tree), ERR_INVALID);
}

static void depth(void **state) {
    char text[2 * (JSON_TREE_DEPTH + 1) + 1];
    struct json_object *tree;
    (void)state;
    for (size_t d = JSON_TREE_DEPTH; d <= JSON_TREE_DEPTH + 1; d++) {
        memset(text, '[', d);
        memset(text + d, ']', d);
        int wanted = d > JSON_TREE_DEPTH ? ERR_INVALID : 0;
        assert_int_equal(json_tree_check(slice_of(text, 2 * d)), wanted);
        assert_int_equal(json_tree_read(slice_of(text, 2 * d), &tree), wanted);
        json_object_put(tree);
    }
}

static void digits(void **state) {
    char text[JSON_TREE_INT_TEXT];
    struct json_object *tree;
    static const char *const numbers[] = {"0", "-17", "1.50", "1E400",
                                          "123456789012345678901234567890"};
    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        assert_int_equal(json_tree_read(slice_cstr(numbers[i]), &tree), 0);
        assert_true(slice_eq(json_tree_number(tree, text), slice_cstr(numbers[i])));
        json_object_put(tree);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),        cmocka_unit_test(strings), cmocka_unit_test(not_json),
        cmocka_unit_test(name_with_nul), cmocka_unit_test(depth),   cmocka_unit_test(digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
