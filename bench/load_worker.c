/* Happy path: start -> connections open -> dispatch every turn until the end or the source is
 * out -> the last answer -> stop -> everything closes -> the loop runs out -> joined.
 *
 * Failure modes: no connection ever opens -> the worker gives up after LOAD_DOWN_TRIES rounds.
 * Answers that do not come -> each connection's deadline; and the drain's, over all, at which
 * what is in flight has timed out and what is due and not sent counts as unsent. */
#include "load_worker.h"

#include "base/clock.h"
#include "base/error.h"
#include "load_connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define SESSIONS_MAX 32

static int is_open_loop(const struct load_worker *w) {
    return w->plan->rate > 0;
}

/* ---- what is next ---- */

static int take_new(struct load_worker *w, uint64_t origin_ns, uint64_t *id) {
    return w->source->take(w->source, origin_ns >= w->plan->begin_ns, id);
}

static int take(struct load_worker *w, struct load_resend *next) {
    uint64_t now_ns = loop_now_ns(&w->loop);
    if (w->resend_count > 0) {
        *next = w->resends[--w->resend_count];
        return 1;
    }
    next->origin_ns = is_open_loop(w) ? w->schedule.next_ns : now_ns;
    if (w->exhausted || next->origin_ns > now_ns) {
        return 0;
    }
    if (next->origin_ns >= w->plan->end_ns || !take_new(w, next->origin_ns, &next->id)) {
        w->exhausted = 1;
        return 0;
    }
    if (is_open_loop(w)) {
        load_schedule_advance(&w->schedule);
    }
    return 1;
}

static int has_work(const struct load_worker *w) {
    return !w->exhausted || w->resend_count > 0 || w->in_flight > 0;
}

int load_worker_take_due(struct load_worker *w, uint64_t *id) {
    uint64_t now_ns = loop_now_ns(&w->loop);
    uint64_t origin_ns = is_open_loop(w) ? w->schedule.next_ns : now_ns;
    if (w->exhausted || origin_ns > now_ns) {
        return 0;
    }
    if (!take_new(w, origin_ns, id)) {
        w->exhausted = 1;
        return 0;
    }
    if (is_open_loop(w)) {
        load_schedule_advance(&w->schedule);
    }
    return 1;
}

void load_worker_resend(struct load_worker *w, uint64_t id, uint64_t origin_ns) {
    w->resends[w->resend_count++] = (struct load_resend){id, origin_ns};
}

/* ---- the pacer ---- */

static void pace(struct load_worker *w, uint64_t at_ns) {
    if (at_ns == w->pacer_ns && !w->pacer_fired) {
        return;
    }
    struct itimerspec when = {
        .it_value = {(time_t)(at_ns / NS_PER_S), (long)(at_ns % NS_PER_S)}};
    w->pacer_ns = at_ns;
    w->pacer_fired = 0;
    timerfd_settime(w->pacer_fd, TFD_TIMER_ABSTIME, &when, NULL); /* 0 turns it off */
}

/* The duty of this turn sends what is due, and sets it anew, which takes the readiness away. */
static void on_pacer(uv_poll_t *handle, int status, int events) {
    (void)status;
    (void)events;
    container_of(handle, struct load_worker, pacer)->pacer_fired = 1;
}

/* A connection that is not ready wakes the loop by its answer; the schedule then has waited. */
static void set_pacer(struct load_worker *w) {
    int waits = !w->exhausted && !list_empty(&w->ready);
    uint64_t at_ns = is_open_loop(w) ? w->schedule.next_ns : w->plan->start_ns;
    if (is_open_loop(w) || loop_now_ns(&w->loop) < at_ns) {
        pace(w, waits && at_ns < w->plan->end_ns ? at_ns : 0);
    } else if (w->pacer_fired || w->pacer_ns) {
        pace(w, 0);
    }
}

/* ---- the duty ---- */

static void stop(struct load_worker *w) {
    w->stopping = 1;
    loop_stop(&w->loop);
}

