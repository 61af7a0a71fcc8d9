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
    worker_tell(w, WORKER_STOPPED, 0);
}

static void close_pool(struct worker *w) {
    pool_close(w->pool, on_pool_closed, w);
}

static void on_db_closed(void *arg) {
    struct worker *w = arg;
    LIST_FOR_EACH (node, &w->editions) {
        lambda_expire(container_of(node, struct edition, node)->lambda);
    }
    w->when_idle = close_pool;
}

void worker_function_gone(struct worker *w) {
    if (w->functions_closing && list_empty(&w->functions)) {
        w->functions_closing = 0;
        dynamodb_close(w->db, on_db_closed, w);
    }
}

static void close_functions(void *arg) {
    struct worker *w = arg;
    LIST_FOR_EACH_SAFE (node, follow, &w->functions) {
        worker_function_close(container_of(node, struct worker_function, node));
    }
    w->functions_closing = 1;
    worker_function_gone(w);
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
