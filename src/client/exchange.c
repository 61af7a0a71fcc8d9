/* One exchange, from waiting to done.
 *
 * Happy path: exchange_start puts it in a slot of a connection and its bytes in the stream ->
 * the stream sends them at the end of the turn -> exchange_answered.
 * Failure modes, and what they mean for `progress`, which is never understated:
 * - it ends before its connection's stream was flushed: NOT_SENT; it waits again, first in
 * line.
 * - its connection ends after that, no byte of a response seen: SENT. When the connection had
 *   been used before and the peer just closed it, the write was probably stale: a harmless one
 *   is repeated once, on a connection that has proved alive since.
 * - part of a response was seen: ANSWERED.
 * - its own deadline passes in flight: SENT; the slot stays until the response or the
 *   connection's end, so that the exchanges behind it are matched rightly.
 * Once SENT it stays SENT, through every repeat. */
#include "client/pool_impl.h"

#define SCRATCH_KEEP      262144           /* bytes of the request buffer, between requests */
#define RESENDS_MAX       1                /* free repeats of a stale write */
#define DEADLINE_GRAIN_NS (10 * NS_PER_MS) /* how late a passed deadline may be noticed */

static void reached(struct exchange *x, enum exchange_progress progress) {
    if (progress > x->progress) {
        x->progress = progress;
    }
}

void exchange_fail(struct pool *p, struct exchange *x, int error, const char *reason) {
    x->error = error;
    x->reason = reason;
    x->conn = NULL;
    list_push_back(&p->failed, &x->node);
    pool_set_alarm(p, loop_now_ns(p->loop));
}

void exchange_run_failed(struct pool *p) {
    /* Those that fail from here on wait for the alarm: no endless round within a turn. */
    for (size_t n = p->failed.count; n > 0 && !list_empty(&p->failed); n--) {
        struct exchange *x = container_of(list_pop_front(&p->failed), struct exchange, node);
        x->events->on_done(x, x->error, NULL);
    }
}

/* --- waiting, and deadlines --- */

/* Until when it may wait for a place. */
static uint64_t wait_until(const struct pool *p, const struct exchange *x) {
    if (x->deadline_ns) {
        return x->deadline_ns;
    }
    uint64_t timeout_ms = p->options.response_timeout_ms;
    return timeout_ms ? x->submitted_ns + timeout_ms * NS_PER_MS : POOL_NEVER;
}

void exchange_watch(struct pool *p, const struct exchange *x) {
    uint64_t due = wait_until(p, x);
    if (due < p->deadline_ns) {
        uint64_t soonest = p->looked_ns + DEADLINE_GRAIN_NS;
        p->deadline_ns = due < soonest ? soonest : due;
        pool_set_alarm(p, p->deadline_ns);
    }
}

/* First in line, for what has been in line before. */
static void wait_again(struct pool *p, struct exchange *x) {
    x->conn = NULL;
    list_push_front(x->resends ? &p->resend : &p->waiting, &x->node);
    exchange_watch(p, x);
}

static const char *why_waiting(const struct pool *p) {
    return pool_open(p) == 0 && p->last_error[0] ? p->last_error
                                                 : "no connection was free in time";
}

static void check_waiting(struct pool *p, struct list *l, uint64_t now) {
    LIST_FOR_EACH_SAFE (n, next, l) {
        struct exchange *x = container_of(n, struct exchange, node);
        if (wait_until(p, x) > now) {
            exchange_watch(p, x);
            continue;
        }
        list_remove(n);
        exchange_fail(p, x, ERR_TIMEOUT, why_waiting(p));
    }
}

/* The slot stays taken. The request may be in the stream's queue still, and will leave. */
static void give_up(struct pool_conn *c, unsigned i) {
    struct pool_slot *slot = pool_conn_slot(c, i);
    struct exchange *x = slot->x;
    int part_seen = i == 0 && c->expecting && !http_response_parser_idle(c->parser);
    slot->x = NULL;
    reached(x, part_seen ? EXCHANGE_ANSWERED : EXCHANGE_SENT);
    exchange_fail(c->pool, x, ERR_TIMEOUT, "deadline passed before the response");
}

static void check_flying(struct pool_conn *c, uint64_t now) {
    for (unsigned i = 0; i < c->slots_used; i++) {
        struct exchange *x = pool_conn_slot(c, i)->x;
        if (x && x->deadline_ns && x->deadline_ns <= now) {
            give_up(c, i);
        } else if (x && x->deadline_ns) {
            exchange_watch(c->pool, x);
        }
    }
}

void exchange_check_deadlines(struct pool *p) {
    static const enum pool_conn_state flying[] = {CONN_BUSY, CONN_FULL, CONN_DRAINING};
    uint64_t now = loop_now_ns(p->loop);
    if (now < p->deadline_ns) {
        return;
    }
    p->deadline_ns = POOL_NEVER;
    p->looked_ns = now;
    check_waiting(p, &p->waiting, now);
    check_waiting(p, &p->resend, now);
    for (size_t i = 0; i < sizeof flying / sizeof flying[0]; i++) {
        LIST_FOR_EACH (n, &p->conns[flying[i]]) {
            check_flying(container_of(n, struct pool_conn, node), now);
        }
    }
}

