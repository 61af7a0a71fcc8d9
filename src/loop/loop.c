/* The order of a turn, as libuv 1.44 runs it:
 *
 *   timers -> [prepare: duties by rank] -> poll, I/O callbacks -> [check] -> close callbacks
 *
 * The I/O callbacks run inside the poll, so the time read in prepare is as old as the poll was
 * long when they begin; `stale` makes the first of them that asks read it again. */
#include "loop/loop.h"

#include "base/clock.h"
#include "base/error.h"
#include "loop/memory.h"

#include <stdio.h>
#include <string.h>

#define CLOSE_TURNS 16 /* close callbacks may close further handles: this many deep */

/* libuv notes the time of its poll's return, in whole milliseconds; the first refresh knows it
 * better when it comes within that millisecond. */
static uint64_t poll_end(const struct loop *l, uint64_t now_ns) {
    uint64_t fetched_ms = uv_now(&l->uv);
    return now_ns / NS_PER_MS > fetched_ms ? (fetched_ms + 1) * NS_PER_MS : now_ns;
}

static void refresh_date(struct loop *l) {
    uint64_t wall_s = clock_wall_ms() / 1000;
    if (wall_s != l->wall_s) {
        l->wall_s = wall_s;
        clock_format_http(wall_s, l->http_date);
    }
}

static void refresh(struct loop *l) {
    l->now_ns = clock_monotonic_ns();
    l->stale = 0;
    if (l->poll_end_ns == 0) {
        l->poll_end_ns = poll_end(l, l->now_ns);
    }
    refresh_date(l);
}

/* Asking for the time changes nothing that a caller sees: hence the const in the interface. */
uint64_t loop_refresh_ns(const struct loop *l) {
    refresh((struct loop *)l);
    return l->now_ns;
}

/* Looked up anew after each duty, since a duty may change the list; there are a handful. */
static struct loop_duty *next_duty(const struct loop *l, enum loop_rank rank) {
    LIST_FOR_EACH (node, &l->duties[rank]) {
        struct loop_duty *duty = container_of(node, struct loop_duty, node);
        if (duty->turn != l->turns) {
            return duty;
        }
    }
    return NULL;
}

static void run_duties(struct loop *l) {
    for (enum loop_rank rank = 0; rank < LOOP_RANKS; rank++) {
        struct loop_duty *duty;
        while ((duty = next_duty(l, rank)) != NULL) {
            duty->turn = l->turns;
            duty->run(duty);
        }
    }
}

static void on_prepare(uv_prepare_t *handle) {
    struct loop *l = container_of(handle, struct loop, prepare);
    l->turns++;
    refresh(l);
    run_duties(l);
    uint64_t turn_ns = clock_monotonic_ns() - l->poll_end_ns;
    if (turn_ns > l->longest_turn_ns) {
        l->longest_turn_ns = turn_ns;
    }
    buckets_add(&l->turn_ns, buckets_work_ns, turn_ns);
    l->poll_end_ns = 0;
    l->stale = 1;
}

static void on_check(uv_check_t *handle) {
    refresh(container_of(handle, struct loop, check));
}

static void on_stopper(uv_async_t *handle) {
    loop_stop(container_of(handle, struct loop, stopper));
}

int loop_init(struct loop *l) {
    loop_memory_init();
    memset(l, 0, offsetof(struct loop, read_buffer));
    l->read_buffer_busy = 0;
    for (enum loop_rank rank = 0; rank < LOOP_RANKS; rank++) {
        list_init(&l->duties[rank]);
    }
    int error = uv_loop_init(&l->uv);
    if (error) {
        return error;
    }
    error = uv_async_init(&l->uv, &l->stopper, on_stopper);
    if (error) {
        (void)uv_loop_close(&l->uv);
        return error;
    }
    uv_prepare_init(&l->uv, &l->prepare);
    uv_check_init(&l->uv, &l->check);
    uv_prepare_start(&l->prepare, on_prepare);
    uv_check_start(&l->check, on_check);
    uv_unref((uv_handle_t *)&l->stopper);
    uv_unref((uv_handle_t *)&l->prepare);
    uv_unref((uv_handle_t *)&l->check);
    refresh(l);
    l->stale = 1;
    return 0;
}

/* The time between runs belongs to no turn. */
static void run(struct loop *l, uv_run_mode mode) {
    refresh(l);
    l->poll_end_ns = l->now_ns;
    uv_run(&l->uv, mode);
    l->stale = 1;
}

