/* get_item, update_item, delete_item. */
#include "stand_in.h"

#define BODY(text) .body = {text, sizeof(text) - 1}

static const struct builtin_options plain = {.table = &music};
static const struct builtin_options numbered = {.table = &scores};

static void run(penstock_invoke_fn invoke, struct penstock_invocation *i,
                const struct builtin_options *o) {
    invoke(i, (void *)(uintptr_t)o);
}

static void get_found(void **state) {
    struct penstock_invocation i = {PATH_A_S};
    (void)state;
    run(get_item_invoke, &i, &plain);
    assert_int_equal(i.ops[0].operation, PENSTOCK_GET_ITEM);
    assert_string_equal(i.ops[0].item, KEY_A_S);
    assert_string_equal(i.ops[0].extra, "");
    assert_int_equal(i.ops[0].key_len, 12);
    settle(&i, 0, PENSTOCK_OK, "{\"Item\":{\"Artist\":{\"S\":\"A\"},\"n\":{\"N\":\"1\"}}}", "");
    assert_int_equal(i.status, 200);
    assert_string_equal(i.answer, "{\"Artist\":\"A\",\"n\":1}");
    invocation_fini(&i);
}

static void get_others(void **state) {
    static const struct {
        const char *body, *answer;
        int status;
    } cases[] = {
        {"{}", "Not Found", 404},
        {"{\"Item\":{\"a\":5}}", "Internal server error", 502},
        {"{\"Item\":{\"a\":{\"S\":\"x\"}", "Internal server error", 502},
        {"", "Internal server error", 502},
    };
    (void)state;
    for (size_t n = 0; n < COUNT(cases); n++) {
        struct penstock_invocation i = {PATH_A_S};
        run(get_item_invoke, &i, &plain);
        settle(&i, 0, PENSTOCK_OK, cases[n].body, "");
        assert_int_equal(i.status, cases[n].status);
        assert_string_equal(i.answer, cases[n].answer);
        assert_int_equal(i.answers, 1);
        invocation_fini(&i);
    }
    struct penstock_invocation i = {PATH_A_S};
    run(get_item_invoke, &i, &plain);
    settle(&i, 0, PENSTOCK_UNAVAILABLE, "", "");
    assert_int_equal(i.outcome, PENSTOCK_UNAVAILABLE);
    invocation_fini(&i);
    i = (struct penstock_invocation){PATH_A_S, .refuse_with = PENSTOCK_BUSY};
    run(get_item_invoke, &i, &plain);
    assert_int_equal(i.outcome, PENSTOCK_BUSY);
    invocation_fini(&i);
}

static void get_parameters(void **state) {
    struct penstock_invocation i = {.path = {{"Artist", "A"}},
                                    .query = {{"SongTitle", "s"}, {"consistent", "true"}}};
    (void)state;
    run(get_item_invoke, &i, &plain);
    assert_string_equal(i.ops[0].item, KEY_A_S);
    assert_string_equal(i.ops[0].extra, ",\"ConsistentRead\":true");
    invocation_fini(&i);
    i = (struct penstock_invocation){PATH_A_S, .query = {{"consistent", "false"}}};
    run(get_item_invoke, &i, &plain);
    assert_string_equal(i.ops[0].extra, "");
    invocation_fini(&i);
    i = (struct penstock_invocation){PATH_A_S, .query = {{"consistent", "yes"}}};
    assert_refused(&i, get_item_invoke, &plain, "consistent: expected true or false");
    i = (struct penstock_invocation){.path = {{"Artist", "A"}}};
    assert_refused(&i, get_item_invoke, &plain, "SongTitle: the sort key is missing");
    i = (struct penstock_invocation){.path = {{"game", "g"}, {"score", "high"}}};
    assert_refused(&i, get_item_invoke, &numbered, "score: expected a number");
}

static void update(void **state) {
    struct penstock_invocation i = {
        PATH_A_S, BODY("{\"n\":2,\"size\":null,\"m\":{\"x\":[1,null]},\"Artist\":\"A\"}")};
    (void)state;
    run(update_item_invoke, &i, &plain);
    assert_int_equal(i.ops[0].operation, PENSTOCK_UPDATE_ITEM);
    assert_string_equal(i.ops[0].item, KEY_A_S);
    assert_string_equal(
        i.ops[0].extra,
        ",\"UpdateExpression\":\"SET #n0 = :v0, #n1 = :v1 REMOVE #n2\",\"ReturnValues\":\"ALL_"
        "NEW\","
        "\"ExpressionAttributeNames\":{\"#n0\":\"n\",\"#n1\":\"m\",\"#n2\":\"size\"},"
        "\"ExpressionAttributeValues\":{\":v0\":{\"N\":\"2\"},\":v1\":{\"M\":{\"x\":{\"L\":[{"
        "\"N\":\"1\"},{\"NULL\":true}]}}}}");
    assert_int_equal(i.ops[0].key_len, 12);
    assert_int_equal(i.ops[0].idempotent, 1);
    settle(&i, 0, PENSTOCK_OK,
           "{\"Attributes\":{\"Artist\":{\"S\":\"A\"},\"n\":{\"N\":\"2\"}}}", "");
    assert_int_equal(i.status, 200);
    assert_string_equal(i.answer, "{\"Artist\":\"A\",\"n\":2}");
    invocation_fini(&i);
}

