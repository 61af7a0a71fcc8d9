#include "sink_keys.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>

#define SHARD_BITS 6
#define SHARDS     (1u << SHARD_BITS)
#define SLOTS_MIN  1024u

struct shard {
    _Alignas(64) pthread_mutex_t lock;
    uint64_t *slots; /* 0 = free */
    uint64_t mask;
    uint64_t count;
};

struct sink_keys {
    struct shard shards[SHARDS];
};

static uint64_t *new_slots(uint64_t count) {
    uint64_t *slots = calloc(count, sizeof *slots);
    ASSERT(slots != NULL);
    return slots;
}

struct sink_keys *sink_keys_new(void) {
    struct sink_keys *k = aligned_alloc(64, sizeof *k);
    ASSERT(k != NULL);
    for (unsigned i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&k->shards[i].lock, NULL);
        k->shards[i].slots = new_slots(SLOTS_MIN);
        k->shards[i].mask = SLOTS_MIN - 1;
        k->shards[i].count = 0;
    }
    return k;
}

void sink_keys_free(struct sink_keys *k) {
    for (unsigned i = 0; k && i < SHARDS; i++) {
        pthread_mutex_destroy(&k->shards[i].lock);
        free(k->shards[i].slots);
    }
    free(k);
}

/* Linear probing; whether it is new. */
static int insert(uint64_t *slots, uint64_t mask, uint64_t hash) {
    uint64_t i = hash & mask;
    while (slots[i]) {
        if (slots[i] == hash) {
            return 0;
        }
        i = (i + 1) & mask;
    }
    slots[i] = hash;
    return 1;
}

static void double_slots(struct shard *s) {
    uint64_t mask = s->mask * 2 + 1;
    uint64_t *slots = new_slots(mask + 1);
    for (uint64_t i = 0; i <= s->mask; i++) {
        if (s->slots[i]) {
            insert(slots, mask, s->slots[i]);
        }
    }
    free(s->slots);
    s->slots = slots;
    s->mask = mask;
}

void sink_keys_add(struct sink_keys *k, uint64_t hash) {
    struct shard *s = &k->shards[hash >> (64 - SHARD_BITS)];
    pthread_mutex_lock(&s->lock);
    s->count += (uint64_t)insert(s->slots, s->mask, hash ? hash : 1);
    if (s->count > s->mask - s->mask / 4) {
        double_slots(s);
    }
    pthread_mutex_unlock(&s->lock);
}

uint64_t sink_keys_count(struct sink_keys *k) {
    uint64_t count = 0;
    for (unsigned i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&k->shards[i].lock);
        count += k->shards[i].count;
        pthread_mutex_unlock(&k->shards[i].lock);
    }
    return count;
}
