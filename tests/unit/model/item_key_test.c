/* Keys: from a body, from a path, from an item; the same item has the same bytes. */
#include "encoding.h"

#include <stdio.h>

static struct model_table table_of(enum model_key_type p, enum model_key_type s) {
    return (struct model_table){.name = "T", .partition = {"p", 1, p}, .sort = {"s", 1, s}};
}

/* Key bytes of an item, in a block of their own. */
static struct slice key_bytes(const struct model_table *t, const char *json) {
    struct model_encode how = {.table = t};
    struct model_key_buffer again = {0};
    struct encoding e;
    struct slice from_item, kept;
    encoding_run(&e, &how, slice_cstr(json));
    assert_string_equal(e.message, "");
    /* the item in DynamoDB JSON has the same key, and so has the key by itself */
    assert_int_equal(model_item_key(t, buffer_slice(&e.out), &again, &from_item), 0);
    assert_true(slice_eq(from_item, e.info.key));
    assert_int_equal(model_item_key(t, e.info.key_json, &again, &from_item), 0);
    assert_true(slice_eq(from_item, e.info.key));
    kept = slice_of(slice_dup(e.info.key), e.info.key.len);
    encoding_fini(&e);
    model_key_buffer_fini(&again);
    return kept;
}

static void assert_keys(const struct model_table *t, const char *a, const char *b, int equal) {
    struct slice ka = key_bytes(t, a), kb = key_bytes(t, b);
    assert_int_equal(slice_eq(ka, kb), equal);
    free((void *)(uintptr_t)ka.ptr);
    free((void *)(uintptr_t)kb.ptr);
}

static void equal_and_not(void **state) {
    struct model_table ss = table_of(MODEL_KEY_S, MODEL_KEY_S);
    struct model_table nn = table_of(MODEL_KEY_N, MODEL_KEY_N);
    struct model_table bb = table_of(MODEL_KEY_B, MODEL_KEY_B);
    (void)state;
    assert_keys(&ss, "{\"p\":\"a\",\"s\":\"b\"}", "{\"s\":\"b\",\"x\":1,\"p\":\"\\u0061\"}", 1);
    assert_keys(&ss, "{\"p\":\"a\",\"s\":\"bc\"}", "{\"p\":\"ab\",\"s\":\"c\"}", 0);
    assert_keys(&ss, "{\"p\":\"a\\nb\",\"s\":\"c\"}", "{\"p\":\"a\\u000ab\",\"s\":\"c\"}", 1);
    assert_keys(&ss, "{\"p\":\"a\\\\nb\",\"s\":\"c\"}", "{\"p\":\"a\\nb\",\"s\":\"c\"}", 0);
    assert_keys(&nn, "{\"p\":1,\"s\":-0}", "{\"p\":1.0,\"s\":0.00}", 1);
    assert_keys(&nn, "{\"p\":1e0,\"s\":100}", "{\"p\":0.1e1,\"s\":1E+2}", 1);
    assert_keys(&nn, "{\"p\":1,\"s\":1}", "{\"p\":1,\"s\":-1}", 0);
    assert_keys(&nn, "{\"p\":1,\"s\":1}", "{\"p\":10,\"s\":1}", 0);
    assert_keys(&bb, "{\"p\":\"AAE=\",\"s\":\"\\/w==\"}", "{\"p\":\"AAE=\",\"s\":\"/w==\"}", 1);
    assert_keys(&bb, "{\"p\":\"AAE=\",\"s\":\"/w==\"}", "{\"p\":\"AAE=\",\"s\":\"/g==\"}", 0);
}

static void exact_bytes(void **state) {
    struct model_table t = table_of(MODEL_KEY_S, MODEL_KEY_N);
    struct slice k = key_bytes(&t, "{\"p\":\"\xc3\xa9\",\"s\":1.50}");
    (void)state;
    assert_int_equal(k.len, 5 + 2 + 5 + 5);
    assert_memory_equal(k.ptr,
                        "S\0\0\0\2\xc3\xa9"
                        "N\0\0\0\5"
                        "15E-1",
                        k.len);
    free((void *)(uintptr_t)k.ptr);
}

