/* Intrusive hash map from bytes to a node, chained, keyed with a per-process random seed
 * (SipHash-1-3 or better: keys come from peers). Nodes are owned by the caller; the key bytes
 * must outlive the membership. Buckets grow by doubling; growth that finds no memory is
 * skipped. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/slice.h"

struct map_node {
    struct map_node *next;
    struct slice key;
    uint64_t hash;
    bool linked;
};

struct map {
    struct map_node **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
};

/* Aborts when memory is out. `buckets` is rounded up to a power of two. */
void map_init(struct map *m, size_t buckets);
/* Frees the buckets, not the nodes. */
void map_fini(struct map *m);
uint64_t map_hash(struct slice key);
struct map_node *map_find(const struct map *m, struct slice key);
struct map_node *map_find_hash(const struct map *m, struct slice key, uint64_t hash);
/* Sets node->key and inserts; the key must not be present. */
void map_insert(struct map *m, struct map_node *node, struct slice key);
void map_insert_hash(struct map *m, struct map_node *node, struct slice key, uint64_t hash);
void map_remove(struct map *m, struct map_node *node);
/* Calls `each` on every node; it may remove (and free) the node it is given, no other. */
void map_each(struct map *m, void (*each)(struct map_node *node, void *arg), void *arg);

#endif
