#include "lambda/respond.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

static const struct state_def invocation_states[] = {
    [INVOCATION_RUNNING] = {"running",
                            STATE_BIT(INVOCATION_EXPIRED) | STATE_BIT(INVOCATION_COMPLETED)},
    [INVOCATION_EXPIRED] = {"expired", STATE_BIT(INVOCATION_COMPLETED)},
    [INVOCATION_COMPLETED] = {"completed", 0},
};

struct lambda *lambda_new(struct loop *l, struct dynamodb *db,
                          const struct lambda_options *options) {
    struct lambda *lambda;
    NEED_MEMORY((lambda = calloc(1, sizeof(*lambda))) != NULL);
    lambda->loop = l;
    lambda->db = db;
    lambda->options = *options;
    struct lambda_options *o = &lambda->options;
    o->invocations = o->invocations ? o->invocations : LAMBDA_INVOCATIONS;
    o->memory_bytes = o->memory_bytes ? o->memory_bytes : LAMBDA_MEMORY_BYTES;
    o->stage = o->stage ? o->stage : "$default";
    o->account_id = o->account_id ? o->account_id : "000000000000";
    o->api_id = o->api_id ? o->api_id : "penstock";
    if (o->dynamodb_deadline_ms == 0) {
        o->dynamodb_deadline_ms = dynamodb_options_default.deadline_ms;
    }
    slab_init(&lambda->invocations, "invocation", sizeof(struct penstock_invocation),
              o->invocations + LAMBDA_FORGOTTEN_MAX + 1);
    list_init(&lambda->live);
    list_init(&lambda->forgotten);
    ops_init(lambda);
    work_init(lambda);
    return lambda;
}

static void on_timeout_closed(struct timer *t) {
    struct deadline_queue *q = container_of(t, struct deadline_queue, timer);
    free(container_of(q, struct lambda_timeout, queue));
}

static void invocation_free(struct penstock_invocation *i) {
    struct lambda *l = i->lambda;
    if (i->node.list == &l->forgotten) {
        l->forgotten_bytes -= i->arena.total;
    }
    list_remove(&i->node);
    arena_reset(&i->arena);
    slab_release(&l->invocations, i);
}

void lambda_free(struct lambda *l) {
    ASSERT(list_empty(&l->live));
    while (!list_empty(&l->forgotten)) {
        invocation_free(container_of(l->forgotten.first, struct penstock_invocation, node));
    }
    for (struct lambda_timeout *t = l->timeouts, *next; t != NULL; t = next) {
        next = t->next;
        deadline_queue_close(&t->queue, on_timeout_closed);
    }
    slab_fini(&l->invocations);
    slab_fini(&l->ops);
    slab_fini(&l->works);
    buffer_fini(&l->scratch);
    free(l);
}

size_t lambda_in_flight(const struct lambda *l) {
    return l->live.count;
}

int lambda_busy(const struct lambda *l, const struct lambda_handler *handler) {
    return l->live.count >= l->options.invocations || (handler->writes && dynamodb_busy(l->db));
}

unsigned lambda_worker(const struct lambda *l) {
    return l->options.worker;
}

void lambda_count(const struct lambda *l, struct lambda_counts *out) {
    *out = l->counts;
    out->in_flight = l->live.count;
    out->forgotten = l->forgotten.count;
    out->work_queued = l->work_queue.count;
    out->work_running = l->work_running;
    out->slab_bytes = l->invocations.bytes;
}

void lambda_succeed(struct lambda *to, struct lambda *from) {
    struct lambda_counts *a = &to->counts, *b = &from->counts;
    a->invocations += b->invocations;
    a->refused += b->refused;
    a->timeouts += b->timeouts;
    a->abandoned += b->abandoned;
    a->bad_answers += b->bad_answers;
    a->completed_twice += b->completed_twice;
    a->completed_late += b->completed_late;
    *b = (struct lambda_counts){0};
}

/* ---- the gate ---- */

/* Never completed, and nothing will call its handler again. Somebody may still hold a pointer
 * to it (a handler that collects invocations), so the last ones are kept. */
static void forget(struct penstock_invocation *i) {
    struct lambda *l = i->lambda;
    if (i->node.list == &l->forgotten) {
        return;
    }
    list_remove(&i->node);
    list_push_back(&l->forgotten, &i->node);
    l->forgotten_bytes += i->arena.total;
    while (l->forgotten.count > LAMBDA_FORGOTTEN_MAX ||
           (l->forgotten_bytes > LAMBDA_FORGOTTEN_BYTES && l->forgotten.count > 1)) {
        invocation_free(container_of(l->forgotten.first, struct penstock_invocation, node));
    }
}

void invocation_maybe_free(struct penstock_invocation *i) {
    if (i->entered > 0) {
        return;
    }
    if (i->ops > 0 || i->works > 0) {
        return;
    }
    switch ((enum invocation_state)state_of(&i->state)) {
    case INVOCATION_RUNNING:
        return;
    case INVOCATION_EXPIRED:
        forget(i);
        return;
    case INVOCATION_COMPLETED:
        ASSERT(i->request == NULL);
        invocation_free(i);
        return;
    }
}

void invocation_enter(struct penstock_invocation *i) {
    i->entered++;
}

void invocation_leave(struct penstock_invocation *i) {
    ASSERT(i->entered > 0);
    i->entered--;
    invocation_maybe_free(i);
}

/* ---- completion ---- */

