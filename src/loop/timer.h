/* Two kinds of time-out.
 *
 * `struct timer`: one libuv timer, for few, precise, one-shot waits (a batch's linger, a
 * backoff). `struct deadline_queue`: many waits of one length (header deadline, idle time, body
 * deadline): a FIFO list ordered by construction, O(1) to arm and disarm, one libuv timer per
 * queue, checked on a coarse tick (an eighth of the length, 10 ms to 1 s), so it may fire that
 * much late. */
#ifndef LOOP_TIMER_H
#define LOOP_TIMER_H

#include "loop/loop.h"

struct timer {
    uv_timer_t uv;
    void (*on_fire)(struct timer *t);
    void (*on_close)(struct timer *t);
    uint64_t due_ns;
};

void timer_init(struct timer *t, struct loop *l, void (*on_fire)(struct timer *t));
/* One shot, so many milliseconds from now (up to one less); a running timer is moved. */
void timer_start(struct timer *t, uint64_t delay_ms);
void timer_stop(struct timer *t);
int timer_active(const struct timer *t);
/* on_close (may be NULL) runs in a later turn; then the memory may be reused. */
void timer_close(struct timer *t, void (*on_close)(struct timer *t));

/* Embedded in the object that waits. */
struct deadline {
    struct list_node node;
    uint64_t due_ns;
};

struct deadline_queue {
    struct loop *loop;
    struct list waiting; /* by due_ns, earliest first */
    uint64_t length_ns;
    struct timer timer; /* runs while somebody waits */
    void (*on_due)(struct deadline_queue *q, struct deadline *d);
    void *owner;
};

/* length_ms 0 = never: arming does nothing. on_due gets the deadline already disarmed. */
void deadline_queue_init(struct deadline_queue *q, struct loop *l, uint64_t length_ms,
                         void (*on_due)(struct deadline_queue *q, struct deadline *d),
                         void *owner);
/* For deadlines armed from now on; those that wait keep their time, but no longer than that
 * from now. */
void deadline_queue_set_length(struct deadline_queue *q, uint64_t length_ms);
/* Arms, or moves to the back with a fresh length. A deadline is in one queue at a time. */
void deadline_arm(struct deadline_queue *q, struct deadline *d);
void deadline_disarm(struct deadline *d);
/* Stops the timer; the list must be empty. on_close as timer_close. */
void deadline_queue_close(struct deadline_queue *q, void (*on_close)(struct timer *t));

#endif
