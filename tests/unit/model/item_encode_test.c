/* Plain JSON to DynamoDB JSON: every type, and every reason to refuse. */
#include "encoding.h"

#include <stdio.h>

#define KEY         "\"Artist\":\"A\",\"SongTitle\":\"s\""
#define KEY_TYPED   "\"Artist\":{\"S\":\"A\"},\"SongTitle\":{\"S\":\"s\"}"
#define ITEM(rest)  "{" KEY "," rest "}"
#define TYPED(rest) "{" KEY_TYPED "," rest "}"

static const struct model_encode plain = {.table = &music};

static void every_type(void **state) {
    static const struct {
        const char *json, *expected;
    } cases[] = {
        {"{" KEY "}", "{" KEY_TYPED "}"},
        {" \t\r\n{ \"Artist\" : \"A\" ,\n\"SongTitle\":\"s\"\r}\n ", "{" KEY_TYPED "}"},
        {ITEM("\"a\":\"\""), TYPED("\"a\":{\"S\":\"\"}")},
        {ITEM("\"a\":1.10"), TYPED("\"a\":{\"N\":\"1.10\"}")},
        {ITEM("\"a\":-0"), TYPED("\"a\":{\"N\":\"0\"}")},
        {ITEM("\"a\":-1E+5"), TYPED("\"a\":{\"N\":\"-1E+5\"}")},
        {ITEM("\"a\":12345678901234567890123456789012345678"),
         TYPED("\"a\":{\"N\":\"12345678901234567890123456789012345678\"}")},
        {ITEM("\"a\":[true,false,null]"),
         TYPED("\"a\":{\"L\":[{\"BOOL\":true},{\"BOOL\":false},{\"NULL\":true}]}")},
        {ITEM("\"a\":[],\"b\":{ },\"c\":[ ]"),
         TYPED("\"a\":{\"L\":[]},\"b\":{\"M\":{}},\"c\":{\"L\":[]}")},
        {ITEM("\"a\":{\"b\":[1,{\"c\":[[2]]}]}"),
         TYPED("\"a\":{\"M\":{\"b\":{\"L\":[{\"N\":\"1\"},{\"M\":{\"c\":{\"L\":[{\"L\":[{"
               "\"N\":\"2\"}]}]}}}]}}}")},
        {ITEM("\"a\\\"b\":1"), TYPED("\"a\\\"b\":{\"N\":\"1\"}")},
        {ITEM("\"a\":\"\\u00e9\\u65e5\\ud83d\\uDE00\""),
         TYPED("\"a\":{\"S\":\"\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80\"}")},
        {ITEM("\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u001F\\u0000\\u007f\""),
         TYPED("\"a\":{\"S\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u0000\x7f\"}")},
        /* the key may be spelled with escapes */
        {"{\"\\u0041rtist\":\"A\",\"SongTitle\":\"\\u0073\"}", "{" KEY_TYPED "}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_encodes(&plain, cases[i].json, cases[i].expected);
    }
}

static void syntax_errors(void **state) {
    static const struct {
        const char *json, *message; /* after "body is not valid JSON at " */
    } cases[] = {
        {"", "byte 0: expected an object"},
        {"  ", "byte 2: expected an object"},
        {"[]", "byte 0: expected an object"},
        {"\"x\"", "byte 0: expected an object"},
        {"\xef\xbb\xbf{}", "byte 0: expected an object"},
        {"{", "byte 1: expected a name in double quotes"},
        {"{,", "byte 1: expected a name in double quotes"},
        {"{'a':1}", "byte 1: expected a name in double quotes"},
        {"{a:1}", "byte 1: expected a name in double quotes"},
        {"{\"a\"", "byte 4: expected ':'"},
        {"{\"a\" 1}", "byte 5: expected ':'"},
        {"{\"a\":", "byte 5: expected a value"},
        {"{\"a\":}", "byte 5: expected a value"},
        {"{\"a\":1", "byte 6: expected ',' or '}'"},
        {"{\"a\":1]", "byte 6: expected ',' or '}'"},
        {"{\"a\":1,}", "byte 7: expected a name in double quotes"},
        {"{\"a\":1 \"b\":2}", "byte 7: expected ',' or '}'"},
        {"{\"a\":[1", "byte 7: expected ',' or ']'"},
        {"{\"a\":[1}", "byte 7: expected ',' or ']'"},
        {"{\"a\":[1,]}", "byte 8: expected a value"},
        {"{\"a\":[,1]}", "byte 6: expected a value"},
        {"{\"a\":tru}", "byte 5: expected a value"},
        {"{\"a\":True}", "byte 5: expected a value"},
        {"{\"a\":nul", "byte 5: expected a value"},
        {"{\"a\":NaN}", "byte 5: expected a value"},
        {"{\"a\":+1}", "byte 5: expected a value"},
        {"{\"a\":.5}", "byte 5: expected a value"},
        {"{\"a\":01}", "byte 6: expected ',' or '}'"},
        {"{\"a\":-}", "byte 6: expected a digit"},
        {"{\"a\":-Infinity}", "byte 6: expected a digit"},
        {"{\"a\":1.}", "byte 7: expected a digit after the decimal point"},
        {"{\"a\":1e}", "byte 7: expected a digit in the exponent"},
        {"{\"a\":1x}", "byte 6: expected ',' or '}'"},
        {"{\"a\":truefalse}", "byte 9: expected ',' or '}'"},
        {"{\"a\":/**/1}", "byte 5: expected a value"},
        {"{\"a\":\"x", "byte 7: the string does not end"},
        {"{\"a\":\"x\\", "byte 8: the string does not end"},
        {"{\"a\":\"\\", "byte 7: the string does not end"},
        {"{\"a\":\"\\x\"}", "byte 6: unknown escape"},
        {"{\"a\":\"\\u12\"}", "byte 8: expected four hexadecimal digits"},
        {"{\"a\":\"\\u123", "byte 8: expected four hexadecimal digits"},
        {"{\"a\":\"\\u+123\"}", "byte 8: expected four hexadecimal digits"},
        {"{\"a\":\"\\ud800\"}", "byte 8: half a surrogate pair"},
        {"{\"a\":\"\\ud800\\u0041\"}", "byte 8: half a surrogate pair"},
        {"{\"a\":\"\\udc00\"}", "byte 8: half a surrogate pair"},
        {"{\"a\":\"\\ud800\\ud800\"}", "byte 8: half a surrogate pair"},
        {"{\"a\":\"a\tb\"}", "byte 7: a control character in a string"},
        {"{\"a\":\"a\nb\"}", "byte 7: a control character in a string"},
        {"{\"a\":\"\x1f\"}", "byte 6: a control character in a string"},
        {"{\"a\":\"\x80\"}", "byte 6: not UTF-8"},
        {"{\"a\":\"\xc0\xaf\"}", "byte 6: not UTF-8"},
        {"{\"a\":\"\xc1\xbf\"}", "byte 6: not UTF-8"},
        {"{\"a\":\"\xe0\x9f\xbf\"}", "byte 6: not UTF-8"},
        {"{\"a\":\"\xed\xa0\x80\"}", "byte 6: not UTF-8"},
        {"{\"a\":\"\xf0\x8f\xbf\xbf\"}", "byte 6: not UTF-8"},
        {"{\"a\":\"\xf4\x90\x80\x80\"}", "byte 6: not UTF-8"},
        {"{\"a\":\"\xf5\x80\x80\x80\"}", "byte 6: not UTF-8"},
        {"{\"a\":\"\xe6\x97\"}", "byte 6: not UTF-8"},
        {"{\"a\":\"\xf0\x9f\x98", "byte 6: not UTF-8"},
        {"{\"\xff\":1}", "byte 2: not UTF-8"},
        {"{" KEY "} x", "byte 31: expected nothing more after the object"},
        {"{" KEY "}{}", "byte 30: expected nothing more after the object"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char message[MODEL_MESSAGE_MAX];
        snprintf(message, sizeof message, "body is not valid JSON at %s", cases[i].message);
        assert_refused(&plain, cases[i].json, message);
    }
}

static void nul_bytes(void **state) {
    struct encoding e;
    (void)state;
    encoding_run(&e, &plain, SLICE("{\"a\":\"x\0y\"}"));
    assert_string_equal(e.message,
                        "body is not valid JSON at byte 7: a control character in a string");
    encoding_fini(&e);
    encoding_run(&e, &plain, SLICE("{" KEY "}\0"));
    assert_int_equal(e.error, ERR_INVALID);
    encoding_fini(&e);
    encoding_run(&e, &plain, SLICE("{\0}"));
    assert_int_equal(e.error, ERR_INVALID);
    encoding_fini(&e);
}

static void refused_by_name(void **state) {
    static const struct {
        const char *json, *message;
    } cases[] = {
        {"{}", "Artist: the partition key is missing"},
        {"{\"Artist\":\"A\"}", "SongTitle: the sort key is missing"},
        {"{\"artist\":\"A\",\"SongTitle\":\"s\"}", "Artist: the partition key is missing"},
        {"{\"Artist\":\"A\",\"SongTitle\":5}", "SongTitle: expected a string, got a number"},
        {"{\"Artist\":null}", "Artist: expected a string, got null"},
        {"{\"Artist\":true}", "Artist: expected a string, got a boolean"},
        {"{\"Artist\":[]}", "Artist: expected a string, got an array"},
        {"{\"Artist\":{\"S\":\"A\"}}", "Artist: expected a string, got an object"},
        {"{\"Artist\":\"\"}", "Artist: the partition key must not be empty"},
        {"{\"Artist\":\"A\",\"SongTitle\":\"\"}", "SongTitle: the sort key must not be empty"},
        {ITEM("\"dup\":1,\"dup\":2"), "dup: the name is in the object twice"},
        {ITEM("\"dup\":1,\"\\u0064up\":2"), "dup: the name is in the object twice"},
        {ITEM("\"m\":{\"x\":1,\"x\":2}"), "m.x: the name is in the object twice"},
        {ITEM("\"a\":[{},{\"b\":[0,{\"x\":1,\"x\":2}]}]"),
         "a[1].b[1].x: the name is in the object twice"},
        {ITEM("\"\":1"), "an attribute name must not be empty"},
        {ITEM("\"a\\u0000b\":1"), "a\\u0000b: an attribute name must not hold NUL"},
        {ITEM("\"price\":123456789012345678901234567890123456789"),
         "price: number has more than 38 significant digits"},
        {ITEM("\"a\":{\"b\":[1,1e400]}"),
         "a.b[1]: number is out of DynamoDB's range, 1E-130 to "
         "9.9999999999999999999999999999999999999E+125"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (strncmp(cases[i].message, "an attribute", 12) == 0) {
            struct encoding e;
            encoding_run(&e, &plain, slice_cstr(cases[i].json));
            assert_non_null(strstr(e.message, cases[i].message));
            encoding_fini(&e);
        } else {
            assert_refused(&plain, cases[i].json, cases[i].message);
        }
    }
}

/* {"a":[[...]]} with `levels` values inside one another, the innermost `last`. */
static void make_deep(char *out, unsigned levels, char open, const char *step,
                      const char *last) {
    strcpy(out, "{" KEY ",\"a\":");
    for (unsigned i = 1; i < levels; i++) {
        strcat(out, step);
    }
    strcat(out, last);
    for (unsigned i = 1; i < levels; i++) {
        strcat(out, open == '[' ? "]" : "}");
    }
    strcat(out, "}");
}

static void depth(void **state) {
    static const struct {
        unsigned levels;
        const char *last;
        int good;
    } cases[] = {
        {MODEL_DEPTH_MAX, "1", 1},       {MODEL_DEPTH_MAX + 1, "1", 0},
        {MODEL_DEPTH_MAX, "[]", 0},      {MODEL_DEPTH_MAX, "{}", 0},
        {MODEL_DEPTH_MAX - 1, "[]", 1},  {MODEL_DEPTH_MAX - 1, "{}", 1},
        {MODEL_DEPTH_MAX - 1, "[1]", 1}, {MODEL_DEPTH_MAX + 60, "1", 0},
    };
    char json[2048];
    struct encoding e;
    (void)state;
    for (size_t i = 0; i < COUNT(cases) * 2; i++) {
        int object = i % 2;
        make_deep(json, cases[i / 2].levels, object ? '{' : '[', object ? "{\"b\":" : "[",
                  cases[i / 2].last);
        encoding_run(&e, &plain, slice_cstr(json));
        assert_int_equal(e.error, cases[i / 2].good ? 0 : ERR_INVALID);
        if (e.error) {
            assert_non_null(strstr(e.message, "nested deeper than 32 levels"));
            assert_memory_equal(e.message, "a", 1);
        }
        encoding_fini(&e);
    }
}

/* A path longer than a message shows its end. */
static void long_paths(void **state) {
    char json[4096] = "{" KEY;
    struct encoding e;
    (void)state;
    for (int i = 0; i < 20; i++) {
        strcat(json, i ? "{" : ",");
        strcat(json,
               "\"an attribute name of more than sixty-four bytes, of which the end will be "
               "cut off in the message \xe6\x97\xa5\":");
    }
    strcat(json, "1e999");
    encoding_run(&e, &plain, slice_cstr(json));
    assert_int_equal(e.error, ERR_INVALID);
    assert_memory_equal(e.message, "...", 3);
    assert_non_null(strstr(e.message, ": number is out of DynamoDB's range"));
    encoding_fini(&e);
}

static void fill(char *json, size_t size, const char *head, size_t count, const char *tail) {
    size_t n = strlen(head);
    assert_true(n + count + strlen(tail) < size);
    memcpy(json, head, n);
    memset(json + n, 'x', count);
    strcpy(json + n + count, tail);
}

static void sizes(void **state) {
    static const struct {
        const char *rest;
        size_t bytes; /* beside the key's 6+1+9+1 */
    } cases[] = {
        {"\"a\":\"xyz\"", 4},
        {"\"a\":\"\\u00e9\\n\"", 1 + 3},
        {"\"\xc3\xa9\":\"\"", 2},
        {"\"a\":123", 1 + 3},
        {"\"a\":-1.50", 1 + 3},
        {"\"a\":true,\"b\":null", 4},
        {"\"a\":[]", 1 + 3},
        {"\"a\":[1,\"xy\"]", 1 + 3 + (1 + 2) + (1 + 2)},
        {"\"a\":{\"b\":1}", 1 + 3 + (1 + 1 + 2)},
    };
    struct encoding e;
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char json[256];
        snprintf(json, sizeof json, "{" KEY ",%s}", cases[i].rest);
        encoding_run(&e, &plain, slice_cstr(json));
        assert_int_equal(e.error, 0);
        assert_int_equal(e.info.item_bytes, 17 + cases[i].bytes);
        encoding_fini(&e);
    }
}

static void item_limit(void **state) {
    static char json[600000];
    (void)state;
    fill(json, sizeof json, "{" KEY ",\"a\":\"", MODEL_ITEM_BYTES_MAX - 18, "\"}");
    struct encoding e;
    encoding_run(&e, &plain, slice_cstr(json));
    assert_int_equal(e.error, 0);
    assert_int_equal(e.info.item_bytes, MODEL_ITEM_BYTES_MAX);
    encoding_fini(&e);
    fill(json, sizeof json, "{" KEY ",\"a\":\"", MODEL_ITEM_BYTES_MAX - 17, "\"}");
    assert_refused(&plain, json, "item is 409601 bytes, over DynamoDB's limit of 409600");
    /* what comes behind the limit is still read: it may be no JSON, and it counts */
    fill(json, sizeof json, "{\"a\":\"", 500000, "\",\"b\":[1,{\"c\":{}},\"x\"]," KEY "}");
    encoding_run(&e, &plain, slice_cstr(json));
    assert_string_equal(e.message, "item is 500036 bytes, over DynamoDB's limit of 409600");
    encoding_fini(&e);
    fill(json, sizeof json, "{\"a\":\"", 500000, "\",\"b\":[1,{\"c\":{]");
    encoding_run(&e, &plain, slice_cstr(json));
    assert_non_null(strstr(e.message, "body is not valid JSON at byte 500021"));
    encoding_fini(&e);
    fill(json, sizeof json, "{\"a\":\"", 500000, "\",\"b\":[1,{\"c\":{\"d\":1e400}}]," KEY "}");
    assert_refused(&plain, json,
                   "number is out of DynamoDB's range, 1E-130 to "
                   "9.9999999999999999999999999999999999999E+125");
}

/* Far over the limit in many small pieces: refused with its size, and no more memory than an
 * item may take. */
static void huge(void **state) {
    size_t len = 8000000;
    char *json = malloc(len + 64), *w = json;
    struct encoding e;
    (void)state;
    w += sprintf(w, "{" KEY ",\"a\":[");
    while ((size_t)(w - json) < len) {
        w += sprintf(w, "1,");
    }
    w += sprintf(w, "1]}");
    encoding_run(&e, &plain, slice_of(json, (size_t)(w - json)));
    assert_int_equal(e.error, ERR_INVALID);
    assert_non_null(strstr(e.message, "item is "));
    assert_true(e.out.cap <= 16u << 20);
    encoding_fini(&e);
    w = json + sprintf(json, "{" KEY ",\"a\":{");
    for (unsigned i = 0; (size_t)(w - json) < len; i++) {
        w += sprintf(w, "\"%u\":null,", i);
    }
    w += sprintf(w, "\"x\":1}}");
    encoding_run(&e, &plain, slice_of(json, (size_t)(w - json)));
    assert_non_null(strstr(e.message, "item is "));
    assert_true(e.out.cap + e.keys.names.cap + e.keys.slots.cap <= 32u << 20);
    encoding_fini(&e);
    free(json);
}

/* Strings of every length with every odd byte at every place around the 16-byte steps. */
static void strings_at_every_place(void **state) {
    static const struct {
        const char *in, *out;
    } odd[] = {{"\\\"", "\\\""},
               {"\xc3\xa9", "\xc3\xa9"},
               {"\\u00e9", "\xc3\xa9"},
               {"\\/", "/"},
               {"\\u001b", "\\u001b"},
               {"\xf0\x9f\x98\x80\xe6\x97\xa5", "\xf0\x9f\x98\x80\xe6\x97\xa5"}};
    (void)state;
    for (size_t len = 0; len < 70; len++) {
        for (size_t place = 0; place <= len; place++) {
            for (size_t i = 0; i < COUNT(odd); i++) {
                char json[256], expected[256];
                int before = (int)place, after = (int)(len - place);
                const char *x =
                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                    "xxxxxxxxxxxx";
                snprintf(json, sizeof json, "{" KEY ",\"a\":\"%.*s%s%.*s\"}", before, x,
                         odd[i].in, after, x);
                snprintf(expected, sizeof expected,
                         "{" KEY_TYPED ",\"a\":{\"S\":\"%.*s%s%.*s\"}}", before, x, odd[i].out,
                         after, x);
                assert_encodes(&plain, json, expected);
            }
        }
    }
}

/* Cut anywhere, it is refused; and what was in the buffer before stays. */
static void truncated(void **state) {
    static const char whole[] = ITEM(
        "\"a\":{\"b\":[1.5,true,null,\"\\u00e9\\\"\xc3\xa9\",{}]},\"c\":\"0123456789abcdef\"");
    (void)state;
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        struct encoding e = {0};
        char *copy = malloc(len ? len : 1);
        memcpy(copy, whole, len);
        assert_int_equal(buffer_append(&e.out, "before", 6), 0);
        assert_int_equal(
            model_encode_item(&plain, slice_of(copy, len), &e.out, &e.keys, &e.info, e.message),
            ERR_INVALID);
        assert_slice(buffer_slice(&e.out), "before");
        assert_true(e.message[0] != '\0');
        free(copy);
        encoding_fini(&e);
    }
}

static void without_a_table(void **state) {
    static const struct model_encode patch = {0};
    struct encoding e;
    (void)state;
    assert_encodes(&patch, "{}", "{}");
    assert_encodes(&patch, "{\"a\":null}", "{\"a\":{\"NULL\":true}}");
    encoding_run(&e, &patch, SLICE("{\"a\":1}"));
    assert_int_equal(e.info.key.len, 0);
    encoding_fini(&e);
}

static void values(void **state) {
    static const struct model_type types[] = {{{"tags", 4}, MODEL_TYPED_SS}};
    const struct model_encode how = {.types = types, .type_count = 1};
    struct buffer out = {0};
    char message[MODEL_MESSAGE_MAX];
    size_t bytes;
    (void)state;
    assert_int_equal(
        model_encode_value(&how, SLICE("n"), SLICE(" [1,\"x\"] "), &out, &bytes, message), 0);
    assert_slice(buffer_slice(&out), "{\"L\":[{\"N\":\"1\"},{\"S\":\"x\"}]}");
    assert_int_equal(bytes, 3 + 3 + 2);
    out.len = 0;
    assert_int_equal(
        model_encode_value(&how, SLICE("tags"), SLICE("[\"x\"]"), &out, &bytes, message), 0);
    assert_slice(buffer_slice(&out), "{\"SS\":[\"x\"]}");
    out.len = 0;
    assert_int_equal(
        model_encode_value(&how, SLICE("n"), SLICE("[{\"a\":1e999}]"), &out, &bytes, message),
        ERR_INVALID);
    assert_memory_equal(message, "n[0].a: number", 14);
    assert_int_equal(model_encode_value(&how, SLICE("n"), SLICE("1 2"), &out, &bytes, message),
                     ERR_INVALID);
    assert_int_equal(model_encode_value(&how, SLICE("n"), SLICE(""), &out, &bytes, message),
                     ERR_INVALID);
    assert_int_equal(out.len, 0);
    buffer_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type), cmocka_unit_test(syntax_errors),
        cmocka_unit_test(nul_bytes),  cmocka_unit_test(refused_by_name),
        cmocka_unit_test(depth),      cmocka_unit_test(long_paths),
        cmocka_unit_test(sizes),      cmocka_unit_test(item_limit),
        cmocka_unit_test(huge),       cmocka_unit_test(strings_at_every_place),
        cmocka_unit_test(truncated),  cmocka_unit_test(without_a_table),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
