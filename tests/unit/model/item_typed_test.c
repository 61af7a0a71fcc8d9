/* Sets, binary, and what `set:` and the path put in. */
#include "encoding.h"

#include <stdio.h>

#define KEY       "\"Artist\":\"A\",\"SongTitle\":\"s\""
#define KEY_TYPED "\"Artist\":{\"S\":\"A\"},\"SongTitle\":{\"S\":\"s\"}"

static const struct model_type types[] = {
    {{"ss", 2}, MODEL_TYPED_SS},
    {{"ns", 2}, MODEL_TYPED_NS},
    {{"bs", 2}, MODEL_TYPED_BS},
    {{"b", 1}, MODEL_TYPED_B},
};
static const struct model_encode typed = {.table = &music, .types = types, .type_count = 4};

static void sets(void **state) {
    (void)state;
    assert_encodes(&typed, "{" KEY ",\"ss\":[ \"b\" , \"a\\u0062\",\"\"]}",
                   "{" KEY_TYPED ",\"ss\":{\"SS\":[\"b\",\"ab\",\"\"]}}");
    assert_encodes(&typed, "{" KEY ",\"ns\":[1,2.50,-3e2]}",
                   "{" KEY_TYPED ",\"ns\":{\"NS\":[\"1\",\"2.50\",\"-3e2\"]}}");
    assert_encodes(&typed, "{" KEY ",\"bs\":[\"AAE=\",\"Ag==\",\"\\/w==\"]}",
                   "{" KEY_TYPED ",\"bs\":{\"BS\":[\"AAE=\",\"Ag==\",\"/w==\"]}}");
    assert_encodes(&typed, "{" KEY ",\"b\":\"aGVsbG8=\"}",
                   "{" KEY_TYPED ",\"b\":{\"B\":\"aGVsbG8=\"}}");
    /* only at the top level */
    assert_encodes(&typed, "{" KEY ",\"m\":{\"ss\":[\"a\",\"a\"]}}",
                   "{" KEY_TYPED
                   ",\"m\":{\"M\":{\"ss\":{\"L\":[{\"S\":\"a\"},{\"S\":\"a\"}]}}}}");
}

