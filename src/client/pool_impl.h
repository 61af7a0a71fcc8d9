/* Inside the pool: what its files share. Nobody outside client/ includes this.
 *
 *                 pool_submit
 *                      |
 *                      v          a place is free            flushed at the end of the turn
 *   [ resend ] --> [ waiting ] ----- dispatch ------> slot of a pool_conn ------> the wire
 *      ^               |             on_write           |             |
 *      |               | deadline                       | lost        | response
 *      | stale and     v                                v             v
 *      +- safe --- [ failed ] <----------------- exchange_abandon   on_done(0)
 *                      |
 *                      +--> on_done(error), when the event that caused it is over */
#ifndef CLIENT_POOL_IMPL_H
#define CLIENT_POOL_IMPL_H

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/slab.h"
#include "client/exchange.h"
#include "client/pool.h"
#include "client/pool_addresses.h"
#include "client/pool_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOL_REASON_MAX 768
#define POOL_NEVER      UINT64_MAX

struct pool {
    struct loop *loop;
    struct stream_hub *hub;
    struct list waiting; /* exchanges, first come first served */
    struct list resend;  /* exchanges for a connection that proved alive since */
    struct list failed;  /* exchanges whose on_done(error) is due */
    struct list conns[CONN_STATES];
    size_t taken;         /* slots used on idle, busy and full connections */
    uint64_t flushes;     /* how often the streams were flushed */
    uint64_t deadline_ns; /* no exchange's own deadline is earlier */
    uint64_t looked_ns;   /* when the deadlines were last looked through */
    uint64_t alarm_ns;    /* when the alarm is set to fire */
    int closing;
    int alarming;          /* inside on_alarm */
    int writing;           /* inside on_write */
    struct buffer scratch; /* the request being written */
    struct deadline_queue connect_deadlines;
    struct deadline_queue response_deadlines;
    struct timer alarm; /* one timer for all that is not in a deadline queue */
    struct loop_duty flushed;
    struct pool_conn *retiring; /* to be closed when the next connection has opened */
    unsigned connect_failures;  /* in a row */
    uint64_t tick_ns;           /* the next look at idle and old connections */
    uint64_t tick_every_ns;
    struct pool_options options;
    struct pool_counts counts;
    struct rng rng;
    struct slab slab;
    struct tls_session_cache *sessions;
    struct pool_addresses addresses;
    unsigned handles; /* timers and the look-up, still open */
    void (*on_closed)(void *arg);
    void *on_closed_arg;
    char last_error[POOL_REASON_MAX]; /* of a connect or a look-up */
    char reason[POOL_REASON_MAX];     /* of the connection that closed last, where made up */
};

/* pool.c */
/* The alarm fires then, or before. */
void pool_set_alarm(struct pool *p, uint64_t at_ns);
/* At the end of every event: gives free places away, opens what is missing, runs on_done of
 * what failed. */
void pool_after_event(struct pool *p);
/* Runs on_closed, which may free the pool, when nothing is left open. */
void pool_maybe_closed(struct pool *p);

/* Connections that can take an exchange, now or when one is answered. */
static inline size_t pool_open(const struct pool *p) {
    return p->conns[CONN_IDLE].count + p->conns[CONN_BUSY].count + p->conns[CONN_FULL].count;
}

/* pool_ramp.c: how many connections there are, and how old they get. */
void pool_ramp(struct pool *p);
void pool_on_opened(struct pool *p);
void pool_tick(struct pool *p);

#endif
