/* Many short lives of a pipeline, each from one seed (world.h says what is checked in them).
 * PENSTOCK_SEED=n replays one; PENSTOCK_SCHEDULES=n runs as many. */
#include "support/unit.h"
#include "unit/dynamodb/world.h"

#define SCHEDULES 10000

static unsigned below(struct rng *r, uint64_t bound) {
    return (unsigned)rng_below(r, bound);
}

/* Nothing, a little, much, or nothing else. */
static unsigned some(struct rng *r) {
    static const unsigned amounts[] = {0, 0, 0, 0, 10, 50, 200, 700};
    return amounts[below(r, sizeof amounts / sizeof *amounts)];
}

static void choose_faults(struct rng *r, struct faults *f) {
    if (below(r, 4) == 0) {
        return; /* a fair day */
    }
    *f = (struct faults){
        .unsent = some(r),
        .lost = some(r),
        .cut = some(r) / 2,
        .stall = some(r) / 4,
        .throttle = some(r),
        .key_range = some(r) / 2,
        .unprocessed = some(r),
        .server = some(r),
        .crc = some(r) / 2,
        .garbage = some(r) / 2,
        .expired = some(r) / 4,
        .skew = some(r) / 4,
        .denied = some(r) / 4,
        .busy_pool = some(r) / 4,
    };
}

static struct profile choose_profile(uint64_t seed) {
    static const size_t keys[] = {1, 3, 20, 1000}, sizes[] = {25, 25, 25, 5, 2, 1};
    static const size_t clients[] = {1, 2, 8, 30, 64}, places[] = {1, 2, 4, 64};
    struct profile p = profile_default;
    struct rng r;
    rng_seed(&r, seed);
    choose_faults(&r, &p.faults);
    p.options.batch_items = sizes[below(&r, 6)];
    p.options.batch_delay_ms = below(&r, 3) * below(&r, 3);
    p.options.max_attempts = 1 + below(&r, 6);
    p.options.queue_ops = below(&r, 4) ? 4096 : 1 + below(&r, 40);
    p.options.queue_bytes = below(&r, 8) ? 16 << 20 : 500 + below(&r, 4000);
    p.options.deadline_ms = below(&r, 4) ? 10000 : 1 + below(&r, 3000);
    p.places = places[below(&r, 4)];
    p.tables = 1 + below(&r, WORLD_TABLES);
    p.keys = keys[below(&r, 4)];
    p.latency_ns = below(&r, 10) * NS_PER_MS;
    p.jitter_ns = below(&r, 3) * NS_PER_MS;
    p.think_ns = below(&r, 3) * 100 * NS_PER_US;
    p.clients = clients[below(&r, 5)];
    p.ops = 20 + below(&r, 80);
    p.deletes = below(&r, 2) * 200;
    p.conditionals = below(&r, 3) * 150;
    p.updates = below(&r, 2) * 100;
    p.gets = below(&r, 2) * 150;
    p.queries = below(&r, 2) * 50;
    p.bad = below(&r, 3) == 0 ? 100 : 0;
    p.condition_fails = 300;
    p.short_deadlines = below(&r, 4) == 0 ? 300 : 0;
    p.outages = below(&r, 5) == 0 ? 50 : 0;
    p.close_after = below(&r, 6) == 0 ? 1 + below(&r, p.ops) : 0;
    p.item_bytes = below(&r, 30) == 0 ? 3000 : below(&r, 40);
    p.options.queue_bytes += p.item_bytes; /* one fits, or nobody would ever be done */
    if (below(&r, 3) == 0) {               /* the pool's own doings */
        p.faults.late = some(&r) / 2;
        p.faults.unflushed = some(&r) / 4;
        p.faults.stale = some(&r) / 4;
    }
    return p;
}

static void live_one(uint64_t seed, uint64_t outcomes[], uint64_t *told) {
    struct profile p = choose_profile(seed);
    struct world *w = world_new(&p, seed);
    w->clock_off_s = (int64_t)(seed % 5 == 0 ? seed % 1000 : 0);
    world_run(w);
    ASSERT(w->closed || w->d->counts.settled == w->d->submitted);
    for (int i = 0; i <= OUTCOME_TIMEOUT; i++) {
        outcomes[i] += w->outcomes[i];
    }
    *told += w->credentials_told;
    world_end(w);
}

static uint64_t number_from(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void every_schedule_keeps_the_promises(void **state) {
    uint64_t outcomes[OUTCOME_TIMEOUT + 1] = {0}, told = 0, total = 0;
    uint64_t first = 1, count = number_from("PENSTOCK_SCHEDULES", SCHEDULES);
    (void)state;
    if (getenv("PENSTOCK_SEED")) {
        first = number_from("PENSTOCK_SEED", 1);
        count = number_from("PENSTOCK_SCHEDULES", 1);
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        live_one(seed, outcomes, &told);
    }
    for (int i = 0; i <= OUTCOME_TIMEOUT; i++) {
        total += outcomes[i];
        print_message("%-18s %" PRIu64 "\n", op_outcome_name((enum op_outcome)i), outcomes[i]);
        /* The simulation is no test of what it never reaches. BUSY is said by submit. */
        assert_true(count < SCHEDULES || i == OUTCOME_BUSY || outcomes[i] > 0);
    }
    print_message("%" PRIu64 " schedules, %" PRIu64 " ops\n", count, total);
    assert_true(count < SCHEDULES || told > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_schedule_keeps_the_promises)};
    log_threshold = LOG_OFF;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
