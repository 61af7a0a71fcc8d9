#include "dynamodb/limiter.h"

#include "base/clock.h"

void limiter_init(struct limiter *l) {
    *l = (struct limiter){.limit = LIMITER_MAX};
}

int limiter_admits(const struct limiter *l, size_t in_flight, uint64_t now_ns) {
    return in_flight < l->limit && now_ns >= l->paused_until_ns;
}

void limiter_succeeded(struct limiter *l) {
    l->throttled = 0;
    l->pauses = 0;
    l->paused_until_ns = 0;
    if (l->limit < LIMITER_MAX && ++l->streak >= l->limit) {
        l->streak = 0;
        l->limit++;
    }
}

/* Half of the pause is fixed, half is chance: workers must not ask all at once. */
static void limiter_pause(struct limiter *l, uint64_t now_ns, struct rng *rng) {
    uint64_t ms = LIMITER_PAUSE_MIN_MS << (l->pauses < 8 ? l->pauses : 8);
    if (ms > LIMITER_PAUSE_MAX_MS) {
        ms = LIMITER_PAUSE_MAX_MS;
    }
    l->pauses++;
    l->paused_until_ns = now_ns + ms * NS_PER_MS / 2 + rng_below(rng, ms * NS_PER_MS / 2);
}

void limiter_throttled(struct limiter *l, enum limiter_cut cut, size_t in_flight,
                       uint64_t sent_ns, uint64_t now_ns, struct rng *rng) {
    l->throttled = 1;
    l->streak = 0;
    if (sent_ns < l->cut_ns) {
        return;
    }
    l->cut_ns = now_ns;
    if (l->limit == 1) {
        limiter_pause(l, now_ns, rng);
        return;
    }
    /* A limit that was never reached says nothing: cut from what was in use. */
    size_t from = in_flight < l->limit ? in_flight : l->limit;
    l->limit = cut == LIMITER_HALVE ? from / 2 : from * 9 / 10;
    if (l->limit < 1) {
        l->limit = 1;
    }
}
