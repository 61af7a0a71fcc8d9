#include "load_template.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

static char reason[LOAD_TEMPLATE_REASON_MAX];

static struct load_template parsed(const char *text, enum load_template_use use) {
    struct load_template t;
    assert_int_equal(load_template_parse(&t, slice_cstr(text), use, reason), 0);
    return t;
}

/* One value, in a static buffer. */
static const char *made(const char *text, uint64_t seed, uint64_t seq) {
    static char out[4][256];
    static int at;
    struct load_template t = parsed(text, LOAD_TEMPLATE_BODY);
    struct load_context c = {seed, seq, SLICE_EMPTY};
    at = (at + 1) % 4;
    size_t len = load_template_write(&t, &c, out[at]);
    assert_true(len <= load_template_bound(&t, 0) && len < sizeof out[at]);
    out[at][len] = '\0';
    load_template_fini(&t);
    return out[at];
}

static void test_text_stays(void **state) {
    (void)state;
    assert_string_equal(made("", 1, 1), "");
    assert_string_equal(made("{\"a\":{\"b\":[1]}}", 1, 1), "{\"a\":{\"b\":[1]}}");
    assert_string_equal(made("{\"n\":{{seq}}}", 1, 42), "{\"n\":42}");
    assert_string_equal(made("{{seq}}{{ seq }}", 1, 7), "77");
    struct load_template t = parsed("plain", LOAD_TEMPLATE_BODY);
    assert_true(t.constant && !t.unique);
    load_template_fini(&t);
}

static void test_extremes(void **state) {
    (void)state;
    assert_string_equal(made("{{seq}}", 1, UINT64_MAX), "18446744073709551615");
    assert_string_equal(made("{{rand 5 5}}", 1, 9), "5");
    assert_string_equal(made("{{key zipf 1}}", 1, 9), "1");
    assert_string_equal(made("{{key uniform 1}}", 1, 9), "1");
    const char *wide = made("{{rand -9223372036854775807 9223372036854775807}}", 3, 4);
    assert_true(strlen(wide) <= 20);
}

static void test_same_words_same_value_within_a_request(void **state) {
    (void)state;
    const char *two = made("{{uuid}} {{uuid}}", 5, 11);
    assert_int_equal(strlen(two), 73);
    assert_memory_equal(two, two + 37, 36);
    two = made("{{uuid}} {{uuid a}}", 5, 11);
    assert_memory_not_equal(two, two + 37, 36);
    int differ = 0;
    for (uint64_t seq = 0; seq < 20; seq++) {
        differ += strcmp(made("{{key zipf 1000000}}", 5, seq),
                         made("{{key zipf 1000000 a}}", 5, seq)) != 0;
    }
    assert_true(differ > 0);
    assert_string_equal(made("{{uuid}}", 5, 11), made("{{uuid}}", 5, 11));
    assert_string_not_equal(made("{{uuid}}", 5, 11), made("{{uuid}}", 5, 12));
    assert_string_not_equal(made("{{uuid}}", 5, 11), made("{{uuid}}", 6, 11));
    assert_string_equal(made("{{key zipf 1000000}}", 5, 3),
                        made("{{key  zipf 1000000}}", 5, 3));
}

static void test_ranges(void **state) {
    (void)state;
    int seen[7] = {0};
    for (uint64_t seq = 0; seq < 2000; seq++) {
        int n = atoi(made("{{rand -3 3}}", 1, seq));
        assert_in_range(n + 3, 0, 6);
        seen[n + 3]++;
        int key = atoi(made("{{key uniform 10}}", 1, seq));
        assert_in_range(key, 1, 10);
    }
    for (int i = 0; i < 7; i++) { /* 286 expected, 6 sigma */
        assert_in_range(seen[i], 190, 380);
    }
}

static void test_members_of_the_body(void **state) {
    (void)state;
    struct load_template t =
        parsed("/m/{{body Artist}}/{{body n}}{{body none}}", LOAD_TEMPLATE_PATH);
    struct load_context c = {
        1, 2, SLICE("{\"n\":1.50,\"Artist\":\"AC\\/DC \\u00e9%\",\"o\":{\"none\":1}}")};
    char out[512];
    size_t len = load_template_write(&t, &c, out);
    assert_true(len <= load_template_bound(&t, c.body.len));
    out[len] = '\0';
    assert_string_equal(out, "/m/AC%2FDC%20%C3%A9%25/1.50");
    assert_false(t.unique);
    load_template_fini(&t);
}

static void test_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{{}}",
        "{{seq",
        "a {{seq} b",
        "{{sequence}}",
        "{{seq 1}}",
        "{{rand}}",
        "{{rand 5}}",
        "{{rand 5 4}}",
        "{{rand a b}}",
        "{{rand 1 2 3 4}}",
        "{{rand 1 99999999999999999999}}",
        "{{key}}",
        "{{key zipf}}",
        "{{key zipf 0}}",
        "{{key zipf 10 0}}",
        "{{key zipf 10 -1}}",
        "{{key zipf 10 nan}}",
        "{{key zipf 10 a b}}",
        "{{key pareto 10}}",
        "{{uuid a b}}",
        "{{body x}}", /* in a body */
        "{{a b c d e f g}}",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct load_template t;
        reason[0] = '\0';
        if (load_template_parse(&t, slice_cstr(bad[i]), LOAD_TEMPLATE_BODY, reason) == 0) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_true(strlen(reason) > 5);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_stays),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_same_words_same_value_within_a_request),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_members_of_the_body),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
