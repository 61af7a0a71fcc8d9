/* The retry matrix (engineering section 6): what becomes of one op of each class when its first
 * exchange fails in each way, and when every exchange does. The world checks the truth of each
 * outcome against the endpoint's record; here it is checked which one, after how many attempts.
 */
#include "support/unit.h"
#include "unit/dynamodb/world.h"

struct cell {
    enum op_outcome outcome;
    unsigned attempts;
};

struct column {
    const char *name;
    enum op_kind kind;
    enum op_class klass;
};

static const struct column columns[] = {
    {"put", OP_PUT_ITEM, OP_IDEMPOTENT},
    {"delete", OP_DELETE_ITEM, OP_IDEMPOTENT},
    {"conditional put", OP_PUT_ITEM, OP_CONDITIONAL},
    {"counter", OP_UPDATE_ITEM, OP_CONDITIONAL},
    {"merge", OP_UPDATE_ITEM, OP_IDEMPOTENT},
    {"get", OP_GET_ITEM, OP_IDEMPOTENT},
};
#define COLUMNS (sizeof columns / sizeof *columns)

struct row {
    const char *name;
    struct faults first; /* of the first exchange */
    struct faults rest;  /* of every later one */
    struct cell idempotent, conditional, read;
    unsigned max_attempts; /* 0 = 4 */
};

#define OK(n)                                                                                  \
    { OUTCOME_OK, n }
#define UNKNOWN(n)                                                                             \
    { OUTCOME_UNKNOWN, n }
#define TIMED(n)                                                                               \
    { OUTCOME_UNKNOWN_TIMEOUT, n }
#define THROTTLED(n)                                                                           \
    { OUTCOME_THROTTLED, n }
#define UNAVAILABLE(n)                                                                         \
    { OUTCOME_UNAVAILABLE, n }
#define DENIED(n)                                                                              \
    { OUTCOME_DENIED, n }
#define TIMEOUT_(n)                                                                            \
    { OUTCOME_TIMEOUT, n }
#define ONCE(fault)                                                                            \
    {.fault = 1000}, {                                                                         \
        0                                                                                      \
    }
#define ALWAYS(fault)                                                                          \
    {.fault = 1000}, {                                                                         \
        .fault = 1000                                                                          \
    }
#define STATUS(n)                                                                              \
    {.status = n}, {                                                                           \
        0                                                                                      \
    }
#define STATUSES(n)                                                                            \
    {.status = n}, {                                                                           \
        .status = n                                                                            \
    }

static const struct row rows[] = {
    {"not sent", ONCE(unsent), OK(1), OK(1), OK(1), 0},
    {"connection lost after sending", ONCE(lost), OK(2), UNKNOWN(1), OK(2), 0},
    {"connection lost in the answer", ONCE(cut), OK(2), UNKNOWN(1), OK(2), 0},
    {"no answer in time", ONCE(stall), OK(2), TIMED(1), OK(2), 0},
    {"throttled", ONCE(throttle), OK(2), OK(2), OK(2), 0},
    {"throttled, hot key range", ONCE(key_range), OK(2), OK(2), OK(2), 0},
    {"429", STATUS(429), OK(2), OK(2), OK(2), 0},
    {"408", STATUS(408), OK(2), UNKNOWN(1), OK(2), 0},
    {"500", STATUS(500), OK(2), UNKNOWN(1), OK(2), 0},
    {"502", STATUS(502), OK(2), UNKNOWN(1), OK(2), 0},
    {"503", STATUS(503), OK(2), UNKNOWN(1), OK(2), 0},
    {"504", STATUS(504), OK(2), UNKNOWN(1), OK(2), 0},
    {"wrong checksum", ONCE(crc), OK(2), UNKNOWN(1), OK(2), 0},
    {"expired credentials", ONCE(expired), OK(2), OK(2), OK(2), 0},
    {"clock skew", ONCE(skew), OK(2), OK(2), OK(2), 0},
    {"denied", ONCE(denied), DENIED(1), DENIED(1), DENIED(1), 0},
    {"403", STATUS(403), DENIED(1), DENIED(1), DENIED(1), 0},
    {"never sent", ALWAYS(unsent), UNAVAILABLE(0), UNAVAILABLE(0), UNAVAILABLE(0), 0},
    {"always lost", ALWAYS(lost), UNKNOWN(4), UNKNOWN(1), UNAVAILABLE(4), 0},
    {"always cut", ALWAYS(cut), UNKNOWN(4), UNKNOWN(1), UNAVAILABLE(4), 0},
    {"never an answer", ALWAYS(stall), TIMED(2), TIMED(1), TIMEOUT_(2), 0},
    {"always 500", STATUSES(500), UNKNOWN(4), UNKNOWN(1), UNAVAILABLE(4), 0},
    {"always 503, no retry", STATUSES(503), UNKNOWN(1), UNKNOWN(1), UNAVAILABLE(1), 1},
    {"always throttled", ALWAYS(throttle), THROTTLED(4), THROTTLED(4), THROTTLED(4), 0},
    {"always throttled, no retry", ALWAYS(throttle), THROTTLED(1), THROTTLED(1), THROTTLED(1),
     1},
    {"always 429", STATUSES(429), THROTTLED(4), THROTTLED(4), THROTTLED(4), 0},
    {"always a wrong checksum", ALWAYS(crc), UNKNOWN(4), UNKNOWN(1), UNAVAILABLE(4), 0},
    {"always expired", ALWAYS(expired), DENIED(2), DENIED(2), DENIED(2), 0},
    {"always skewed", ALWAYS(skew), DENIED(2), DENIED(2), DENIED(2), 0},
    /* What may have happened stays so, whatever the later answers say. */
    {"lost, then throttled",
     {.lost = 1000},
     {.throttle = 1000},
     UNKNOWN(4),
     UNKNOWN(1),
     THROTTLED(4),
     0},
    {"lost, then denied",
     {.lost = 1000},
     {.denied = 1000},
     UNKNOWN(2),
     UNKNOWN(1),
     DENIED(2),
     0},
    {"500, then not sent",
     {.status = 500},
     {.unsent = 1000},
     TIMED(1),
     UNKNOWN(1),
     UNAVAILABLE(1),
     0},
    {"throttled, then lost",
     {.throttle = 1000},
     {.lost = 1000},
     UNKNOWN(4),
     UNKNOWN(2),
     UNAVAILABLE(4),
     0},
    {"not sent, then lost",
     {.unsent = 1000},
     {.lost = 1000},
     UNKNOWN(4),
     UNKNOWN(1),
     UNAVAILABLE(4),
     0},
};
#define ROWS (sizeof rows / sizeof *rows)

