/* Happy path: resolve the endpoint -> open every listening socket -> prepare the workers (TLS,
 * listeners) -> main loop: credentials chain, tables, admin pages, signals -> workers start as
 * soon as every key schema is known -> SIGTERM: readiness fails for drain.wait_ms, workers
 * drain, at drain.deadline_ms they are stopped -> everything closes -> exit 0. Failure modes:
 * what a person must mend (address in use, no CA file, wrong certificate, no region) ends the
 * start with its reason and exit code 1; what may mend itself (store away, no credentials,
 * missing table) keeps the service up and not ready. A second SIGTERM stops at once. */
#include "app/service_impl.h"

#include "base/clock.h"
#include "base/error.h"
#include "net/listener.h"
#include "tls/context.h"

#include <signal.h>
#include <stdlib.h>

int service_fail(const char *what, const char *why) {
    (void)fprintf(stderr, "penstock: %s: %s\n", what, why);
    return ERR_INVALID;
}

void service_start_workers(struct service *s) {
    for (size_t i = 0; i < s->worker_count && s->stage == SERVICE_RUNNING; i++) {
        worker_use_limits(s->workers[i], s->usage);
        int error = worker_start(s->workers[i]);
        NEED_MEMORY(error == 0);
        s->started++;
        s->now->workers++;
        if (s->credentials) {
            worker_set_credentials(s->workers[i], s->credentials);
        }
    }
}

static void on_credentials(void *arg, struct credentials *c) {
    struct service *s = arg;
    if (s->credentials) {
        credentials_unref(s->credentials);
    }
    s->credentials = credentials_ref(c);
    for (size_t i = 0; i < s->started; i++) {
        worker_set_credentials(s->workers[i], c);
    }
    LIST_FOR_EACH (node, &s->generations) {
        struct generation *g = container_of(node, struct generation, node);
        if (g->tables) {
            tables_set_credentials(g->tables, c);
        }
    }
}

/* ---- metrics ---- */

static void ask_metrics(void *arg) {
    struct service *s = arg;
    scrape_ask(s->scrape, s->started);
}

static void on_metrics(void *arg, struct slice page) {
    struct service *s = arg;
    if (s->admin) {
        admin_metrics(s->admin, page);
    }
}

/* ---- wiring ---- */

static int watch_signal(struct service *s, uv_signal_t *handle, int number) {
    handle->data = s;
    return uv_signal_init(&s->loop.uv, handle) == 0 &&
                   uv_signal_start(handle, service_on_signal, number) == 0
               ? 0
               : service_fail("signals", "cannot be watched");
}

static int open_admin(struct service *s) {
    char text[NET_ADDRESS_TEXT_MAX];
    char reason[128];
    int fd;
    struct admin_options options = {service_not_ready, ask_metrics, service_part_closed, s,
                                    &s->reserve};

    if (!s->config->admin_on) {
        return 0;
    }
    net_address_format(&s->config->admin, text);
    fd = inherited_take(&s->inherited, &s->config->admin);
    if (fd < 0 && listener_open_fd(&s->config->admin, SERVICE_BACKLOG, 0, &fd, reason) != 0) {
        char what[NET_ADDRESS_TEXT_MAX + 8];
        (void)snprintf(what, sizeof what, "admin %s", text);
        return service_fail(what, reason);
    }
    s->admin = admin_new(&s->loop, &s->hub, fd, &options);
    return 0;
}

static int open_client_tls(struct service *s) {
    char reason[TLS_REASON_MAX];
    if (!s->endpoint.url.tls) {
        return 0;
    }
    if (tls_client_context_new(&s->tls, s->config->ca_file, reason) != 0) {
        return service_fail(s->config->ca_file, reason);
    }
    return 0;
}

static const char *environment(void *arg, const char *name) {
    (void)arg;
    return getenv(name);
}

/* Asked for when a source of credentials is reached over https: STS. */
static struct tls_context *credentials_tls(void *arg) {
    struct service *s = arg;
    char reason[TLS_REASON_MAX];
    if (!s->tls && tls_client_context_new(&s->tls, s->config->ca_file, reason) != 0) {
        log_event(LOG_ERROR, "ca_file", log_str("path", s->config->ca_file),
                  log_str("reason", reason));
    }
    return s->tls;
}

static void start_credentials(struct service *s) {
    struct credentials_options options = {.env = {environment, NULL},
                                          .tls = credentials_tls,
                                          .region = s->endpoint.signing_region,
                                          .on_change = on_credentials,
                                          .arg = s};
    s->chain = credentials_chain_new(&s->loop, &s->hub, &options);
}

static void start_tables(struct service *s) {
    generation_open_tables(s->now);
    s->tables = s->now->tables;
}

static void give_usage(void *arg, unsigned worker, struct usage_mail *mail) {
    const struct service *s = arg;
    worker_usage(s->workers[worker], mail);
}

static void start_usage(struct service *s) {
    struct usage_options options = {.worker_count = s->worker_count,
                                    .access = &s->config->access,
                                    .state_directory = s->config->state_directory,
                                    .give = give_usage,
                                    .on_closed = service_part_closed,
                                    .arg = s};
    s->usage = usage_new(&s->loop, &options);
}