static void dispatch(struct loop_duty *duty) {
    struct load_worker *w = container_of(duty, struct load_worker, dispatch);
    struct load_resend next;
    if (w->stopping || loop_now_ns(&w->loop) < w->plan->start_ns) {
        set_pacer(w);
        return;
    }
    while (!list_empty(&w->ready) && take(w, &next)) {
        struct list_node *node = w->ready.first;
        load_connection_send(container_of(node, struct load_connection, ready), next.id,
                             next.origin_ns);
    }
    if (loop_now_ns(&w->loop) >= w->plan->end_ns &&
        (!is_open_loop(w) || w->schedule.next_ns >= w->plan->end_ns)) {
        w->exhausted = 1;
    }
    if (!has_work(w)) {
        stop(w);
    }
    set_pacer(w);
    w->flushed_ns = clock_monotonic_ns();
}

/* ---- the end ---- */

static void fail_all(struct load_worker *w) {
    for (size_t i = 0; i < w->connection_count; i++) {
        if (w->connections[i]->used > 0) {
            load_connection_fail(w->connections[i], LOAD_ERROR_TIMEOUT,
                                 "no answer when the run was over");
        }
    }
}

/* What was due before the end and never sent has waited until now at least: that latency is
 * recorded, or a stall at the end would hide. */
static void count_unsent(struct load_worker *w) {
    uint64_t now_ns = loop_now_ns(&w->loop), id;
    while (w->resend_count > 0) {
        struct load_resend r = w->resends[--w->resend_count];
        load_recorder_error(&w->recorder, r.origin_ns, now_ns, LOAD_ERROR_UNSENT,
                            "no connection to send it on");
        w->source->failed(w->source, r.id);
    }
    while (is_open_loop(w) && !w->exhausted && w->schedule.next_ns < w->plan->end_ns &&
           w->schedule.next_ns <= now_ns && take_new(w, w->schedule.next_ns, &id)) {
        load_recorder_unsent(&w->recorder, w->schedule.next_ns, now_ns);
        w->source->failed(w->source, id);
        load_schedule_advance(&w->schedule);
    }
}

/* Stopped before its end, or given up: what is in flight is nobody's fault. */
static void abandon(struct load_worker *w) {
    for (size_t i = 0; i < w->connection_count; i++) {
        load_connection_abandon(w->connections[i]);
    }
    while (w->resend_count > 0) {
        w->source->failed(w->source, w->resends[--w->resend_count].id);
    }
}

/* First at the end of sending, to see that it has come; then at the end of the drain. */
static void on_end(struct timer *t) {
    struct load_worker *w = container_of(t, struct load_worker, end);
    uint64_t now_ns = loop_now_ns(&w->loop);
    uint64_t last_ns = w->plan->end_ns + w->plan->drain_ns;
    if (now_ns < last_ns) {
        timer_start(t, (last_ns - now_ns) / NS_PER_MS + 1);
        return;
    }
    count_unsent(w);
    fail_all(w);
    stop(w);
}

static void give_up(struct load_worker *w) {
    w->down = 1;
    stop(w);
}

void load_worker_connect_failed(struct load_worker *w, uint64_t took_ns, enum load_error error,
                                const char *reason) {
    uint64_t limit = (uint64_t)w->connection_count * LOAD_DOWN_TRIES;
    w->failed_connects += took_ns > NS_PER_S ? LOAD_DOWN_TRIES : 1;
    if (!w->opened && w->failed_connects >= limit && !w->stopping) {
        if (load_stats_errors(&w->recorder.stats) == 0) {
            load_recorder_error(&w->recorder, w->plan->begin_ns, w->plan->begin_ns, error,
                                reason);
        }
        give_up(w);
    }
}

/* A run that ends by its count alone must not wait for answers that no longer come. */
void load_worker_failed(struct load_worker *w) {
    if (w->plan->end_ns == UINT64_MAX && !w->stopping &&
        loop_now_ns(&w->loop) > w->answered_ns + LOAD_DOWN_TRIES * w->plan->timeout_ns) {
        give_up(w);
    }
}

/* ---- the thread ---- */

static void close_all(struct load_worker *w) {
    for (size_t i = 0; i < w->connection_count; i++) {
        load_connection_close(w->connections[i]);
    }
    while (w->streams > 0) {
        loop_turn(&w->loop);
    }
    loop_remove_duty(&w->dispatch);
    deadline_queue_close(&w->waits, NULL);
    deadline_queue_close(&w->rests, NULL);
    timer_close(&w->end, NULL);
    uv_close((uv_handle_t *)&w->pacer, NULL);
    loop_run(&w->loop);
}