static void bad_sets(void **state) {
    static const struct {
        const char *member, *message;
    } cases[] = {
        {"\"ss\":[]}", "ss: a set must not be empty"},
        {"\"ss\":\"a\"}", "ss: expected an array of strings, got a string"},
        {"\"ss\":null}", "ss: expected an array of strings, got null"},
        {"\"ss\":{\"a\":1}}", "ss: expected an array of strings, got an object"},
        {"\"ss\":[\"a\",1]}", "ss[1]: expected a string, got a number"},
        {"\"ss\":[\"a\",\"b\",\"\\u0061\"]}", "ss[2]: the value is in the set twice"},
        {"\"ns\":[1,\"2\"]}", "ns[1]: expected a number, got a string"},
        {"\"ns\":[1,2,1.0]}", "ns[2]: the value is in the set twice"},
        {"\"ns\":[100,1e2]}", "ns[1]: the value is in the set twice"},
        {"\"ns\":[0,-0.0]}", "ns[1]: the value is in the set twice"},
        {"\"ns\":[1e999]}", "ns[0]: number is out of DynamoDB's range, 1E-130 to "
                            "9.9999999999999999999999999999999999999E+125"},
        {"\"bs\":[\"AAE=\",\"AAE=\"]}", "bs[1]: the value is in the set twice"},
        {"\"bs\":[\"AAE\"]}", "bs[0]: expected a base64 string, got one that does not decode"},
        {"\"bs\":[\"A=E=\"]}", "bs[0]: expected a base64 string, got one that does not decode"},
        {"\"bs\":[true]}", "bs[0]: expected a base64 string, got a boolean"},
        {"\"b\":\"a b=\"}", "b: expected a base64 string, got one that does not decode"},
        {"\"b\":[\"AAE=\"]}", "b: expected a base64 string, got an array"},
        {"\"ss\":x}", "body is not valid JSON at byte 35: expected a value"},
        {"\"ss\":[\"a\"", "body is not valid JSON at byte 39: expected ',' or ']'"},
        {"\"ss\":[\"a\",]}", "body is not valid JSON at byte 40: expected a value"},
        {"\"ns\":[1,01]}", "body is not valid JSON at byte 39: expected ',' or ']'"},
        {"\"ss\":[\"a", "body is not valid JSON at byte 38: the string does not end"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char json[256];
        snprintf(json, sizeof json, "{" KEY ",%s", cases[i].member);
        assert_refused(&typed, json, cases[i].message);
    }
}

/* A null in a patch removes the set. */
static void null_in_a_patch(void **state) {
    const struct model_encode patch = {.types = types, .type_count = 4};
    (void)state;
    assert_encodes(&patch, "{\"ss\":null,\"b\":null}",
                   "{\"ss\":{\"NULL\":true},\"b\":{\"NULL\":true}}");
}

static void set_sizes(void **state) {
    struct encoding e;
    (void)state;
    encoding_run(&e, &typed,
                 SLICE("{" KEY ",\"ss\":[\"abc\",\"\\u00e9\"],\"ns\":[1,234],\"bs\":[\"AAE=\"],"
                       "\"b\":\"aGVsbG8=\"}"));
    assert_int_equal(e.error, 0);
    assert_int_equal(e.info.item_bytes, 17 + (2 + 5) + (2 + 2 + 3) + (2 + 2) + (1 + 5));
    encoding_fini(&e);
}

static void large_sets(void **state) {
    size_t room = 2000000;
    char *json = malloc(room), *w = json;
    struct encoding e;
    (void)state;
    w += sprintf(w, "{" KEY ",\"ns\":[");
    for (int i = 0; i < 50000; i++) {
        w += sprintf(w, "%d,", i);
    }
    strcpy(w, "50000]}");
    encoding_run(&e, &typed, slice_cstr(json));
    assert_int_equal(e.error, 0);
    encoding_fini(&e);
    strcpy(w, "777.0]}");
    encoding_run(&e, &typed, slice_cstr(json));
    assert_string_equal(e.message, "ns[50000]: the value is in the set twice");
    encoding_fini(&e);
    free(json);
}

static void extras(void **state) {
    struct model_extra extra[] = {
        {{"at", 2}, {"1700000000000", 13}, 1},
        {{"id", 2}, {"a\"b\n\xc3\xa9", 6}, 0},
    };
    const struct model_encode how = {.table = &music, .extras = extra, .extra_count = 2};
    struct encoding e;
    (void)state;
    assert_encodes(&how, "{" KEY "}",
                   "{" KEY_TYPED ",\"at\":{\"N\":\"1700000000000\"},"
                   "\"id\":{\"S\":\"a\\\"b\\n\xc3\xa9\"}}");
    /* they replace the body's, wherever it stands */
    assert_encodes(&how, "{\"at\":[1,{\"x\":2}]," KEY ",\"id\":null,\"z\":1}",
                   "{" KEY_TYPED ",\"z\":{\"N\":\"1\"},\"at\":{\"N\":\"1700000000000\"},"
                   "\"id\":{\"S\":\"a\\\"b\\n\xc3\xa9\"}}");
    encoding_run(&e, &how, SLICE("{" KEY ",\"at\":\"xxxxxxxxxxxxxxxxxxx\"}"));
    assert_int_equal(e.info.item_bytes, 17 + (2 + 2) + (2 + 6));
    encoding_fini(&e);
    /* what they replace is checked all the same */
    assert_refused(&how, "{" KEY ",\"at\":[1,}",
                   "body is not valid JSON at byte 38: expected a value");
    extra[0].value = SLICE("12x");
    assert_refused(&how, "{" KEY "}", "at: expected a number");
    extra[0].value = SLICE("");
    assert_refused(&how, "{" KEY "}", "at: expected a number");
    extra[0] = (struct model_extra){SLICE("at"), SLICE("\xff"), 0};
    assert_refused(&how, "{" KEY "}", "at: not UTF-8");
}

/* A key from the path is typed as the table has it, and wins over the body's. */
static void extras_that_are_keys(void **state) {
    static const struct model_table scores = {.partition = {"game", 4, MODEL_KEY_B},
                                              .sort = {"score", 5, MODEL_KEY_N}};
    struct model_extra extra[] = {{{"game", 4}, {"AAE=", 4}, 0},
                                  {{"score", 5}, {"12.50", 5}, 0}};
    const struct model_encode how = {.table = &scores, .extras = extra, .extra_count = 2};
    struct encoding e;
    (void)state;
    assert_encodes(&how, "{\"score\":1,\"game\":\"Ag==\"}",
                   "{\"game\":{\"B\":\"AAE=\"},\"score\":{\"N\":\"12.50\"}}");
    encoding_run(&e, &how, SLICE("{}"));
    assert_slice(e.info.key_json, "{\"game\":{\"B\":\"AAE=\"},\"score\":{\"N\":\"12.50\"}}");
    assert_slice(e.info.key_plain, "{\"game\":\"AAE=\",\"score\":12.50}");
    encoding_fini(&e);
    extra[0].value = SLICE("A");
    assert_refused(&how, "{}", "game: expected a base64 string, got one that does not decode");
    extra[0].value = SLICE("");
    assert_refused(&how, "{}", "game: the partition key must not be empty");
    extra[0].value = SLICE("AAE=");
    extra[1].value = SLICE("twelve");
    assert_refused(&how, "{}", "score: expected a number");
}

/* An overridden attribute beyond all limits does not leave a broken item behind. */
static void huge_overridden(void **state) {
    struct model_extra extra[] = {{{"at", 2}, {"1", 1}, 1}};
    const struct model_encode how = {.table = &music, .extras = extra, .extra_count = 1};
    size_t room = 1200000;
    char *json = malloc(room), *w = json;
    struct encoding e;
    (void)state;
    w += sprintf(w, "{" KEY ",\"at\":[");
    for (int i = 0; i < 250000; i++) {
        w += sprintf(w, "\"\",");
    }
    strcpy(w, "1],\"b\":1}");
    encoding_run(&e, &how, slice_cstr(json));
    assert_string_equal(e.message, "");
    assert_slice(buffer_slice(&e.out),
                 "{" KEY_TYPED ",\"b\":{\"N\":\"1\"},\"at\":{\"N\":\"1\"}}");
    encoding_fini(&e);
    w = json + sprintf(json, "{" KEY ",\"at\":[");
    for (int i = 0; i < 550000; i++) {
        w += sprintf(w, "1,");
    }
    strcpy(w, "1],\"b\":1}");
    encoding_run(&e, &how, slice_cstr(json));
    assert_int_equal(e.error, ERR_INVALID);
    assert_memory_equal(e.message, "item is ", 8);
    encoding_fini(&e);
    free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets),
        cmocka_unit_test(bad_sets),
        cmocka_unit_test(null_in_a_patch),
        cmocka_unit_test(set_sizes),
        cmocka_unit_test(large_sets),
        cmocka_unit_test(extras),
        cmocka_unit_test(extras_that_are_keys),
        cmocka_unit_test(huge_overridden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
