/* Host name to addresses, off the loop (libuv's thread pool runs getaddrinfo), all of them
 * kept. An address literal answers without a look-up, still asynchronously. */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include "loop/loop.h"
#include "net/address.h"

#define RESOLVER_ADDRESSES_MAX 32

struct resolve_request {
    union {
        uv_getaddrinfo_t lookup;
        uv_idle_t literal; /* brings the answer to a later turn */
    } uv;
    struct loop *loop;
    struct net_address addresses[RESOLVER_ADDRESSES_MAX];
    size_t count;
    uint16_t port;
    /* error 0: addresses[0..count) with the port set, count > 0, in the resolver's order. */
    void (*on_done)(struct resolve_request *r, int error);
    void *owner; /* the caller's; not touched here */
    int canceled;
    int is_literal;
};

/* 0: on_done follows exactly once, in a later turn, and then the memory may be reused. The host
 * is copied; duplicates are left out. */
MUST_CHECK int resolver_start(struct resolve_request *r, struct loop *l, const char *host,
                              uint16_t port,
                              void (*on_done)(struct resolve_request *r, int error));
/* on_done still follows, with ERR_CANCELED. */
void resolver_cancel(struct resolve_request *r);

#endif
