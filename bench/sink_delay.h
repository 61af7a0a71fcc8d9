/* Waits of some milliseconds, many at a time: a wheel with a slot for every millisecond. */
#ifndef BENCH_SINK_DELAY_H
#define BENCH_SINK_DELAY_H

#include "loop/timer.h"

struct sink_wait { /* embedded in what waits; zeroed at first */
    struct list_node node;
    uint64_t due_ms;
};

struct sink_delay {
    struct loop *loop;
    struct timer timer; /* runs while something waits */
    struct list *slots;
    uint64_t slot_count;
    uint64_t done_ms; /* slots up to here are empty */
    void (*on_due)(struct sink_wait *w);
};

/* Waits up to max_ms. Aborts when memory is out. */
void sink_delay_init(struct sink_delay *d, struct loop *l, uint64_t max_ms,
                     void (*on_due)(struct sink_wait *w));
void sink_delay_start(struct sink_delay *d, struct sink_wait *w, uint64_t delay_ms);
void sink_delay_cancel(struct sink_wait *w);
/* Nothing may wait any more. Closes the timer; then, once the loop has run, _fini. */
void sink_delay_close(struct sink_delay *d);
void sink_delay_fini(struct sink_delay *d);

#endif
