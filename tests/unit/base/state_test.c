#include "base/state.h"

#include "support/unit.h"

enum { IDLE, BUSY, CLOSED };

static const struct state_def table[] = {
    [IDLE] = {"idle", STATE_BIT(BUSY) | STATE_BIT(CLOSED)},
    [BUSY] = {"busy", STATE_BIT(IDLE)},
    [CLOSED] = {"closed", 0},
};

static void legal_moves(void **state) {
    (void)state;
    struct state_machine m;
    state_init(&m, "conn", table, IDLE);
    assert_int_equal(state_of(&m), IDLE);
    state_move(&m, BUSY);
    state_move(&m, IDLE);
    state_move(&m, CLOSED);
    assert_int_equal(state_of(&m), CLOSED);
}

static void illegal_moves_abort_with_both_names(void **state) {
    (void)state;
    struct state_machine m;
    state_init(&m, "conn", table, BUSY);
    assert_aborts(state_move(&m, CLOSED));
    assert_aborts(state_move(&m, BUSY));
    assert_aborts(state_move(&m, 32));
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        state_move(&m, CLOSED);
        _exit(0);
    }
    close(ends[1]);
    char text[512] = {0};
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, "conn: illegal move busy -> closed"));
    close(ends[0]);
    waitpid(child, NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legal_moves),
        cmocka_unit_test(illegal_moves_abort_with_both_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
