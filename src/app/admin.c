/* Happy path: request -> page -> answer in the same turn; only /metrics waits, for the workers'
 * numbers. Failure modes: unknown page 404, wrong method 405; a client that leaves meanwhile;
 * limits and time-outs are the server's. */
#include "app/admin.h"

#include "app/metrics.h"
#include "base/error.h"
#include "http/url.h"

#include <stdlib.h>

#define ADMIN_CONNECTIONS 64

struct admin {
    struct admin_options options;
    struct server *server;
    struct buffer page;
    struct list waiting; /* for the metrics */
};

/* request->owner_data, in the request's arena. */
struct waiter {
    struct list_node node;
    struct server_request *request;
};

static void answer(struct server_request *r, unsigned status, struct slice body) {
    struct server_answer a = {
        .status = status, .content_type = SLICE("application/json"), .body = body};
    server_respond(r, &a);
}

static void refuse(struct server_request *r, unsigned status, const char *reason) {
    server_respond(r, &(struct server_answer){.status = status,
                                              .content_type = SLICE("application/json"),
                                              .body = server_error_body(status),
                                              .reason = reason});
}

static void answer_ready(struct admin *a, struct server_request *r) {
    buffer_reset(&a->page, 4096);
    int error = buffer_append_slice(&a->page, SLICE("{\"status\":\"not ready\",\"reasons\":["));
    if (error != 0) {
        refuse(r, 503, "no_memory");
        return;
    }
    if (a->options.not_ready(a->options.arg, &a->page) == 0) {
        answer(r, 200, SLICE("{\"status\":\"ready\"}\n"));
        return;
    }
    error = buffer_append_slice(&a->page, SLICE("]}\n"));
    answer(r, 503, error ? server_error_body(503) : buffer_slice(&a->page));
}

static void ask_metrics(struct admin *a, struct server_request *r) {
    struct waiter *w = arena_zalloc(&r->arena, sizeof *w);
    if (w == NULL) {
        refuse(r, 503, "no_memory");
        return;
    }
    w->request = r;
    r->owner_data = w;
    list_push_back(&a->waiting, &w->node);
    a->options.ask_metrics(a->options.arg);
}

void admin_metrics(struct admin *a, struct slice page) {
    struct server_answer found = {
        .status = 200, .content_type = METRICS_CONTENT_TYPE, .body = page};
    if (page.len == 0) { /* memory is out */
        found = (struct server_answer){.status = 503,
                                       .content_type = SLICE("application/json"),
                                       .body = server_error_body(503),
                                       .reason = "no_memory"};
    }
    while (!list_empty(&a->waiting)) {
        struct waiter *w = container_of(a->waiting.first, struct waiter, node);
        list_remove(&w->node);
        server_respond(w->request, &found);
    }
}

static void on_request(void *owner, struct server_request *r) {
    struct admin *a = owner;
    struct url_target target;

    if (url_split_target(r->http.target, &target) != 0) {
        refuse(r, 400, "bad_path");
    } else if (r->http.method != HTTP_GET_ && r->http.method != HTTP_HEAD_) {
        refuse(r, 405, "method_not_allowed");
    } else if (slice_eq(target.path, SLICE("/healthz"))) {
        answer(r, 200, SLICE("{\"status\":\"ok\"}\n"));
    } else if (slice_eq(target.path, SLICE("/readyz"))) {
        answer_ready(a, r);
    } else if (slice_eq(target.path, SLICE("/metrics"))) {
        ask_metrics(a, r);
    } else {
        refuse(r, 404, "no_route");
    }
}

static void on_abandon(void *owner, struct server_request *r, const char *reason) {
    struct waiter *w = r->owner_data;
    (void)owner;
    (void)reason;
    list_remove(&w->node);
}

static const struct server_events admin_events = {.on_request = on_request,
                                                  .on_abandon = on_abandon};

struct admin *admin_new(struct loop *l, struct stream_hub *hub, int fd,
                        const struct admin_options *options) {
    struct admin *a;
    struct server_options server = server_options_default;

    NEED_MEMORY((a = calloc(1, sizeof *a)) != NULL);
    a->options = *options;
    list_init(&a->waiting);
    server.connections = ADMIN_CONNECTIONS;
    server.http.body_bytes = 1;
    server.reserve = options->reserve;
    NEED_MEMORY((a->server = server_new(l, hub, &server, &admin_events, a)) != NULL);
    int error = server_listen(a->server, fd, NULL);
    NEED_MEMORY(error == 0);
    return a;
}

static void on_server_closed(void *owner) {
    struct admin *a = owner;
    a->options.on_closed(a->options.arg);
}

void admin_close(struct admin *a) {
    server_close(a->server, on_server_closed, a);
}

void admin_free(struct admin *a) {
    server_free(a->server);
    buffer_fini(&a->page);
    free(a);
}
