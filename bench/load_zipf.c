#include "load_zipf.h"

#include <math.h>

/* log1p(x) / x and expm1(x) / x, good near 0, which is where an exponent near 1 leads. */
static double log1p_over(double x) {
    return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x * (0.5 - x * (1 / 3.0 - 0.25 * x));
}

static double expm1_over(double x) {
    return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x * 0.5 * (1 + x / 3 * (1 + 0.25 * x));
}

static double density(const struct load_zipf *z, double x) {
    return exp(-z->exponent * log(x));
}

static double integral(const struct load_zipf *z, double x) {
    double log_x = log(x);
    return expm1_over((1 - z->exponent) * log_x) * log_x;
}

static double inverse(const struct load_zipf *z, double x) {
    double t = x * (1 - z->exponent);
    return exp(log1p_over(t < -1 ? -1 : t) * x);
}

void load_zipf_init(struct load_zipf *z, uint64_t n, double exponent) {
    z->n = n;
    z->exponent = exponent;
    z->first = integral(z, 1.5) - 1;
    z->last = integral(z, (double)n + 0.5);
    z->cut = 2 - inverse(z, integral(z, 2.5) - density(z, 2));
}

uint64_t load_zipf_draw(const struct load_zipf *z, struct rng *r) {
    for (;;) {
        double u = z->last + rng_unit(r) * (z->first - z->last);
        double x = inverse(z, u);
        double rank = floor(x + 0.5);
        rank = rank < 1 ? 1 : rank > (double)z->n ? (double)z->n : rank;
        if (rank - x <= z->cut || u >= integral(z, rank + 0.5) - density(z, rank)) {
            return (uint64_t)rank;
        }
    }
}
