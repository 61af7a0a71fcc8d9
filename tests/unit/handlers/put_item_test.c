#include "stand_in.h"

#define BODY(text) .body = {text, sizeof(text) - 1}
#define SONG       "{\"Artist\":\"A\",\"SongTitle\":\"s\",\"n\":1.10}"
#define SONG_TYPED                                                                             \
    "{\"Artist\":{\"S\":\"A\"},\"SongTitle\":{\"S\":\"s\"},\"n\":{\"N\":\"1.10\"}}"

static const struct builtin_options plain = {.table = &music, .items_max = 5};

static void run(struct penstock_invocation *i, const struct builtin_options *o) {
    put_item_invoke(i, (void *)(uintptr_t)o);
}

static void stored(void **state) {
    struct penstock_invocation i = {BODY(SONG)};
    (void)state;
    run(&i, &plain);
    assert_int_equal(i.op_count, 1);
    assert_int_equal(i.answers, 0);
    assert_int_equal(i.ops[0].operation, PENSTOCK_PUT_ITEM);
    assert_string_equal(i.ops[0].table, "Music");
    assert_string_equal(i.ops[0].item, SONG_TYPED);
    assert_string_equal(i.ops[0].extra, "");
    assert_int_equal(i.ops[0].key_len, 12);
    assert_memory_equal(i.ops[0].key, "S\0\0\0\1AS\0\0\0\1s", 12);
    assert_int_equal(i.ops[0].idempotent, 1);
    settle(&i, 0, PENSTOCK_OK, "", "");
    assert_int_equal(i.answers, 1);
    assert_int_equal(i.status, 201);
    assert_string_equal(i.answer, "{\"Artist\":\"A\",\"SongTitle\":\"s\"}");
    invocation_fini(&i);
}

static void refused(void **state) {
    static const struct {
        const char *body, *message;
    } cases[] = {
        {"", "body is empty: expected a JSON object"},
        {"42", "body is not valid JSON at byte 0: expected an object"},
        {"{}", "Artist: the partition key is missing"},
        {"{\"Artist\":\"A\"}", "SongTitle: the sort key is missing"},
        {"{\"Artist\":1,\"SongTitle\":\"s\"}", "Artist: expected a string, got a number"},
        {"{\"Artist\":\"A\",\"SongTitle\":\"s\",\"a\":{\"b\":[1e999]}}",
         "a.b[0]: number is out of DynamoDB's range, 1E-130 to "
         "9.9999999999999999999999999999999999999E+125"},
        {"[1,", "body is not a valid JSON array after 1 items: expected a value"},
    };
    (void)state;
    for (size_t n = 0; n < COUNT(cases); n++) {
        struct penstock_invocation i = {.body = slice_cstr(cases[n].body)};
        assert_refused(&i, put_item_invoke, &plain, cases[n].message);
    }
}

static void not_taken(void **state) {
    struct penstock_invocation i = {BODY(SONG), .refuse_with = PENSTOCK_BUSY};
    (void)state;
    run(&i, &plain);
    assert_int_equal(i.answers, 1);
    assert_int_equal(i.outcome, PENSTOCK_BUSY);
    invocation_fini(&i);
}

static void outcomes(void **state) {
    (void)state;
    for (int o = PENSTOCK_CONDITION_FAILED; o <= PENSTOCK_TIMEOUT; o++) {
        struct penstock_invocation i = {BODY(SONG)};
        run(&i, &plain);
        settle(&i, 0, (enum penstock_outcome)o, "", "why");
        assert_int_equal(i.answers, 1);
        assert_int_equal(i.outcome, o);
        invocation_fini(&i);
    }
}

static void condition(void **state) {
    struct builtin_options o = plain;
    struct penstock_invocation i = {BODY(SONG)};
    (void)state;
    o.condition = "attribute_not_exists(SongTitle) OR n < 5";
    run(&i, &o);
    assert_string_equal(i.ops[0].extra,
                        ",\"ConditionExpression\":\"attribute_not_exists(#n0) OR #n1 < :v0\","
                        "\"ExpressionAttributeNames\":{\"#n0\":\"SongTitle\",\"#n1\":\"n\"},"
                        "\"ExpressionAttributeValues\":{\":v0\":{\"N\":\"5\"}}");
    assert_int_equal(i.ops[0].idempotent, 0);
    settle(&i, 0, PENSTOCK_CONDITION_FAILED, "", "");
    assert_int_equal(i.outcome, PENSTOCK_CONDITION_FAILED);
    invocation_fini(&i);
}

