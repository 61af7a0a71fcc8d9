/* The pool: who waits, who gets the next free place, and the beginning and end of it all.
 *
 * Happy path: pool_new looks the name up and opens the warm connections; pool_submit queues the
 * exchange and it is given at once to the connection used last (LIFO: the others may fall idle
 * and be closed), or later, first come first served, when a place is free.
 * Failure modes: see exchange.c for one exchange, pool_conn.c for one connection,
 * pool_addresses.c for the endpoint; the queue is bounded by queue_max. */
#include "client/pool_impl.h"

#define TICK_MIN_MS   10
#define TICK_MAX_MS   1000
#define SESSION_PEERS RESOLVER_ADDRESSES_MAX

const struct pool_options pool_options_default = {
    .max_connections = 64,
    .warm_connections = 8,
    .connecting_max = 2,
    .first_alone_ms = 100,
    .pipeline_depth = 1,
    .queue_max = 1024,
    .connect_timeout_ms = 3000,
    .response_timeout_ms = 5000,
    .idle_ms = 50000,
    .max_age_ms = 600000,
    .retry_pause_ms = 50,
    .resolve_ms = 30000,
    .response_body_max = 20 * 1024 * 1024,
};

/* --- the alarm: one timer for what is due at some time --- */

static void on_alarm(struct timer *t) {
    struct pool *p = container_of(t, struct pool, alarm);
    p->alarm_ns = POOL_NEVER;
    p->alarming = 1;
    exchange_check_deadlines(p);
    pool_tick(p);
    pool_set_alarm(p, p->deadline_ns);
    pool_set_alarm(p, p->tick_ns);
    pool_set_alarm(p, p->addresses.refresh_ns);
    pool_after_event(p);
    p->alarming = 0;
}

void pool_set_alarm(struct pool *p, uint64_t at_ns) {
    if (at_ns >= p->alarm_ns || p->closing) {
        return;
    }
    uint64_t now = loop_now_ns(p->loop);
    uint64_t delay_ms = at_ns > now ? (at_ns - now + NS_PER_MS - 1) / NS_PER_MS : 0;
    p->alarm_ns = at_ns;
    /* libuv 1.44 fires a timer of no delay, set inside a timer, in the same turn. */
    timer_start(&p->alarm, delay_ms == 0 && p->alarming ? 1 : delay_ms);
}

/* Runs after the hub's flush: what was written before has been given to the kernel, or may. */
static void on_flushed(struct loop_duty *duty) {
    container_of(duty, struct pool, flushed)->flushes++;
}

/* --- places --- */

/* A connection with a free place, heard of after that time; the one used last. */
static struct pool_conn *pick(struct pool *p, uint64_t after_ns) {
    struct list_node *n = p->conns[CONN_IDLE].first;
    if (!n) {
        n = p->conns[CONN_BUSY].first; /* the one that got an exchange longest ago */
    }
    struct pool_conn *c = n ? container_of(n, struct pool_conn, node) : NULL;
    return c && c->alive_ns >= after_ns ? c : NULL;
}

static void dispatch_list(struct pool *p, struct list *l) {
    while (!list_empty(l)) {
        struct exchange *x = container_of(l->first, struct exchange, node);
        struct pool_conn *c = pick(p, x->resends ? x->written_ns + 1 : 0);
        if (!c) {
            return;
        }
        list_remove(&x->node);
        exchange_start(c, x);
    }
}

static void dispatch(struct pool *p) {
    dispatch_list(p, &p->resend);
    dispatch_list(p, &p->waiting);
}

void pool_after_event(struct pool *p) {
    if (p->waiting.count + p->resend.count > 0) {
        dispatch(p);
    }
    pool_ramp(p);
    if (!list_empty(&p->failed)) {
        exchange_run_failed(p);
    }
}

static size_t places(const struct pool *p) {
    return pool_open(p) * p->options.pipeline_depth - p->taken;
}

static size_t waiting(const struct pool *p) {
    return p->waiting.count + p->resend.count;
}

size_t pool_free_places(const struct pool *p) {
    return places(p) > waiting(p) ? places(p) - waiting(p) : 0;
}

int pool_submit(struct pool *p, struct exchange *x) {
    if (p->closing) {
        return ERR_CANCELED;
    }
    if (waiting(p) >= p->options.queue_max && pool_free_places(p) == 0) {
        return ERR_BUSY;
    }
    x->progress = EXCHANGE_NOT_SENT;
    x->submitted_ns = loop_now_ns(p->loop);
    x->written_ns = 0;
    x->conn = NULL;
    x->reason = "";
    x->error = 0;
    x->resends = 0;
    list_push_back(&p->waiting, &x->node);
    exchange_watch(p, x);
    dispatch(p);
    pool_ramp(p);
    return 0;
}

/* --- what it knows --- */

int pool_ready(const struct pool *p) {
    return pool_open(p) > 0;
}

const char *pool_last_error(const struct pool *p) {
    return p->last_error;
}

