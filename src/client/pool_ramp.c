/* How many connections there are.
 *
 * Opened: `warm_connections` ahead of any need; more while exchanges wait, and one more when
 * the last free place is taken, so that the next exchange need not wait for a handshake. At
 * most `connecting_max` at a time (a handshake costs milliseconds of this thread), one at a
 * time while connecting fails. The very first over TLS has first_alone_ms to itself: it is
 * there in half the time, and those after it resume its session, at next to no cost. Any
 * longer, and its address may be a dead one. Never more than max_connections, but for one
 * replacement. Closed: beyond the warm ones, at the idle limit. A warm one at the idle limit,
 * or one that is used and at its maximum age, is replaced: the successor is opened first. */
#include "client/pool_impl.h"

#define NO_MEMORY_WAIT_NS (100 * NS_PER_MS) /* before the next try */

static size_t at_least(size_t a, size_t b) {
    return a > b ? a : b;
}

static size_t at_most(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Connections that exchanges need now, beyond those that are open. */
static size_t demand(const struct pool *p) {
    size_t depth = p->options.pipeline_depth;
    size_t waiting = p->waiting.count + p->resend.count;
    int no_place = p->conns[CONN_IDLE].count == 0 && p->conns[CONN_BUSY].count == 0;
    if (waiting > 0) {
        return (waiting + depth - 1) / depth;
    }
    return pool_open(p) > 0 && no_place;
}

static size_t total(const struct pool *p) {
    return p->conns[CONN_CONNECTING].count + pool_open(p) + p->conns[CONN_DRAINING].count;
}

/* Until when the first handshake is to be left alone; 0: no longer, or never. */
static uint64_t first_alone_until(const struct pool *p) {
    const struct list *connecting = &p->conns[CONN_CONNECTING];
    if (!p->options.tls || p->counts.connects > 0 || connecting->count != 1) {
        return 0;
    }
    const struct pool_conn *c = container_of(connecting->first, struct pool_conn, node);
    uint64_t until = c->started_ns + p->options.first_alone_ms * NS_PER_MS;
    return loop_now_ns(p->loop) < until ? until : 0;
}

/* How many to open at this moment. Asked after every event: the usual no comes first. */
static size_t missing(const struct pool *p) {
    const struct pool_options *o = &p->options;
    size_t connecting = p->conns[CONN_CONNECTING].count;
    int failing = p->connect_failures > 0 && pool_addresses_all_failing(p);
    size_t abreast = failing ? 1 : o->connecting_max;
    size_t max = o->max_connections + (p->retiring != NULL);
    if (max <= total(p) || abreast <= connecting) {
        return 0;
    }
    size_t warm = at_most(o->warm_connections, o->max_connections);
    size_t wanted = at_least(demand(p), p->retiring != NULL); /* of them connecting */
    if (pool_open(p) < warm) {
        wanted = at_least(wanted, warm - pool_open(p));
    }
    if (wanted <= connecting) {
        return 0;
    }
    return at_most(at_most(wanted, abreast) - connecting, max - total(p));
}

void pool_ramp(struct pool *p) {
    if (p->closing) {
        return;
    }
    while (missing(p) > 0) {
        uint64_t wait_until = first_alone_until(p);
        if (wait_until > 0) {
            pool_set_alarm(p, wait_until);
            return;
        }
        const struct net_address *to = pool_addresses_pick(p, &wait_until);
        if (!to) {
            pool_set_alarm(p, wait_until);
            return;
        }
        if (pool_conn_open(p, to) != 0) {
            pool_set_alarm(p, loop_now_ns(p->loop) + NO_MEMORY_WAIT_NS);
            return;
        }
    }
}

/* --- ageing --- */

static int too_old(const struct pool_conn *c) {
    return loop_now_ns(c->pool->loop) - c->started_ns >= c->age_limit_ns;
}

static uint64_t idle_ns(const struct pool_conn *c) {
    return pool_conn_state(c) == CONN_IDLE ? loop_now_ns(c->pool->loop) - c->alive_ns : 0;
}

static void retire(struct pool_conn *c) {
    struct pool *p = c->pool;
    if (too_old(c)) {
        p->counts.closed_age++;
        pool_conn_drain(c, 0, "maximum age");
    } else {
        p->counts.closed_idle++;
        pool_conn_drain(c, 0, "idle limit");
    }
}

static int due(const struct pool_conn *c) {
    return too_old(c) || idle_ns(c) >= c->idle_limit_ns;
}

void pool_on_opened(struct pool *p) {
    struct pool_conn *old = p->retiring;
    p->retiring = NULL;
    if (old && due(old)) {
        retire(old);
    }
}

/* A successor that does not come in this time is not waited for: the peer would close first. */
static int overdue(const struct pool_conn *c) {
    uint64_t limit_ns = c->pool->options.idle_ms * NS_PER_MS;
    return idle_ns(c) >= limit_ns + limit_ns / 10;
}

static void age(struct pool *p, struct list *l) {
    LIST_FOR_EACH_SAFE (n, next, l) {
        struct pool_conn *c = container_of(n, struct pool_conn, node);
        if (!due(c)) {
            continue;
        }
        int spare =
            pool_conn_state(c) == CONN_IDLE && pool_open(p) > p->options.warm_connections;
        if (spare || overdue(c)) {
            retire(c);
        } else if (!p->retiring) {
            p->retiring = c; /* pool_ramp opens its successor */
        }
    }
}

void pool_tick(struct pool *p) {
    pool_addresses_tick(p);
    if (loop_now_ns(p->loop) < p->tick_ns) {
        return;
    }
    p->tick_ns = loop_now_ns(p->loop) + p->tick_every_ns;
    if (p->retiring && !due(p->retiring)) {
        p->retiring = NULL; /* used again in the meantime */
    }
    age(p, &p->conns[CONN_IDLE]);
    age(p, &p->conns[CONN_BUSY]);
    age(p, &p->conns[CONN_FULL]);
}