static void start_scrape(struct service *s) {
    struct scrape_options options = {.workers = s->workers,
                                     .worker_count = s->worker_count,
                                     .describe = service_describe,
                                     .on_page = on_metrics,
                                     .on_closed = service_part_closed,
                                     .arg = s};
    s->start_s = clock_wall_ms() / 1000;
    s->scrape = scrape_new(&s->loop, &options);
    scrape_set_config(s->scrape, s->now->number, s->config);
}

static void start_notify(struct service *s) {
    struct notify_options options = {service_not_ready, service_all_moved, s};
    notify_init(&s->notify, &s->loop, &options);
}

static void say_started(const struct service *s) {
    log_event(LOG_INFO, "started", log_u64("workers", s->worker_count),
              log_u64("connections", s->config->connections),
              log_str("dynamodb", s->endpoint.url.authority),
              log_str("region", s->endpoint.region), log_u64("routes", s->config->route_count));
    for (size_t i = 0; i < s->config->listen_count; i++) {
        log_event(
            LOG_INFO, "listening", log_str("address", s->config->listen[i].text),
            log_str("protocol", s->config->listen[i].certificate_count ? "https" : "http"));
    }
}

static int inherit(struct service *s) {
    char reason[256];
    return inherited_read(&s->inherited, reason) == 0 ? 0 : service_fail("LISTEN_FDS", reason);
}

/* Every listener is open. */
static int check_inherited(struct service *s) {
    char reason[256];
    return inherited_all_taken(&s->inherited, reason) == 0 ? 0
                                                           : service_fail("LISTEN_FDS", reason);
}

/* Spent by whatever could not go without: once there is memory again, it is kept again. */
static void keep_reserve(struct loop_duty *duty) {
    (void)duty;
    (void)memory_keep_reserve();
}

static int start(struct service *s) {
    char reason[AWS_REASON_MAX];
    struct aws_environment env = {environment, NULL};

    descriptor_reserve_fill(&s->reserve);
    if (aws_endpoint_resolve(&env, s->config->endpoint, s->config->region, &s->endpoint,
                             reason) != 0) {
        return service_fail("dynamodb", reason);
    }
    if (inherit(s) != 0 || open_client_tls(s) != 0 || service_open_doors(s) != 0) {
        return ERR_INVALID;
    }
    if (loop_init(&s->loop) != 0 || mailbox_init(&s->box, &s->loop, service_on_mail) != 0) {
        return service_fail("event loop", "cannot be made");
    }
    stream_hub_init(&s->hub, &s->loop);
    s->memory.run = keep_reserve;
    loop_add_duty(&s->loop, &s->memory, LOOP_RANK_REAP);
    timer_init(&s->drain_timer, &s->loop, service_on_drain_timer);
    timer_init(&s->reload_timer, &s->loop, service_on_reload_timer);
    if (watch_signal(s, &s->sigterm, SIGTERM) != 0 ||
        watch_signal(s, &s->sigint, SIGINT) != 0 || watch_signal(s, &s->sighup, SIGHUP) != 0 ||
        watch_signal(s, &s->sigusr2, SIGUSR2) != 0 || open_admin(s) != 0 ||
        check_inherited(s) != 0) {
        return ERR_INVALID;
    }
    say_started(s);
    start_usage(s);
    start_credentials(s);
    start_tables(s);
    start_scrape(s);
    start_notify(s);
    return 0;
}

static void free_service(struct service *s) {
    for (size_t i = 0; i < s->worker_count; i++) {
        worker_free(s->workers[i]);
    }
    free(s->workers);
    free(s->turns);
    notify_fini(&s->notify);
    for (size_t i = 0; s->plans && i < s->worker_count; i++) {
        edition_plan_free(s->plans[i]);
    }
    free(s->plans);
    while (!list_empty(&s->generations)) {
        generation_free(container_of(s->generations.first, struct generation, node));
    }
    scrape_free(s->scrape);
    usage_free(s->usage);
    credentials_chain_free(s->chain);
    if (s->admin) {
        admin_free(s->admin);
    }
    descriptor_reserve_fini(&s->reserve);
    if (s->credentials) {
        credentials_unref(s->credentials);
    }
    if (s->tls) {
        tls_context_free(s->tls);
    }
    stream_hub_fini(&s->hub);
    loop_remove_duty(&s->memory);
    loop_fini(&s->loop);
    free(s);
}

int service_run(struct config *config) {
    static struct service *s; /* stays reachable when the start fails and the process ends */
    NEED_MEMORY((s = calloc(1, sizeof *s)) != NULL);
    s->config = config;
    list_init(&s->generations);
    s->now = generation_new(s, config);
    (void)signal(SIGPIPE, SIG_IGN);
    tls_global_init();
    if (start(s) != 0) {
        return 1; /* the process ends here: what was opened goes with it */
    }
    loop_run(&s->loop);
    free_service(s);
    log_event(LOG_INFO, "stopped", log_u64("code", 0));
    return 0;
}
