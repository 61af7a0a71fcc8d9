/* How many connections each client address has: a map that holds at most one entry per
 * connection, so limits.connections bounds it. An IPv6 client is its /64, the least that one
 * customer gets (RFC 6177). */
#ifndef SERVER_ADDRESSES_H
#define SERVER_ADDRESSES_H

#include "base/map.h"
#include "base/slab.h"
#include "net/range.h"

#define ADDRESS_KEY_BYTES 17

struct address_count {
    struct map_node node;
    size_t connections;
    char key[ADDRESS_KEY_BYTES]; /* family, network */
};

struct addresses {
    struct map by_key;
    struct slab entries;
};

/* `max` entries at a time. */
void addresses_init(struct addresses *a, size_t max);
void addresses_fini(struct addresses *a);
/* One connection more of this client; give the entry to addresses_remove when it ends. NULL
 * when it has no IP address, or memory is out: then nothing is counted. */
struct address_count *addresses_add(struct addresses *a, const struct net_address *client);
void addresses_remove(struct addresses *a, struct address_count *entry);

#endif
