/* API keys (header x-api-key), known by their SHA-256 only. Immutable once built; shared by the
 * workers.
 *
 * A presented key is hashed first and its digest compared whole, in constant time, with every
 * digest that shares its row of the table, and always with as many as the longest row has: how
 * long it takes does not tell a disabled key from an unknown one, nor how much of one was
 * right. The rows' choice by the digest's first bytes tells a caller nothing: to use it, one
 * would have to find a preimage. */
#ifndef GATEWAY_API_KEY_H
#define GATEWAY_API_KEY_H

#include "base/slice.h"

#define API_KEY_DIGEST_LEN 32
/* docs.aws.amazon.com, API Gateway API key file format: 20 to 128 characters. */
#define API_KEY_LEN_MIN 20
#define API_KEY_LEN_MAX 128

/* SHA-256 of the bytes. */
typedef void (*api_key_hash_fn)(const void *bytes, size_t len,
                                unsigned char out[API_KEY_DIGEST_LEN]);

struct usage_plan;

struct api_key {
    const char *name; /* in logs and $context.identity.apiKeyId; no secret */
    unsigned char digest[API_KEY_DIGEST_LEN];
    int enabled;
    const struct usage_plan *plan; /* NULL: no limits of its own */
    uint32_t meter;                /* of the plan's limits; only with a plan */
};

struct api_key_ring;

/* The keys are borrowed and must outlive the ring; no digest twice. Aborts when memory is out.
 */
struct api_key_ring *api_key_ring_new(const struct api_key *keys, size_t count,
                                      api_key_hash_fn hash);
void api_key_ring_free(struct api_key_ring *r);
/* Every key, once. */
void api_key_ring_each(const struct api_key_ring *r,
                       void (*each)(const struct api_key *key, void *arg), void *arg);
/* The key of that secret, enabled or not; NULL: none. */
const struct api_key *api_key_find(const struct api_key_ring *r, struct slice secret);

#endif
