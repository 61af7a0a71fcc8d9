#include "model/name_set.h"

#include "base/clock.h"
#include "base/error.h"
#include "support/unit.h"

#include <stdio.h>

struct names {
    struct buffer bytes, entries, slots;
    struct name_set set;
};

static void names_init(struct names *n) {
    memset(n, 0, sizeof *n);
    n->set = (struct name_set){&n->entries, &n->slots};
}

static void names_fini(struct names *n) {
    buffer_fini(&n->bytes);
    buffer_fini(&n->entries);
    buffer_fini(&n->slots);
}

static int add(struct names *n, struct name_group *g, const char *name) {
    size_t offset = n->bytes.len;
    assert_int_equal(buffer_append(&n->bytes, name, strlen(name)), 0);
    assert_int_equal(buffer_reserve(&n->bytes, 8), 0);
    return name_group_add(&n->set, g, buffer_begin(&n->bytes), offset, strlen(name));
}

static int add_number(struct names *n, struct name_group *g, const char *stem, unsigned i) {
    char name[64];
    snprintf(name, sizeof name, "%s%06u", stem, i);
    return add(n, g, name);
}

static void few(void **state) {
    static const char *const names[] = {
        "", "a", "b", "ab", "abcdefg", "abcdefgh", "abcdefghi", "abcdefghj", "\xc3\xa4"};
    struct names n;
    struct name_group g;
    (void)state;
    names_init(&n);
    name_group_open(&n.set, &g);
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(add(&n, &g, names[i]), 0);
    }
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(add(&n, &g, names[i]), ERR_EXISTS);
    }
    name_group_close(&n.set, &g);
    names_fini(&n);
}

/* Around the size where the hash table begins, and each time it doubles. */
static void at_every_size(void **state) {
    (void)state;
    for (unsigned size = 1; size < 300; size++) {
        struct names n;
        struct name_group g;
        names_init(&n);
        name_group_open(&n.set, &g);
        for (unsigned i = 0; i < size; i++) {
            assert_int_equal(add_number(&n, &g, "attribute-", i), 0);
        }
        for (unsigned i = 0; i < size; i++) {
            assert_int_equal(add_number(&n, &g, "attribute-", i), ERR_EXISTS);
        }
        assert_int_equal(add(&n, &g, "another"), 0);
        name_group_close(&n.set, &g);
        names_fini(&n);
    }
}

/* An outer object goes on after an inner one has come and gone: neither sees the other. */
static void nested(void **state) {
    struct names n;
    struct name_group outer, inner;
    (void)state;
    names_init(&n);
    name_group_open(&n.set, &outer);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(add_number(&n, &outer, "outer", i), 0);
        name_group_open(&n.set, &inner);
        for (unsigned j = 0; j < i; j++) {
            assert_int_equal(add_number(&n, &inner, "outer", j), 0);
        }
        if (i > 0) {
            assert_int_equal(add_number(&n, &inner, "outer", i - 1), ERR_EXISTS);
        }
        name_group_close(&n.set, &inner);
        assert_int_equal(add_number(&n, &outer, "outer", i / 2), ERR_EXISTS);
    }
    name_group_close(&n.set, &outer);
    assert_int_equal(n.entries.len, 0);
    assert_int_equal(n.slots.len, 0);
    names_fini(&n);
}

/* Ten times the names: about ten times the time, where comparing each with each takes 100. */
static uint64_t time_names(unsigned count) {
    struct names n;
    struct name_group g;
    uint64_t start;
    names_init(&n);
    start = clock_monotonic_ns();
    name_group_open(&n.set, &g);
    for (unsigned i = 0; i < count; i++) {
        /* one head, one length: only the hash tells them apart */
        assert_int_equal(add_number(&n, &g, "sameheadsamehead", i), 0);
    }
    name_group_close(&n.set, &g);
    names_fini(&n);
    return clock_monotonic_ns() - start;
}

static void not_quadratic(void **state) {
    uint64_t small, large;
    (void)state;
    time_names(20000);
    small = time_names(20000);
    large = time_names(200000);
    assert_true(large < small * 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few),
        cmocka_unit_test(at_every_size),
        cmocka_unit_test(nested),
        cmocka_unit_test(not_quadratic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