static void update_removes_only(void **state) {
    struct penstock_invocation i = {PATH_A_S, BODY("{\"a\\\"b\":null,\"c\":null}")};
    (void)state;
    run(update_item_invoke, &i, &plain);
    assert_string_equal(
        i.ops[0].extra,
        ",\"UpdateExpression\":\"REMOVE #n0, #n1\",\"ReturnValues\":\"ALL_NEW\","
        "\"ExpressionAttributeNames\":{\"#n0\":\"a\\\"b\",\"#n1\":\"c\"}");
    invocation_fini(&i);
}

/* It happened: a 502 that does not say so would be a lie. */
static void update_answered_unreadably(void **state) {
    static const char *const bodies[] = {"", "{}", "{\"Attributes\":{\"a\":5}}",
                                         "{\"Attributes\":{\"a\":{\"S\":\"x\"}"};
    (void)state;
    for (size_t n = 0; n < COUNT(bodies); n++) {
        struct penstock_invocation i = {PATH_A_S, BODY("{\"n\":2}")};
        run(update_item_invoke, &i, &plain);
        settle(&i, 0, PENSTOCK_OK, bodies[n], "");
        assert_int_equal(i.answers, 1);
        assert_int_equal(i.outcome, PENSTOCK_UNKNOWN);
        invocation_fini(&i);
    }
}

/* The condition and the patch share one set of names. */
static void update_with_condition(void **state) {
    struct builtin_options o = plain;
    struct penstock_invocation i = {PATH_A_S, BODY("{\"n\":2}")};
    (void)state;
    o.condition = "n = 1 AND attribute_exists(Artist)";
    run(update_item_invoke, &i, &o);
    assert_string_equal(
        i.ops[0].extra,
        ",\"UpdateExpression\":\"SET #n0 = :v0\",\"ReturnValues\":\"ALL_NEW\","
        "\"ConditionExpression\":\"#n0 = :v1 AND attribute_exists(#n1)\","
        "\"ExpressionAttributeNames\":{\"#n0\":\"n\",\"#n1\":\"Artist\"},"
        "\"ExpressionAttributeValues\":{\":v0\":{\"N\":\"2\"},\":v1\":{\"N\":\"1\"}}");
    assert_int_equal(i.ops[0].idempotent, 0);
    settle(&i, 0, PENSTOCK_CONDITION_FAILED, "", "");
    assert_int_equal(i.outcome, PENSTOCK_CONDITION_FAILED);
    invocation_fini(&i);
}

static void update_refused(void **state) {
    static const struct {
        const char *body, *message;
    } cases[] = {
        {"", "body is not valid JSON at byte 0: expected an object"},
        {"[{\"n\":1}]", "body is not valid JSON at byte 0: expected an object"},
        {"{}", "body changes nothing: no attributes"},
        {"{\"Artist\":\"A\"}", "body changes nothing: no attributes"},
        {"{\"n\":1,\"Artist\":\"B\"}", "Artist: a key attribute cannot be changed"},
        {"{\"n\":1,\"SongTitle\":null}", "SongTitle: a key attribute cannot be changed"},
        {"{\"n\":1,\"SongTitle\":5}", "SongTitle: a key attribute cannot be changed"},
        {"{\"n\":1,\"n\":2}", "n: the name is in the object twice"},
        {"{\"n\":1e999}", "n: number is out of DynamoDB's range, 1E-130 to "
                          "9.9999999999999999999999999999999999999E+125"},
    };
    (void)state;
    for (size_t n = 0; n < COUNT(cases); n++) {
        struct penstock_invocation i = {PATH_A_S, .body = slice_cstr(cases[n].body)};
        assert_refused(&i, update_item_invoke, &plain, cases[n].message);
    }
}