static void no_sort_key(void **state) {
    struct model_table t = {.name = "T", .partition = {"p", 1, MODEL_KEY_S}};
    struct encoding e;
    struct model_encode how = {.table = &t};
    (void)state;
    encoding_run(&e, &how, SLICE("{\"x\":1,\"p\":\"a\",\"s\":5}"));
    assert_int_equal(e.error, 0);
    assert_slice(e.info.key_json, "{\"p\":{\"S\":\"a\"}}");
    assert_slice(e.info.key_plain, "{\"p\":\"a\"}");
    assert_int_equal(e.info.key.len, 6);
    encoding_fini(&e);
}

static void of_text(void **state) {
    static const struct {
        enum model_key_type p, s;
        const char *partition, *sort, *out, *message;
    } cases[] = {
        {MODEL_KEY_S, MODEL_KEY_S, "a \"b", "1",
         "{\"p\":{\"S\":\"a \\\"b\"},\"s\":{\"S\":\"1\"}}", ""},
        {MODEL_KEY_N, MODEL_KEY_N, "1.50", "-3",
         "{\"p\":{\"N\":\"1.50\"},\"s\":{\"N\":\"-3\"}}", ""},
        {MODEL_KEY_B, MODEL_KEY_S, "AAE=", "s", "{\"p\":{\"B\":\"AAE=\"},\"s\":{\"S\":\"s\"}}",
         ""},
        {MODEL_KEY_N, MODEL_KEY_S, "x", "s", "", "p: expected a number"},
        {MODEL_KEY_N, MODEL_KEY_S, "1 ", "s", "", "p: expected a number"},
        {MODEL_KEY_N, MODEL_KEY_S, "1e999", "s", "",
         "p: number is out of DynamoDB's range, 1E-130 to "
         "9.9999999999999999999999999999999999999E+125"},
        {MODEL_KEY_S, MODEL_KEY_N, "a", "", "", "s: expected a number"},
        {MODEL_KEY_S, MODEL_KEY_S, "", "s", "", "p: the partition key must not be empty"},
        {MODEL_KEY_S, MODEL_KEY_S, "a", NULL, "", "s: the sort key is missing"},
        {MODEL_KEY_S, MODEL_KEY_S, NULL, "s", "", "p: the partition key is missing"},
        {MODEL_KEY_S, MODEL_KEY_S, "a\xff", "s", "", "p: not UTF-8"},
        {MODEL_KEY_B, MODEL_KEY_S, "AA", "s", "",
         "p: expected a base64 string, got one that does not decode"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct model_table t = table_of(cases[i].p, cases[i].s);
        struct encoding e = {0};
        e.error =
            model_encode_key(&t, slice_cstr(cases[i].partition), slice_cstr(cases[i].sort),
                             &e.out, &e.keys, &e.info, e.message);
        assert_string_equal(e.message, cases[i].message);
        assert_int_equal(e.error, cases[i].message[0] ? ERR_INVALID : 0);
        assert_slice(buffer_slice(&e.out), cases[i].out);
        assert_slice(e.info.key_json, cases[i].out);
        if (e.error == 0) {
            struct buffer plain = {0};
            assert_int_equal(model_decode_item(e.info.key_json, &plain), 0);
            assert_true(slice_eq(e.info.key_plain, buffer_slice(&plain)));
            buffer_fini(&plain);
        }
        encoding_fini(&e);
    }
}

static void lengths(void **state) {
    static const struct {
        size_t partition, sort;
        const char *message;
    } cases[] = {
        {2048, 1024, ""},
        {2049, 1024, "p: the partition key is 2049 bytes, over DynamoDB's limit of 2048"},
        {2048, 1025, "s: the sort key is 1025 bytes, over DynamoDB's limit of 1024"},
    };
    char text[2100];
    (void)state;
    memset(text, 'k', sizeof text);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct model_table t = table_of(MODEL_KEY_S, MODEL_KEY_S);
        struct encoding e = {0};
        e.error = model_encode_key(&t, slice_of(text, cases[i].partition),
                                   slice_of(text, cases[i].sort), &e.out, &e.keys, &e.info,
                                   e.message);
        assert_string_equal(e.message, cases[i].message);
        encoding_fini(&e);
    }
}