static const struct row *row_now;
static struct cell got;
static unsigned failed;

static void before_flight(struct world *w) {
    w->p.faults = w->flights == 1 ? row_now->first : row_now->rest;
}

static void on_settled(struct world *w, struct world_op *op, const struct op_result *r) {
    (void)w;
    (void)op;
    got = (struct cell){r->outcome, r->attempts};
}

static void check_cell(const struct row *row, const struct column *column, uint64_t seed) {
    struct cell want = column->kind == OP_GET_ITEM       ? row->read
                       : column->klass == OP_CONDITIONAL ? row->conditional
                                                         : row->idempotent;
    struct profile p = profile_default;
    p.ops = 1;
    p.one_kind = 1;
    p.kind = column->kind;
    p.klass = column->klass;
    if (row->max_attempts) {
        p.options.max_attempts = row->max_attempts;
    }
    struct world *w = world_new(&p, seed);
    w->before_flight = before_flight;
    w->on_settled = on_settled;
    row_now = row;
    world_run(w);
    if (got.outcome != want.outcome || got.attempts != want.attempts) {
        print_error("%s, %s: %s after %u, not %s after %u\n", row->name, column->name,
                    op_outcome_name(got.outcome), got.attempts, op_outcome_name(want.outcome),
                    want.attempts);
        failed++;
    }
    world_end(w);
}

static void every_cell(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) { /* both "applied" and not, several jitters */
        for (size_t i = 0; i < ROWS; i++) {
            for (size_t j = 0; j < COLUMNS; j++) {
                check_cell(&rows[i], &columns[j], seed);
            }
        }
    }
    print_message("%zu cells\n", ROWS * COLUMNS);
    assert_int_equal(failed, 0);
}

static void refusals_are_final(void **state) {
    struct profile p = profile_default;
    (void)state;
    p.one_kind = 1;
    p.kind = OP_PUT_ITEM;
    p.ops = 1;
    for (size_t j = 0; j < 2; j++) {
        p.klass = j ? OP_CONDITIONAL : OP_IDEMPOTENT;
        p.bad = j ? 0 : 1000;
        p.condition_fails = 1000;
        struct world *w = world_new(&p, 1);
        w->on_settled = on_settled;
        world_run(w);
        assert_int_equal(got.outcome, j ? OUTCOME_CONDITION_FAILED : OUTCOME_REFUSED);
        assert_int_equal(got.attempts, 1);
        world_end(w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell),
        cmocka_unit_test(refusals_are_final),
    };
    log_threshold = LOG_OFF;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
