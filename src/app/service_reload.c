/* SIGHUP: another configuration, without a restart.
 *
 * Happy path: read, check and compare the file, initialise new handlers in C, read certificates
 * (all here, on the main thread) -> new tables are looked at and created -> every worker
 * prepares an edition -> all have: every worker swaps -> all have: reloaded. The generation
 * before is freed once each worker has said WORKER_RELEASED and its tables are closed.
 * Failure modes: anything wrong before the swap, a new table that is not ready within
 * RELOAD_TABLES_MS, a worker that cannot prepare: refused as a whole, logged with
 * FILE:LINE:COLUMN, and what is there goes on serving. A signal during a reload, or with
 * GENERATIONS_MAX still in use, is a reload right after. */
#include "app/config_succeed.h"
#include "app/service_impl.h"

#include <stdlib.h>

#define RELOAD_TABLES_MS 10000
#define GENERATIONS_MAX  4

/* ---- generations ---- */

struct generation *generation_new(struct service *s, struct config *c) {
    struct generation *g;
    NEED_MEMORY((g = calloc(1, sizeof *g)) != NULL);
    g->service = s;
    g->config = c;
    g->number = ++s->last_number;
    list_push_back(&s->generations, &g->node);
    return g;
}

void generation_free(struct generation *g) {
    list_remove(&g->node);
    if (g->tables) {
        tables_free(g->tables);
    }
    config_free(g->config);
    free(g);
}

static void maybe_reload_again(struct service *s);

/* The gate. */
static void maybe_free(struct generation *g) {
    struct service *s = g->service;
    if (g == s->now || g == s->next || g->workers > 0 || g->tables) {
        return;
    }
    generation_free(g);
    maybe_reload_again(s);
}

static void on_tables_closed(void *arg) {
    struct generation *g = arg;
    tables_free(g->tables);
    g->tables = NULL;
    if (g->service->stage == SERVICE_CLOSING) {
        service_part_closed(g->service);
    } else {
        maybe_free(g);
    }
}

void generation_close_tables(struct generation *g) {
    if (!g->tables_closing) {
        g->tables_closing = 1;
        tables_close(g->tables);
    }
}

static void on_schemas(void *arg);
static void on_refused(void *arg, size_t table, const char *why);

void generation_open_tables(struct generation *g) {
    struct service *s = g->service;
    struct tables_options options = {g->config,
                                     &s->endpoint,
                                     s->tls,
                                     on_schemas,
                                     g == s->now ? NULL : on_refused,
                                     on_tables_closed,
                                     g};
    g->tables = tables_new(&s->loop, &s->hub, &options);
    if (s->credentials) {
        tables_set_credentials(g->tables, s->credentials);
    }
}

/* ---- what the main thread prepares ---- */

int service_init_natives(const struct service *s, const struct config *c,
                         struct config_errors *errors) {
    char why[NATIVE_REASON_MAX];
    for (size_t i = 0; i < c->function_count; i++) {
        const struct config_function *f = &c->functions[i];
        if (!f->native || native_ready(f->native)) {
            continue;
        }
        for (unsigned w = 0; w < s->worker_count; w++) {
            int error = native_init(f->native, w, f->settings_json, why);
            if (error != 0) {
                config_errors_add(errors, f->mark, "functions[] %s: %s", f->name, why);
                return error;
            }
        }
    }
    return 0;
}

static void free_plans(struct service *s) {
    for (size_t i = 0; s->plans && i < s->worker_count; i++) {
        edition_plan_free(s->plans[i]);
    }
    free(s->plans);
    s->plans = NULL;
}

static void make_plans(struct service *s, const struct config *c,
                       struct config_errors *errors) {
    NEED_MEMORY((s->plans = calloc(s->worker_count, sizeof(struct edition_plan *))) != NULL);
    for (size_t i = 0; i < s->worker_count && errors->count == 0; i++) {
        s->plans[i] = edition_plan_new(c, s->last_number + 1, errors);
    }
    if (errors->count > 0) {
        free_plans(s);
    }
}

static struct config *load_next(struct service *s, struct config_errors *errors) {
    if (!memory_keep_reserve()) { /* what it cannot do without may be more than there is */
        config_errors_add(errors, (struct config_mark){0, 0}, "out of memory");
        return NULL;
    }
    struct config *c = config_load(s->config->file, errors);
    if (!c) {
        return NULL;
    }
    config_succeed(s->config, c, errors);
    if (errors->count == 0 && service_init_natives(s, c, errors) == 0) {
        make_plans(s, c, errors);
    }
    if (errors->count > 0) {
        config_free(c);
        return NULL;
    }
    return c;
}

/* ---- its end ---- */

static void end_reload(struct service *s, const char *status) {
    s->reloading = RELOAD_NONE;
    timer_stop(&s->reload_timer);
    notify_reloaded(&s->notify, status);
    maybe_reload_again(s);
}

static void refuse(struct service *s, const struct config_errors *errors) {
    char status[400];
    struct slice rest = buffer_slice(&errors->text);
    struct slice first = slice_split(rest, '\n', &rest);
    struct generation *g = s->next;
    (void)snprintf(status, sizeof status, "reload refused: %.*s", SLICE_ARG(first));
    for (struct slice line = first; line.len > 0; line = slice_split(rest, '\n', &rest)) {
        log_event(LOG_ERROR, "reload_refused", log_slice("error", line));
    }
    free_plans(s);
    s->next = NULL;
    if (g) {
        generation_close_tables(g);
    }
    end_reload(s, status);
}

static void refuse_for(struct service *s, struct config_mark at, const char *why) {
    struct config_errors errors;
    config_errors_init(&errors, s->config->file);
    config_errors_add(&errors, at, "%s", why);
    refuse(s, &errors);
    config_errors_fini(&errors);
}

