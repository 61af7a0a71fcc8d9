#include "model/table.h"

#include "encoding.h"

static void names(void **state) {
    char longest[256];
    (void)state;
    memset(longest, 'a', sizeof longest);
    assert_true(model_table_name_valid(SLICE("abc")));
    assert_true(model_table_name_valid(SLICE("A-b_c.9")));
    assert_true(model_table_name_valid(slice_of(longest, 255)));
    assert_false(model_table_name_valid(slice_of(longest, 256)));
    assert_false(model_table_name_valid(SLICE("ab")));
    assert_false(model_table_name_valid(SLICE("")));
    assert_false(model_table_name_valid(SLICE("a b c")));
    assert_false(model_table_name_valid(SLICE("a/bc")));
    assert_false(model_table_name_valid(SLICE("b\xc3\xa9"
                                              "c")));
}

static void create(void **state) {
    struct model_table t = music;
    struct buffer out = {0};
    (void)state;
    assert_int_equal(model_table_create_body(&t, &out), 0);
    assert_slice(
        buffer_slice(&out),
        "{\"TableName\":\"Music\",\"AttributeDefinitions\":[{\"AttributeName\":\"Artist\","
        "\"AttributeType\":\"S\"},{\"AttributeName\":\"SongTitle\",\"AttributeType\":\"S\"}],"
        "\"KeySchema\":[{\"AttributeName\":\"Artist\",\"KeyType\":\"HASH\"},"
        "{\"AttributeName\":\"SongTitle\",\"KeyType\":\"RANGE\"}],"
        "\"BillingMode\":\"PAY_PER_REQUEST\"}");
    out.len = 0;
    t.sort.name_len = 0;
    t.partition.type = MODEL_KEY_N;
    assert_int_equal(model_table_create_body(&t, &out), 0);
    assert_slice(
        buffer_slice(&out),
        "{\"TableName\":\"Music\",\"AttributeDefinitions\":[{\"AttributeName\":\"Artist\","
        "\"AttributeType\":\"N\"}],\"KeySchema\":[{\"AttributeName\":\"Artist\","
        "\"KeyType\":\"HASH\"}],\"BillingMode\":\"PAY_PER_REQUEST\"}");
    buffer_fini(&out);
}

static void describe(void **state) {
    static const char response[] =
        "{\"Table\":{\"AttributeDefinitions\":[{\"AttributeName\":\"other\",\"AttributeType\":"
        "\"B\"},"
        "{\"AttributeType\":\"N\",\"AttributeName\":\"at\"},{\"AttributeName\":\"device\","
        "\"AttributeType\":\"S\"}],\"CreationDateTime\":1.5E9,\"KeySchema\":[{\"KeyType\":"
        "\"RANGE\","
        "\"AttributeName\":\"at\"},{\"AttributeName\":\"device\",\"KeyType\":\"HASH\"}],"
        "\"TableName\":\"Readings\",\"TableStatus\":\"ACTIVE\"}}";
    struct model_table t;
    (void)state;
    assert_int_equal(model_table_from_describe(slice_cstr(response), &t), 0);
    assert_string_equal(t.name, "Readings");
    assert_string_equal(t.partition.name, "device");
    assert_int_equal(t.partition.name_len, 6);
    assert_int_equal(t.partition.type, MODEL_KEY_S);
    assert_string_equal(t.sort.name, "at");
    assert_int_equal(t.sort.type, MODEL_KEY_N);
    /* cut anywhere: refused, never half a schema called good */
    for (size_t len = 0; len < sizeof response - 3; len++) {
        int error = model_table_from_describe(slice_of(response, len), &t);
        assert_true(error == ERR_PROTOCOL ||
                    (t.partition.name_len == 6 && t.sort.name_len == 2));
    }
}

static void bad_descriptions(void **state) {
    static const char *const responses[] = {
        "{}",
        "{\"Table\":{}}",
        "{\"Table\":{\"TableName\":\"T\",\"KeySchema\":[]}}",
        "{\"Table\":{\"TableName\":\"T\",\"KeySchema\":[{\"AttributeName\":\"a\",\"KeyType\":"
        "\"X\"}]}}",
        "{\"Table\":{\"TableName\":\"T\",\"KeySchema\":[{\"AttributeName\":\"a\",\"KeyType\":"
        "\"HASH\"}],"
        "\"AttributeDefinitions\":[]}}",
        "{\"Table\":{\"TableName\":\"T\",\"KeySchema\":[{\"AttributeName\":\"a\",\"KeyType\":"
        "\"HASH\"}],"
        "\"AttributeDefinitions\":[{\"AttributeName\":\"a\",\"AttributeType\":\"L\"}]}}",
        "{\"Table\":{\"TableName\":\"T\",\"KeySchema\":[{\"AttributeName\":\"\",\"KeyType\":"
        "\"HASH\"}]}}",
    };
    struct model_table t;
    (void)state;
    for (size_t i = 0; i < COUNT(responses); i++) {
        assert_int_equal(model_table_from_describe(slice_cstr(responses[i]), &t), ERR_PROTOCOL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(create),
        cmocka_unit_test(describe),
        cmocka_unit_test(bad_descriptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
