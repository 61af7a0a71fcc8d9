/* Every status has a place with a name; reasons beyond the bound are "other". */
#include "gateway/counts.h"

#include "support/unit.h"

#include <stdio.h>
#include <string.h>

static void a_status_is_shown_as_it_is_or_by_its_class(void **state) {
    (void)state;
    for (unsigned status = 0; status < 700; status++) {
        char exact[16];
        char klass[16];
        size_t slot = gateway_status_slot(status);
        const char *text = gateway_status_text(slot);
        snprintf(exact, sizeof exact, "%u", status);
        snprintf(klass, sizeof klass, "%uxx", status / 100);
        assert_true(slot < GATEWAY_STATUSES);
        if (strcmp(text, exact) != 0) {
            assert_string_equal(text, status >= 200 && status < 600 ? klass : "other");
        }
    }
    assert_string_equal(gateway_status_text(gateway_status_slot(201)), "201");
    assert_string_equal(gateway_status_text(gateway_status_slot(299)), "2xx");
    assert_string_equal(gateway_status_text(gateway_status_slot(504)), "504");
    assert_string_equal(gateway_status_text(gateway_status_slot(599)), "5xx");
}

static void reasons_are_bounded(void **state) {
    (void)state;
    static struct gateway_reasons c;
    char name[40];
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < GATEWAY_REASONS_MAX + 10; i++) {
            snprintf(name, sizeof name, "reason_%u", i);
            gateway_count_reason(&c, name);
        }
    }
    assert_int_equal(c.count, GATEWAY_REASONS_MAX);
    assert_string_equal(c.items[0].name, "reason_0");
    assert_int_equal(c.items[0].count, 2);
    assert_int_equal(c.items[GATEWAY_REASONS_MAX - 1].count, 2);
    assert_string_equal(c.items[GATEWAY_REASONS_MAX].name, "other");
    assert_int_equal(c.items[GATEWAY_REASONS_MAX].count, 20);
}

/* A handler's reason may be long; and one may be the beginning of another. */
static void long_reasons_are_cut(void **state) {
    (void)state;
    static struct gateway_reasons c;
    char longer[200];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    gateway_count_reason(&c, longer);
    gateway_count_reason(&c, longer);
    gateway_count_reason(&c, "no_route");
    gateway_count_reason(&c, "no");
    assert_int_equal(c.count, 3);
    assert_int_equal(strlen(c.items[0].name), GATEWAY_REASON_TEXT_MAX - 1);
    assert_int_equal(c.items[0].count, 2);
    assert_int_equal(c.items[1].count, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_is_shown_as_it_is_or_by_its_class),
        cmocka_unit_test(reasons_are_bounded),
        cmocka_unit_test(long_reasons_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
