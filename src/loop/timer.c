#include "loop/timer.h"

#include "base/clock.h"

#define TICK_DIVISOR         8
#define TICK_MIN_MS          10u
#define TICK_MAX_MS          1000u
#define DEADLINES_PER_WAKEUP 512 /* so that many falling due at once do not hold up a turn */

static void on_uv_timer(uv_timer_t *handle) {
    struct timer *t = container_of(handle, struct timer, uv);
    struct loop *l = container_of(handle->loop, struct loop, uv);
    uint64_t now_ns = loop_now_ns(l);
    buckets_add(&l->late_ns, buckets_work_ns, now_ns > t->due_ns ? now_ns - t->due_ns : 0);
    t->on_fire(t);
}

static void on_uv_close(uv_handle_t *handle) {
    struct timer *t = container_of(handle, struct timer, uv);
    if (t->on_close) {
        t->on_close(t);
    }
}

void timer_init(struct timer *t, struct loop *l, void (*on_fire)(struct timer *t)) {
    t->on_fire = on_fire;
    t->on_close = NULL;
    uv_timer_init(&l->uv, &t->uv);
}

/* libuv counts from the time it noted when it last polled. In a long turn that would make the
 * wait shorter by the turn's age, so it reads the clock again; the loop first, since it takes
 * the end of the poll from libuv's note. */
void timer_start(struct timer *t, uint64_t delay_ms) {
    t->due_ns = loop_now_ns(container_of(t->uv.loop, struct loop, uv)) + delay_ms * NS_PER_MS;
    uv_update_time(t->uv.loop);
    int error = uv_timer_start(&t->uv, on_uv_timer, delay_ms, 0);
    ASSERT(error == 0); /* it fails on a closing handle only */
}

void timer_stop(struct timer *t) {
    uv_timer_stop(&t->uv);
}

int timer_active(const struct timer *t) {
    return uv_is_active((const uv_handle_t *)&t->uv);
}

void timer_close(struct timer *t, void (*on_close)(struct timer *t)) {
    t->on_close = on_close;
    uv_close((uv_handle_t *)&t->uv, on_uv_close);
}

static uint64_t tick_ms(const struct deadline_queue *q) {
    uint64_t tick = q->length_ns / NS_PER_MS / TICK_DIVISOR;
    return tick < TICK_MIN_MS ? TICK_MIN_MS : tick > TICK_MAX_MS ? TICK_MAX_MS : tick;
}

static struct deadline *first_waiting(const struct deadline_queue *q) {
    struct list_node *node = q->waiting.first;
    return node ? container_of(node, struct deadline, node) : NULL;
}

/* Looks again when the first one falls due, but not before the tick: by then it may have moved
 * to the back, and at the tick all due since the last look are found together. One millisecond
 * more, because libuv counts in whole ones. */
static void schedule(struct deadline_queue *q, uint64_t now_ns) {
    const struct deadline *first = first_waiting(q);
    if (!first) {
        return;
    }
    uint64_t wait_ms = first->due_ns > now_ns ? (first->due_ns - now_ns) / NS_PER_MS + 1 : 0;
    uint64_t tick = tick_ms(q);
    timer_start(&q->timer, wait_ms > tick ? wait_ms : tick);
}

static void on_tick(struct timer *t) {
    struct deadline_queue *q = container_of(t, struct deadline_queue, timer);
    uint64_t now_ns = loop_now_ns(q->loop);
    int budget = DEADLINES_PER_WAKEUP;
    struct deadline *first;
    while ((first = first_waiting(q)) != NULL && first->due_ns <= now_ns) {
        if (budget-- == 0) {
            timer_start(t, 0);
            return;
        }
        list_remove(&first->node);
        q->on_due(q, first);
        if (uv_is_closing((uv_handle_t *)&t->uv)) {
            return;
        }
    }
    schedule(q, now_ns);
}

void deadline_queue_init(struct deadline_queue *q, struct loop *l, uint64_t length_ms,
                         void (*on_due)(struct deadline_queue *q, struct deadline *d),
                         void *owner) {
    q->loop = l;
    q->length_ns = length_ms * NS_PER_MS;
    q->on_due = on_due;
    q->owner = owner;
    list_init(&q->waiting);
    timer_init(&q->timer, l, on_tick);
}

void deadline_queue_set_length(struct deadline_queue *q, uint64_t length_ms) {
    uint64_t now_ns = loop_now_ns(q->loop);
    q->length_ns = length_ms * NS_PER_MS;
    if (length_ms == 0 || list_empty(&q->waiting)) {
        return;
    }
    LIST_FOR_EACH (node, &q->waiting) { /* so that the next one belongs at the back */
        struct deadline *d = container_of(node, struct deadline, node);
        uint64_t latest_ns = now_ns + q->length_ns;
        d->due_ns = d->due_ns < latest_ns ? d->due_ns : latest_ns;
    }
    schedule(q, now_ns);
}

void deadline_arm(struct deadline_queue *q, struct deadline *d) {
    if (q->length_ns == 0) {
        return;
    }
    uint64_t now_ns = loop_now_ns(q->loop);
    if (list_linked(&d->node)) {
        ASSERT(d->node.list == &q->waiting);
        list_remove(&d->node);
    }
    d->due_ns = now_ns + q->length_ns;
    list_push_back(&q->waiting, &d->node);
    if (!timer_active(&q->timer)) {
        schedule(q, now_ns);
    }
}

void deadline_disarm(struct deadline *d) {
    if (!list_linked(&d->node)) {
        return;
    }
    struct deadline_queue *q = container_of(d->node.list, struct deadline_queue, waiting);
    list_remove(&d->node);
    if (list_empty(&q->waiting)) {
        timer_stop(&q->timer); /* an idle queue does not keep the loop running */
    }
}

void deadline_queue_close(struct deadline_queue *q, void (*on_close)(struct timer *t)) {
    ASSERT(list_empty(&q->waiting));
    timer_close(&q->timer, on_close);
}
