/* The way in, opened before any thread runs: the connection limit fitted into the descriptor
 * limit, every listening socket, the workers with their shares of both. */
#include "app/service_impl.h"

#include "base/error.h"
#include "net/listener.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>

#define OWN_DESCRIPTORS    64 /* standard streams, loops, admin, files */
#define WORKER_DESCRIPTORS 16

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
        return service_fail("RLIMIT_NOFILE", "cannot be read");
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
        return service_fail("limits.connections", why);
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
        return *fd >= 0 ? 0 : service_fail(l->text, "cannot be shared by the workers");
    }
    *fd = shared[i];
    if (*fd < 0 && listener_open_fd(&l->address, SERVICE_BACKLOG, !is_unix, fd, reason) != 0) {
        return service_fail(l->text, reason);
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

static int say_errors(struct config_errors *errors) {
    int bad = errors->count > 0;
    (void)fprintf(stderr, SLICE_FMT, SLICE_ARG(buffer_slice(&errors->text)));
    config_errors_fini(errors);
    return bad ? ERR_INVALID : 0;
}

static struct edition_plan *plan_first(struct service *s) {
    struct config_errors errors;
    config_errors_init(&errors, s->config->file);
    struct edition_plan *plan = edition_plan_new(s->config, s->now->number, &errors);
    return say_errors(&errors) == 0 ? plan : NULL;
}

static int init_natives(struct service *s) {
    struct config_errors errors;
    config_errors_init(&errors, s->config->file);
    int error = service_init_natives(s, s->config, &errors);
    int said = say_errors(&errors);
    return error ? error : said;
}

static int prepare_worker(struct service *s, size_t index, int *shared) {
    char reason[256];
    int fds[256];
    size_t share = s->config->connections / s->worker_count;
    struct edition_plan *plan = plan_first(s);
    struct worker_setup setup = {
        plan, &s->endpoint, (unsigned)index, share ? share : 1, service_notice, s};

    if (!plan) {
        return ERR_INVALID;
    }
    if (s->config->listen_count > sizeof fds / sizeof fds[0]) {
        return service_fail("listen", "at most 256 addresses");
    }
    if (open_listeners(s, index, shared, fds) != 0) {
        return ERR_INVALID;
    }
    s->workers[index] = worker_new(&setup, fds, reason);
    return s->workers[index] ? 0 : service_fail("cannot start", reason);
}

int service_open_doors(struct service *s) {
    int shared[256];
    s->worker_count = config_worker_count(s->config);
    NEED_MEMORY((s->workers = calloc(s->worker_count, sizeof(struct worker *))) != NULL);
    NEED_MEMORY((s->turns = calloc(s->worker_count, sizeof *s->turns)) != NULL);
    if (fit_connections(s) != 0 || init_natives(s) != 0) {
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
