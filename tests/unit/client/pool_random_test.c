/* Random servers, by seed: each exchange ends exactly once, with the right answer or an error,
 * and `progress` is never less than what the server saw. PENSTOCK_SEED=n runs one seed. */
#include "unit/client/upstream_tls.h"

#define SEEDS          40
#define TLS_SEEDS      6
#define CALLS_PER_SEED 600
#define AT_A_TIME      40

static struct world w;
static struct rng rng;
static struct call calls[AT_A_TIME];
static unsigned next_id;
static unsigned faults; /* of a hundred requests */
static unsigned answered, canceled, not_sent, sent;

static unsigned below(unsigned bound) {
    return (unsigned)rng_below(&rng, bound);
}

static enum act random_act(struct up_conn *c, unsigned id) {
    static const enum act faulty[] = {
        ACT_HOLD, ACT_HOLD,  ACT_CONTINUE, ACT_SAY_CLOSE, ACT_UNTIL_CLOSE, ACT_ANSWER_FIN,
        ACT_FIN,  ACT_RESET, ACT_HALF,     ACT_NEVER,     ACT_GARBAGE,     ACT_SURPLUS,
    };
    (void)id;
    if (c->held_count > 0) {
        return ACT_HOLD; /* in order */
    }
    if (below(100) >= faults) {
        return ACT_ANSWER;
    }
    enum act act = faulty[below(COUNT(faulty))];
    /* A pipelining client cannot tell surplus from the answer of the next. */
    return act == ACT_SURPLUS && w.options.pipeline_depth > 1 ? ACT_ANSWER : act;
}

/* Once for each: then the call is free. */
static void check_done(struct call *c) {
    unsigned seen = w.up.seen[c->id];
    assert_int_equal(c->done, 1);
    c->x.events = NULL;
    if (c->x.resend == EXCHANGE_RESEND_NEVER) {
        assert_true(seen <= 1);
    }
    assert_true(seen <= 2);
    if (c->error == 0) {
        char id[16];
        snprintf(id, sizeof id, "%u", c->id);
        assert_int_equal(c->status, 200);
        assert_true(strcmp(c->body, id) == 0 || strcmp(c->body, "all there is") == 0);
        assert_true(w.up.answered[c->id] >= 1);
        answered++;
        return;
    }
    assert_true(c->reason[0] != 0);
    if (c->x.progress == EXCHANGE_NOT_SENT) {
        assert_int_equal(seen, 0);
        not_sent++;
    } else {
        sent++;
    }
    canceled += c->error == ERR_CANCELED;
}

static void submit_random(struct call *c) {
    call_init(&w, c, next_id);
    c->body_len = below(10) ? below(2000) : below(60000);
    c->x.resend = below(2) ? EXCHANGE_RESEND_SAFE : EXCHANGE_RESEND_NEVER;
    if (below(8) == 0) {
        c->x.deadline_ns = loop_now_ns(&w.loop) + below(20) * NS_PER_MS + 1;
    }
    if (below(200) == 0) {
        c->write_error = ERR_CREDENTIALS;
    }
    if (call_submit(c) == 0) {
        next_id++;
    } else {
        c->id = IDS_MAX;
    }
}

static int in_flight(const struct call *c) {
    return c->x.events && c->id != IDS_MAX && !c->done;
}

static void disturb(void) {
    if (below(400) == 0) {
        up_close_conns(&w.up);
    }
    if (below(10) == 0) {
        up_release_all(&w.up);
    }
    if (below(300) == 0) {
        w.up.close_on_accept = !w.up.close_on_accept;
    }
    if (w.up.listening && below(500) == 0) {
        up_stop_listening(&w.up);
        RUN_UNTIL(&w, !w.up.listening);
    } else if (!w.up.listening && below(20) == 0) {
        up_listen(&w.up, &w.loop, &w.hub, "127.0.0.1", w.up.port);
    }
}

static void one_world(uint64_t seed, enum transport transport) {
    rng_seed(&rng, seed);
    world_init(&w);
    if (transport == OVER_TLS) {
        world_over_tls(&w);
    }
    memset(calls, 0, sizeof calls);
    next_id = 1;
    faults = below(3) ? below(30) : 2;
    w.up.choose = random_act;
    w.options.max_connections = 1 + below(6);
    w.options.warm_connections = below(4);
    w.options.connecting_max = 1 + below(3);
    w.options.pipeline_depth = 1 + below(4);
    w.options.queue_max =
        below(30) + (w.options.warm_connections == 0); /* who would connect? */
    w.options.response_timeout_ms = 40;
    w.options.connect_timeout_ms = transport == OVER_TLS ? 500 : 50;
    w.options.retry_pause_ms = 1 + below(3);
    w.options.idle_ms = 20 + below(100);
    w.options.max_age_ms = 20 + below(200);
    w.options.resolve_ms = 10 + below(100);
    world_pool(&w);
    while (next_id <= CALLS_PER_SEED) {
        for (unsigned i = 0; i < AT_A_TIME; i++) {
            struct call *c = &calls[i];
            if (c->x.events && c->done) {
                check_done(c);
            }
            if (!in_flight(c) && below(4) == 0 && next_id <= CALLS_PER_SEED) {
                submit_random(c);
            }
        }
        disturb();
        turn(&w);
        check_pool(w.pool);
    }
    if (below(2)) {
        RUN_UNTIL(&w, w.done == w.submitted);
    }
    world_close_pool(&w);
    turn(&w);
    turn(&w);
    for (unsigned i = 0; i < AT_A_TIME; i++) {
        if (calls[i].x.events && calls[i].done) {
            check_done(&calls[i]);
        } else {
            assert_false(in_flight(&calls[i]));
        }
    }
    world_fini(&w);
}

static void many_worlds(uint64_t count, enum transport transport) {
    const char *one = getenv("PENSTOCK_SEED");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1;
    count = one ? 1 : count;
    answered = not_sent = sent = canceled = 0;
    for (uint64_t seed = first; seed < first + count; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        one_world(seed, transport);
    }
    print_message("answered %u, failed unsent %u, failed sent %u (canceled %u)\n", answered,
                  not_sent, sent, canceled);
    assert_true(one || (answered > 200 * count && not_sent > 10 * count && sent > 5 * count));
}

static void random_servers(void **state) {
    (void)state;
    many_worlds(SEEDS, OVER_TCP);
}

static void random_servers_over_tls(void **state) {
    (void)state;
    many_worlds(TLS_SEEDS, OVER_TLS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_servers),
        cmocka_unit_test(random_servers_over_tls),
    };
    return cmocka_run_group_tests(tests, tls_group_setup, tls_group_teardown);
}
