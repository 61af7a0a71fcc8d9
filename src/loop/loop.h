/* One event loop: one per worker thread, one for the main thread.
 *
 * A turn is one iteration: events are handled, then every before-poll duty runs once, in the
 * order of its rank (so that answers and batches made in a turn leave in that turn), then the
 * loop polls. Everything here belongs to the loop's thread but loop_stop_async and the mailbox.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include "base/buckets.h"
#include "base/list.h"

#include <stdint.h>
#include <uv.h>

/* Ranks of before-poll duties, in the order they run. */
enum loop_rank { LOOP_RANK_DISPATCH, LOOP_RANK_FLUSH, LOOP_RANK_REAP, LOOP_RANKS };

struct loop;

/* A duty runs once in every turn before the poll. Embedded in its owner (zeroed at first),
 * which keeps it until removed; it may add and remove duties, itself included: one added to its
 * own rank or a later one still runs in this turn, one added to an earlier rank in the next. */
struct loop_duty {
    struct list_node node;
    uint64_t turn; /* in which it ran last */
    void (*run)(struct loop_duty *duty);
};

struct loop {
    uv_loop_t uv;
    struct list duties[LOOP_RANKS];
    uv_prepare_t prepare;
    uv_async_t stopper;
    uint64_t now_ns;          /* monotonic, read once per phase: use loop_now_ns */
    int stale;                /* now_ns is from before the poll: read again when asked for */
    uint64_t wall_s;          /* the second that http_date shows */
    char http_date[30];       /* for the Date header: use loop_http_date */
    uint64_t turns;           /* counts turns, for watchdog and metrics */
    uint64_t longest_turn_ns; /* since the last read by loop_take_longest_turn_ns */
    uint64_t poll_end_ns;     /* when this turn's events were fetched; 0 = not yet known */
    struct buckets turn_ns;   /* by buckets_work_ns: from fetched events to the next poll */
    struct buckets late_ns;   /* the same of timers: how long after their time they ran */
    uv_check_t check;
    char read_buffer[65536]; /* shared by every stream of the loop: valid inside one callback */
    int read_buffer_busy;
};

/* 0, or a negative libuv error (see loop_error). */
int loop_init(struct loop *l);
/* Runs until loop_stop, or until no active handle is left. The loop's own handles (prepare,
 * check, stopper) do not keep it alive; timers that run, armed deadlines and open mailboxes do.
 */
void loop_run(struct loop *l);
/* Runs one turn without waiting: for tests. */
void loop_turn(struct loop *l);
/* Lets this turn finish, then leaves loop_run; it may be run again. */
void loop_stop(struct loop *l);
/* From any thread. */
void loop_stop_async(struct loop *l);
/* Closes the loop's own handles. Asserts that uv_loop_close() returns 0: every other handle was
 * closed by its owner (close callbacks still due are run). */
void loop_fini(struct loop *l);

void loop_add_duty(struct loop *l, struct loop_duty *duty, enum loop_rank rank);
void loop_remove_duty(struct loop_duty *duty);

uint64_t loop_refresh_ns(const struct loop *l);

/* Monotonic time, refreshed by the first who asks after events were fetched, and before duties:
 * cheap, at most a turn old. (libuv has no hook between its poll and the callbacks, and a time
 * from before a long poll would let deadlines fall due early.) */
static inline uint64_t loop_now_ns(const struct loop *l) {
    return l->stale ? loop_refresh_ns(l) : l->now_ns;
}

/* The Date header of now, NUL-terminated; same freshness. */
static inline const char *loop_http_date(const struct loop *l) {
    (void)loop_now_ns(l);
    return l->http_date;
}

/* Epoch milliseconds, read at each call. */
uint64_t loop_wall_ms(const struct loop *l);
/* The longest time from fetched events to the next poll since the last call, and forgets it. */
uint64_t loop_take_longest_turn_ns(struct loop *l);

/* A libuv error (UV_ECONNRESET ...) as one of base/error.h. */
int loop_error(int uv_error);

#endif
