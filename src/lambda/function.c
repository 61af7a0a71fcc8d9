/* Calls wait in one queue, get a process, run, end:
 *
 *   function_submit -> queue --(dispatch)--> slot's calls --(response, error)--> done
 *                        |                       |
 *                        | waits: throttled      | running: timeout; process exit: exited
 *                        v                       v
 *                       done                    done
 */
#include "lambda/function_log.h"
#include "lambda/runtime.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const outcome_names[] = {
    [FUNCTION_OK] = "function_ok",
    [FUNCTION_ERROR] = "function_error",
    [FUNCTION_EXITED] = "function_exited",
    [FUNCTION_TIMEOUT] = "function_timeout",
    [FUNCTION_INIT_FAILED] = "function_init_failed",
    [FUNCTION_TOO_LARGE] = "function_response_too_large",
    [FUNCTION_THROTTLED] = "function_throttled",
    [FUNCTION_BAD_RESPONSE] = "function_bad_response",
};

const char *function_outcome_name(enum function_outcome o) {
    return outcome_names[o];
}

/* ---- the end of a call ---- */

void function_finish(struct function *f, struct function_call *c, struct function_result *r) {
    struct function_slot *s = c->slot;
    char report[160];
    deadline_disarm(&c->deadline);
    if (c->response != NULL) {
        r->in_parts = runtime_response_detach(c);
    }
    if (list_linked(&c->node)) {
        list_remove(&c->node);
    }
    c->slot = NULL;
    r->duration_ns = c->given_ns ? loop_now_ns(f->loop) - c->given_ns : 0;
    if (s != NULL) {
        function_log_end(s, c, r, report);
    }
    f->counts.done++;
    f->counts.outcomes[r->outcome]++;
    if (c->given_ns != 0) {
        buckets_add(&f->counts.duration_ns, buckets_wait_ns, r->duration_ns);
    }
    if (s != NULL) {
        s->served++;
        memcpy(s->last_request_id, c->request_id, 36);
        function_slot_settle(s);
    }
    c->done(c, r);
}

static void fail_all(struct function *f, struct list *calls,
                     const struct function_result *result) {
    /* Swapped first: done may submit again. */
    struct list taken;
    list_init(&taken);
    for (struct list_node *n; (n = list_pop_front(calls)) != NULL;) {
        list_push_back(&taken, n);
    }
    for (struct list_node *n; (n = taken.first) != NULL;) {
        struct function_result r = *result;
        function_finish(f, container_of(n, struct function_call, node), &r);
    }
}

static size_t slots_in(const struct function *f, enum slot_state state) {
    size_t count = 0;
    for (size_t k = 0; k < f->options.processes; k++) {
        count += slot_state_of(&f->slots[k]) == state && !f->slots[k].retiring;
    }
    return count;
}

/* Whether it is among the first in the queue, which those that are starting will take. */
static bool is_started_for(const struct function *f, const struct function_call *c) {
    size_t places = slots_in(f, SLOT_STARTING) * f->options.per_process;
    const struct list_node *n = f->queue.first;
    for (; places > 0 && n != NULL; places--, n = n->next) {
        if (n == &c->node) {
            return true;
        }
    }
    return false;
}

/* A cold start has a limit of its own. */
static void on_wait_over(struct deadline_queue *q, struct deadline *d) {
    struct function *f = q->owner;
    struct function_call *c = container_of(d, struct function_call, deadline);
    if (is_started_for(f, c)) {
        deadline_arm(q, d);
        return;
    }
    struct function_result r = {.outcome = FUNCTION_THROTTLED};
    f->counts.throttled++;
    function_finish(f, c, &r);
}

static void on_run_over(struct deadline_queue *q, struct deadline *d) {
    struct function *f = q->owner;
    struct function_call *c = container_of(d, struct function_call, deadline);
    struct function_slot *s = c->slot;
    char text[64];
    struct function_result r = {.outcome = FUNCTION_TIMEOUT,
                                .error_type = SLICE("Sandbox.Timedout"),
                                .error_text = text};
    f->counts.timeouts++;
    (void)snprintf(text, sizeof(text), "Task timed out after %.2f seconds",
                   (double)f->options.timeout_ms / 1000);
    log_event(LOG_ERROR, "function_timeout", log_str("function", f->options.name),
              log_str("request_id", c->request_id), log_str("message", text));
    /* Its other calls run on; without any it is killed at once, since nobody knows what it is
     * doing. */
    if (s->calls.count == 1) {
        function_slot_kill(s);
    } else {
        function_slot_retire(s);
    }
    function_finish(f, c, &r);
}

static void on_init_over(struct deadline_queue *q, struct deadline *d) {
    struct function *f = q->owner;
    struct function_slot *s = container_of(d, struct function_slot, init);
    log_event(LOG_ERROR, "function_init_timeout", log_str("function", f->options.name),
              log_i64("pid", s->process.pid));
    f->failure.type = "Sandbox.Timedout";
    (void)snprintf(f->failure.text, sizeof(f->failure.text),
                   "Init timed out after %.2f seconds",
                   (double)f->options.init_timeout_ms / 1000);
    buffer_fini(&f->failure.posted);
    s->failure_told = true;
    function_slot_kill(s);
}