/* --- writing --- */

static int write_request(struct pool *p, struct exchange *x) {
    ASSERT(!p->writing);
    buffer_reset(&p->scratch, SCRATCH_KEEP);
    p->writing = 1;
    int error = x->events->on_write(x, &p->scratch);
    p->writing = 0;
    return error == 0 && p->scratch.len == 0 ? ERR_INVALID : error;
}

static void take_slot(struct pool_conn *c, struct exchange *x) {
    struct pool *p = c->pool;
    struct pool_slot *slot = pool_conn_slot(c, c->slots_used);
    slot->conn = c;
    slot->x = x;
    slot->flushes = p->flushes;
    slot->method = x->method;
    slot->reused = c->answered > 0 || c->alive_ns < loop_now_ns(p->loop);
    p->counts.exchanges++;
    p->counts.reused += slot->reused;
    deadline_arm(&p->response_deadlines, &slot->response);
    c->slots_used++;
    p->taken++;
    x->conn = c;
    x->written_ns = loop_now_ns(p->loop);
    pool_conn_settle(c);
}

void exchange_start(struct pool_conn *c, struct exchange *x) {
    struct pool *p = c->pool;
    if (wait_until(p, x) <= loop_now_ns(p->loop)) {
        exchange_fail(p, x, ERR_TIMEOUT, "deadline passed while waiting");
        return;
    }
    int error = write_request(p, x);
    if (error) {
        exchange_fail(p, x, error, "the request could not be made");
        return;
    }
    error = stream_write(&c->stream, buffer_slice(&p->scratch));
    if (error == ERR_NOMEM) {
        exchange_fail(p, x, error, error_text(error));
    } else if (error) {
        pool_conn_close(c, error, "write failed");
        wait_again(p, x);
    } else {
        take_slot(c, x);
    }
}

/* --- ending --- */

static struct exchange *release_first_slot(struct pool_conn *c) {
    struct pool_slot *slot = pool_conn_slot(c, 0);
    struct exchange *x = slot->x;
    deadline_disarm(&slot->response);
    slot->x = NULL;
    c->slots_first =
        c->slots_first + 1 == c->pool->options.pipeline_depth ? 0 : c->slots_first + 1;
    c->slots_used--;
    c->expecting = 0;
    return x;
}

void exchange_answered(struct pool_conn *c) {
    struct pool *p = c->pool;
    const struct http_response *response = http_response_parser_response(c->parser);
    struct exchange *x = release_first_slot(c);
    if (c->answered++ == 0) {
        pool_addresses_proved(p, &c->to);
    }
    if (pool_conn_state(c) != CONN_DRAINING) {
        p->taken--;
    }
    if (!response->keep_alive) {
        p->counts.closed_peer++;
        pool_conn_close(c, 0, "Connection: close");
    } else if (pool_conn_state(c) != CONN_DRAINING) {
        pool_conn_settle(c);
    } else if (c->slots_used == 0) {
        pool_conn_close(c, c->end_error, c->end_reason);
    }
    if (x) {
        x->conn = NULL;
        reached(x, EXCHANGE_ANSWERED);
        x->events->on_done(x, 0, response);
    }
    if (pool_conn_state(c) != CONN_CLOSING) {
        http_response_parser_next(c->parser);
    }
}

int exchange_may_have_left(const struct pool_slot *slot) {
    return slot->flushes != slot->conn->pool->flushes;
}

/* Whether the peer most likely closed the connection before it saw the request. */
static int probably_stale(const struct pool_conn *c, const struct pool_slot *slot, int error) {
    return (error == ERR_CLOSED || error == ERR_RESET) && (slot->reused || c->answered > 0);
}

void exchange_abandon(struct pool_conn *c, int error, const char *reason) {
    struct pool *p = c->pool;
    int part_seen = c->expecting && !http_response_parser_idle(c->parser);
    struct list again;
    list_init(&again);
    for (int ahead = 0; c->slots_used > 0; ahead = 1, part_seen = 0) {
        struct pool_slot *slot = pool_conn_slot(c, 0);
        int sent = exchange_may_have_left(slot);
        int stale = !part_seen && probably_stale(c, slot, error);
        struct exchange *x = release_first_slot(c);
        if (!x) {
            continue;
        }
        reached(x, part_seen ? EXCHANGE_ANSWERED : sent ? EXCHANGE_SENT : EXCHANGE_NOT_SENT);
        if (p->closing) {
            exchange_fail(p, x, ERR_CANCELED, reason);
        } else if (!sent) {
            list_push_back(&again, &x->node);
        } else if (stale && x->resend == EXCHANGE_RESEND_SAFE && x->resends < RESENDS_MAX) {
            x->resends++;
            p->counts.stale_resends++;
            list_push_back(&again, &x->node);
        } else if (ahead) {
            exchange_fail(p, x, ERR_CLOSED, reason); /* the error is that of the one ahead */
        } else {
            exchange_fail(p, x, error, reason);
        }
    }
    for (struct list_node *n; (n = list_pop_back(&again)) != NULL;) {
        wait_again(p, container_of(n, struct exchange, node));
    }
}
