/* Happy path: resolve the endpoint -> open every listening socket -> prepare the workers (TLS,
 * listeners) -> main loop: credentials chain, tables, admin pages, signals -> workers start as
 * soon as every key schema is known -> SIGTERM: readiness fails for drain.wait_ms, workers
 * drain, at drain.deadline_ms they are stopped -> everything closes -> exit 0. Failure modes:
 * what a person must mend (address in use, no CA file, wrong certificate, no region) ends the
 * start with its reason and exit code 1; what may mend itself (store away, no credentials,
 * missing table) keeps the service up and not ready. A second SIGTERM stops at once. */
#include "app/service.h"

#include "app/admin.h"
#include "app/inherited.h"
#include "app/notify.h"
#include "app/scrape.h"
#include "app/tables.h"
#include "app/worker.h"
#include "base/clock.h"
#include "base/error.h"
#include "model/item.h"
#include "net/listener.h"
#include "tls/context.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define LISTEN_BACKLOG     4096
#define OWN_DESCRIPTORS    64 /* standard streams, loops, admin, files */
#define WORKER_DESCRIPTORS 16

enum service_stage { SERVICE_RUNNING, SERVICE_WAITING, SERVICE_DRAINING, SERVICE_CLOSING };

struct notice_mail {
    struct mail mail;
    enum worker_notice notice;
};

struct service {
    struct config *config;
    struct aws_endpoint endpoint;
    struct loop loop;
    struct stream_hub hub;
    struct mailbox box;
    struct inherited inherited;
    struct notify notify;
    struct worker **workers;
    uint64_t *turns; /* of each worker, when the watchdog last looked */
    size_t worker_count;
    size_t started;
    size_t stopped; /* of those started; they still take mail */
    struct tls_context *tls;
    struct credentials_chain *chain;
    struct credentials *credentials; /* the last good ones */
    struct tables *tables;
    struct admin *admin;
    struct scrape *scrape;
    uint64_t start_s;
    struct timer drain_timer;
    uv_signal_t sigterm;
    uv_signal_t sigint;
    enum service_stage stage;
    size_t closing; /* parts of the main thread that have not closed yet */
    int exit_code;
};

static int fail(const char *what, const char *why) {
    (void)fprintf(stderr, "penstock: %s: %s\n", what, why);
    return ERR_INVALID;
}

/* ---- start ---- */

static size_t worker_count(const struct config *c) {
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (c->workers > 0) {
        return c->workers;
    }
    return cpus > 0 ? (size_t)cpus : 1;
}

/* Descriptors must never run out (libuv spins on EMFILE): the connection limit comes from the
 * descriptor limit, or is refused when it does not fit. */
static int fit_connections(struct service *s) {
    struct rlimit limit;
    char why[160];
    const struct config *c = s->config;
    size_t ours =
        OWN_DESCRIPTORS + s->worker_count * (WORKER_DESCRIPTORS + c->listen_count +
                                             c->pool.max_connections + c->pool.connecting_max);

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return fail("RLIMIT_NOFILE", "cannot be read");
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    size_t most = (size_t)limit.rlim_cur / 5 * 4;
    size_t room = most > ours ? most - ours : 0;
    size_t wanted = c->connections ? c->connections : room;
    if (room < s->worker_count || wanted > room) {
        (void)snprintf(why, sizeof why,
                       "%zu connections do not fit: the descriptor limit is %llu and %zu are "
                       "needed otherwise (raise LimitNOFILE or lower limits.connections)",
                       wanted, (unsigned long long)limit.rlim_cur, ours);
        return fail("limits.connections", why);
    }
    s->config->connections = wanted;
    return 0;
}

/* One descriptor per listen entry for worker `index`: TCP gets a socket of its own
 * (SO_REUSEPORT); a unix socket, or one the service manager gave us, is shared. */
static int open_listener(struct service *s, size_t i, size_t index, int *shared, int *fd) {
    char reason[128];
    const struct config_listen *l = &s->config->listen[i];
    int is_unix = net_address_is_unix(&l->address);
    if (index == 0) {
        shared[i] = inherited_take(&s->inherited, &l->address);
    } else if (shared[i] >= 0) {
        *fd = fcntl(shared[i], F_DUPFD_CLOEXEC, 0);
        return *fd >= 0 ? 0 : fail(l->text, "cannot be shared by the workers");
    }
    *fd = shared[i];
    if (*fd < 0 && listener_open_fd(&l->address, LISTEN_BACKLOG, !is_unix, fd, reason) != 0) {
        return fail(l->text, reason);
    }
    if (is_unix) {
        shared[i] = *fd;
    }
    return 0;
}

