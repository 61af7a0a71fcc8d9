#include "sink_delay.h"

#include "base/clock.h"

#include <stdlib.h>

static uint64_t now_ms(const struct sink_delay *d) {
    return loop_now_ns(d->loop) / NS_PER_MS;
}

static struct list *slot(struct sink_delay *d, uint64_t ms) {
    return &d->slots[ms % d->slot_count];
}

static struct sink_wait *first_due(struct sink_delay *d, uint64_t ms, uint64_t now) {
    LIST_FOR_EACH (node, slot(d, ms)) {
        struct sink_wait *w = container_of(node, struct sink_wait, node);
        if (w->due_ms <= now) {
            return w;
        }
    }
    return NULL;
}

static bool something_waits(const struct sink_delay *d) {
    for (uint64_t i = 0; i < d->slot_count; i++) {
        if (!list_empty(&d->slots[i])) {
            return true;
        }
    }
    return false;
}

static void on_tick(struct timer *t) {
    struct sink_delay *d = container_of(t, struct sink_delay, timer);
    uint64_t now = now_ms(d);
    uint64_t from = d->done_ms + 1;
    if (now >= from + d->slot_count) { /* a long turn: each slot once */
        from = now - d->slot_count + 1;
    }
    for (uint64_t ms = from; ms <= now; ms++) {
        struct sink_wait *w;
        while ((w = first_due(d, ms, now)) != NULL) {
            list_remove(&w->node);
            d->on_due(w);
        }
    }
    d->done_ms = now;
    if (something_waits(d)) {
        timer_start(t, 1);
    }
}

void sink_delay_init(struct sink_delay *d, struct loop *l, uint64_t max_ms,
                     void (*on_due)(struct sink_wait *w)) {
    d->loop = l;
    d->on_due = on_due;
    d->slot_count = max_ms + 2;
    d->slots = calloc(d->slot_count, sizeof *d->slots);
    ASSERT(d->slots != NULL);
    for (uint64_t i = 0; i < d->slot_count; i++) {
        list_init(&d->slots[i]);
    }
    timer_init(&d->timer, l, on_tick);
}

void sink_delay_start(struct sink_delay *d, struct sink_wait *w, uint64_t delay_ms) {
    uint64_t now = now_ms(d);
    if (!timer_active(&d->timer)) {
        d->done_ms = now;
        timer_start(&d->timer, 1);
    }
    w->due_ms = now + (delay_ms ? delay_ms : 1);
    list_push_back(slot(d, w->due_ms), &w->node);
}

void sink_delay_cancel(struct sink_wait *w) {
    if (list_linked(&w->node)) {
        list_remove(&w->node);
    }
}

void sink_delay_close(struct sink_delay *d) {
    timer_close(&d->timer, NULL);
}

void sink_delay_fini(struct sink_delay *d) {
    free(d->slots);
}