/* Binary keys count decoded; key bodies of type B are base64 strings. */
static void binary_in_a_body(void **state) {
    struct model_table t = {.partition = {"p", 1, MODEL_KEY_B}};
    struct model_encode how = {.table = &t};
    struct encoding e;
    char json[2800 + 20] = "{\"p\":\"";
    (void)state;
    /* 2048 bytes are 2732 in base64 */
    memset(json + 6, 'A', 2732);
    strcpy(json + 6 + 2731, "=\"}");
    encoding_run(&e, &how, slice_cstr(json));
    assert_string_equal(e.message, "");
    encoding_fini(&e);
    assert_refused(&how, "{\"p\":\"x\"}",
                   "p: expected a base64 string, got one that does not decode");
    assert_refused(&how, "{\"p\":1}", "p: expected a base64 string, got a number");
    assert_refused(&how, "{\"p\":\"\"}", "p: the partition key must not be empty");
}

/* Items that are not ours: hostile ones are not found, not followed. */
static void of_hostile_items(void **state) {
    static const char *const items[] = {"",
                                        "{",
                                        "[]",
                                        "{}",
                                        "{\"p\":{\"S\":\"a\"}}",
                                        "{\"p\":{\"N\":\"1\"},\"s\":{\"S\":\"b\"}}",
                                        "{\"p\":{\"S\":\"a\"},\"s\":{\"S\":5}}",
                                        "{\"p\":{\"S\":\"a\"},\"s\":{}}",
                                        "{\"p\":{\"S\":\"\\x\"},\"s\":{\"S\":\"b\"}}",
                                        "{\"p\":\"S\",\"s\":\"S\"}"};
    struct model_table t = table_of(MODEL_KEY_S, MODEL_KEY_S);
    struct model_key_buffer keys = {0};
    struct slice key;
    (void)state;
    for (size_t i = 0; i < COUNT(items); i++) {
        assert_int_equal(model_item_key(&t, slice_cstr(items[i]), &keys, &key), ERR_NOT_FOUND);
    }
    t = table_of(MODEL_KEY_N, MODEL_KEY_B);
    assert_int_equal(
        model_item_key(&t, SLICE("{\"p\":{\"N\":\"1x\"},\"s\":{\"B\":\"AA==\"}}"), &keys, &key),
        ERR_NOT_FOUND);
    assert_int_equal(
        model_item_key(&t, SLICE("{\"p\":{\"N\":\"1\"},\"s\":{\"B\":\"A\"}}"), &keys, &key),
        ERR_NOT_FOUND);
    assert_int_equal(
        model_item_key(&t, SLICE("{\"p\":{\"N\":\"\"},\"s\":{\"B\":\"AA==\"}}"), &keys, &key),
        ERR_NOT_FOUND);
    assert_int_equal(
        model_item_key(&t, SLICE("{\"p\":{\"N\":\"1\"},\"s\":{\"B\":\"AA==\"}}"), &keys, &key),
        0);
    model_key_buffer_fini(&keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_and_not),    cmocka_unit_test(exact_bytes),
        cmocka_unit_test(no_sort_key),      cmocka_unit_test(of_text),
        cmocka_unit_test(lengths),          cmocka_unit_test(binary_in_a_body),
        cmocka_unit_test(of_hostile_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
