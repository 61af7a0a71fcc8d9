#include "sink_worker.h"

#include "base/error.h"
#include "sink_connection.h"
#include "tls/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void on_accept(struct listener *l, int fd) {
    sink_connection_accept(l->owner, fd);
}

static struct sink_worker *failed(struct sink_worker *w, int fd, const char *what,
                                  const char *reason) {
    fprintf(stderr, "penstock-sink: %s: %s\n", what, reason);
    if (fd >= 0) {
        close(fd);
    }
    tls_context_free(w->tls);
    free(w);
    return NULL;
}

struct sink_worker *sink_worker_new(const struct sink_shared *shared, int fd, uint64_t seed) {
    char reason[TLS_REASON_MAX];
    struct sink_worker *w = calloc(1, sizeof *w);
    ASSERT(w != NULL);
    if (shared->certificate &&
        tls_server_context_new(&w->tls, shared->certificate, shared->key, reason)) {
        w->tls = NULL;
        return failed(w, fd, "TLS", reason);
    }
    int error = loop_init(&w->loop);
    if (error) {
        return failed(w, fd, "event loop", uv_strerror(error));
    }
    w->protocol.options = shared->options;
    w->protocol.tables = shared->tables;
    w->protocol.keys = shared->keys;
    rng_seed(&w->protocol.rng, seed);
    sink_worker_slabs_init(w);
    stream_hub_init(&w->hub, &w->loop);
    sink_delay_init(&w->delay, &w->loop, shared->options->latency_max_ms,
                    sink_connection_on_due);
    error = listener_start(&w->listener, &w->loop, fd, on_accept, w);
    if (error) { /* before any handle of ours is open but the timer's: the process ends */
        return failed(w, -1, "listener", error_text(error));
    }
    return w;
}

/* Until stopped; then everything is closed and the loop runs out. */
static void *run(void *arg) {
    struct sink_worker *w = arg;
    loop_run(&w->loop);
    listener_close(&w->listener, NULL);
    sink_connections_close(w);
    while (!list_empty(&w->open)) {
        loop_turn(&w->loop);
    }
    sink_delay_close(&w->delay);
    loop_run(&w->loop);
    return NULL;
}

int sink_worker_start(struct sink_worker *w) {
    return pthread_create(&w->thread, NULL, run, w) ? ERR_NOMEM : 0;
}

void sink_worker_stop(struct sink_worker *w) {
    loop_stop_async(&w->loop);
}

void sink_worker_free(struct sink_worker *w) {
    pthread_join(w->thread, NULL);
    stream_hub_fini(&w->hub);
    sink_delay_fini(&w->delay);
    slab_fini(&w->replies);
    slab_fini(&w->connections);
    buffer_fini(&w->protocol.scratch);
    loop_fini(&w->loop);
    tls_context_free(w->tls);
    free(w);
}
