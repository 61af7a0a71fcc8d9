/* How many exchanges of one table may be in flight: additive increase, multiplicative decrease
 * on throttles (engineering section 9, "loss-based on the client side").
 *
 * Cut at most once per round trip: only an exchange sent after the last cut may cause another.
 * At the floor of one, a throttle also opens a pause that doubles from 25 ms to 1 s, so that a
 * table that is down to nothing is asked about once a second; the first success ends it. */
#ifndef DYNAMODB_LIMITER_H
#define DYNAMODB_LIMITER_H

#include "base/rng.h"

#include <stddef.h>
#include <stdint.h>

#define LIMITER_MAX          1024u
#define LIMITER_PAUSE_MIN_MS 25u
#define LIMITER_PAUSE_MAX_MS 1000u

enum limiter_cut {
    LIMITER_HALVE, /* the whole exchange was throttled */
    LIMITER_TENTH, /* most of its items were handed back */
};

struct limiter {
    size_t limit;
    size_t streak; /* successes since the last raise */
    uint64_t cut_ns;
    uint64_t paused_until_ns;
    unsigned pauses;        /* in a row */
    unsigned throttled : 1; /* the last answer was a throttle */
};

void limiter_init(struct limiter *l);
int limiter_admits(const struct limiter *l, size_t in_flight, uint64_t now_ns);
void limiter_succeeded(struct limiter *l);
/* sent_ns: when the exchange left; in_flight: how many there were, itself included. */
void limiter_throttled(struct limiter *l, enum limiter_cut cut, size_t in_flight,
                       uint64_t sent_ns, uint64_t now_ns, struct rng *rng);

#endif
