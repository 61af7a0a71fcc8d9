#include "model/json_cursor.h"

#include "encoding.h"
#include "model/json_skip.h"

static void members(void **state) {
    struct json_cursor c;
    struct slice name, value;
    (void)state;
    assert_int_equal(
        json_cursor_open(&c,
                         SLICE(" { \"a\" : 1 , \"b\\\"\":{\"x\":[\"}\"]},\"\":\"\\\"\" } ")),
        0);
    assert_int_equal(json_cursor_next(&c, &name, &value), 0);
    assert_slice(name, "a");
    assert_slice(value, "1");
    assert_int_equal(json_cursor_next(&c, &name, &value), 0);
    assert_slice(name, "b\\\"");
    assert_slice(value, "{\"x\":[\"}\"]}");
    assert_int_equal(json_cursor_next(&c, &name, &value), 0);
    assert_slice(name, "");
    assert_slice(value, "\"\\\"\"");
    assert_int_equal(json_cursor_next(&c, &name, &value), ERR_NOT_FOUND);
    assert_int_equal(json_cursor_next(&c, &name, &value), ERR_NOT_FOUND);
}

static void elements(void **state) {
    static const char *const expected[] = {"1", "\"a,b]\"", "[[],[]]", "{}", "null", "-1.5e3"};
    struct json_cursor c;
    struct slice name, value;
    (void)state;
    assert_int_equal(json_cursor_open(&c, SLICE("[1,\"a,b]\", [[],[]],{} ,null,-1.5e3]")), 0);
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_int_equal(json_cursor_next(&c, &name, &value), 0);
        assert_int_equal(name.len, 0);
        assert_slice(value, expected[i]);
    }
    assert_int_equal(json_cursor_next(&c, &name, &value), ERR_NOT_FOUND);
    assert_int_equal(json_cursor_open(&c, SLICE("[]")), 0);
    assert_int_equal(json_cursor_next(&c, &name, &value), ERR_NOT_FOUND);
}

/* Walks to the end; returns what ended it. */
static int walk(const char *text) {
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);
    struct json_cursor c;
    struct slice name, value;
    int error;
    memcpy(copy, text, len);
    error = json_cursor_open(&c, slice_of(copy, len));
    for (int i = 0; !error; i++) {
        assert_true(i < 1000);
        error = json_cursor_next(&c, &name, &value);
    }
    free(copy);
    return error;
}

static void hostile(void **state) {
    static const char *const bad[] = {"",           " ",
                                      "1",          "\"x\"",
                                      "{",          "[",
                                      "{]",         "[}",
                                      "[1",         "[1,",
                                      "[1,]",       "[,1]",
                                      "[1 2]",      "[\"a]",
                                      "{\"a\"",     "{\"a\":",
                                      "{\"a\":}",   "{\"a\":1",
                                      "{\"a\":1,}", "{\"a\" 1}",
                                      "{a:1}",      "{\"a\":1 \"b\":2}",
                                      "{1:2}",      "{\"a\":[}",
                                      "{\"a\":{]}", "{\"a\":[1}}",
                                      "[\"\\\"]",   "[\"\\",
                                      "[\x01]",     "[\xff]",
                                      "[\"a\nb\"]"};
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(walk(bad[i]), ERR_PROTOCOL);
    }
    assert_int_equal(walk("{\"a\":[{\"b\":[]}]}"), ERR_NOT_FOUND);
}

static void deep(void **state) {
    size_t n = 100000;
    char *text = malloc(2 * n + 1);
    (void)state;
    memset(text, '[', n);
    text[n] = '\0';
    assert_int_equal(walk(text), ERR_PROTOCOL);
    memset(text + n, ']', n);
    text[2 * n] = '\0';
    assert_int_equal(walk(text), ERR_PROTOCOL);
    for (size_t depth = 1; depth <= JSON_SKIP_DEPTH + 1; depth++) {
        for (size_t i = 0; i < depth; i++) {
            text[i] = '[';
            text[2 * depth - 1 - i] = ']';
        }
        text[2 * depth] = '\0';
        /* the cursor itself takes the outermost */
        assert_int_equal(walk(text), ERR_NOT_FOUND);
    }
    free(text);
}

static void find_member(void **state) {
    const struct slice object = SLICE("{\"a\":1,\"\\u0062\":2,\"c\\\"d\":3,\"\xc3\xa9\":4,"
                                      "\"\\u00e9x\":5,\"a\":6,\"e\":\"x\"}");
    (void)state;
    assert_slice(json_member(object, SLICE("a")), "1");
    assert_slice(json_member(object, SLICE("b")), "2");
    assert_slice(json_member(object, SLICE("c\"d")), "3");
    assert_slice(json_member(object, SLICE("\xc3\xa9")), "4");
    assert_slice(json_member(object, SLICE("\xc3\xa9x")), "5");
    assert_slice(json_member(object, SLICE("e")), "\"x\"");
    assert_null(json_member(object, SLICE("")).ptr);
    assert_null(json_member(object, SLICE("bb")).ptr);
    assert_null(json_member(object, SLICE("\\u0062")).ptr);
    assert_null(json_member(SLICE("[1]"), SLICE("")).ptr);
    assert_null(json_member(SLICE("{\"\\ud800\":1}"), SLICE("x")).ptr);
    assert_null(json_member(SLICE_EMPTY, SLICE("x")).ptr);
    /* what comes behind the member is not walked */
    assert_slice(json_member(SLICE("{\"a\":1,]"), SLICE("a")), "1");
}

static void unescape(void **state) {
    static const struct {
        const char *raw, *out;
    } cases[] = {
        {"\"\"", ""},
        {"\"plain\"", "plain"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u65e5\\ud83d\\ude00z\"", "A\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80z"},
        {"", NULL},
        {"\"", NULL},
        {"x", NULL},
        {"\"x", NULL},
        {"\"\\q\"", NULL},
        {"\"\\u12\"", NULL},
        {"\"\\ud800\"", NULL},
        {"\"\\\"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buffer out = {0};
        assert_int_equal(buffer_append(&out, "<", 1), 0);
        assert_int_equal(json_unescape(slice_cstr(cases[i].raw), &out),
                         cases[i].out ? 0 : ERR_PROTOCOL);
        assert_slice(slice_from(buffer_slice(&out), 1), cases[i].out ? cases[i].out : "");
        buffer_fini(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members), cmocka_unit_test(elements),    cmocka_unit_test(hostile),
        cmocka_unit_test(deep),    cmocka_unit_test(find_member), cmocka_unit_test(unescape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
