#include "app/edition.h"

#include "app/config_listen.h"
#include "app/config_succeed.h"
#include "app/worker_impl.h"
#include "server/replace.h"
#include "tls/context.h"

#include <stdlib.h>

#define INVOCATION_MEMORY_BYTES (32u << 20)

/* ---- the plan, on the main thread ---- */

static void free_listen_tls(struct edition_plan *p) {
    for (size_t i = 0; p->listen_tls && i < p->config->listen_count; i++) {
        tls_context_free(p->listen_tls[i]);
    }
    free(p->listen_tls);
    p->listen_tls = NULL;
}

void edition_plan_free(struct edition_plan *p) {
    if (p != NULL) {
        free_listen_tls(p);
        free(p);
    }
}

struct edition_plan *edition_plan_new(const struct config *c, unsigned number,
                                      struct config_errors *errors) {
    struct edition_plan *p;
    NEED_MEMORY((p = calloc(1, sizeof *p)) != NULL);
    p->config = c;
    p->number = number;
    NEED_MEMORY((p->listen_tls = calloc(c->listen_count, sizeof(struct tls_context *))) !=
                NULL);
    for (size_t i = 0; i < c->listen_count; i++) {
        if (config_new_tls(&c->listen[i], &p->listen_tls[i], errors) != 0) {
            edition_plan_free(p);
            return NULL;
        }
    }
    return p;
}

/* ---- functions ---- */

static struct function **place_of(const struct worker *w, const struct config_function *f) {
    return &f->workers[w->setup.index];
}

static struct worker_function *find_owner(struct worker *w, const struct function *function) {
    LIST_FOR_EACH (node, &w->functions) {
        struct worker_function *wf = container_of(node, struct worker_function, node);
        if (wf->function == function) {
            return wf;
        }
    }
    return NULL;
}

static struct worker_function *find_unchanged(struct worker *w,
                                              const struct config_function *wanted) {
    const struct config *c = w->now ? w->now->config : NULL;
    for (size_t i = 0; c && i < c->function_count; i++) {
        const struct config_function *f = &c->functions[i];
        if (config_same_function(f, wanted) && *place_of(w, f)) {
            return find_owner(w, *place_of(w, f));
        }
    }
    return NULL;
}

/* A worker's part of a number that is meant for the service: at least one of something, and the
 * first workers have what cannot be divided. */
static size_t share(const struct edition *e, size_t total) {
    size_t workers = config_worker_count(e->config);
    size_t part = total / workers + (e->worker->setup.index < total % workers);
    return total > 0 && part == 0 ? 1 : part;
}

static struct worker_function *start_function(const struct edition *e,
                                              const struct config_function *f) {
    struct worker *w = e->worker;
    char why[160];
    struct function_options options = f->options;
    options.processes = share(e, options.processes);
    options.warm = share(e, options.warm);
    options.region = w->setup.endpoint->signing_region;
    struct function *function = function_new(&w->loop, &w->hub, &options, why);
    if (!function) {
        log_event(LOG_ERROR, "function_unusable", log_str("function", f->name),
                  log_str("reason", why));
        return NULL;
    }
    struct worker_function *wf;
    NEED_MEMORY((wf = calloc(1, sizeof *wf)) != NULL);
    wf->worker = w;
    wf->function = function;
    list_push_back(&w->functions, &wf->node);
    return wf;
}

static size_t take_functions(struct edition *e) {
    struct worker *w = e->worker;
    size_t missing = 0;
    for (size_t i = 0; i < e->config->function_count; i++) {
        const struct config_function *f = &e->config->functions[i];
        if (f->workers) {
            struct worker_function *wf = find_unchanged(w, f);
            wf = wf ? wf : start_function(e, f);
            *place_of(w, f) = wf ? wf->function : NULL;
            missing += wf == NULL;
            if (wf) {
                wf->editions++;
            }
        }
    }
    return missing;
}

static void leave_functions(struct edition *e) {
    for (size_t i = 0; i < e->config->function_count; i++) {
        const struct config_function *f = &e->config->functions[i];
        struct function *function = f->workers ? *place_of(e->worker, f) : NULL;
        if (function) {
            struct worker_function *wf = find_owner(e->worker, function);
            ASSERT(wf != NULL && wf->editions > 0);
            wf->editions--;
        }
    }
}

static void list_for_invoke(struct edition *e) {
    const struct config *c = e->config;
    NEED_MEMORY((e->invoke_functions =
                     calloc(c->function_count + 1, sizeof *e->invoke_functions)) != NULL);
    for (size_t i = 0; i < c->function_count; i++) {
        const struct config_function *f = &c->functions[i];
        e->invoke_functions[e->invoke_count++] = (struct invoke_function){
            .name = f->name,
            .function = f->workers ? *place_of(e->worker, f) : NULL,
            .handler = f->native ? &f->handler : NULL,
        };
    }
}

/* ---- life ---- */