static uint64_t read_clock(clockid_t clock) {
    struct timespec t;
    return clock_gettime(clock, &t) ? 0 : (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t load_worker_cpu_ns(const struct load_worker *w, clockid_t clock) {
    uint64_t now_ns = atomic_load(&w->done) ? 0 : read_clock(clock);
    return now_ns ? now_ns : w->cpu_ns;
}

static void *run(void *arg) {
    struct load_worker *w = arg;
    uint64_t now_ns = clock_monotonic_ns(), end_ns = w->plan->end_ns;
    w->answered_ns = w->plan->start_ns;
    for (size_t i = 0; i < w->connection_count; i++) {
        load_connection_start(w->connections[i]);
    }
    if (end_ns != UINT64_MAX) {
        timer_start(&w->end, end_ns > now_ns ? (end_ns - now_ns) / NS_PER_MS + 1 : 0);
    }
    if (!w->stopping) {
        loop_run(&w->loop);
    }
    w->stopping = 1;
    abandon(w);
    close_all(w);
    load_recorder_finish(&w->recorder);
    w->cpu_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);
    atomic_store(&w->done, 1);
    w->on_done();
    return NULL;
}

static struct load_worker *failed(struct load_worker *w, const char *what, const char *why) {
    fprintf(stderr, "penstock-bench: %s: %s\n", what, why);
    tls_context_free(w->tls);
    free(w);
    return NULL;
}

static void init_connections(struct load_worker *w, unsigned number) {
    const struct load_plan *p = w->plan;
    w->connection_count = p->connections / p->threads + (number < p->connections % p->threads);
    w->connections = calloc(w->connection_count, sizeof(struct load_connection *));
    w->resends = calloc(w->connection_count * p->pipeline + 1, sizeof *w->resends);
    ASSERT(w->connections && w->resends);
    for (size_t i = 0; i < w->connection_count; i++) {
        w->connections[i] = load_connection_new(w);
    }
}

struct load_worker *load_worker_new(const struct load_plan *plan, struct load_source *source,
                                    unsigned number) {
    char reason[TLS_REASON_MAX];
    struct load_worker *w = calloc(1, sizeof *w);
    ASSERT(w != NULL);
    w->plan = plan;
    w->source = source;
    list_init(&w->ready);
    if (plan->target->tls && tls_client_context_new(&w->tls, plan->target->ca_file, reason)) {
        w->tls = NULL;
        return failed(w, "TLS", reason);
    }
    w->pacer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (w->pacer_fd < 0 || loop_init(&w->loop)) {
        return failed(w, "event loop", "no descriptors left");
    }
    stream_hub_init(&w->hub, &w->loop);
    w->sessions = w->tls ? tls_session_cache_new(SESSIONS_MAX) : NULL;
    deadline_queue_init(&w->waits, &w->loop, plan->timeout_ns / NS_PER_MS,
                        load_connection_on_wait, w);
    deadline_queue_init(&w->rests, &w->loop, LOAD_REST_MS, load_connection_on_rest, w);
    timer_init(&w->end, &w->loop, on_end);
    uv_poll_init(&w->loop.uv, &w->pacer, w->pacer_fd);
    uv_poll_start(&w->pacer, UV_READABLE, on_pacer);
    w->dispatch.run = dispatch;
    loop_add_duty(&w->loop, &w->dispatch, LOOP_RANK_DISPATCH);
    load_recorder_init(&w->recorder, plan->timeline, plan->begin_ns, plan->end_ns);
    if (is_open_loop(w)) {
        load_schedule_init(&w->schedule, plan->arrivals, plan->rate, number, plan->threads,
                           plan->start_ns, plan->seed);
    }
    init_connections(w, number);
    return w;
}

int load_worker_start(struct load_worker *w) {
    return pthread_create(&w->thread, NULL, run, w) ? ERR_NOMEM : 0;
}

void load_worker_stop(struct load_worker *w) {
    loop_stop_async(&w->loop);
}

void load_worker_join(struct load_worker *w) {
    pthread_join(w->thread, NULL);
}

void load_worker_free(struct load_worker *w) {
    if (!atomic_load(&w->done)) { /* never started */
        w->stopping = 1;
        close_all(w);
    }
    for (size_t i = 0; i < w->connection_count; i++) {
        load_connection_free(w->connections[i]);
    }
    stream_hub_fini(&w->hub);
    loop_fini(&w->loop);
    close(w->pacer_fd);
    tls_session_cache_free(w->sessions);
    tls_context_free(w->tls);
    free(w->connections);
    free(w->resends);
    free(w);
}