void loop_run(struct loop *l) {
    run(l, UV_RUN_DEFAULT);
}

void loop_turn(struct loop *l) {
    run(l, UV_RUN_NOWAIT);
}

void loop_stop(struct loop *l) {
    uv_stop(&l->uv);
}

void loop_stop_async(struct loop *l) {
    uv_async_send(&l->stopper);
}

void loop_fini(struct loop *l) {
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->check, NULL);
    uv_close((uv_handle_t *)&l->stopper, NULL);
    int error = UV_EBUSY;
    for (int turn = 0; error && turn < CLOSE_TURNS; turn++) {
        uv_run(&l->uv, UV_RUN_NOWAIT);
        error = uv_loop_close(&l->uv);
    }
    if (error) {
        uv_print_all_handles(&l->uv, stderr); /* who forgot to close */
    }
    ASSERT(error == 0);
}

void loop_add_duty(struct loop *l, struct loop_duty *duty, enum loop_rank rank) {
    ASSERT(rank < LOOP_RANKS);
    list_push_back(&l->duties[rank], &duty->node);
}

void loop_remove_duty(struct loop_duty *duty) {
    list_remove(&duty->node);
}

uint64_t loop_wall_ms(const struct loop *l) {
    (void)l;
    return clock_wall_ms();
}

uint64_t loop_take_longest_turn_ns(struct loop *l) {
    uint64_t longest_ns = l->longest_turn_ns;
    l->longest_turn_ns = 0;
    return longest_ns;
}

static const struct {
    int uv;
    int error;
} uv_errors[] = {
    {UV_ENOMEM, ERR_NOMEM},
    {UV_ENOBUFS, ERR_NOMEM},
    {UV_EAI_MEMORY, ERR_NOMEM},
    {UV_EINVAL, ERR_INVALID},
    {UV_ENAMETOOLONG, ERR_INVALID},
    {UV_EMFILE, ERR_LIMIT},
    {UV_ENFILE, ERR_LIMIT},
    {UV_E2BIG, ERR_LIMIT},
    {UV_EMSGSIZE, ERR_LIMIT},
    {UV_EBUSY, ERR_BUSY},
    {UV_EAGAIN, ERR_AGAIN},
    {UV_EOF, ERR_CLOSED},
    {UV_ECONNRESET, ERR_RESET},
    {UV_ECONNABORTED, ERR_RESET},
    {UV_EPIPE, ERR_RESET},
    {UV_ENOTCONN, ERR_RESET},
    {UV_ETIMEDOUT, ERR_TIMEOUT},
    {UV_ECANCELED, ERR_CANCELED},
    {UV_EAI_CANCELED, ERR_CANCELED},
    {UV_ECONNREFUSED, ERR_REFUSED},
    {UV_EHOSTUNREACH, ERR_REFUSED},
    {UV_ENETUNREACH, ERR_REFUSED},
    {UV_ENETDOWN, ERR_REFUSED},
    {UV_EADDRNOTAVAIL, ERR_REFUSED},
    {UV_EAI_AGAIN, ERR_RESOLVE},
    {UV_EAI_FAIL, ERR_RESOLVE},
    {UV_EAI_NODATA, ERR_RESOLVE},
    {UV_EAI_NONAME, ERR_RESOLVE},
    {UV_EAI_ADDRFAMILY, ERR_RESOLVE},
    {UV_EAI_FAMILY, ERR_RESOLVE},
    {UV_EAI_SERVICE, ERR_RESOLVE},
    {UV_ENOENT, ERR_NOT_FOUND},
    {UV_ESRCH, ERR_NOT_FOUND},
    {UV_EEXIST, ERR_EXISTS},
    {UV_EADDRINUSE, ERR_EXISTS},
    {UV_EACCES, ERR_PERMISSION},
    {UV_EPERM, ERR_PERMISSION},
    {UV_ENOSYS, ERR_UNSUPPORTED},
    {UV_ENOTSUP, ERR_UNSUPPORTED},
    {UV_EAFNOSUPPORT, ERR_UNSUPPORTED},
    {UV_EPROTONOSUPPORT, ERR_UNSUPPORTED},
};

int loop_error(int uv_error) {
    if (uv_error >= 0) {
        return 0;
    }
    for (size_t i = 0; i < sizeof uv_errors / sizeof uv_errors[0]; i++) {
        if (uv_errors[i].uv == uv_error) {
            return uv_errors[i].error;
        }
    }
    return ERR_IO;
}
