/* One pooled connection and the slots of what flies on it.
 *
 * A connection is in exactly one list of the pool, and the list is its state:
 *
 *   connecting --> idle <--> busy <--> full          busy: at least one place left
 *       |           |  \      |         |            full: none
 *       |           |   \     +----+----+
 *       |           |    \         v
 *       |           |     +--> draining              takes nothing new, answers what flies
 *       v           v              v
 *     closing <-----+--------------+                 until the stream's on_close */
#ifndef CLIENT_POOL_CONN_H
#define CLIENT_POOL_CONN_H

#include "base/state.h"
#include "client/pool.h"
#include "http/response_parser.h"
#include "loop/timer.h"

enum pool_conn_state {
    CONN_CONNECTING,
    CONN_IDLE, /* most recently used first */
    CONN_BUSY,
    CONN_FULL,
    CONN_DRAINING,
    CONN_CLOSING,
    CONN_STATES,
};

/* One exchange in flight. Slots never move: they are a ring. */
struct pool_slot {
    struct pool_conn *conn;
    struct exchange *x; /* NULL: given up by its deadline, the response is dropped */
    struct deadline response;
    uint64_t flushes; /* pool->flushes when it was written */
    enum http_method method;
    unsigned reused : 1; /* the connection was not fresh then */
};

struct pool_conn {
    struct list_node node; /* in pool->conns[state] */
    struct state_machine machine;
    struct pool *pool;
    struct http_response_parser *parser;
    unsigned expecting : 1; /* the parser knows what it reads the answer of */
    unsigned slots_first;
    unsigned slots_used;
    uint64_t alive_ns; /* the last byte received, or the opening */
    uint64_t started_ns;
    uint64_t opened_ns;
    uint64_t answered; /* exchanges */
    struct stream stream;
    struct net_address to;
    struct deadline connect;
    uint64_t idle_limit_ns;
    uint64_t age_limit_ns;
    const char *end_reason; /* draining: why */
    int end_error;
    struct pool_slot slots[]; /* pipeline_depth of them */
};

/* ERR_NOMEM: nothing was opened. */
MUST_CHECK int pool_conn_open(struct pool *p, const struct net_address *to);
/* Ends it now; what flies is resent or failed by the rules of exchange.c. `error` is 0 for an
 * ordinary end. */
void pool_conn_close(struct pool_conn *c, int error, const char *reason);
/* Takes nothing new and closes when what flies is answered. */
void pool_conn_drain(struct pool_conn *c, int error, const char *reason);
/* State from the slots. */
void pool_conn_settle(struct pool_conn *c);
/* The i-th oldest that flies; i == slots_used is the next free one. */
struct pool_slot *pool_conn_slot(struct pool_conn *c, unsigned i);
void pool_conn_on_connect_due(struct deadline_queue *q, struct deadline *d);
void pool_conn_on_response_due(struct deadline_queue *q, struct deadline *d);

static inline enum pool_conn_state pool_conn_state(const struct pool_conn *c) {
    return (enum pool_conn_state)state_of(&c->machine);
}

#endif
