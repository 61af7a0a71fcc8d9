#include "base/list.h"

#include "support/unit.h"

struct item {
    int value;
    struct list_node node;
};

static int value_of(const struct list_node *n) {
    return container_of(n, struct item, node)->value;
}

static void order_and_count(void **state) {
    (void)state;
    struct list l;
    struct item items[4] = {{.value = 0}, {.value = 1}, {.value = 2}, {.value = 3}};
    list_init(&l);
    assert_true(list_empty(&l));
    assert_null(list_pop_front(&l));
    assert_null(list_pop_back(&l));
    list_push_back(&l, &items[1].node);
    list_push_back(&l, &items[2].node);
    list_push_front(&l, &items[0].node);
    list_push_back(&l, &items[3].node);
    int expected = 0;
    LIST_FOR_EACH (n, &l) {
        assert_int_equal(value_of(n), expected++);
    }
    assert_int_equal(l.count, 4);
    list_remove(&items[1].node);
    assert_false(list_linked(&items[1].node));
    assert_int_equal(value_of(list_pop_back(&l)), 3);
    assert_int_equal(value_of(list_pop_front(&l)), 0);
    assert_int_equal(value_of(list_pop_front(&l)), 2);
    assert_true(list_empty(&l));
    assert_null(l.first);
    assert_null(l.last);
}

static void body_may_unlink(void **state) {
    (void)state;
    struct list l;
    struct item items[5] = {{0, {0}}};
    list_init(&l);
    for (size_t i = 0; i < COUNT(items); i++) {
        list_push_back(&l, &items[i].node);
    }
    size_t seen = 0;
    LIST_FOR_EACH_SAFE (n, follow, &l) {
        list_remove(n);
        seen++;
    }
    assert_int_equal(seen, COUNT(items));
    assert_true(list_empty(&l));
}

static void misuse_aborts(void **state) {
    (void)state;
    struct list l, other;
    struct item item = {0, {0}};
    list_init(&l);
    list_init(&other);
    assert_aborts(list_remove(&item.node));
    list_push_back(&l, &item.node);
    assert_aborts(list_push_back(&l, &item.node));
    assert_aborts(list_push_front(&other, &item.node));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_and_count),
        cmocka_unit_test(body_may_unlink),
        cmocka_unit_test(misuse_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