/* ---- steps ---- */

static void commit(struct service *s) {
    struct generation *before = s->now;
    s->reloading = RELOAD_SWAPPING;
    s->waiting = s->started;
    s->now = s->next;
    s->next = NULL;
    s->config = s->now->config;
    s->tables = s->now->tables;
    log_threshold = s->config->log_level;
    usage_set_access(s->usage, &s->config->access);
    scrape_set_config(s->scrape, s->now->number, s->config);
    for (size_t i = 0; i < s->started; i++) {
        worker_swap(s->workers[i]);
    }
    generation_close_tables(before);
}

/* Every worker has said what became of its part. */
static int is_unusable(const struct service *s, const struct config_function *f) {
    for (size_t i = 0; f->workers && i < s->started; i++) {
        if (!f->workers[i]) {
            return 1;
        }
    }
    return 0;
}

static void refuse_unprepared(struct service *s) {
    const struct config *c = s->next->config;
    struct config_errors errors;
    config_errors_init(&errors, s->config->file);
    for (size_t i = 0; i < c->function_count; i++) {
        if (is_unusable(s, &c->functions[i])) {
            config_errors_add(&errors, c->functions[i].mark,
                              "functions[] %s: cannot be started: see function_unusable",
                              c->functions[i].name);
        }
    }
    for (size_t i = 0; i < s->started; i++) {
        worker_unprepare(s->workers[i]);
    }
    refuse(s, &errors);
    config_errors_fini(&errors);
}

static void on_all_prepared(struct service *s) {
    if (s->unprepared == 0) {
        commit(s);
    } else {
        refuse_unprepared(s);
    }
}

static void on_all_swapped(struct service *s) {
    char status[80];
    (void)snprintf(status, sizeof status, "reloaded: %zu routes", s->config->route_count);
    log_event(LOG_INFO, "reloaded", log_u64("routes", s->config->route_count),
              log_u64("generation", s->now->number));
    end_reload(s, status);
}

static void prepare(struct service *s) {
    s->reloading = RELOAD_PREPARING;
    timer_stop(&s->reload_timer);
    s->waiting = s->started;
    s->unprepared = 0;
    s->next->workers = s->started;
    for (size_t i = 0; i < s->started; i++) {
        worker_prepare(s->workers[i], s->plans[i]);
    }
    free(s->plans);
    s->plans = NULL;
}

static void on_schemas(void *arg) {
    struct generation *g = arg;
    struct service *s = g->service;
    if (g == s->now) {
        service_start_workers(s);
    } else if (!g->tables) { /* from inside tables_new */
        g->has_schemas = 1;
    } else if (g == s->next && s->stage == SERVICE_RUNNING) {
        prepare(s);
    }
}

/* Not from inside the tables' own callback: refusing closes them. */
static void on_refused(void *arg, size_t table, const char *why) {
    struct generation *g = arg;
    (void)table;
    (void)why;
    timer_start(&g->service->reload_timer, 0);
}

void service_on_reload_timer(struct timer *t) {
    struct service *s = container_of(t, struct service, reload_timer);
    if (s->reloading != RELOAD_TABLES || s->stage != SERVICE_RUNNING) {
        return;
    }
    const struct generation *g = s->next;
    size_t at = tables_at(g->tables);
    refuse_for(s,
               at < g->config->table_count ? g->config->table_entries[at].mark
                                           : (struct config_mark){0, 0},
               tables_problem(g->tables));
}

static void begin(struct service *s) {
    struct config_errors errors;
    config_errors_init(&errors, s->config->file);
    s->reloading = RELOAD_TABLES;
    notify_reloading(&s->notify);
    struct config *c = load_next(s, &errors);
    if (!c) {
        refuse(s, &errors);
    } else {
        timer_start(&s->reload_timer, RELOAD_TABLES_MS);
        s->next = generation_new(s, c);
        generation_open_tables(s->next);
        if (s->next->has_schemas) {
            prepare(s);
        }
    }
    config_errors_fini(&errors);
}

static void maybe_reload_again(struct service *s) {
    if (s->reload_again && s->reloading == RELOAD_NONE && s->stage == SERVICE_RUNNING &&
        s->generations.count <= GENERATIONS_MAX) {
        s->reload_again = 0;
        begin(s);
    }
}

void service_reload(struct service *s) {
    if (s->stage != SERVICE_RUNNING) {
        log_event(LOG_ERROR, "reload_refused", log_str("error", "draining"));
    } else if (s->started == 0) {
        notify_reloading(&s->notify);
        refuse_for(s, (struct config_mark){0, 0},
                   "not started yet: it waits for the keys of its tables; restart it instead");
    } else {
        s->reload_again = 1;
        maybe_reload_again(s);
    }
}

/* ---- what workers say ---- */

static struct generation *find_generation(struct service *s, unsigned number) {
    LIST_FOR_EACH (node, &s->generations) {
        struct generation *g = container_of(node, struct generation, node);
        if (g->number == number) {
            return g;
        }
    }
    return NULL;
}

void service_on_released(struct service *s, unsigned number) {
    struct generation *g = find_generation(s, number);
    ASSERT(g != NULL && g->workers > 0);
    g->workers--;
    maybe_free(g);
}

void service_on_edition(struct service *s, enum worker_notice notice) {
    if (s->stage != SERVICE_RUNNING) {
        return;
    }
    s->unprepared += notice == WORKER_UNPREPARED;
    if (--s->waiting == 0) {
        if (notice == WORKER_SWAPPED) {
            on_all_swapped(s);
        } else {
            on_all_prepared(s);
        }
    }
}
