#include "dynamodb/backoff.h"

#include "base/rng.h"
#include "support/unit.h"

#include <stdlib.h>

#define OPS 200

/* Against the plain way: the earliest of all that are in. */
static void the_first_is_the_earliest(void **state) {
    struct op *ops = calloc(OPS, sizeof *ops);
    char in[OPS] = {0};
    struct backoff b;
    struct rng r;
    (void)state;
    assert_non_null(ops);
    rng_seed(&r, 1);
    backoff_init(&b, OPS);
    for (int round = 0; round < 20000; round++) {
        size_t i = (size_t)rng_below(&r, OPS);
        if (in[i]) {
            backoff_remove(&b, &ops[i]);
        } else {
            ops[i].due_ns = rng_below(&r, 1000);
            backoff_push(&b, &ops[i]);
        }
        in[i] = !in[i];
        uint64_t earliest = UINT64_MAX;
        for (size_t j = 0; j < OPS; j++) {
            earliest = in[j] && ops[j].due_ns < earliest ? ops[j].due_ns : earliest;
        }
        for (size_t j = 1; j < b.count; j++) {
            assert_true(b.heap[(j - 1) / 2]->due_ns <= b.heap[j]->due_ns);
        }
        const struct op *first = backoff_first(&b);
        assert_int_equal(first ? first->due_ns : UINT64_MAX, earliest);
    }
    while (backoff_first(&b)) {
        backoff_remove(&b, backoff_first(&b));
    }
    backoff_fini(&b);
    free(ops);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_first_is_the_earliest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