/* ---- processes for the calls ---- */

static void start_processes(struct function *f) {
    if (f->closing || f->backing_off) {
        return;
    }
    size_t starting = slots_in(f, SLOT_STARTING);
    size_t alive = starting + slots_in(f, SLOT_READY);
    for (size_t k = 0; k < f->options.processes; k++) {
        bool called_for = f->queue.count > starting * f->options.per_process;
        if (!called_for && alive >= f->options.warm) {
            return;
        }
        if (slot_state_of(&f->slots[k]) == SLOT_EMPTY) {
            function_slot_start(&f->slots[k]);
            f->counts.started++;
            starting++;
            alive++;
        }
    }
}

/* The busiest that has room: the others may then be let go, and caches stay hot. */
static struct function_slot *choose_slot(struct function *f) {
    struct function_slot *best = NULL;
    for (size_t k = 0; k < f->options.processes; k++) {
        struct function_slot *s = &f->slots[k];
        if (function_slot_has_room(s) && (best == NULL || s->calls.count > best->calls.count)) {
            best = s;
        }
    }
    return best;
}

void function_dispatch(struct function *f) {
    struct function_slot *s;
    while (!list_empty(&f->queue) && (s = choose_slot(f)) != NULL) {
        struct function_call *c =
            container_of(list_pop_front(&f->queue), struct function_call, node);
        deadline_disarm(&c->deadline);
        c->slot = s;
        c->given_ns = loop_now_ns(f->loop);
        list_push_back(&s->calls, &c->node);
        deadline_arm(&f->running, &c->deadline);
        runtime_api_give(s, c);
    }
    start_processes(f);
}

void function_slot_ready(struct function *f) {
    f->backoff_ms = 0;
}

void function_tell_failure(const struct function *f, struct function_result *r) {
    r->outcome = FUNCTION_INIT_FAILED;
    r->error_type = slice_cstr(f->failure.type ? f->failure.type : "Runtime.ExitError");
    r->error_text = f->failure.text[0] ? f->failure.text : NULL;
    r->payload = buffer_slice(&f->failure.posted);
}

/* Starts fail: wait longer and longer before the next; who waits for a process that is not
 * coming is told so. */
void function_slot_failed(struct function *f) {
    f->counts.init_failures++;
    f->backoff_ms = f->backoff_ms == 0 ? FUNCTION_BACKOFF_MS : f->backoff_ms * 2;
    if (f->backoff_ms > FUNCTION_BACKOFF_MAX_MS) {
        f->backoff_ms = FUNCTION_BACKOFF_MAX_MS;
    }
    f->backing_off = true;
    if (!f->closing) {
        timer_start(&f->backoff, f->backoff_ms);
    }
    if (slots_in(f, SLOT_STARTING) + slots_in(f, SLOT_READY) == 0) {
        struct function_result r = {0};
        function_tell_failure(f, &r);
        fail_all(f, &f->queue, &r);
    }
}

static void on_backoff_over(struct timer *t) {
    struct function *f = container_of(t, struct function, backoff);
    f->backing_off = false;
    function_dispatch(f);
}

/* ---- calls ---- */

int function_submit(struct function *f, struct function_call *c) {
    if (c->payload.len > FUNCTION_PAYLOAD_MAX) {
        return ERR_LIMIT;
    }
    if (f->closing || f->queue.count >= f->options.queue_max) {
        return ERR_BUSY;
    }
    if (f->backing_off && slots_in(f, SLOT_STARTING) + slots_in(f, SLOT_READY) == 0) {
        return ERR_REFUSED;
    }
    c->slot = NULL;
    c->response = NULL;
    c->given_ns = 0;
    list_push_back(&f->queue, &c->node);
    deadline_arm(&f->waits, &c->deadline);
    function_dispatch(f);
    return 0;
}

size_t function_in_flight(const struct function *f) {
    size_t calls = f->queue.count;
    for (size_t k = 0; k < f->options.processes; k++) {
        calls += f->slots[k].calls.count;
    }
    return calls;
}

void function_count(const struct function *f, struct function_counts *out) {
    *out = f->counts;
    out->running = slots_in(f, SLOT_READY);
    out->starting = slots_in(f, SLOT_STARTING);
    out->queued = f->queue.count;
    out->calls = 0;
    for (size_t k = 0; k < f->options.processes; k++) {
        out->calls += f->slots[k].calls.count;
    }
}

uint64_t function_timeout_ms(const struct function *f) {
    return f->options.timeout_ms;
}

unsigned function_payload_format(const struct function *f) {
    return f->options.payload_format;
}

/* ---- the function itself ---- */

