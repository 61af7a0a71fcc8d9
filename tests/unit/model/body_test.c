#include "encoding.h"

#define MAX 8

struct body_case {
    const char *body;
    enum model_body_kind kind;
    const char *elements[MAX];
    const char *message; /* of the frame, after the elements */
};

static void frames(void **state) {
    static const struct body_case cases[] = {
        {"{}", MODEL_BODY_ONE, {"{}"}, ""},
        {" {\"a\":1} ", MODEL_BODY_ONE, {" {\"a\":1} "}, ""},
        {"{\n\"a\":1\n}\n", MODEL_BODY_ONE, {"{\n\"a\":1\n}\n"}, ""},
        {"{\"a\":{\n}}", MODEL_BODY_ONE, {"{\"a\":{\n}}"}, ""},
        {"nonsense", MODEL_BODY_ONE, {"nonsense"}, ""},
        {"42", MODEL_BODY_ONE, {"42"}, ""},
        {"{\"a\":1}{\"b\":2}", MODEL_BODY_ONE, {"{\"a\":1}{\"b\":2}"}, ""},
        {"{\"a\":1}\n{\"b\":2}", MODEL_BODY_LINES, {"{\"a\":1}", "{\"b\":2}"}, ""},
        {"{\"a\":1}\r\n\r\n  {\"b\":2}\r\n", MODEL_BODY_LINES, {"{\"a\":1}", "{\"b\":2}"}, ""},
        {"{\"a\":\"}\"}\n{\"b\":\nx\n{}",
         MODEL_BODY_LINES,
         {"{\"a\":\"}\"}", "{\"b\":", "x", "{}"},
         ""},
        {"[]", MODEL_BODY_ARRAY, {NULL}, ""},
        {" [ ] ", MODEL_BODY_ARRAY, {NULL}, ""},
        {"[{}]", MODEL_BODY_ARRAY, {"{}"}, ""},
        {"[ {\"a\":\"]\"} , 1,\n\"x\",[{}] ]",
         MODEL_BODY_ARRAY,
         {"{\"a\":\"]\"}", "1", "\"x\"", "[{}]"},
         ""},
        {"[{}",
         MODEL_BODY_ARRAY,
         {"{}"},
         "body is not a valid JSON array after 1 items: expected ',' or ']'"},
        {"[",
         MODEL_BODY_ARRAY,
         {NULL},
         "body is not a valid JSON array after 0 items: expected a value"},
        {"[{},]",
         MODEL_BODY_ARRAY,
         {"{}"},
         "body is not a valid JSON array after 1 items: expected a value"},
        {"[,{}]",
         MODEL_BODY_ARRAY,
         {NULL},
         "body is not a valid JSON array after 0 items: expected a value"},
        {"[{}{}]",
         MODEL_BODY_ARRAY,
         {"{}"},
         "body is not a valid JSON array after 1 items: expected ',' or ']'"},
        {"[{}] x",
         MODEL_BODY_ARRAY,
         {"{}"},
         "body is not a valid JSON array after 1 items: expected nothing more after it"},
        {"[] []",
         MODEL_BODY_ARRAY,
         {NULL},
         "body is not a valid JSON array after 0 items: expected nothing more after it"},
        {"[{\"a\":[}]",
         MODEL_BODY_ARRAY,
         {NULL},
         "body is not a valid JSON array after 0 items: expected a value"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct body_case *c = &cases[i];
        struct model_body b;
        struct slice element;
        char message[MODEL_MESSAGE_MAX];
        size_t len = strlen(c->body), n = 0;
        char *copy = malloc(len);
        int error;

        memcpy(copy, c->body, len);
        assert_int_equal(model_body_open(slice_of(copy, len), &b, message), 0);
        assert_int_equal(b.kind, c->kind);
        while ((error = model_body_next(&b, &element, message)) == 0) {
            assert_non_null(c->elements[n]);
            assert_slice(element, c->elements[n++]);
        }
        assert_null(c->elements[n]);
        assert_int_equal(error, c->message[0] ? ERR_INVALID : ERR_NOT_FOUND);
        assert_string_equal(message, c->message);
        free(copy);
    }
}

static void empty(void **state) {
    static const char *const bodies[] = {"", " ", "\r\n\t "};
    struct model_body b;
    char message[MODEL_MESSAGE_MAX];
    (void)state;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        assert_int_equal(model_body_open(slice_cstr(bodies[i]), &b, message), ERR_INVALID);
        assert_string_equal(message, "body is empty: expected a JSON object");
    }
    assert_int_equal(model_body_open(SLICE_EMPTY, &b, message), ERR_INVALID);
}

static void json_strings(void **state) {
    struct buffer out = {0};
    (void)state;
    assert_int_equal(model_json_string(&out, SLICE("a\"\\\n\x01\0\xc3\xa9/")), 0);
    assert_slice(buffer_slice(&out), "\"a\\\"\\\\\\n\\u0001\\u0000\xc3\xa9/\"");
    assert_int_equal(model_json_string(&out, SLICE("\xff")), ERR_INVALID);
    assert_int_equal(model_json_string(&out, SLICE_EMPTY), 0);
    assert_slice(buffer_slice(&out), "\"a\\\"\\\\\\n\\u0001\\u0000\xc3\xa9/\"\"\"");
    buffer_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames),
        cmocka_unit_test(empty),
        cmocka_unit_test(json_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
