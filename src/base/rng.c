#include "base/rng.h"

#include "base/assert.h"
#include "base/hex.h"

#include <errno.h>
#include <sys/random.h>

/* SplitMix64 spreads the seed over the state, as the authors of xoshiro advise: it cannot make
 * the all-zero state. */
void rng_seed(struct rng *r, uint64_t seed) {
    for (unsigned i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        r->s[i] = z ^ z >> 31;
    }
}

void rng_seed_random(struct rng *r) {
    uint64_t seed;
    ssize_t got;
    do {
        got = getrandom(&seed, sizeof seed, 0);
    } while (got < 0 && errno == EINTR);
    ASSERT(got == (ssize_t)sizeof seed);
    rng_seed(r, seed);
}

static uint64_t rotate(uint64_t x, unsigned bits) {
    return x << bits | x >> (64 - bits);
}

/* xoshiro256** 1.0 (Blackman and Vigna, 2018). */
uint64_t rng_u64(struct rng *r) {
    uint64_t *s = r->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

/* Lemire, "Fast random integer generation in an interval" (2019): a multiplication, and a
 * rejection that all but never happens for small bounds. */
uint64_t rng_below(struct rng *r, uint64_t bound) {
    if (bound == 0) {
        return 0;
    }
    unsigned __int128 product = (unsigned __int128)rng_u64(r) * bound;
    if ((uint64_t)product < bound) {
        uint64_t threshold = -bound % bound;
        while ((uint64_t)product < threshold) {
            product = (unsigned __int128)rng_u64(r) * bound;
        }
    }
    return (uint64_t)(product >> 64);
}

double rng_unit(struct rng *r) {
    return (double)(rng_u64(r) >> 11) * 0x1.0p-53;
}

void rng_uuid(struct rng *r, char out[37]) {
    char digits[32];
    hex_u64((rng_u64(r) & ~0xf000ull) | 0x4000, digits);                  /* version 4 */
    hex_u64((rng_u64(r) & 0x3fffffffffffffffull) | 0x8000000000000000ull, /* variant 10 */
            digits + 16);
    memcpy(out, digits, 8);
    memcpy(out + 9, digits + 8, 4);
    memcpy(out + 14, digits + 12, 4);
    memcpy(out + 19, digits + 16, 4);
    memcpy(out + 24, digits + 20, 12);
    out[8] = out[13] = out[18] = out[23] = '-';
    out[36] = '\0';
}
