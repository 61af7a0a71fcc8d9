/* The set of keys seen, as 64-bit hashes: exact but for collisions (of n keys about n*n/2^65:
 * one in ten thousand runs of sixty million keys). Shared by all threads, in locked shards. */
#ifndef BENCH_SINK_KEYS_H
#define BENCH_SINK_KEYS_H

#include <stdint.h>

struct sink_keys;

/* Aborts when memory is out, as sink_keys_add does. */
struct sink_keys *sink_keys_new(void);
void sink_keys_free(struct sink_keys *k);
void sink_keys_add(struct sink_keys *k, uint64_t hash);
uint64_t sink_keys_count(struct sink_keys *k);

#endif
