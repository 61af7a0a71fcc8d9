/* One event loop: one per worker thread, one for the main thread.
 *
 * A turn is one iteration: events are handled, then every before-poll duty runs once, in the
 * order of its rank (so that answers and batches made in a turn leave in that turn), then the
 * loop polls. Everything here belongs to the loop's thread but loop_stop_async and the mailbox.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include "base/list.h"

#include <stdint.h>
#include <uv.h>

/* Ranks of before-poll duties, in the order they run. */
enum loop_rank { LOOP_RANK_DISPATCH, LOOP_RANK_FLUSH, LOOP_RANK_REAP, LOOP_RANKS };

struct loop;

/* A duty runs in every turn before the poll. Embedded in its owner, which keeps it until
 * removed; it may add and remove duties, itself included. */
struct loop_duty {
    struct list_node node;
    void (*run)(struct loop_duty *duty);
};

struct loop {
    uv_loop_t uv;
    struct list duties[LOOP_RANKS];
    uv_prepare_t prepare;
    uv_async_t stopper;
    uint64_t now_ns;          /* monotonic, read once per turn: use loop_now_ns */
    uint64_t wall_s;          /* the second that the strings below show */
    char http_date[30];       /* for the Date header; refreshed once a second */
    uint64_t turns;           /* counts turns, for watchdog and metrics */
    uint64_t longest_turn_ns; /* since the last read by loop_take_longest_turn_ns */
    uint64_t poll_end_ns;
    uv_check_t check;
    char read_buffer[65536]; /* shared by every stream of the loop: valid inside one callback */
    int read_buffer_busy;
};

/* 0, or a negative libuv error (see loop_error). */
int loop_init(struct loop *l);
/* Runs until loop_stop and no active handle is left. */
void loop_run(struct loop *l);
/* Runs one turn without waiting: for tests. */
void loop_turn(struct loop *l);
void loop_stop(struct loop *l);
/* From any thread. */
void loop_stop_async(struct loop *l);
/* Asserts that uv_loop_close() returns 0: every handle was closed by its owner. */
void loop_fini(struct loop *l);

void loop_add_duty(struct loop *l, struct loop_duty *duty, enum loop_rank rank);
void loop_remove_duty(struct loop_duty *duty);

/* Monotonic time, refreshed when events are fetched and before duties: cheap, at most a turn
 * old. */
static inline uint64_t loop_now_ns(const struct loop *l) {
    return l->now_ns;
}

/* Epoch milliseconds, same freshness. */
uint64_t loop_wall_ms(const struct loop *l);
uint64_t loop_take_longest_turn_ns(struct loop *l);

/* A libuv error (UV_ECONNRESET ...) as one of base/error.h. */
int loop_error(int uv_error);

#endif
