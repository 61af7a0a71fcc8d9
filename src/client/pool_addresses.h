/* Where the endpoint is: the addresses of its name, and how they fare. */
#ifndef CLIENT_POOL_ADDRESSES_H
#define CLIENT_POOL_ADDRESSES_H

#include "net/resolver.h"

struct pool;

/* A failing address is left alone for a pause that doubles. */
struct pool_address {
    struct net_address address;
    uint64_t not_before_ns;
    unsigned failures; /* since it last answered an exchange */
};

struct pool_addresses {
    struct resolve_request request;
    struct pool_address known[RESOLVER_ADDRESSES_MAX];
    size_t count;
    size_t next; /* round robin */
    int resolving;
    unsigned failures;   /* of the look-up, in a row */
    uint64_t asked_ns;   /* when it was last looked up */
    uint64_t refresh_ns; /* when to look it up again */
};

void pool_addresses_start(struct pool *p);
void pool_addresses_cancel(struct pool *p);
/* Looks the name up when that is due. */
void pool_addresses_tick(struct pool *p);
/* The next one to try; NULL when there is none now, and *wait_until says when there may be. */
const struct net_address *pool_addresses_pick(struct pool *p, uint64_t *wait_until);
/* Not one that has not failed since it last answered. */
int pool_addresses_all_failing(const struct pool *p);
/* It refused, timed out, or closed before it answered anything: leave it alone for a while. */
void pool_addresses_failed(struct pool *p, const struct net_address *to);
/* It answered. */
void pool_addresses_proved(struct pool *p, const struct net_address *to);

#endif
