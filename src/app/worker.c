/* One worker thread, from its options to its last free.
 *
 * Happy path: worker_new (main thread) -> worker_start -> thread: build loop, pool, pipeline,
 * lambda, functions, gateway, server -> serve -> DRAIN mail: the server finishes its requests,
 * lambda its invocations, the pipeline its ops -> close in reverse order (a function closes
 * when its processes are gone) -> WORKER_STOPPED -> worker_free joins. Failure modes: KILL mail
 * (deadline of the drain) skips the waiting: connections are closed, calls of functions end,
 * ops are settled as unavailable or unknown, and the same closing chain runs. */
#include "app/worker_impl.h"

#include "app/config_listen.h"
#include "aws/crc32.h"
#include "base/error.h"
#include "net/listener.h"
#include "tls/context.h"

#include <stdlib.h>
#include <unistd.h>

#define INVOKE_BACKLOG 128

/* ---- building, on the main thread ---- */

static int new_client_tls(struct worker *w, char reason[256]) {
    char why[TLS_REASON_MAX];
    if (!w->setup.endpoint->url.tls) {
        return 0;
    }
    if (tls_client_context_new(&w->client_tls, w->setup.plan->config->ca_file, why) != 0) {
        (void)snprintf(reason, 256, "dynamodb.ca_file %s: %s", w->setup.plan->config->ca_file,
                       why);
        return ERR_TLS;
    }
    return 0;
}

/* Every worker has the port, for its own processes of every function. */
static int open_invoke(struct worker *w, char reason[256]) {
    const struct config *c = w->setup.plan->config;
    char why[128];
    if (c->invoke_on &&
        listener_open_fd(&c->invoke, INVOKE_BACKLOG, 1, &w->invoke_fd, why) != 0) {
        (void)snprintf(reason, 256, "invoke: %s", why);
        return ERR_IO;
    }
    return 0;
}

struct worker *worker_new(const struct worker_setup *setup, const int *fds, char reason[256]) {
    size_t listeners = setup->plan->config->listen_count;
    struct worker *w;
    NEED_MEMORY((w = calloc(1, sizeof *w)) != NULL);
    w->setup = *setup;
    w->invoke_fd = -1;
    NEED_MEMORY((w->fds = malloc(listeners * sizeof *w->fds)) != NULL);
    list_init(&w->editions);
    list_init(&w->functions);
    memcpy(w->fds, fds, listeners * sizeof *w->fds);
    if (new_client_tls(w, reason) != 0 || open_invoke(w, reason) != 0) {
        worker_free(w);
        return NULL;
    }
    return w;
}

/* ---- the thread ---- */

static int is_idle(const struct worker *w) {
    return editions_in_flight(w) == 0 && (!w->invoke || invoke_api_in_flight(w->invoke) == 0);
}

static void on_report(struct loop_duty *duty) {
    struct worker *w = container_of(duty, struct worker, report);
    int ready = pool_ready(w->pool);
    if (ready && !w->connected) {
        w->connected = 1;
        worker_tell(w, WORKER_CONNECTED, 0);
    }
    atomic_store_explicit(&w->status.pool_ready, ready, memory_order_relaxed);
    atomic_store_explicit(&w->status.has_credentials, sigv4_signer_ready(w->signer),
                          memory_order_relaxed);
    atomic_store_explicit(&w->status.turns, w->loop.turns, memory_order_relaxed);
    worker_send_usage(w);
    editions_sweep(w);
    if (w->when_idle && is_idle(w)) {
        void (*step)(struct worker *) = w->when_idle;
        w->when_idle = NULL;
        step(w);
    }
}

static void on_bad_credentials(void *arg) {
    struct worker *w = arg;
    worker_tell(w, WORKER_BAD_CREDENTIALS, 0);
}

static void build_upstream(struct worker *w) {
    const struct config *c = w->setup.plan->config;
    const struct aws_endpoint *e = w->setup.endpoint;
    struct pool_options options = c->pool;

    (void)snprintf(options.host, sizeof options.host, "%s", e->url.host);
    options.port = e->url.port;
    options.tls = w->client_tls;
    w->pool = pool_new(&w->loop, &w->hub, &options);
    w->signer = sigv4_signer_new(e->url.authority, e->signing_region, "dynamodb");
    w->db = dynamodb_new(&w->loop, w->pool, w->signer, c->tables, c->table_count, &c->dynamodb);
    dynamodb_on_bad_credentials(w->db, on_bad_credentials, w);
}

static void build_front(struct worker *w) {
    struct edition_plan *plan = w->setup.plan;
    const struct config *c = plan->config;
    struct server_options server = c->server;
    size_t missing; /* logged; answered 502 */

    server.connections = w->setup.connections;
    w->now = edition_new(w, plan, &missing);
    if (c->invoke_on) {
        struct invoke_options invoke = {.functions = w->now->invoke_functions,
                                        .function_count = w->now->invoke_count,
                                        .lambda = w->now->lambda,
                                        .crc = aws_crc32,
                                        .region = w->setup.endpoint->signing_region};
        w->invoke = invoke_api_new(&w->loop, &w->hub, w->invoke_fd, &invoke);
        w->invoke_fd = -1;
    }
    NEED_MEMORY((w->server = server_new(&w->loop, &w->hub, &server, &gateway_server_events,
                                        w->now->gateway)) != NULL);
    for (size_t i = 0; i < c->listen_count; i++) {
        int error = server_listen_proxied(w->server, w->fds[i], plan->listen_tls[i],
                                          config_proxies(&c->listen[i]));
        NEED_MEMORY(error == 0); /* a listening descriptor can always be watched */
        w->fds[i] = -1;
    }
}

static void tear_down(struct worker *w) {
    server_free(w->server);
    if (w->invoke) {
        invoke_api_free(w->invoke);
    }
    editions_free(w);
    dynamodb_free(w->db);
    sigv4_signer_free(w->signer);
    pool_free(w->pool);
    loop_remove_duty(&w->report);
    stream_hub_fini(&w->hub);
    loop_fini(&w->loop);
}

static void *worker_main(void *arg) {
    struct worker *w = arg;
    NEED_MEMORY(log_thread_attach("worker") == 0);
    build_upstream(w);
    build_front(w);
    loop_run(&w->loop);
    tear_down(w);
    log_thread_detach();
    return NULL;
}

int worker_start(struct worker *w) {
    /* The loop and the mailbox exist before the thread does, so that mail can be posted at
     * once. */
    if (loop_init(&w->loop) != 0) {
        return ERR_IO;
    }
    stream_hub_init(&w->hub, &w->loop);
    w->report.run = on_report;
    loop_add_duty(&w->loop, &w->report, LOOP_RANK_REAP);
    if (mailbox_init(&w->box, &w->loop, worker_on_mail) != 0 ||
        pthread_create(&w->thread, NULL, worker_main, w) != 0) {
        return ERR_IO;
    }
    w->started = 1;
    return 0;
}

const struct worker_status *worker_status(const struct worker *w) {
    return &w->status;
}

void worker_free(struct worker *w) {
    if (w->started) {
        worker_end(w);
        (void)pthread_join(w->thread, NULL);
    }
    if (!w->started) {
        edition_plan_free(w->setup.plan);
    }
    if (w->client_tls) {
        tls_context_free(w->client_tls);
    }
    if (w->invoke_fd >= 0) {
        (void)close(w->invoke_fd);
    }
    if (atomic_load(&w->new_credentials)) {
        credentials_unref(atomic_load(&w->new_credentials));
    }
    meters_fini(&w->meters);
    free(w->fds);
    free(w);
}
