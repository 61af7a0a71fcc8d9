#include "base/buckets.h"

#include "base/clock.h"

const uint64_t buckets_wait_ns[BUCKETS_BOUNDS] = {
    100 * NS_PER_US,  250 * NS_PER_US, 500 * NS_PER_US,  1 * NS_PER_MS,
    2500 * NS_PER_US, 5 * NS_PER_MS,   10 * NS_PER_MS,   25 * NS_PER_MS,
    100 * NS_PER_MS,  500 * NS_PER_MS, 2500 * NS_PER_MS, 10 * NS_PER_S,
};

const uint64_t buckets_work_ns[BUCKETS_BOUNDS] = {
    1 * NS_PER_US,  2500,           5 * NS_PER_US,   10 * NS_PER_US,
    25 * NS_PER_US, 50 * NS_PER_US, 100 * NS_PER_US, 250 * NS_PER_US,
    1 * NS_PER_MS,  5 * NS_PER_MS,  25 * NS_PER_MS,  250 * NS_PER_MS,
};

const uint64_t buckets_batch_ops[BUCKETS_BOUNDS] = {1, 2, 3, 5, 8, 10, 13, 16, 19, 22, 24, 25};

void buckets_merge(struct buckets *into, const struct buckets *from) {
    for (size_t i = 0; i <= BUCKETS_BOUNDS; i++) {
        into->counts[i] += from->counts[i];
    }
    into->sum += from->sum;
}
