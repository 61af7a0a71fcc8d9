/* The end of a worker, on its thread: each step is the callback of the one before, in reverse
 * order of building.
 *
 * Happy path: drain: the server finishes its requests, lambda its invocations, the pipeline its
 * ops -> the server, the Invoke API, the functions (when their processes are gone), the
 * pipeline, the pool close -> WORKER_STOPPED. Failure modes: worker_close_all without or during
 * a drain skips the waiting. */
#include "app/worker_impl.h"

void worker_on_mailbox_closed(struct mailbox *box) {
    struct worker *w = container_of(box, struct worker, box);
    loop_stop(&w->loop);
}

/* The mailbox stays open until the owner, who may be posting right now, sends END. */
static void on_pool_closed(void *arg) {
    struct worker *w = arg;
    worker_last_usage(w);
    w->setup.on_notice(w->setup.arg, WORKER_STOPPED);
}

static void close_pool(struct worker *w) {
    pool_close(w->pool, on_pool_closed, w);
}

static void on_db_closed(void *arg) {
    struct worker *w = arg;
    lambda_expire(w->lambda);
    w->when_idle = close_pool;
}

static void on_function_closed(void *arg) {
    struct worker *w = arg;
    if (--w->functions_open == 0) {
        dynamodb_close(w->db, on_db_closed, w);
    }
}

static void close_functions(void *arg) {
    struct worker *w = arg;
    const struct config *c = w->setup.config;
    w->functions_open = 1; /* ours, until all have been told */
    for (size_t i = 0; i < c->function_count; i++) {
        struct function *f = worker_function(w, &c->functions[i]);
        if (f) {
            w->functions_open++;
            function_close(f, on_function_closed, w);
        }
    }
    on_function_closed(w);
}

static void on_server_closed(void *arg) {
    struct worker *w = arg;
    if (w->invoke) {
        invoke_api_close(w->invoke, close_functions, w);
    } else {
        close_functions(w);
    }
}

void worker_close_all(struct worker *w) {
    if (w->stage != STAGE_CLOSING) {
        w->stage = STAGE_CLOSING;
        w->when_idle = NULL;
        server_close(w->server, on_server_closed, w);
    }
}

static void on_db_drained(void *arg) {
    worker_close_all(arg);
}

static void drain_db(struct worker *w) {
    dynamodb_drain(w->db, on_db_drained, w);
}

/* Clients that have left do not undo what they asked for. */
static void on_server_drained(void *arg) {
    struct worker *w = arg;
    if (w->stage == STAGE_DRAINING) {
        w->when_idle = drain_db;
    }
}

void worker_start_drain(struct worker *w) {
    if (w->stage == STAGE_SERVING) {
        w->stage = STAGE_DRAINING;
        if (w->invoke) {
            invoke_api_drain(w->invoke);
        }
        server_drain(w->server, on_server_drained, w);
    }
}
