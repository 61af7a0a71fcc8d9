#include "base/histogram.h"

#include <string.h>

#define SUB       (1u << HISTOGRAM_SUB_BITS)
#define VALUE_MAX ((1ull << HISTOGRAM_MAX_BITS) - 1)

/* Values below 128 have a bucket each. From there on a power of two has 128 buckets: the seven
 * bits below the leading one, so that a bucket is under 1/128 of its value wide. */
static unsigned bucket_of(uint64_t value) {
    if (value < SUB) {
        return (unsigned)value;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return ((shift + 1) << HISTOGRAM_SUB_BITS) + (unsigned)(value >> shift) - SUB;
}

uint64_t histogram_bucket_value(unsigned bucket) {
    if (bucket < SUB) {
        return bucket;
    }
    unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t low = (uint64_t)(SUB + (bucket & (SUB - 1))) << shift;
    return low + ((1ull << shift) - 1) / 2;
}

void histogram_reset(struct histogram *h) {
    memset(h, 0, sizeof *h);
}

static void add(uint32_t *bucket, uint32_t count) {
    if (__builtin_add_overflow(*bucket, count, bucket)) {
        *bucket = UINT32_MAX;
    }
}

void histogram_record(struct histogram *h, uint64_t value) {
    if (value > VALUE_MAX) {
        value = VALUE_MAX;
    }
    if (h->count == 0 || value < h->min) {
        h->min = value;
    }
    if (value > h->max) {
        h->max = value;
    }
    h->count++;
    h->sum += value;
    add(&h->buckets[bucket_of(value)], 1);
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
    if (from->count == 0) {
        return;
    }
    if (into->count == 0 || from->min < into->min) {
        into->min = from->min;
    }
    if (from->max > into->max) {
        into->max = from->max;
    }
    into->count += from->count;
    into->sum += from->sum;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        add(&into->buckets[i], from->buckets[i]);
    }
}

uint64_t histogram_quantile(const struct histogram *h, double quantile) {
    if (quantile <= 0 || h->count == 0) {
        return h->min;
    }
    /* The smallest recorded value with at least this many at or below it. */
    double wanted = quantile * (double)h->count;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && quantile < 1; i++) {
        seen += h->buckets[i];
        if (h->buckets[i] && (double)seen >= wanted) {
            uint64_t value = histogram_bucket_value(i);
            return value < h->min ? h->min : value > h->max ? h->max : value;
        }
    }
    return h->max;
}

double histogram_mean(const struct histogram *h) {
    return h->count ? (double)h->sum / (double)h->count : 0;
}
