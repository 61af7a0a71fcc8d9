#include "load_schedule.h"

#include "base/clock.h"

#include <math.h>

/* A constant distance is counted from the start each time, so that rounding does not add up. */
static void place(struct load_schedule *s) {
    if (s->arrivals == LOAD_CONSTANT) {
        s->next_ns = s->start_ns + (uint64_t)(s->offset_ns + (double)s->taken * s->step_ns);
    } else {
        s->offset_ns += -log1p(-rng_unit(&s->rng)) * s->step_ns;
        s->next_ns = s->start_ns + (uint64_t)s->offset_ns;
    }
}

void load_schedule_init(struct load_schedule *s, enum load_arrivals arrivals, double rate,
                        unsigned thread, unsigned threads, uint64_t start_ns, uint64_t seed) {
    s->start_ns = start_ns;
    s->arrivals = arrivals;
    s->step_ns = (double)NS_PER_S * threads / rate;
    s->offset_ns = arrivals == LOAD_CONSTANT ? s->step_ns * thread / threads : 0;
    s->taken = 0;
    rng_seed(&s->rng, seed + thread);
    place(s);
}

void load_schedule_advance(struct load_schedule *s) {
    s->taken++;
    place(s);
}