static void set_values(void **state) {
    static const struct builtin_set set[] = {
        {"created_at", BUILTIN_SET_CONTEXT, "requestTimeEpoch", 0},
        {"from", BUILTIN_SET_CONTEXT, "identity.sourceIp", 0},
        {"absent", BUILTIN_SET_CONTEXT, "domainName", 0},
        {"mode", BUILTIN_SET_STAGE_VARIABLE, "mode", 0},
        {"origin", BUILTIN_SET_LITERAL, "web", 0},
        {"version", BUILTIN_SET_NUMBER, "3", 0},
    };
    struct builtin_options o = plain;
    struct penstock_invocation i = {
        BODY("{\"origin\":[1],\"Artist\":\"A\",\"SongTitle\":\"s\"}"),
        .context = {{"requestTimeEpoch", "1700000000000"}, {"identity.sourceIp", "1.2.3.4"}},
        .stage = {{"mode", "live"}},
    };
    (void)state;
    o.set = set;
    o.set_count = COUNT(set);
    run(&i, &o);
    assert_string_equal(
        i.ops[0].item,
        "{\"Artist\":{\"S\":\"A\"},\"SongTitle\":{\"S\":\"s\"},"
        "\"created_at\":{\"N\":\"1700000000000\"},\"from\":{\"S\":\"1.2.3.4\"},"
        "\"mode\":{\"S\":\"live\"},\"origin\":{\"S\":\"web\"},\"version\":{\"N\":\"3\"}}");
    settle(&i, 0, PENSTOCK_OK, "", "");
    invocation_fini(&i);
}

static void types(void **state) {
    static const struct model_type list[] = {{{"tags", 4}, MODEL_TYPED_SS}};
    struct builtin_options o = plain;
    struct penstock_invocation i = {
        BODY("{\"Artist\":\"A\",\"SongTitle\":\"s\",\"tags\":[\"x\"]}")};
    (void)state;
    o.types = list;
    o.type_count = 1;
    run(&i, &o);
    assert_non_null(strstr(i.ops[0].item, "\"tags\":{\"SS\":[\"x\"]}"));
    invocation_fini(&i);
}

/* POST /music/{Artist}: the path's key wins, over the body and over `set:`. */
static void key_from_the_path(void **state) {
    static const struct builtin_set set[] = {{"Artist", BUILTIN_SET_LITERAL, "set", 0}};
    struct builtin_options o = plain;
    struct penstock_invocation i = {BODY("{\"Artist\":5,\"SongTitle\":\"s\"}"),
                                    .path = {{"Artist", "from path"}}};
    (void)state;
    o.set = set;
    o.set_count = 1;
    run(&i, &o);
    assert_string_equal(i.ops[0].item,
                        "{\"SongTitle\":{\"S\":\"s\"},\"Artist\":{\"S\":\"from path\"}}");
    settle(&i, 0, PENSTOCK_OK, "", "");
    assert_string_equal(i.answer, "{\"Artist\":\"from path\",\"SongTitle\":\"s\"}");
    invocation_fini(&i);
    struct penstock_invocation wrong = {BODY("{\"game\":\"g\"}"), .path = {{"score", "ten"}}};
    o = (struct builtin_options){.table = &scores};
    assert_refused(&wrong, put_item_invoke, &o, "score: expected a number");
}

static void many(void **state) {
    struct penstock_invocation i = {
        BODY("[{\"Artist\":\"a\",\"SongTitle\":\"1\"},{\"Artist\":\"b\"},"
             "{\"Artist\":\"c\",\"SongTitle\":\"3\"},{\"Artist\":\"d\",\"SongTitle\":\"4\"}]")};
    (void)state;
    run(&i, &plain);
    assert_int_equal(i.op_count, 3);
    /* in another order than they were sent in */
    settle(&i, 2, PENSTOCK_REFUSED, "", "bad \"item\"");
    settle(&i, 0, PENSTOCK_OK, "", "");
    assert_int_equal(i.answers, 0);
    settle(&i, 1, PENSTOCK_UNKNOWN, "", "");
    assert_int_equal(i.answers, 1);
    assert_int_equal(i.status, 200);
    assert_string_equal(
        i.answer,
        "{\"results\":[{\"status\":201,\"key\":{\"Artist\":\"a\",\"SongTitle\":\"1\"}},"
        "{\"status\":400,\"message\":\"SongTitle: the sort key is missing\"},"
        "{\"status\":502,\"message\":\"Internal server error\",\"outcome\":\"unknown\"},"
        "{\"status\":400,\"message\":\"bad \\\"item\\\"\"}]}");
    invocation_fini(&i);
}

/* A message that no JSON string can hold: which are stored cannot be said. */
static void many_answered_unreadably(void **state) {
    struct penstock_invocation i = {BODY(
        "[{\"Artist\":\"a\",\"SongTitle\":\"1\"},{\"Artist\":\"b\",\"SongTitle\":\"2\"}]")};
    (void)state;
    run(&i, &plain);
    settle(&i, 0, PENSTOCK_OK, "", "");
    settle(&i, 1, PENSTOCK_REFUSED, "", "\xff");
    assert_int_equal(i.answers, 1);
    assert_int_equal(i.outcome, PENSTOCK_UNKNOWN);
    invocation_fini(&i);
}

