#include "server/addresses.h"

#include "base/container.h"

#define BUCKETS      256
#define PREFIX_BITS4 32
#define PREFIX_BITS6 64

void addresses_init(struct addresses *a, size_t max) {
    map_init(&a->by_key, max < BUCKETS ? max : BUCKETS);
    slab_init(&a->entries, "server_address", sizeof(struct address_count), max);
}

void addresses_fini(struct addresses *a) {
    map_fini(&a->by_key);
    slab_fini(&a->entries);
}

struct address_count *addresses_add(struct addresses *a, const struct net_address *client) {
    struct net_range network;
    char key[ADDRESS_KEY_BYTES];
    net_range_of(client, PREFIX_BITS4, PREFIX_BITS6, &network);
    if (network.family == AF_UNSPEC) {
        return NULL;
    }
    key[0] = network.family == AF_INET ? 4 : 6;
    memcpy(key + 1, network.bytes, sizeof(network.bytes));
    struct slice wanted = slice_of(key, sizeof(key));
    uint64_t hash = map_hash(wanted);
    struct map_node *node = map_find_hash(&a->by_key, wanted, hash);
    if (node == NULL) {
        struct address_count *entry = slab_acquire(&a->entries);
        if (entry == NULL) { /* memory is out: there is one per connection at most */
            return NULL;
        }
        memset(entry, 0, sizeof(*entry));
        memcpy(entry->key, key, sizeof(key));
        map_insert_hash(&a->by_key, &entry->node, slice_of(entry->key, sizeof(key)), hash);
        node = &entry->node;
    }
    struct address_count *entry = container_of(node, struct address_count, node);
    entry->connections++;
    return entry;
}

void addresses_remove(struct addresses *a, struct address_count *entry) {
    if (--entry->connections == 0) {
        map_remove(&a->by_key, &entry->node);
        slab_release(&a->entries, entry);
    }
}