static int open_listeners(struct service *s, size_t index, int *shared, int *fds) {
    for (size_t i = 0; i < s->config->listen_count; i++) {
        if (open_listener(s, i, index, shared, &fds[i]) != 0) {
            return ERR_INVALID;
        }
    }
    return 0;
}

static void on_notice(void *arg, enum worker_notice notice) {
    struct service *s = arg;
    struct notice_mail *m = malloc(sizeof *m);
    ASSERT(m != NULL);
    m->notice = notice;
    mailbox_post(&s->box, &m->mail);
}

static int prepare_worker(struct service *s, size_t index, int *shared) {
    char reason[256];
    int fds[256];
    size_t share = s->config->connections / s->worker_count;
    struct worker_setup setup = {s->config,         &s->endpoint, (unsigned)index,
                                 share ? share : 1, on_notice,    s};

    if (s->config->listen_count > sizeof fds / sizeof fds[0]) {
        return fail("listen", "at most 256 addresses");
    }
    if (open_listeners(s, index, shared, fds) != 0) {
        return ERR_INVALID;
    }
    s->workers[index] = worker_new(&setup, fds, reason);
    return s->workers[index] ? 0 : fail("cannot start", reason);
}

static int prepare_workers(struct service *s) {
    int shared[256];
    s->worker_count = worker_count(s->config);
    s->workers = calloc(s->worker_count, sizeof(struct worker *));
    s->turns = calloc(s->worker_count, sizeof *s->turns);
    ASSERT(s->workers != NULL && s->turns != NULL);
    if (fit_connections(s) != 0) {
        return ERR_INVALID;
    }
    s->config->server.request_bytes /= s->worker_count;
    for (size_t i = 0; i < s->worker_count; i++) {
        if (prepare_worker(s, i, shared) != 0) {
            return ERR_INVALID;
        }
    }
    return 0;
}