static void fill_in_defaults(struct function_options *o) {
    o->region = o->region ? o->region : "us-east-1";
    o->account_id = o->account_id ? o->account_id : "000000000000";
    o->payload_format = o->payload_format ? o->payload_format : 2;
    o->processes = o->processes ? o->processes : 1;
    o->per_process = o->per_process ? o->per_process : 1;
    o->queue_max = o->queue_max ? o->queue_max : 1000;
    o->timeout_ms = o->timeout_ms ? o->timeout_ms : 3000;
    o->init_timeout_ms = o->init_timeout_ms ? o->init_timeout_ms : 10000;
    o->memory_mb = o->memory_mb ? o->memory_mb : 128;
    o->stream_max = o->stream_max ? o->stream_max : FUNCTION_STREAM_MAX;
    o->warm = o->warm < o->processes ? o->warm : o->processes;
}

static void on_free_after_close(void *arg) {
    function_free(arg);
}

static const char *own_text(struct function *f, const char *text) {
    return text ? arena_cstr(&f->texts, slice_cstr(text)) : NULL;
}

static const char *const *own_texts(struct function *f, const char *const *texts) {
    size_t count = 0;
    while (texts != NULL && texts[count] != NULL) {
        count++;
    }
    const char **copy = arena_zalloc(&f->texts, (count + 1) * sizeof(*copy));
    for (size_t i = 0; i < count; i++) {
        copy[i] = own_text(f, texts[i]);
    }
    return copy;
}

/* A configuration that is replaced goes before the function does. */
static void own_options(struct function *f, const struct function_options *options) {
    arena_init_needed(&f->texts);
    f->options = *options;
    fill_in_defaults(&f->options);
    f->options.name = own_text(f, f->options.name);
    f->options.directory = own_text(f, f->options.directory);
    f->options.region = own_text(f, f->options.region);
    f->options.account_id = own_text(f, f->options.account_id);
    f->options.command = own_texts(f, f->options.command);
    f->options.environment = own_texts(f, f->options.environment);
}

struct function *function_new(struct loop *l, struct stream_hub *hub,
                              const struct function_options *options, char reason[160]) {
    struct function *f;
    NEED_MEMORY((f = calloc(1, sizeof(*f))) != NULL);
    f->loop = l;
    own_options(f, options);
    rng_seed_random(&f->rng);
    list_init(&f->queue);
    deadline_queue_init(&f->waits, l, f->options.timeout_ms, on_wait_over, f);
    deadline_queue_init(&f->running, l, f->options.timeout_ms, on_run_over, f);
    deadline_queue_init(&f->inits, l, f->options.init_timeout_ms, on_init_over, f);
    timer_init(&f->backoff, l, on_backoff_over);
    NEED_MEMORY((f->slots = calloc(f->options.processes, sizeof(*f->slots))) != NULL);
    int error = 0;
    for (size_t k = 0; k < f->options.processes; k++) {
        int failed = function_slot_init(&f->slots[k], f, hub, reason);
        error = error ? error : failed;
    }
    if (error != 0) {
        function_close(f, on_free_after_close, f);
        return NULL;
    }
    function_dispatch(f);
    return f;
}

void function_handle_closed(struct function *f) {
    ASSERT(f->open_handles > 0);
    if (--f->open_handles == 0) {
        f->on_closed(f->on_closed_arg);
    }
}

static void on_waits_closed(struct timer *t) {
    struct deadline_queue *q = container_of(t, struct deadline_queue, timer);
    function_handle_closed(q->owner);
}

static void on_backoff_closed(struct timer *t) {
    function_handle_closed(container_of(t, struct function, backoff));
}

void function_close(struct function *f, void (*on_closed)(void *arg), void *arg) {
    static const struct function_result cut_off = {.outcome = FUNCTION_EXITED,
                                                   .error_type = {"Runtime.ExitError", 17}};
    ASSERT(!f->closing);
    f->closing = true;
    f->on_closed = on_closed;
    f->on_closed_arg = arg;
    f->open_handles = 4; /* and two of every slot, below */
    fail_all(f, &f->queue, &cut_off);
    for (size_t k = 0; k < f->options.processes; k++) {
        function_slot_close(&f->slots[k]);
        fail_all(f, &f->slots[k].calls, &cut_off);
    }
    deadline_queue_close(&f->waits, on_waits_closed);
    deadline_queue_close(&f->running, on_waits_closed);
    deadline_queue_close(&f->inits, on_waits_closed);
    timer_close(&f->backoff, on_backoff_closed);
}

void function_free(struct function *f) {
    ASSERT(f->open_handles == 0 && list_empty(&f->queue));
    for (size_t k = 0; k < f->options.processes; k++) {
        function_environment_free(f->slots[k].environment);
    }
    buffer_fini(&f->failure.posted);
    server_parsers_fini(&f->parsers);
    free(f->slots);
    arena_reset(&f->texts);
    free(f);
}
