/* Random numbers for jitter, sampling and ids (xoshiro256**): seedable, so that a simulation
 * can be replayed. Not for secrets: those come from tls/. One generator belongs to one worker.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
/* From getrandom(2). */
void rng_seed_random(struct rng *r);
uint64_t rng_u64(struct rng *r);
/* Uniform in [0, bound); 0 when bound is 0. */
uint64_t rng_below(struct rng *r, uint64_t bound);
/* Uniform in [0, 1). */
double rng_unit(struct rng *r);
/* A version 4 UUID (RFC 9562), 36 characters and a NUL. */
void rng_uuid(struct rng *r, char out[37]);

#endif
