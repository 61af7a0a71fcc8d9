#include "base/map.h"

#include "base/assert.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

static uint64_t seed[2];
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void make_seed(void) {
    ssize_t got;
    do {
        got = getrandom(seed, sizeof seed, 0);
    } while (got < 0 && errno == EINTR);
    ASSERT(got == (ssize_t)sizeof seed);
}

static uint64_t rotate(uint64_t x, unsigned bits) {
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* The last 0 to 7 bytes, little-endian, below the length byte. */
static uint64_t last_word(const char *bytes, size_t len) {
    unsigned char word[8] = {0};
    if (len & 7) {
        memcpy(word, bytes + (len & ~(size_t)7), len & 7);
    }
    word[7] = (unsigned char)len;
    uint64_t value;
    memcpy(&value, word, sizeof value);
    return value;
}

/* SipHash-1-3 (Aumasson and Bernstein, 2012): one round a word, three at the end. Read in host
 * byte order: the hash never leaves the process. */
static uint64_t siphash13(const uint64_t key[2], struct slice s) {
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                     key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
    for (size_t i = 0; i + 8 <= s.len; i += 8) {
        uint64_t word;
        memcpy(&word, s.ptr + i, sizeof word);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t word = last_word(s.ptr, s.len);
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t map_hash(struct slice key) {
    pthread_once(&seed_once, make_seed);
    return siphash13(seed, key);
}

static struct map_node **bucket_of(const struct map *m, uint64_t hash) {
    return &m->buckets[hash & (m->bucket_count - 1)];
}

void map_init(struct map *m, size_t buckets) {
    ASSERT(buckets <= SIZE_MAX / 2 / sizeof(struct map_node *));
    m->count = 0;
    m->bucket_count = 1;
    while (m->bucket_count < buckets) {
        m->bucket_count *= 2;
    }
    NEED_MEMORY((m->buckets = calloc(m->bucket_count, sizeof(struct map_node *))) != NULL);
}

void map_fini(struct map *m) {
    free(m->buckets);
    *m = (struct map){0};
}

struct map_node *map_find_hash(const struct map *m, struct slice key, uint64_t hash) {
    for (struct map_node *node = *bucket_of(m, hash); node; node = node->next) {
        if (node->hash == hash && slice_eq(node->key, key)) {
            return node;
        }
    }
    return NULL;
}

struct map_node *map_find(const struct map *m, struct slice key) {
    return map_find_hash(m, key, map_hash(key));
}

static void link_node(struct map *m, struct map_node *node) {
    struct map_node **bucket = bucket_of(m, node->hash);
    node->next = *bucket;
    *bucket = node;
}

static void maybe_grow(struct map *m) {
    if (m->count <= m->bucket_count) {
        return;
    }
    struct map_node **old = m->buckets;
    size_t old_count = m->bucket_count;
    struct map_node **buckets = calloc(old_count * 2, sizeof(struct map_node *));
    if (!buckets) {
        return;
    }
    m->buckets = buckets;
    m->bucket_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        for (struct map_node *node = old[i], *next; node; node = next) {
            next = node->next;
            link_node(m, node);
        }
    }
    free(old);
}

void map_insert_hash(struct map *m, struct map_node *node, struct slice key, uint64_t hash) {
    ASSERT(!node->linked);
    ASSERT(map_find_hash(m, key, hash) == NULL);
    node->key = key;
    node->hash = hash;
    node->linked = true;
    link_node(m, node);
    m->count++;
    maybe_grow(m);
}

void map_insert(struct map *m, struct map_node *node, struct slice key) {
    map_insert_hash(m, node, key, map_hash(key));
}

void map_remove(struct map *m, struct map_node *node) {
    ASSERT(node->linked);
    struct map_node **link = bucket_of(m, node->hash);
    while (*link != node) {
        ASSERT(*link != NULL); /* it is in another map */
        link = &(*link)->next;
    }
    *link = node->next;
    node->next = NULL;
    node->linked = false;
    m->count--;
}

void map_each(struct map *m, void (*each)(struct map_node *node, void *arg), void *arg) {
    for (size_t i = 0; i < m->bucket_count; i++) {
        for (struct map_node *node = m->buckets[i], *next; node; node = next) {
            next = node->next;
            each(node, arg);
        }
    }
}
