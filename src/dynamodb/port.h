/* What the pipeline asks of the world, so that a simulation can be the world: time, randomness,
 * a pool of connections, and somebody who calls again later. The one in live.c is the worker's
 * loop, pool and signer; the one in the tests is an event queue with virtual time. */
#ifndef DYNAMODB_PORT_H
#define DYNAMODB_PORT_H

#include "base/buffer.h"
#include "base/rng.h"
#include "client/pool.h"

struct dynamodb;

struct wire_request {
    struct slice operation; /* "BatchWriteItem" */
    uint64_t epoch_s;       /* our wall clock as the service's Date corrected it */
    const char *invocation_id;
    unsigned attempt;
    unsigned max_attempts;
    struct slice body;
};

struct dynamodb_port {
    uint64_t (*now_ns)(struct dynamodb_port *port); /* monotonic */
    uint64_t (*wall_s)(struct dynamodb_port *port);
    /* Exchanges that would leave at once (pool_free_places). */
    size_t (*free_places)(struct dynamodb_port *port);
    /* As pool_submit: 0, then x->events->on_done exactly once, later. */
    int (*send)(struct dynamodb_port *port, struct exchange *x);
    /* As sigv4_write_request. */
    int (*write)(struct dynamodb_port *port, const struct wire_request *r, struct buffer *out);
    /* dynamodb_turn is to run again at due_ns at the latest; it may run earlier. */
    void (*wake_at)(struct dynamodb_port *port, uint64_t due_ns);
    /* False while no connection is open at all: what waits then is unavailable, not late. */
    int (*reachable)(struct dynamodb_port *port);
    /* No turn is needed any more: calls dynamodb_closed(d) from a later turn. */
    void (*close)(struct dynamodb_port *port, struct dynamodb *d);
    void (*free)(struct dynamodb_port *port);
    struct rng rng;
    uint64_t sign_ns; /* set by write: what it took; 0 where time is not real */
};

#endif
