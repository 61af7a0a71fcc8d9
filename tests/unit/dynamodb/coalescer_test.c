/* Batch size, latency and CPU over load, in virtual time, for the pipeline's rule and for the
 * one the design began with. A loop is modelled that spends 9 us on an op and 9 us on an
 * exchange (18 alone, 9.4 in a batch of 25: what facts of this project measured). */
#include "support/unit.h"
#include "unit/dynamodb/world.h"

#define OP_CPU_NS       9000
#define EXCHANGE_CPU_NS 9000

struct scene {
    const char *name;
    uint64_t latency_ns, jitter_ns, think_ns;
};

static const struct scene scenes[] = {
    {"endpoint 5 ms, clients come again at once", 5 * NS_PER_MS, 0, 0},
    {"endpoint 5..6 ms, clients come again within 0.2 ms", 5 * NS_PER_MS, NS_PER_MS,
     200 * NS_PER_US},
    {"endpoint 0.5..1.5 ms, clients come again within 0.2 ms", NS_PER_MS / 2, NS_PER_MS,
     200 * NS_PER_US},
};

struct point {
    double mean_batch, mean_ms, p50_ms, p99_ms, cpu_us;
};

/* The design's first rule: a partial batch leaves when none is in flight, or one has returned.
 */
static size_t batches_before;
static int rule_on_return(const struct table *t) {
    size_t batches = t->lanes[LANE_COALESCED].batches.count;
    int returned = batches < batches_before;
    batches_before = batches + 1; /* the one that leaves now */
    return batches == 0 || returned;
}

static struct point measure(const struct scene *scene, const char *name, coalescer_rule rule,
                            size_t clients, size_t batch_items) {
    static struct histogram h;
    struct profile p = profile_default;
    p.options.batch_items = batch_items;
    p.places = 1024;
    p.keys = 0;
    p.clients = clients;
    p.ops = 60 * clients + 1000;
    p.latency_ns = scene->latency_ns;
    p.jitter_ns = scene->jitter_ns;
    p.think_ns = scene->think_ns;
    p.op_cpu_ns = OP_CPU_NS;
    p.exchange_cpu_ns = EXCHANGE_CPU_NS;
    p.item_bytes = 200;
    struct world *w = world_new(&p, 42);
    histogram_reset(&h);
    w->latency = &h;
    batches_before = 0;
    w->d->rule = rule;
    world_run(w);
    assert_int_equal(w->ok, p.ops);
    struct point r = {
        .mean_batch = (double)w->ops_sent / (double)w->exchanges,
        .mean_ms = (double)w->latency_sum_ns / (double)w->ok / 1e6,
        .p50_ms = (double)histogram_quantile(&h, 0.5) / 1000,
        .p99_ms = (double)histogram_quantile(&h, 0.99) / 1000,
        .cpu_us = (double)w->cpu_sum_ns / (double)w->ok / 1e3,
    };
    print_message("%-18s %7zu %10.1f %8.2f %8.2f %8.2f %9.1f\n", name, clients, r.mean_batch,
                  r.mean_ms, r.p50_ms, r.p99_ms, r.cpu_us);
    world_end(w);
    return r;
}

static void curve(const struct scene *scene) {
    static const size_t loads[] = {1, 2, 8, 25, 64, 128, 512};
    print_message("\n%s\n%-18s %7s %10s %8s %8s %8s %9s\n", scene->name, "rule", "clients",
                  "mean batch", "mean ms", "p50", "p99", "cpu us/op");
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        struct point alone = measure(scene, "one by one", coalescer_eager, loads[i], 1);
        measure(scene, "when one returns", rule_on_return, loads[i], 25);
        struct point ours = measure(scene, "ours", coalescer_eager, loads[i], 25);
        if (loads[i] >= 64) {
            assert_true(ours.mean_batch >= 20);
            assert_true(ours.cpu_us < 10);
        }
        if (loads[i] <= COALESCER_EAGER_OPS) {
            assert_true(ours.mean_ms <= alone.mean_ms * 1.01);
        }
        assert_true(ours.p50_ms <= alone.p50_ms + 1.05); /* at most the delay, ever */
    }
}

static void batches_grow_with_load(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        curve(&scenes[i]);
    }
}

/* A lone client waits for nobody, a lone op goes under its own name. */
static void an_idle_service_adds_nothing(void **state) {
    struct profile p = profile_default;
    (void)state;
    p.options.batch_delay_ms = 100;
    struct world *w = world_new(&p, 1);
    world_run(w);
    struct dynamodb_counts c;
    dynamodb_count(w->d, &c);
    assert_int_equal(c.batches, 0);
    assert_int_equal(c.singles, p.ops);
    assert_int_equal(w->latency_max_ns, p.latency_ns);
    world_end(w);
}

/* 64 at once: they leave as 25, 25, and the rest when the delay is over. */
static void a_crowd_leaves_in_full_batches(void **state) {
    struct profile p = profile_default;
    (void)state;
    p.clients = p.ops = 64;
    p.keys = 0;
    struct world *w = world_new(&p, 1);
    world_run(w);
    struct dynamodb_counts c;
    dynamodb_count(w->d, &c);
    assert_int_equal(c.batches + c.singles, 3);
    assert_int_equal(w->latency_max_ns, p.latency_ns + NS_PER_MS);
    world_end(w);
}

/* Nobody is sent twice or waits for more than there are places for. */
static void places_bound_what_is_in_flight(void **state) {
    struct profile p = profile_default;
    (void)state;
    p.clients = 200;
    p.ops = 4000;
    p.keys = 0;
    p.places = 2;
    struct world *w = world_new(&p, 1);
    world_run(w); /* world_send asserts that there is a place */
    assert_true((double)w->ops_sent / (double)w->exchanges > 24);
    world_end(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_grow_with_load),
        cmocka_unit_test(an_idle_service_adds_nothing),
        cmocka_unit_test(a_crowd_leaves_in_full_batches),
        cmocka_unit_test(places_bound_what_is_in_flight),
    };
    log_threshold = LOG_OFF;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
