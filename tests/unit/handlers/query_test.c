#include "stand_in.h"

static const struct builtin_options plain = {.table = &music, .query_limit = 20};
static const struct builtin_options numbered = {.table = &scores};
static const struct builtin_options unsorted = {.table = &lone};

static void run(struct penstock_invocation *i, const struct builtin_options *o) {
    query_invoke(i, (void *)(uintptr_t)o);
}

static void requests(void **state) {
    static const struct {
        struct parameter query[4];
        const char *extra;
    } cases[] = {
        {{{0}},
         ",\"KeyConditionExpression\":\"#n0 = :v0\",\"Limit\":20,"
         "\"ExpressionAttributeNames\":{\"#n0\":\"Artist\"},"
         "\"ExpressionAttributeValues\":{\":v0\":{\"S\":\"A\"}}"},
        {{{"limit", "5"}, {"order", "desc"}, {"consistent", "true"}},
         ",\"KeyConditionExpression\":\"#n0 = :v0\",\"Limit\":5,\"ScanIndexForward\":false,"
         "\"ConsistentRead\":true,\"ExpressionAttributeNames\":{\"#n0\":\"Artist\"},"
         "\"ExpressionAttributeValues\":{\":v0\":{\"S\":\"A\"}}"},
        {{{"limit", "1000000"}, {"order", "asc"}},
         ",\"KeyConditionExpression\":\"#n0 = :v0\",\"Limit\":20,"
         "\"ExpressionAttributeNames\":{\"#n0\":\"Artist\"},"
         "\"ExpressionAttributeValues\":{\":v0\":{\"S\":\"A\"}}"},
        {{{"limit", "99999999999999999999999999"}, {"begins_with", "t\"x"}},
         ",\"KeyConditionExpression\":\"#n0 = :v0 AND begins_with(#n1, :v1)\",\"Limit\":20,"
         "\"ExpressionAttributeNames\":{\"#n0\":\"Artist\",\"#n1\":\"SongTitle\"},"
         "\"ExpressionAttributeValues\":{\":v0\":{\"S\":\"A\"},\":v1\":{\"S\":\"t\\\"x\"}}"},
        {{{"from", "a"}, {"to", "b"}},
         ",\"KeyConditionExpression\":\"#n0 = :v0 AND #n1 BETWEEN :v1 AND :v2\",\"Limit\":20,"
         "\"ExpressionAttributeNames\":{\"#n0\":\"Artist\",\"#n1\":\"SongTitle\"},"
         "\"ExpressionAttributeValues\":{\":v0\":{\"S\":\"A\"},\":v1\":{\"S\":\"a\"},\":v2\":{"
         "\"S\":\"b\"}}"},
        {{{"from", "a"}},
         ",\"KeyConditionExpression\":\"#n0 = :v0 AND #n1 >= :v1\",\"Limit\":20,"
         "\"ExpressionAttributeNames\":{\"#n0\":\"Artist\",\"#n1\":\"SongTitle\"},"
         "\"ExpressionAttributeValues\":{\":v0\":{\"S\":\"A\"},\":v1\":{\"S\":\"a\"}}"},
        {{{"to", "b"}},
         ",\"KeyConditionExpression\":\"#n0 = :v0 AND #n1 <= :v1\",\"Limit\":20,"
         "\"ExpressionAttributeNames\":{\"#n0\":\"Artist\",\"#n1\":\"SongTitle\"},"
         "\"ExpressionAttributeValues\":{\":v0\":{\"S\":\"A\"},\":v1\":{\"S\":\"b\"}}"},
    };
    (void)state;
    for (size_t n = 0; n < COUNT(cases); n++) {
        struct penstock_invocation i = {.path = {{"Artist", "A"}}};
        memcpy(i.query, cases[n].query, sizeof cases[n].query);
        run(&i, &plain);
        assert_int_equal(i.op_count, 1);
        assert_int_equal(i.ops[0].operation, PENSTOCK_QUERY);
        assert_string_equal(i.ops[0].item, "");
        assert_string_equal(i.ops[0].extra, cases[n].extra);
        invocation_fini(&i);
    }
}