static void on_schemas(void *arg) {
    struct service *s = arg;
    for (size_t i = 0; i < s->worker_count && s->stage == SERVICE_RUNNING; i++) {
        int error = worker_start(s->workers[i]);
        ASSERT(error == 0);
        s->started++;
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
    if (s->tables) {
        tables_set_credentials(s->tables, c);
    }
}

/* ---- readiness ---- */

static void add_reason(struct buffer *out, size_t *count, const char *text) {
    int error = (*count)++ ? buffer_append(out, ",", 1) : 0;
    if (error == 0) {
        error = model_json_string(out, slice_cstr(text));
    }
    ASSERT(error == 0);
}

static int all_workers(const struct service *s, int (*test)(const struct worker_status *w)) {
    for (size_t i = 0; i < s->worker_count; i++) {
        if (!test(worker_status(s->workers[i]))) {
            return 0;
        }
    }
    return 1;
}

static int has_pool(const struct worker_status *w) {
    return atomic_load_explicit(&w->pool_ready, memory_order_relaxed);
}

static int not_ready(void *arg, struct buffer *reasons) {
    struct service *s = arg;
    size_t count = 0;
    if (s->stage != SERVICE_RUNNING) {
        add_reason(reasons, &count, "draining");
    }
    if (!s->credentials) {
        add_reason(reasons, &count, "no credentials");
    }
    if (!all_workers(s, has_pool)) {
        add_reason(reasons, &count, "no connection to DynamoDB");
    }
    if (tables_problem(s->tables)[0]) {
        add_reason(reasons, &count, tables_problem(s->tables));
    }
    return count != 0;
}

/* ---- metrics ---- */

static const char *route_key(void *arg, size_t index) {
    const struct service *s = arg;
    return s->config->routes[index].route_key;
}

static void describe(void *arg, struct metrics_process *out) {
    struct service *s = arg;
    struct buffer reasons = {0};
    out->version = config_version();
    out->ready = !not_ready(s, &reasons);
    out->start_s = s->start_s;
    out->credentials_expires_s = s->credentials ? s->credentials->expires_s : 0;
    out->route_key = route_key;
    out->arg = s;
    buffer_fini(&reasons);
}

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

/* For the watchdog: an idle loop gets mail, so that it has turned when next looked at. */
static int all_moved(void *arg) {
    struct service *s = arg;
    int moved = 1;
    for (size_t i = 0; i < s->started; i++) {
        uint64_t turns =
            atomic_load_explicit(&worker_status(s->workers[i])->turns, memory_order_relaxed);
        if (turns == s->turns[i]) {
            moved = 0;
        } else {
            s->turns[i] = turns;
            worker_tick(s->workers[i]);
        }
    }
    return moved;
}

/* ---- end ---- */

static void on_part_closed(struct service *s) {
    if (--s->closing == 0) {
        loop_stop(&s->loop);
    }
}

static void on_part_closed_arg(void *arg) {
    on_part_closed(arg);
}

static void on_timer_closed(struct timer *t) {
    on_part_closed(container_of(t, struct service, drain_timer));
}

static void on_notify_closed(struct timer *t) {
    on_part_closed(container_of(t, struct service, notify.tick));
}

static void on_mailbox_closed(struct mailbox *box) {
    on_part_closed(container_of(box, struct service, box));
}

static void on_signal_closed(uv_handle_t *handle) {
    on_part_closed(handle->data);
}

static void close_main(struct service *s) {
    s->stage = SERVICE_CLOSING;
    s->closing = 8 + (s->admin != NULL);
    timer_close(&s->drain_timer, on_timer_closed);
    notify_close(&s->notify, on_notify_closed);
    scrape_close(s->scrape);
    mailbox_close(&s->box, on_mailbox_closed);
    uv_close((uv_handle_t *)&s->sigterm, on_signal_closed);
    uv_close((uv_handle_t *)&s->sigint, on_signal_closed);
    /* Closing took libuv's handlers away; one more signal must not spoil the exit code. */
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    credentials_chain_close(s->chain, on_part_closed_arg, s);
    tables_close(s->tables);
    if (s->admin) {
        admin_close(s->admin);
    }
}

/* Once no worker is left to wait for. */
static void maybe_close_main(struct service *s) {
    if (s->stopped == s->started) {
        close_main(s);
    }
}

static void each_worker(struct service *s, void (*tell)(struct worker *w)) {
    for (size_t i = 0; i < s->started; i++) {
        tell(s->workers[i]);
    }
}

static void start_draining(struct service *s) {
    s->stage = SERVICE_DRAINING;
    log_event(LOG_INFO, "drain", log_u64("deadline_ms", s->config->drain_deadline_ms));
    each_worker(s, worker_drain);
    timer_start(&s->drain_timer, s->config->drain_deadline_ms);
    maybe_close_main(s);
}

static void on_drain_timer(struct timer *t) {
    struct service *s = container_of(t, struct service, drain_timer);
    if (s->stage == SERVICE_WAITING) {
        start_draining(s);
    } else {
        log_event(LOG_WARN, "drain_deadline", log_u64("workers", s->started - s->stopped));
        each_worker(s, worker_kill);
    }
}

static void on_signal(uv_signal_t *handle, int number) {
    struct service *s = handle->data;
    log_event(LOG_INFO, "signal", log_u64("number", number));
    switch (s->stage) {
    case SERVICE_RUNNING:
        s->stage = SERVICE_WAITING;
        notify_stopping(&s->notify);
        timer_start(&s->drain_timer, s->config->drain_wait_ms);
        break;
    case SERVICE_WAITING:
    case SERVICE_DRAINING:
        s->stage = SERVICE_DRAINING;
        each_worker(s, worker_kill);
        break;
    case SERVICE_CLOSING:
        break;
    }
}

static void on_mail(struct mailbox *box, struct mail *mail) {
    struct service *s = container_of(box, struct service, box);
    struct notice_mail *m = container_of(mail, struct notice_mail, mail);
    enum worker_notice notice = m->notice;

    free(m);
    if (notice == WORKER_BAD_CREDENTIALS) {
        if (s->stage != SERVICE_CLOSING) {
            credentials_chain_refresh(s->chain);
        }
    } else {
        s->stopped++;
        maybe_close_main(s);
    }
}

/* ---- wiring ---- */

static int watch_signal(struct service *s, uv_signal_t *handle, int number) {
    handle->data = s;
    return uv_signal_init(&s->loop.uv, handle) == 0 &&
                   uv_signal_start(handle, on_signal, number) == 0
               ? 0
               : fail("signals", "cannot be watched");
}

static int open_admin(struct service *s) {
    char text[NET_ADDRESS_TEXT_MAX];
    char reason[128];
    int fd;
    struct admin_options options = {not_ready, ask_metrics, on_part_closed_arg, s};

    if (!s->config->admin_on) {
        return 0;
    }
    net_address_format(&s->config->admin, text);
    fd = inherited_take(&s->inherited, &s->config->admin);
    if (fd < 0 && listener_open_fd(&s->config->admin, LISTEN_BACKLOG, 0, &fd, reason) != 0) {
        char what[NET_ADDRESS_TEXT_MAX + 8];
        (void)snprintf(what, sizeof what, "admin %s", text);
        return fail(what, reason);
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
        return fail(s->config->ca_file, reason);
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
    struct tables_options options = {s->config,  &s->endpoint,       s->tls,
                                     on_schemas, on_part_closed_arg, s};
    s->tables = tables_new(&s->loop, &s->hub, &options);
}

static void start_scrape(struct service *s) {
    struct scrape_options options = {.workers = s->workers,
                                     .worker_count = s->worker_count,
                                     .route_count = gateway_routes_count(s->config->router),
                                     .describe = describe,
                                     .on_page = on_metrics,
                                     .on_closed = on_part_closed_arg,
                                     .arg = s};
    s->start_s = clock_wall_ms() / 1000;
    s->scrape = scrape_new(&s->loop, &options);
}

static void start_notify(struct service *s) {
    struct notify_options options = {not_ready, all_moved, s};
    notify_init(&s->notify, &s->loop, &options);
}

static void say_started(const struct service *s) {
    log_event(LOG_INFO, "started", log_u64("workers", s->worker_count),
              log_u64("connections", s->config->connections),
              log_str("dynamodb", s->endpoint.url.authority),
              log_str("region", s->endpoint.region), log_u64("routes", s->config->route_count));
    for (size_t i = 0; i < s->config->listen_count; i++) {
        log_event(LOG_INFO, "listening", log_str("address", s->config->listen[i].text),
                  log_str("protocol", s->config->listen[i].certificate ? "https" : "http"));
    }
}

static int inherit(struct service *s) {
    char reason[256];
    return inherited_read(&s->inherited, reason) == 0 ? 0 : fail("LISTEN_FDS", reason);
}

/* Every listener is open. */
static int check_inherited(struct service *s) {
    char reason[256];
    return inherited_all_taken(&s->inherited, reason) == 0 ? 0 : fail("LISTEN_FDS", reason);
}

static int start(struct service *s) {
    char reason[AWS_REASON_MAX];
    struct aws_environment env = {environment, NULL};

    if (aws_endpoint_resolve(&env, s->config->endpoint, s->config->region, &s->endpoint,
                             reason) != 0) {
        return fail("dynamodb", reason);
    }
    if (inherit(s) != 0 || open_client_tls(s) != 0 || prepare_workers(s) != 0) {
        return ERR_INVALID;
    }
    if (loop_init(&s->loop) != 0 || mailbox_init(&s->box, &s->loop, on_mail) != 0) {
        return fail("event loop", "cannot be made");
    }
    stream_hub_init(&s->hub, &s->loop);
    timer_init(&s->drain_timer, &s->loop, on_drain_timer);
    if (watch_signal(s, &s->sigterm, SIGTERM) != 0 ||
        watch_signal(s, &s->sigint, SIGINT) != 0 || open_admin(s) != 0 ||
        check_inherited(s) != 0) {
        return ERR_INVALID;
    }
    say_started(s);
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
    tables_free(s->tables);
    scrape_free(s->scrape);
    credentials_chain_free(s->chain);
    if (s->admin) {
        admin_free(s->admin);
    }
    if (s->credentials) {
        credentials_unref(s->credentials);
    }
    if (s->tls) {
        tls_context_free(s->tls);
    }
    stream_hub_fini(&s->hub);
    loop_fini(&s->loop);
    free(s);
}

int service_run(struct config *config) {
    static struct service *s; /* stays reachable when the start fails and the process ends */
    s = calloc(1, sizeof *s);
    ASSERT(s != NULL);
    s->config = config;
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
