#include "aws/retry.h"

#include "base/error.h"

#include <stddef.h>

#define QUOTA_CAPACITY      500
#define DELAY_MAX_MS        20000
#define RETRY_AFTER_OVER_MS 5000 /* how much more than its own delay a client believes */

/* What a kind of retry costs of the quota, and where its backoff starts. Throttles cost 10, not
 * AWS's 5: so retries add at most a tenth to a steady load. */
static const struct {
    uint32_t cost;
    uint64_t base_ms;
} kinds[] = {
    [RETRY_TRANSIENT] = {14, 25},
    [RETRY_TIMEOUT] = {14, 25},
    [RETRY_THROTTLE] = {10, 1000},
};

void retry_quota_init(struct retry_quota *q) {
    q->capacity = QUOTA_CAPACITY;
    q->tokens = QUOTA_CAPACITY;
}

int retry_quota_take(struct retry_quota *q, enum retry_kind kind, uint32_t *paid) {
    uint32_t cost = kinds[kind].cost;
    if (q->tokens < cost) {
        return ERR_BUSY;
    }
    q->tokens -= cost;
    *paid = cost;
    return 0;
}

void retry_quota_refund(struct retry_quota *q, uint32_t paid) {
    uint32_t refund = paid ? paid : 1;
    uint32_t room = q->capacity - q->tokens;
    q->tokens += refund < room ? refund : room;
}

uint64_t retry_delay_ms(struct rng *r, enum retry_kind kind, unsigned attempt,
                        int64_t retry_after_ms) {
    uint64_t bound = DELAY_MAX_MS;
    unsigned doublings = attempt > 0 ? attempt - 1 : 0;
    if (doublings < 16 && kinds[kind].base_ms << doublings < DELAY_MAX_MS) {
        bound = kinds[kind].base_ms << doublings;
    }
    uint64_t delay = (uint64_t)(rng_unit(r) * (double)bound);
    if (retry_after_ms < 0 || (uint64_t)retry_after_ms <= delay) {
        return delay;
    }
    uint64_t most = delay + RETRY_AFTER_OVER_MS;
    return (uint64_t)retry_after_ms < most ? (uint64_t)retry_after_ms : most;
}