/* Numbers are one key in every spelling. */
static void update_repeats_the_key(void **state) {
    struct penstock_invocation i = {.path = {{"game", "g"}, {"score", "10"}},
                                    BODY("{\"score\":1e1,\"n\":1}")};
    (void)state;
    run(update_item_invoke, &i, &numbered);
    assert_int_equal(i.op_count, 1);
    assert_null(strstr(i.ops[0].extra, "score"));
    invocation_fini(&i);
    i = (struct penstock_invocation){.path = {{"game", "g"}, {"score", "10"}},
                                     BODY("{\"score\":\"10\",\"n\":1}")};
    assert_refused(&i, update_item_invoke, &numbered,
                   "score: a key attribute cannot be changed");
}

/* A binary key in the body, whether `types:` says what it is or not. */
static void update_repeats_a_binary_key(void **state) {
    static const struct model_table blobs = {.name = "Blobs",
                                             .partition = {"id", 2, MODEL_KEY_B}};
    static const struct model_type types[] = {{{"id", 2}, MODEL_TYPED_B}};
    (void)state;
    for (size_t count = 0; count < 2; count++) {
        struct builtin_options o = {.table = &blobs, .types = types, .type_count = count};
        struct penstock_invocation i = {.path = {{"id", "AAE="}},
                                        BODY("{\"id\":\"AAE=\",\"n\":1}")};
        run(update_item_invoke, &i, &o);
        assert_int_equal(i.op_count, 1);
        assert_null(strstr(i.ops[0].extra, "id"));
        invocation_fini(&i);
        i = (struct penstock_invocation){.path = {{"id", "AAE="}},
                                         BODY("{\"id\":\"AAI=\",\"n\":1}")};
        assert_refused(&i, update_item_invoke, &o, "id: a key attribute cannot be changed");
    }
}

static void update_of_too_many(void **state) {
    char body[20000] = "{", *w = body + 1;
    struct penstock_invocation i = {PATH_A_S};
    (void)state;
    for (int n = 0; n < 600; n++) {
        w += sprintf(w, "%s\"a%d\":%d", n ? "," : "", n, n);
    }
    strcpy(w, "}");
    i.body = slice_cstr(body);
    assert_refused(&i, update_item_invoke, &plain,
                   "body changes more attributes than one update takes");
}

static void delete_it(void **state) {
    struct penstock_invocation i = {PATH_A_S};
    (void)state;
    run(delete_item_invoke, &i, &plain);
    assert_int_equal(i.ops[0].operation, PENSTOCK_DELETE_ITEM);
    assert_string_equal(i.ops[0].item, KEY_A_S);
    assert_string_equal(i.ops[0].extra, "");
    assert_int_equal(i.ops[0].idempotent, 1);
    settle(&i, 0, PENSTOCK_OK, "", "");
    assert_int_equal(i.status, 204);
    assert_string_equal(i.answer, "");
    invocation_fini(&i);
    i = (struct penstock_invocation){.path = {{"Artist", "A"}}};
    assert_refused(&i, delete_item_invoke, &plain, "SongTitle: the sort key is missing");
}

static void delete_with_condition(void **state) {
    struct builtin_options o = plain;
    struct penstock_invocation i = {PATH_A_S};
    (void)state;
    o.condition = "attribute_exists(Artist)";
    run(delete_item_invoke, &i, &o);
    assert_string_equal(i.ops[0].extra, ",\"ConditionExpression\":\"attribute_exists(#n0)\","
                                        "\"ExpressionAttributeNames\":{\"#n0\":\"Artist\"}");
    assert_int_equal(i.ops[0].idempotent, 0);
    settle(&i, 0, PENSTOCK_CONDITION_FAILED, "", "");
    assert_int_equal(i.outcome, PENSTOCK_CONDITION_FAILED);
    invocation_fini(&i);
}

static void by_name(void **state) {
    (void)state;
    assert_true(builtin_find(SLICE("put_item")) == put_item_invoke);
    assert_true(builtin_find(SLICE("query")) == query_invoke);
    assert_null(builtin_find(SLICE("put")));
    assert_null(builtin_find(SLICE("")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_found),
        cmocka_unit_test(get_others),
        cmocka_unit_test(get_parameters),
        cmocka_unit_test(update),
        cmocka_unit_test(update_removes_only),
        cmocka_unit_test(update_answered_unreadably),
        cmocka_unit_test(update_with_condition),
        cmocka_unit_test(update_refused),
        cmocka_unit_test(update_repeats_the_key),
        cmocka_unit_test(update_repeats_a_binary_key),
        cmocka_unit_test(update_of_too_many),
        cmocka_unit_test(delete_it),
        cmocka_unit_test(delete_with_condition),
        cmocka_unit_test(by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
