/* What the configuration hands to the handlers: `set:` values and conditions. */
#include "base/clock.h"
#include "base/error.h"
#include "handlers/condition.h"
#include "stand_in.h"

static void set_values(void **state) {
    static const struct {
        const char *value;
        enum builtin_set_kind kind;
        const char *text;
        int64_t offset_s;
    } cases[] = {
        {"web", BUILTIN_SET_LITERAL, "web", 0},
        {"", BUILTIN_SET_LITERAL, "", 0},
        {"5", BUILTIN_SET_NUMBER, "5", 0},
        {"-1.5e3", BUILTIN_SET_NUMBER, "-1.5e3", 0},
        {"1e999", BUILTIN_SET_LITERAL, "1e999", 0},
        {"007", BUILTIN_SET_LITERAL, "007", 0},
        {"1.2.3", BUILTIN_SET_LITERAL, "1.2.3", 0},
        {"$context.requestTimeEpoch", BUILTIN_SET_CONTEXT, "requestTimeEpoch", 0},
        {"$context.identity.sourceIp", BUILTIN_SET_CONTEXT, "identity.sourceIp", 0},
        {"$stageVariables.mode", BUILTIN_SET_STAGE_VARIABLE, "mode", 0},
        {"$uuid", BUILTIN_SET_UUID, "$uuid", 0},
        {"$now", BUILTIN_SET_NOW, "$now", 0},
        {"$now+30d", BUILTIN_SET_NOW, "$now+30d", 30 * 86400},
        {"$now+2w", BUILTIN_SET_NOW, "$now+2w", 14 * 86400},
        {"$now-90s", BUILTIN_SET_NOW, "$now-90s", -90},
        {"$now+15m", BUILTIN_SET_NOW, "$now+15m", 900},
        {"$now+1h", BUILTIN_SET_NOW, "$now+1h", 3600},
    };
    (void)state;
    for (size_t n = 0; n < COUNT(cases); n++) {
        struct builtin_set set = {0};
        char reason[160];
        assert_int_equal(builtin_set_parse(cases[n].value, &set, reason), 0);
        assert_int_equal(set.kind, cases[n].kind);
        assert_string_equal(set.text, cases[n].text);
        assert_int_equal(set.offset_s, cases[n].offset_s);
    }
}

static void bad_set_values(void **state) {
    static const char *const values[] = {"$",
                                         "$nothing",
                                         "$context.",
                                         "$context.password",
                                         "$stageVariables.",
                                         "$uuid4",
                                         "$now+",
                                         "$now+d",
                                         "$now+30",
                                         "$now+30y",
                                         "$now30d",
                                         "$now+-3d",
                                         "$now+99999999999999d",
                                         "$now+3d "};
    (void)state;
    for (size_t n = 0; n < COUNT(values); n++) {
        struct builtin_set set;
        char reason[160];
        assert_int_equal(builtin_set_parse(values[n], &set, reason), ERR_INVALID);
        assert_non_null(strstr(reason, values[n]));
    }
    struct builtin_set set;
    char reason[160];
    assert_int_equal(builtin_set_parse(NULL, &set, reason), ERR_INVALID);
}

static void now_and_uuid(void **state) {
    static const struct builtin_set set[] = {{"at", BUILTIN_SET_NOW, "", 3600},
                                             {"id", BUILTIN_SET_UUID, "", 0}};
    const struct builtin_options o = {.table = &lone, .set = set, .set_count = 2};
    struct penstock_invocation i = {.body = SLICE("{\"id\":5}"), .path = {{"id", "7"}}};
    const struct builtin_options unkeyed = {.table = &music, .set = set, .set_count = 2};
    struct penstock_invocation j = {.body = SLICE("{\"Artist\":\"A\",\"SongTitle\":\"s\"}")};
    long long at;
    const char *id;
    (void)state;
    put_item_invoke(&i, (void *)(uintptr_t)&o);
    assert_int_equal(
        sscanf(i.ops[0].item, "{\"id\":{\"N\":\"7\"},\"at\":{\"N\":\"%lld\"}}", &at), 1);
    assert_true(llabs(at - 3600 - (long long)(clock_wall_ms() / 1000)) <= 2);
    invocation_fini(&i);
    put_item_invoke(&j, (void *)(uintptr_t)&unkeyed);
    id = strstr(j.ops[0].item, "\"id\":{\"S\":\"");
    assert_non_null(id);
    assert_int_equal(strcspn(id + 11, "\""), 36);
    invocation_fini(&j);
}

