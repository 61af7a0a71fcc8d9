#include "encoding.h"

static void assert_decodes(const char *item, const char *expected) {
    struct buffer out = {0};
    size_t len = strlen(item);
    char *copy = malloc(len ? len : 1);
    memcpy(copy, item, len);
    assert_int_equal(buffer_append(&out, "<", 1), 0);
    assert_int_equal(model_decode_item(slice_of(copy, len), &out), expected ? 0 : ERR_PROTOCOL);
    assert_slice(slice_from(buffer_slice(&out), 1), expected ? expected : "");
    free(copy);
    buffer_fini(&out);
}

static void every_type(void **state) {
    (void)state;
    assert_decodes("{}", "{}");
    assert_decodes(" { } ", "{}");
    assert_decodes("{\"a\":{\"S\":\"x\\\"\\u00e9\"}}", "{\"a\":\"x\\\"\xc3\xa9\"}");
    assert_decodes("{\"a\":{\"N\":\"1.10\"},\"b\":{\"N\":\"-1E-130\"}}",
                   "{\"a\":1.10,\"b\":-1E-130}");
    assert_decodes(
        "{ \"a\" : { \"BOOL\" : true } , \"b\":{\"BOOL\":false},\"c\":{\"NULL\":true}}",
        "{\"a\":true,\"b\":false,\"c\":null}");
    assert_decodes(
        "{\"a\":{\"L\":[ {\"S\":\"x\"} , {\"L\":[]}]},\"b\":{\"M\":{\"c\":{\"N\":\"1\"}}}}",
        "{\"a\":[\"x\",[]],\"b\":{\"c\":1}}");
    assert_decodes("{\"a\":{\"SS\":[\"x\",\"y\"]},\"b\":{\"NS\":[\"1\",\"2.5\"]},"
                   "\"c\":{\"BS\":[\"AAE=\"]},\"d\":{\"B\":\"AAE=\"}}",
                   "{\"a\":[\"x\",\"y\"],\"b\":[1,2.5],\"c\":[\"AAE=\"],\"d\":\"AAE=\"}");
}

static void malformed(void **state) {
    static const char *const items[] = {"",
                                        "[]",
                                        "{",
                                        "}",
                                        "{}x",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\":1}",
                                        "{\"a\":\"S\"}",
                                        "{\"a\":{}}",
                                        "{\"a\":{\"S\"}}",
                                        "{\"a\":{\"S\":1}}",
                                        "{\"a\":{\"S\":\"x\"}",
                                        "{\"a\":{\"S\":\"x\",\"N\":\"1\"}}",
                                        "{\"a\":{\"X\":\"x\"}}",
                                        "{\"a\":{\"XX\":\"x\"}}",
                                        "{\"a\":{\"\":\"x\"}}",
                                        "{\"a\":{\"s\":\"x\"}}",
                                        "{\"a\":{\"N\":1}}",
                                        "{\"a\":{\"N\":\"\"}}",
                                        "{\"a\":{\"N\":\"x\"}}",
                                        "{\"a\":{\"N\":\"1,\\\"b\\\":2\"}}",
                                        "{\"a\":{\"N\":\"01\"}}",
                                        "{\"a\":{\"N\":\"1\"",
                                        "{\"a\":{\"BOOL\":\"true\"}}",
                                        "{\"a\":{\"BOOL\":tru}}",
                                        "{\"a\":{\"NULL\":false}}",
                                        "{\"a\":{\"L\":{}}}",
                                        "{\"a\":{\"L\":[1]}}",
                                        "{\"a\":{\"L\":[{\"N\":\"1\"}{\"N\":\"1\"}]}}",
                                        "{\"a\":{\"L\":[{\"N\":\"1\"},]}}",
                                        "{\"a\":{\"L\":[",
                                        "{\"a\":{\"SS\":[1]}}",
                                        "{\"a\":{\"NS\":[1]}}",
                                        "{\"a\":{\"M\":[]}}",
                                        "{\"a\":{\"S\":\"x\"}\"b\":{\"S\":\"x\"}}",
                                        "{\"a\":{\"S\":\"x\"},}",
                                        "{,}",
                                        "{\"a\":{\"S\":\"\xff\"}}",
                                        "{\"a\":{\"S\":\"a\nb\"}}"};
    (void)state;
    for (size_t i = 0; i < COUNT(items); i++) {
        assert_decodes(items[i], NULL);
    }
}

static void too_deep(void **state) {
    char item[4096] = "{\"a\":";
    (void)state;
    for (int i = 0; i < 200; i++) {
        strcat(item, "{\"L\":[");
    }
    assert_decodes(item, NULL);
    strcpy(item, "{\"a\":");
    for (int i = 0; i < 200; i++) {
        strcat(item, "{\"M\":{\"a\":");
    }
    assert_decodes(item, NULL);
}

/* The deepest item we take comes back. */
static void deepest(void **state) {
    char json[512] = "{\"Artist\":\"A\",\"SongTitle\":\"s\",\"a\":";
    struct model_encode how = {.table = &music};
    struct encoding e;
    struct buffer back = {0};
    (void)state;
    for (int i = 1; i < MODEL_DEPTH_MAX; i++) {
        strcat(json, i % 2 ? "{\"b\":" : "[");
    }
    strcat(json, "1");
    for (int i = MODEL_DEPTH_MAX - 1; i > 0; i--) {
        strcat(json, i % 2 ? "}" : "]");
    }
    strcat(json, "}");
    encoding_run(&e, &how, slice_cstr(json));
    assert_string_equal(e.message, "");
    assert_int_equal(model_decode_item(buffer_slice(&e.out), &back), 0);
    assert_slice(buffer_slice(&back), json);
    buffer_fini(&back);
    encoding_fini(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type),
        cmocka_unit_test(malformed),
        cmocka_unit_test(too_deep),
        cmocka_unit_test(deepest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
