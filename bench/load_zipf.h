/* Ranks 1..n with probability proportional to 1 / rank^exponent, without a table: rejection-
 * inversion (Hörmann and Derflinger, ACM TOMACS 6(3), 1996), O(1) for any n. */
#ifndef BENCH_LOAD_ZIPF_H
#define BENCH_LOAD_ZIPF_H

#include "base/rng.h"

struct load_zipf {
    uint64_t n;
    double exponent;
    double first; /* integral up to 1.5, less the first rank's mass */
    double last;  /* integral up to n + 0.5 */
    double cut;   /* ranks so near to the inverse are accepted at once */
};

/* n >= 1, exponent > 0. */
void load_zipf_init(struct load_zipf *z, uint64_t n, double exponent);
uint64_t load_zipf_draw(const struct load_zipf *z, struct rng *r);

#endif