void pool_count(const struct pool *p, struct pool_counts *out) {
    *out = p->counts;
    out->connecting = p->conns[CONN_CONNECTING].count;
    out->idle = p->conns[CONN_IDLE].count;
    out->busy =
        p->conns[CONN_BUSY].count + p->conns[CONN_FULL].count + p->conns[CONN_DRAINING].count;
    out->waiting = waiting(p);
    out->slab_bytes = p->slab.bytes;
}

/* --- beginning and end --- */

/* How often to look at idle and old connections. */
static uint64_t tick_every_ns(const struct pool_options *o) {
    uint64_t shortest_ms = o->idle_ms < o->max_age_ms ? o->idle_ms : o->max_age_ms;
    uint64_t ms = shortest_ms / 8;
    return (ms < TICK_MIN_MS ? TICK_MIN_MS : ms > TICK_MAX_MS ? TICK_MAX_MS : ms) * NS_PER_MS;
}

static void init_lists(struct pool *p) {
    list_init(&p->waiting);
    list_init(&p->resend);
    list_init(&p->failed);
    for (size_t i = 0; i < CONN_STATES; i++) {
        list_init(&p->conns[i]);
    }
    size_t slots_len = p->options.pipeline_depth * sizeof(struct pool_slot);
    slab_init(&p->slab, "pool_conn", sizeof(struct pool_conn) + slots_len, 0);
}

static void init_timers(struct pool *p) {
    const struct pool_options *o = &p->options;
    deadline_queue_init(&p->connect_deadlines, p->loop, o->connect_timeout_ms,
                        pool_conn_on_connect_due, p);
    deadline_queue_init(&p->response_deadlines, p->loop, o->response_timeout_ms,
                        pool_conn_on_response_due, p);
    timer_init(&p->alarm, p->loop, on_alarm);
    p->handles = 3;
    p->flushed.run = on_flushed;
    loop_add_duty(p->loop, &p->flushed, LOOP_RANK_REAP);
    p->alarm_ns = p->deadline_ns = POOL_NEVER;
    p->tick_every_ns = tick_every_ns(o);
    p->tick_ns = loop_now_ns(p->loop) + p->tick_every_ns;
    pool_set_alarm(p, p->tick_ns);
}

struct pool *pool_new(struct loop *l, struct stream_hub *hub,
                      const struct pool_options *options) {
    ASSERT(options->host[0] != 0 && options->pipeline_depth > 0);
    ASSERT(options->max_connections > 0 && options->connecting_max > 0);
    struct pool *p;
    NEED_MEMORY((p = calloc(1, sizeof *p)) != NULL);
    p->loop = l;
    p->hub = hub;
    p->options = *options;
    rng_seed_random(&p->rng);
    init_lists(p);
    init_timers(p);
    if (options->tls) {
        p->sessions = tls_session_cache_new(SESSION_PEERS);
    }
    pool_addresses_start(p);
    return p;
}

static void handle_closed(struct pool *p) {
    p->handles--;
    pool_maybe_closed(p);
}

static void on_alarm_closed(struct timer *t) {
    handle_closed(container_of(t, struct pool, alarm));
}

static void on_queue_closed(struct timer *t) {
    handle_closed(container_of(t, struct deadline_queue, timer)->owner);
}

static void fail_waiting(struct pool *p, struct list *l) {
    for (struct list_node *n; (n = list_pop_front(l)) != NULL;) {
        exchange_fail(p, container_of(n, struct exchange, node), ERR_CANCELED, "pool closed");
    }
}

void pool_close(struct pool *p, void (*on_closed)(void *arg), void *arg) {
    ASSERT(!p->closing && !p->writing);
    p->closing = 1;
    p->on_closed = on_closed;
    p->on_closed_arg = arg;
    for (unsigned state = 0; state < CONN_CLOSING; state++) {
        while (!list_empty(&p->conns[state])) {
            pool_conn_close(container_of(p->conns[state].first, struct pool_conn, node),
                            ERR_CANCELED, "pool closed");
        }
    }
    fail_waiting(p, &p->resend);
    fail_waiting(p, &p->waiting);
    pool_addresses_cancel(p);
    loop_remove_duty(&p->flushed);
    timer_close(&p->alarm, on_alarm_closed);
    deadline_queue_close(&p->connect_deadlines, on_queue_closed);
    deadline_queue_close(&p->response_deadlines, on_queue_closed);
    while (!list_empty(&p->failed)) {
        exchange_run_failed(p); /* pool_submit says no from now on: this ends */
    }
}

void pool_maybe_closed(struct pool *p) {
    if (!p->closing || p->handles > 0 || p->slab.used > 0 || !list_empty(&p->failed)) {
        return;
    }
    p->on_closed(p->on_closed_arg);
}

void pool_free(struct pool *p) {
    ASSERT(p->closing && p->handles == 0 && p->taken == 0);
    if (p->sessions) {
        tls_session_cache_free(p->sessions);
    }
    buffer_fini(&p->scratch);
    slab_fini(&p->slab);
    free(p);
}
