/* For whom a request comes, as trusted proxies say: X-Forwarded-For, -Proto and -Port, or
 * Forwarded (RFC 7239). One kind only, as configured: a proxy that sets the one passes the
 * other on as its client sent it.
 *
 * Entries are taken from the right. The peer vouches for the last one; that one for the entry
 * before it, if it is itself a trusted proxy; and so on for `hops` proxies. An entry that is no
 * address ends the walk: what was reached stands. */
#ifndef SERVER_FORWARDED_H
#define SERVER_FORWARDED_H

#include "http/message.h"
#include "net/range.h"

/* Who may say for whom a request comes. No addresses: nobody. */
struct server_trust {
    struct net_ranges addresses; /* must outlive the server */
    unsigned hops;               /* proxies in a row at most, the peer among them */
    int forwarded;               /* they set Forwarded (RFC 7239), not X-Forwarded-* */
};

struct forwarded {
    struct net_address client;
    uint16_t port;
    int tls;
};

/* *f comes in with the connection's own; nothing changes unless its client is trusted. */
void forwarded_read(const struct server_trust *trust, const struct http_headers *headers,
                    struct forwarded *f);

#endif