static void conditions(void **state) {
    static const struct {
        const char *text, *expression, *names, *values;
    } cases[] = {
        {"attribute_not_exists(SongTitle)", "attribute_not_exists(#n0)",
         "\"#n0\":\"SongTitle\"", ""},
        {"size(tags)>3 and not (a <> 'x' OR a=\"y\")",
         "size(#n0)>:v0 and not (#n1 <> :v1 OR #n1=:v2)", "\"#n0\":\"tags\",\"#n1\":\"a\"",
         "\":v0\":{\"N\":\"3\"},\":v1\":{\"S\":\"x\"},\":v2\":{\"S\":\"y\"}"},
        {"a.b[3].size = -1.50", "#n0.#n1[3].#n2 = :v0",
         "\"#n0\":\"a\",\"#n1\":\"b\",\"#n2\":\"size\"", "\":v0\":{\"N\":\"-1.50\"}"},
        {"a.and = 1 AND b-c IN (1, 'two')", "#n0.#n1 = :v0 AND #n2 IN (:v1, :v2)",
         "\"#n0\":\"a\",\"#n1\":\"and\",\"#n2\":\"b-c\"",
         "\":v0\":{\"N\":\"1\"},\":v1\":{\"N\":\"1\"},\":v2\":{\"S\":\"two\"}"},
        {"a BETWEEN 1 AND 2", "#n0 BETWEEN :v0 AND :v1", "\"#n0\":\"a\"",
         "\":v0\":{\"N\":\"1\"},\":v1\":{\"N\":\"2\"}"},
        {"begins_with (status, 'o\"k')", "begins_with (#n0, :v0)", "\"#n0\":\"status\"",
         "\":v0\":{\"S\":\"o\\\"k\"}"},
        {"attribute_type(a, 'S') AND\n contains(a,b) AND a >= b AND a<=b",
         "attribute_type(#n0, :v0) AND  contains(#n0,#n1) AND #n0 >= #n1 AND #n0<=#n1",
         "\"#n0\":\"a\",\"#n1\":\"b\"", "\":v0\":{\"S\":\"S\"}"},
        {"size = 1", "#n0 = :v0", "\"#n0\":\"size\"", "\":v0\":{\"N\":\"1\"}"},
        {"", "", "", ""},
    };
    (void)state;
    for (size_t n = 0; n < COUNT(cases); n++) {
        struct buffer b[4] = {{0}, {0}, {0}, {0}};
        const char *const expected[] = {cases[n].expression, cases[n].names, cases[n].values};
        struct placeholders p = {&b[1], &b[2], &b[3], 0, 0};
        char reason[160];
        assert_int_equal(condition_compile(cases[n].text, &p, &b[0], reason), 0);
        for (size_t k = 0; k < 3; k++) {
            char *text = slice_dup(buffer_slice(&b[k]));
            assert_string_equal(text, expected[k]);
            free(text);
        }
        for (size_t k = 0; k < 4; k++) {
            buffer_fini(&b[k]);
        }
        assert_int_equal(builtin_condition_check(cases[n].text, reason), 0);
    }
}

static void bad_conditions(void **state) {
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"exists(a)", "condition: unknown function exists"},
        {"Size(a) > 1", "condition: unknown function Size"},
        {"a = :v", "condition: write names and values themselves, not placeholders: :v"},
        {"#a = 1", "condition: write names and values themselves, not placeholders: #a = 1"},
        {"(a = 1", "condition: missing )"},
        {"a = 1)", "condition: unexpected )"},
        {"a != 1", "condition: unexpected != 1"},
        {"a = 'x", "condition: the string does not end: 'x"},
        {"a. = 1", "condition: expected a name after ."},
        {"a[x] = 1", "condition: expected an index in [x] = 1"},
        {"a[] = 1", "condition: expected an index in [] = 1"},
        {"a = 1.", "condition: expected a digit after the decimal point"},
        {"a = 1e999", "condition: number is out of DynamoDB's range, 1E-130 to "
                      "9.9999999999999999999999999999999999999E+125"},
        {"a = '\xff'", "condition: not UTF-8: \xff"},
        {"[1]", "condition: unexpected [1]"},
    };
    char reason[160], text[9000] = "a = 1";
    (void)state;
    for (size_t n = 0; n < COUNT(cases); n++) {
        assert_int_equal(builtin_condition_check(cases[n].text, reason), ERR_INVALID);
        assert_string_equal(reason, cases[n].reason);
    }
    while (strlen(text) < 4200) {
        strcat(text, " OR a = 1");
    }
    assert_int_equal(builtin_condition_check(text, reason), ERR_INVALID);
    assert_string_equal(reason, "condition: longer than 4096 bytes");
}

/* A configuration that nobody checked: each request says so, none is sent. */
static void unchecked_condition(void **state) {
    const struct builtin_options o = {.table = &music, .condition = "exists(a)"};
    struct penstock_invocation i = {PATH_A_S, .body = SLICE("{\"n\":1}")};
    (void)state;
    assert_refused(&i, put_item_invoke, &o, "condition: unknown function exists");
    i = (struct penstock_invocation){PATH_A_S, .body = SLICE("{\"n\":1}")};
    assert_refused(&i, update_item_invoke, &o, "condition: unknown function exists");
    i = (struct penstock_invocation){PATH_A_S};
    assert_refused(&i, delete_item_invoke, &o, "condition: unknown function exists");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_values),     cmocka_unit_test(bad_set_values),
        cmocka_unit_test(now_and_uuid),   cmocka_unit_test(conditions),
        cmocka_unit_test(bad_conditions), cmocka_unit_test(unchecked_condition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