static void typed_as_the_table(void **state) {
    struct penstock_invocation i = {.path = {{"game", "g"}}, .query = {{"from", "1.50"}}};
    (void)state;
    run(&i, &numbered);
    assert_non_null(strstr(i.ops[0].extra, ":v1\":{\"N\":\"1.50\"}"));
    assert_non_null(strstr(i.ops[0].extra, "\"Limit\":50"));
    invocation_fini(&i);
}

static void refused(void **state) {
    static const struct {
        const struct builtin_options *o;
        struct parameter path, query[3];
        const char *message;
    } cases[] = {
        {&plain, {0}, {{0}}, "Artist: the partition key is missing"},
        {&plain, {"Artist", ""}, {{0}}, "Artist: the partition key must not be empty"},
        {&plain, {"Artist", "A"}, {{"limit", "0"}}, "limit: expected a number from 1 on"},
        {&plain, {"Artist", "A"}, {{"limit", "-1"}}, "limit: expected a number from 1 on"},
        {&plain, {"Artist", "A"}, {{"limit", ""}}, "limit: expected a number from 1 on"},
        {&plain, {"Artist", "A"}, {{"order", "down"}}, "order: expected asc or desc"},
        {&plain, {"Artist", "A"}, {{"consistent", "1"}}, "consistent: expected true or false"},
        {&plain,
         {"Artist", "A"},
         {{"begins_with", "a"}, {"to", "b"}},
         "begins_with: cannot stand beside from or to"},
        {&plain,
         {"Artist", "A"},
         {{"begins_with", ""}},
         "SongTitle: the sort key must not be empty"},
        {&numbered,
         {"game", "g"},
         {{"begins_with", "1"}},
         "begins_with: the sort key is a number"},
        {&numbered, {"game", "g"}, {{"from", "x"}}, "score: expected a number"},
        {&unsorted,
         {"id", "1"},
         {{"from", "x"}},
         "begins_with, from, to: the table has no sort key"},
        {&unsorted, {"id", "one"}, {{0}}, "id: expected a number"},
        {&plain, {"Artist", "A"}, {{"next", "garbage"}}, "next: not a token of this query"},
        {&plain, {"Artist", "A"}, {{"next", ""}}, "next: not a token of this query"},
        {&plain,
         {"Artist", "A"},
         {{"next", "AAAAAAAAAAAAAAAA"}},
         "next: not a token of this query"},
        {&plain, {"Artist", "A"}, {{"next", "!!"}}, "next: not a token of this query"},
    };
    (void)state;
    for (size_t n = 0; n < COUNT(cases); n++) {
        struct penstock_invocation i = {.path = {cases[n].path}};
        memcpy(i.query, cases[n].query, sizeof cases[n].query);
        assert_refused(&i, query_invoke, cases[n].o, cases[n].message);
    }
}

static void answers(void **state) {
    static const struct {
        const char *body, *answer;
        int status;
    } cases[] = {
        {"{\"Items\":[],\"Count\":0}", "{\"items\":[]}", 200},
        {"{\"Count\":2,\"Items\":[{\"a\":{\"N\":\"1\"}}, {\"a\":{\"SS\":[\"x\"]}}]}",
         "{\"items\":[{\"a\":1},{\"a\":[\"x\"]}]}", 200},
        {"{}", "Internal server error", 502},
        {"{\"Items\":[1]}", "Internal server error", 502},
        {"{\"Items\":[]", "Internal server error", 502},
        {"{\"Items\":[],\"LastEval", "Internal server error", 502},
        {"{\"Items\":[],\"LastEvaluatedKey\":{\"Artist\":{\"S\":\"A\"}}}",
         "Internal server error", 502},
    };
    (void)state;
    for (size_t n = 0; n < COUNT(cases); n++) {
        struct penstock_invocation i = {.path = {{"Artist", "A"}}};
        run(&i, &plain);
        settle(&i, 0, PENSTOCK_OK, cases[n].body, "");
        assert_int_equal(i.status, cases[n].status);
        assert_string_equal(i.answer, cases[n].answer);
        invocation_fini(&i);
    }
    struct penstock_invocation i = {.path = {{"Artist", "A"}}};
    run(&i, &plain);
    settle(&i, 0, PENSTOCK_DENIED, "", "");
    assert_int_equal(i.outcome, PENSTOCK_DENIED);
    invocation_fini(&i);
}