static void lines(void **state) {
    struct penstock_invocation i = {
        BODY("{\"Artist\":\"a\",\"SongTitle\":\"1\"}\n{\"Artist\":\n"
             "{\"Artist\":\"c\",\"SongTitle\":\"3\"}\n")};
    (void)state;
    run(&i, &plain);
    assert_int_equal(i.op_count, 2);
    settle(&i, 0, PENSTOCK_THROTTLED, "", "");
    settle(&i, 1, PENSTOCK_OK, "", "");
    assert_string_equal(
        i.answer,
        "{\"results\":[{\"status\":429,\"message\":\"Too Many Requests\"},"
        "{\"status\":400,\"message\":\"body is not valid JSON at byte 10: expected a value\"},"
        "{\"status\":201,\"key\":{\"Artist\":\"c\",\"SongTitle\":\"3\"}}]}");
    invocation_fini(&i);
}

/* The pipeline fills up half way: what was taken is answered truly, the rest is 503. */
static void many_when_busy(void **state) {
    struct penstock_invocation i = {
        BODY("[{\"Artist\":\"a\",\"SongTitle\":\"1\"},{\"Artist\":\"b\",\"SongTitle\":\"2\"}]"),
        .refuse_from = 1, .refuse_with = PENSTOCK_BUSY};
    (void)state;
    run(&i, &plain);
    assert_int_equal(i.op_count, 1);
    settle(&i, 0, PENSTOCK_OK, "", "");
    assert_string_equal(
        i.answer,
        "{\"results\":[{\"status\":201,\"key\":{\"Artist\":\"a\",\"SongTitle\":\"1\"}},"
        "{\"status\":503,\"message\":\"Service Unavailable\"}]}");
    invocation_fini(&i);
}

static void none_taken(void **state) {
    struct penstock_invocation busy = {BODY("[{\"Artist\":\"a\",\"SongTitle\":\"1\"},5]"),
                                       .refuse_with = PENSTOCK_REFUSED};
    struct penstock_invocation empty = {BODY(" [] ")};
    (void)state;
    run(&busy, &plain);
    assert_int_equal(busy.answers, 1);
    assert_string_equal(busy.answer,
                        "{\"results\":[{\"status\":400,\"message\":\"Bad "
                        "Request\"},{\"status\":400,\"message\":"
                        "\"body is not valid JSON at byte 0: expected an object\"}]}");
    invocation_fini(&busy);
    run(&empty, &plain);
    assert_int_equal(empty.status, 200);
    assert_string_equal(empty.answer, "{\"results\":[]}");
    invocation_fini(&empty);
}

/* Too many, or a frame that breaks off at the end: nothing at all is sent. */
static void refused_as_a_whole(void **state) {
    struct penstock_invocation six = {BODY("[{},{},{},{},{},{}]")};
    struct penstock_invocation broken = {BODY("[{\"Artist\":\"a\",\"SongTitle\":\"1\"},{]")};
    (void)state;
    run(&six, &plain);
    assert_int_equal(six.status, 413);
    assert_string_equal(six.answer, "body has more than 5 items");
    assert_int_equal(six.op_count, 0);
    invocation_fini(&six);
    assert_refused(&broken, put_item_invoke, &plain,
                   "body is not a valid JSON array after 1 items: expected a value");
}

/* Each item of a body has an id of its own. */
static void set_for_each(void **state) {
    static const struct builtin_set set[] = {{"id", BUILTIN_SET_UUID, "", 0}};
    struct builtin_options o = plain;
    struct penstock_invocation i = {BODY(
        "[{\"Artist\":\"a\",\"SongTitle\":\"1\"},{\"Artist\":\"b\",\"SongTitle\":\"2\"}]")};
    const char *ids[2];
    (void)state;
    o.set = set;
    o.set_count = 1;
    run(&i, &o);
    for (size_t n = 0; n < 2; n++) {
        ids[n] = strstr(i.ops[n].item, "\"id\":{\"S\":\"");
        assert_non_null(ids[n]);
    }
    assert_int_not_equal(memcmp(ids[0], ids[1], 11 + 36), 0);
    settle(&i, 0, PENSTOCK_OK, "", "");
    settle(&i, 1, PENSTOCK_OK, "", "");
    invocation_fini(&i);
}

static void no_memory(void **state) {
    struct penstock_invocation i = {BODY(SONG)};
    (void)state;
    arena_init(&i.arena, NULL, 0, 1);
    run(&i, &plain);
    assert_int_equal(i.status, 503);
    assert_int_equal(i.op_count, 0);
    invocation_fini(&i);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stored),       cmocka_unit_test(refused),
        cmocka_unit_test(not_taken),    cmocka_unit_test(outcomes),
        cmocka_unit_test(condition),    cmocka_unit_test(set_values),
        cmocka_unit_test(types),        cmocka_unit_test(key_from_the_path),
        cmocka_unit_test(many),         cmocka_unit_test(many_answered_unreadably),
        cmocka_unit_test(lines),        cmocka_unit_test(many_when_busy),
        cmocka_unit_test(none_taken),   cmocka_unit_test(refused_as_a_whole),
        cmocka_unit_test(set_for_each), cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
