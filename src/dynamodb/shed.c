#include "dynamodb/shed.h"

#include "base/clock.h"

static void roll(struct shed *s, uint64_t now_ns) {
    if (now_ns < s->window_ns) {
        return;
    }
    int stands = s->left && s->least_ns > SHED_TARGET_MS * NS_PER_MS;
    s->overloaded = stands || (s->overloaded && s->refused);
    uint64_t since_ns = now_ns - s->window_ns + SHED_WINDOW_MS * NS_PER_MS;
    s->pace = s->left * SHED_WINDOW_MS * NS_PER_MS / since_ns;
    s->left = 0;
    s->refused = 0;
    s->least_ns = UINT64_MAX;
    s->window_ns = now_ns + SHED_WINDOW_MS * NS_PER_MS;
}

void shed_left(struct shed *s, uint64_t waited_ns, uint64_t now_ns) {
    roll(s, now_ns);
    s->left++;
    s->least_ns = waited_ns < s->least_ns ? waited_ns : s->least_ns;
}

int shed_overloaded(struct shed *s, uint64_t now_ns) {
    roll(s, now_ns);
    return s->overloaded;
}

int shed_admits(struct shed *s, size_t ready, size_t at_once, size_t flying) {
    if (ready < at_once + flying + SHED_READY_MIN ||
        ready < s->pace * SHED_TARGET_MS / SHED_WINDOW_MS) {
        return 1;
    }
    s->refused = 1;
    return 0;
}
