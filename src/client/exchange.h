/* The life of one exchange inside the pool: see exchange.c. */
#ifndef CLIENT_EXCHANGE_H
#define CLIENT_EXCHANGE_H

#include "client/pool_conn.h"

/* Writes it on the connection, which has a free place. Failures go to pool->failed. */
void exchange_start(struct pool_conn *c, struct exchange *x);
/* The response of the first slot is complete: runs on_done last. */
void exchange_answered(struct pool_conn *c);
/* Whether the request of the slot may have left this machine. */
int exchange_may_have_left(const struct pool_slot *slot);
/* Empties the slots of a connection that ends. */
void exchange_abandon(struct pool_conn *c, int error, const char *reason);

/* on_done(error) follows when the event is over. */
void exchange_fail(struct pool *p, struct exchange *x, int error, const char *reason);
void exchange_run_failed(struct pool *p);

/* Its deadline will be noticed: for one that waits, or has a deadline of its own. */
void exchange_watch(struct pool *p, const struct exchange *x);
/* Fails those whose deadline has passed; finds the next deadline. */
void exchange_check_deadlines(struct pool *p);

#endif
