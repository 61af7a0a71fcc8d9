/* penstock_work: blocking work on libuv's threads, and back.
 *
 * Happy path: penstock_work -> (work_queue) -> uv_queue_work -> work, on a thread -> on_after,
 * on the loop -> the handler's `after`. At most LAMBDA_WORK_RUNNING_MAX are with libuv at a
 * time, the rest wait here. There is no failure but "busy": once taken, work runs. */
#include "lambda/impl.h"

#include "base/log.h"

struct invocation_work {
    uv_work_t uv;
    struct list_node node; /* in lambda->work_queue */
    struct penstock_invocation *invocation;
    void (*work)(void *arg);
    void (*after)(struct penstock_invocation *i, void *arg);
    void *arg;
};

void work_init(struct lambda *l) {
    slab_init(&l->works, "invocation_work", sizeof(struct invocation_work),
              LAMBDA_WORK_QUEUE_MAX + LAMBDA_WORK_RUNNING_MAX);
    list_init(&l->work_queue);
}

static void on_thread(uv_work_t *uv) {
    struct invocation_work *w = container_of(uv, struct invocation_work, uv);
    w->work(w->arg);
}

static void start_next(struct lambda *l);

static void on_after(uv_work_t *uv, int status) {
    struct invocation_work *w = container_of(uv, struct invocation_work, uv);
    struct invocation_work done = *w;
    struct penstock_invocation *i = done.invocation;
    struct lambda *l = i->lambda;
    ASSERT(status == 0); /* nothing cancels it */
    slab_release(&l->works, w);
    l->work_running--;
    i->works--;
    start_next(l);
    invocation_enter(i);
    if (done.after != NULL) {
        done.after(i, done.arg);
    }
    invocation_leave(i);
}

static void start_next(struct lambda *l) {
    while (l->work_running < LAMBDA_WORK_RUNNING_MAX && !list_empty(&l->work_queue)) {
        struct list_node *n = list_pop_front(&l->work_queue);
        struct invocation_work *w = container_of(n, struct invocation_work, node);
        l->work_running++;
        int error = uv_queue_work(&l->loop->uv, &w->uv, on_thread, on_after);
        ASSERT(error == 0);
    }
}

int penstock_work(struct penstock_invocation *i, void (*work)(void *arg),
                  void (*after)(struct penstock_invocation *i, void *arg), void *arg) {
    struct lambda *l = i->lambda;
    if (state_of(&i->state) != INVOCATION_RUNNING || work == NULL) {
        log_event(LOG_WARN, "handler_work_refused", log_str("request_id", i->request_id),
                  log_str("function", i->handler->name));
        return PENSTOCK_BUSY;
    }
    struct invocation_work *w = slab_acquire(&l->works);
    if (w == NULL) {
        return PENSTOCK_BUSY;
    }
    *w = (struct invocation_work){.invocation = i, .work = work, .after = after, .arg = arg};
    i->works++;
    list_push_back(&l->work_queue, &w->node);
    start_next(l);
    return 0;
}
