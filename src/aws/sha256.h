/* SHA-256 (FIPS 180-4) and HMAC (RFC 2104) whose states can be kept and gone on from: a prefix
 * that does not change is hashed once. SHA instructions where the processor has them, mbedTLS
 * otherwise. No allocation, nothing can fail. */
#ifndef AWS_SHA256_H
#define AWS_SHA256_H

#include "base/slice.h"

#define SHA256_LEN   32
#define SHA256_BLOCK 64

/* Plain data: copy it to go on from the same prefix twice. */
struct sha256_state {
    uint32_t h[8];
    uint64_t len; /* bytes so far */
    unsigned char tail[SHA256_BLOCK];
};

void sha256_start(struct sha256_state *s);
void sha256_update(struct sha256_state *s, const void *bytes, size_t len);
/* The digest of what came so far; the state is as before and may go on. */
void sha256_digest(const struct sha256_state *s, unsigned char out[SHA256_LEN]);

/* A key as the two states after its padded block; wipe it with the secret. */
struct hmac_key {
    struct sha256_state inner;
    struct sha256_state outer;
};

void hmac_key_init(struct hmac_key *k, struct slice secret);
/* Ends a message that began as a copy of k->inner. */
void hmac_finish(const struct hmac_key *k, const struct sha256_state *inner,
                 unsigned char out[SHA256_LEN]);
void hmac_sha256(const struct hmac_key *k, struct slice message, unsigned char out[SHA256_LEN]);

/* Folds whole blocks into h. The choice is made once, before main. */
typedef void (*sha256_blocks_fn)(uint32_t h[8], const unsigned char *bytes, size_t blocks);
void sha256_blocks_mbedtls(uint32_t h[8], const unsigned char *bytes, size_t blocks);
/* NULL where the processor has no SHA instructions. */
sha256_blocks_fn sha256_blocks_native(void);
/* For tests: what is used from now on. */
void sha256_use(sha256_blocks_fn fn);

#endif