/* The token of a page that ended behind `last`, in a copy. */
static char *token_after(const struct builtin_options *o, struct parameter path,
                         const char *last) {
    struct penstock_invocation i = {.path = {path}};
    char body[512], *start, *token;
    run(&i, o);
    snprintf(body, sizeof body, "{\"Items\":[],\"LastEvaluatedKey\":%s}", last);
    settle(&i, 0, PENSTOCK_OK, body, "");
    assert_int_equal(i.status, 200);
    start = strstr(i.answer, "\"next\":\"");
    assert_non_null(start);
    token = slice_dup(slice_of(start + 8, strcspn(start + 8, "\"")));
    invocation_fini(&i);
    return token;
}

static void assert_goes_on(const struct builtin_options *o, struct parameter path,
                           const char *last) {
    char *token = token_after(o, path, last), expected[512];
    struct penstock_invocation i = {.path = {path}, .query = {{"next", token}}};
    run(&i, o);
    assert_int_equal(i.op_count, 1);
    snprintf(expected, sizeof expected, ",\"ExclusiveStartKey\":%s", last);
    assert_non_null(strstr(i.ops[0].extra, expected));
    invocation_fini(&i);
    free(token);
}

static void next_page(void **state) {
    static const struct model_table binary = {
        .name = "Binary", .partition = {"p", 1, MODEL_KEY_B}, .sort = {"s", 1, MODEL_KEY_B}};
    const struct builtin_options b = {.table = &binary};
    (void)state;
    assert_goes_on(&plain, (struct parameter){"Artist", "A"},
                   "{\"Artist\":{\"S\":\"A\"},\"SongTitle\":{\"S\":\"so\\\"n\\ng \xc3\xa9\"}}");
    assert_goes_on(&numbered, (struct parameter){"game", "g"},
                   "{\"game\":{\"S\":\"g\"},\"score\":{\"N\":\"-1.5\"}}");
    assert_goes_on(&unsorted, (struct parameter){"id", "7"}, "{\"id\":{\"N\":\"7\"}}");
    assert_goes_on(&b, (struct parameter){"p", "AAE="},
                   "{\"p\":{\"B\":\"AAE=\"},\"s\":{\"B\":\"/w==\"}}");
}

/* A token of another partition, another table, or with any character changed does not open. */
static void foreign_tokens(void **state) {
    static const struct model_table other = {.name = "Other",
                                             .partition = {"Artist", 6, MODEL_KEY_S},
                                             .sort = {"SongTitle", 9, MODEL_KEY_S}};
    const struct builtin_options o = {.table = &other};
    char *token = token_after(&plain, (struct parameter){"Artist", "A"},
                              "{\"Artist\":{\"S\":\"A\"},\"SongTitle\":{\"S\":\"song\"}}");
    struct penstock_invocation i = {.path = {{"Artist", "B"}}, .query = {{"next", token}}};
    (void)state;
    assert_refused(&i, query_invoke, &plain, "next: not a token of this query");
    i = (struct penstock_invocation){.path = {{"Artist", "A"}}, .query = {{"next", token}}};
    assert_refused(&i, query_invoke, &o, "next: not a token of this query");
    for (size_t at = 0; token[at]; at++) {
        char kept = token[at];
        token[at] = kept == 'A' ? 'B' : 'A';
        i = (struct penstock_invocation){.path = {{"Artist", "A"}}, .query = {{"next", token}}};
        assert_refused(&i, query_invoke, &plain, "next: not a token of this query");
        token[at] = kept;
    }
    for (size_t len = strlen(token) - 1; len > 0; len--) {
        token[len] = '\0';
        i = (struct penstock_invocation){.path = {{"Artist", "A"}}, .query = {{"next", token}}};
        assert_refused(&i, query_invoke, &plain, "next: not a token of this query");
    }
    free(token);
}

static void busy(void **state) {
    struct penstock_invocation i = {.path = {{"Artist", "A"}}, .refuse_with = PENSTOCK_BUSY};
    (void)state;
    run(&i, &plain);
    assert_int_equal(i.outcome, PENSTOCK_BUSY);
    invocation_fini(&i);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),  cmocka_unit_test(typed_as_the_table),
        cmocka_unit_test(refused),   cmocka_unit_test(answers),
        cmocka_unit_test(next_page), cmocka_unit_test(foreign_tokens),
        cmocka_unit_test(busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