bool invocation_complete(struct penstock_invocation *i) {
    switch ((enum invocation_state)state_of(&i->state)) {
    case INVOCATION_RUNNING:
        deadline_disarm(&i->deadline);
        state_move(&i->state, INVOCATION_COMPLETED);
        return true;
    case INVOCATION_EXPIRED:
        i->lambda->counts.completed_late++;
        log_event(LOG_WARN, "handler_completed_late", log_str("request_id", i->request_id),
                  log_str("function", i->handler->name));
        if (i->node.list == &i->lambda->forgotten) { /* its bytes are counted there */
            i->lambda->forgotten_bytes -= i->arena.total;
            list_remove(&i->node);
            list_push_back(&i->lambda->live, &i->node);
        }
        state_move(&i->state, INVOCATION_COMPLETED);
        invocation_maybe_free(i);
        return false;
    case INVOCATION_COMPLETED:
        i->lambda->counts.completed_twice++;
        log_event(LOG_WARN, "handler_completed_twice", log_str("request_id", i->request_id),
                  log_str("function", i->handler->name));
        return false;
    }
    return false;
}

static void give_answer(struct server_request *request, const struct server_answer *answer) {
    const struct lambda_event *event = request->owner_data;
    if (event->on_answer != NULL) {
        event->on_answer(request, answer);
    } else {
        server_respond(request, answer);
    }
}

void invocation_answer(struct penstock_invocation *i, const struct server_answer *answer) {
    struct server_request *request = i->request;
    if (request == NULL) {
        return;
    }
    struct lambda_event *event = request->owner_data;
    event->invocation = NULL;
    i->request = NULL;
    i->event = NULL;
    give_answer(request, answer);
}

static void expire(struct penstock_invocation *i) {
    i->lambda->counts.timeouts++;
    log_event(LOG_WARN, "handler_timeout", log_str("request_id", i->request_id),
              log_str("function", i->handler->name), log_u64("ops", i->ops),
              log_u64("work", i->works));
    state_move(&i->state, INVOCATION_EXPIRED);
    respond_for_handler(i, 504, "deadline");
    invocation_maybe_free(i);
}

static void on_deadline(struct deadline_queue *q, struct deadline *d) {
    (void)q;
    expire(container_of(d, struct penstock_invocation, deadline));
}

void lambda_expire(struct lambda *l) {
    for (struct list_node *n = l->live.first, *next; n != NULL; n = next) {
        struct penstock_invocation *i = container_of(n, struct penstock_invocation, node);
        next = n->next;
        if (state_of(&i->state) == INVOCATION_RUNNING) {
            deadline_disarm(&i->deadline);
            expire(i);
        }
    }
}

/* NULL when memory is out. */
static struct deadline_queue *timeout_queue(struct lambda *l, uint64_t ms) {
    for (struct lambda_timeout *t = l->timeouts; t != NULL; t = t->next) {
        if (t->ms == ms) {
            return &t->queue;
        }
    }
    struct lambda_timeout *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return NULL;
    }
    t->ms = ms;
    t->next = l->timeouts;
    l->timeouts = t;
    deadline_queue_init(&t->queue, l->loop, ms, on_deadline, l);
    return &t->queue;
}

/* ---- from the gateway ---- */

static void refuse_busy(struct lambda *l, struct server_request *request) {
    static const struct http_header retry_after = {{"Retry-After", 11}, {"1", 1}};
    l->counts.refused++;
    give_answer(request, &(struct server_answer){.status = 503,
                                                 .content_type = SLICE("application/json"),
                                                 .headers = &retry_after,
                                                 .header_count = 1,
                                                 .body = server_error_body(503),
                                                 .reason = "invocations_full"});
}

void lambda_invoke(struct lambda *l, const struct lambda_handler *handler,
                   struct server_request *request, struct lambda_event *event) {
    event->invocation = NULL;
    event->handler = handler;
    event->invoked_ns = loop_now_ns(l->loop);
    request->owner_data = event;
    uint64_t timeout_ms = handler->timeout_ms ? handler->timeout_ms : LAMBDA_TIMEOUT_MS;
    struct deadline_queue *deadlines = timeout_queue(l, timeout_ms);
    struct penstock_invocation *i = NULL;
    if (deadlines != NULL && l->live.count < l->options.invocations) {
        i = slab_acquire(&l->invocations);
    }
    if (i == NULL) {
        refuse_busy(l, request);
        return;
    }
    memset(i, 0, offsetof(struct penstock_invocation, first));
    i->lambda = l;
    i->handler = handler;
    i->request = request;
    i->event = event;
    i->epoch_ms = event->epoch_ms ? event->epoch_ms : loop_wall_ms(l->loop);
    i->deadline_ns = loop_now_ns(l->loop) + timeout_ms * NS_PER_MS;
    memcpy(i->request_id, request->request_id, sizeof(i->request_id));
    state_init(&i->state, "invocation", invocation_states, INVOCATION_RUNNING);
    /* The copy of the body is not charged to penstock_alloc. */
    arena_init(&i->arena, i->first, sizeof(i->first),
               l->options.memory_bytes + request->http.body.len + LAMBDA_FIRST_CHUNK);
    list_push_back(&l->live, &i->node);
    event->invocation = i;
    l->counts.invocations++;

    invocation_enter(i);
    handler->invoke(i, handler->state);
    if (state_of(&i->state) == INVOCATION_RUNNING) {
        deadline_arm(deadlines, &i->deadline);
    }
    invocation_leave(i);
}

void lambda_abandon(struct server_request *request) {
    struct lambda_event *event = request->owner_data;
    struct penstock_invocation *i = event ? event->invocation : NULL;
    if (i == NULL) {
        return;
    }
    event->invocation = NULL;
    i->request = NULL;
    i->event = NULL;
    i->lambda->counts.abandoned++;
    if (i->on_room != NULL) { /* nobody reads any more: nobody waits */
        i->on_room(i->on_room_arg);
    }
}
