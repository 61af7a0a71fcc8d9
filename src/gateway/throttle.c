#include "gateway/throttle.h"

#include "base/clock.h"

struct throttle throttle_make(uint64_t rate, uint64_t burst) {
    struct throttle t = {0, 0};
    if (rate > 0) {
        /* Rounded up: rather a little under the rate than over it. */
        t.interval_ns = (NS_PER_S + rate - 1) / rate;
        t.depth_ns = t.interval_ns * (burst > 0 ? burst : rate);
    }
    return t;
}

uint64_t throttle_wait_ns(const struct throttle *t, uint64_t full_ns, uint64_t now_ns) {
    uint64_t due = full_ns > now_ns ? full_ns - now_ns : 0;
    due += t->interval_ns;
    return due > t->depth_ns ? due - t->depth_ns : 0;
}

uint64_t throttle_take(const struct throttle *t, uint64_t full_ns, uint64_t now_ns,
                       uint64_t count) {
    uint64_t most = now_ns + t->depth_ns + THROTTLE_DEBT_NS;
    uint64_t from = full_ns > now_ns ? full_ns : now_ns;
    if (t->interval_ns == 0) {
        return full_ns;
    }
    if (from > most || count > (most - from) / t->interval_ns) {
        return most;
    }
    return from + count * t->interval_ns;
}
