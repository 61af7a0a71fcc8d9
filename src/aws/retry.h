/* Retry quota and backoff (facts: aws section 3.2, engineering section 6). Pure: time and
 * randomness are arguments. */
#ifndef AWS_RETRY_H
#define AWS_RETRY_H

#include "base/rng.h"

#include <stdint.h>

enum retry_kind { RETRY_TRANSIENT, RETRY_TIMEOUT, RETRY_THROTTLE };

/* Token bucket: one per table. */
struct retry_quota {
    uint32_t tokens;
    uint32_t capacity; /* 500 */
};

void retry_quota_init(struct retry_quota *q);
/* Takes the cost of a retry; 0, or ERR_BUSY when the bucket is too low. The cost is in *paid.
 */
int retry_quota_take(struct retry_quota *q, enum retry_kind kind, uint32_t *paid);
/* A success: pays back what the last retry cost, or 1 after a first attempt (paid 0). */
void retry_quota_refund(struct retry_quota *q, uint32_t paid);

/* Full jitter: unit() * min(base * 2^(attempt-1), 20 s); base 25 ms for DynamoDB, 1 s for
 * throttles. attempt counts from 1. `retry_after_ms`: the server's x-amz-retry-after, clamped
 * to [t, t+5 s] of the computed delay; negative = none. In milliseconds. */
uint64_t retry_delay_ms(struct rng *r, enum retry_kind kind, unsigned attempt,
                        int64_t retry_after_ms);

#endif