struct edition *edition_new(struct worker *w, struct edition_plan *plan, size_t *missing) {
    struct edition *e;
    NEED_MEMORY((e = calloc(1, sizeof *e)) != NULL);
    const struct config *c = plan->config;
    struct lambda_options lambda = {.invocations = c->invocations,
                                    .memory_bytes = INVOCATION_MEMORY_BYTES,
                                    .stage_variables = c->stage.variables,
                                    .stage_variable_count = c->stage.variable_count,
                                    .stage = c->stage.name,
                                    .dynamodb_deadline_ms = c->dynamodb.deadline_ms,
                                    .worker = w->setup.index};
    struct gateway_options gateway = {.routes = c->router,
                                      .stage = &c->stage,
                                      .access = config_limits_access(c) ? &c->access : NULL,
                                      .meters = &w->meters,
                                      .access_log = c->log_access,
                                      .access_template = c->access_template};
    meters_grow(&w->meters, c->access.meter_count);
    e->worker = w;
    e->plan = plan;
    e->config = c;
    e->lambda = lambda_new(&w->loop, w->db, &lambda);
    *missing = take_functions(e);
    list_for_invoke(e);
    e->gateway = gateway_new(&w->loop, e->lambda, &gateway);
    list_push_back(&w->editions, &e->node);
    return e;
}

static void free_edition(struct edition *e) {
    list_remove(&e->node);
    gateway_free(e->gateway);
    lambda_free(e->lambda);
    free(e->invoke_functions);
    free(e);
}

void edition_use(struct edition *e) {
    struct worker *w = e->worker;
    struct edition *before = w->now;
    w->now = e;
    dynamodb_add_tables(w->db, e->config->tables, e->config->table_count);
    server_set_owner(w->server, e->gateway);
    server_set_options(w->server, &e->config->server);
    for (size_t i = 0; i < e->config->listen_count; i++) {
        server_set_listener(w->server, i, e->plan->listen_tls[i],
                            config_proxies(&e->config->listen[i]));
    }
    if (w->invoke) {
        invoke_api_set_functions(w->invoke, e->invoke_functions, e->invoke_count, e->lambda);
    }
    gateway_succeed(e->gateway, before->gateway);
    lambda_succeed(e->lambda, before->lambda);
}

size_t editions_in_flight(const struct worker *w) {
    size_t count = 0;
    LIST_FOR_EACH (node, &w->editions) {
        count += lambda_in_flight(container_of(node, struct edition, node)->lambda);
    }
    return count;
}

static void on_function_closed(void *arg) {
    struct worker_function *wf = arg;
    struct worker *w = wf->worker;
    function_free(wf->function);
    list_remove(&wf->node);
    free(wf);
    worker_function_gone(w);
}

void worker_function_close(struct worker_function *wf) {
    if (!wf->closing) {
        wf->closing = 1;
        function_close(wf->function, on_function_closed, wf);
    }
}

static void sweep_functions(struct worker *w) {
    LIST_FOR_EACH_SAFE (node, follow, &w->functions) {
        struct worker_function *wf = container_of(node, struct worker_function, node);
        if (wf->editions == 0 && function_in_flight(wf->function) == 0) {
            worker_function_close(wf);
        }
    }
}

/* The gate: neither a request that waits for its answer nor an invocation with work left. */
static int is_over(const struct edition *e) {
    if (e == e->worker->now || e == e->worker->prepared) {
        return 0;
    }
    const struct invoke_api *invoke = e->worker->invoke;
    return gateway_in_flight(e->gateway) == 0 && lambda_in_flight(e->lambda) == 0 &&
           !(invoke && invoke_api_uses(invoke, e->invoke_functions, e->invoke_count));
}

static void release(struct edition *e) {
    struct worker *w = e->worker;
    struct edition_plan *plan = e->plan;
    gateway_succeed(w->now->gateway, e->gateway);
    lambda_succeed(w->now->lambda, e->lambda);
    leave_functions(e);
    free_edition(e);
    free_listen_tls(plan); /* here, where its connections were */
    plan->released.notice = WORKER_RELEASED;
    plan->released.edition = plan->number;
    w->setup.on_notice(w->setup.arg, &plan->released);
}

void editions_sweep(struct worker *w) {
    if (w->stage == STAGE_CLOSING) {
        return; /* all goes */
    }
    if (w->editions.count > 1) {
        LIST_FOR_EACH_SAFE (node, follow, &w->editions) {
            struct edition *e = container_of(node, struct edition, node);
            if (is_over(e)) {
                release(e);
            }
        }
        if (w->editions.count == 1) {
            dynamodb_keep_tables(w->db, w->now->config->tables, w->now->config->table_count);
        }
    }
    sweep_functions(w);
}

void editions_free(struct worker *w) {
    while (!list_empty(&w->editions)) {
        struct edition *e = container_of(w->editions.first, struct edition, node);
        struct edition_plan *plan = e->plan;
        free_edition(e);
        edition_plan_free(plan);
    }
}
