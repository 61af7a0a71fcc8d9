/* Happy path: listener_open_fd (main thread) -> listener_start (worker) -> the poll reports
 * connections -> accept4 until EAGAIN or LISTENER_ACCEPTS_PER_TURN -> on_accept each.
 *
 * Failure modes: a connection that died in the backlog is skipped. Out of descriptors or
 * memory: the listener rests for LISTENER_REST_MS, else a level-triggered poll would spin; one
 * with a reserve goes on until that is used up. */
#include "net/listener.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "net/socket_options.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define REST_LOG_EVERY_NS  (10 * NS_PER_S)
#define LISTENER_DRAIN_MAX 4096

static int errno_error(int errno_value) {
    switch (errno_value) {
    case EADDRINUSE:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
        return ERR_PERMISSION;
    case EMFILE:
    case ENFILE:
        return ERR_LIMIT;
    case ENOMEM:
    case ENOBUFS:
        return ERR_NOMEM;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return ERR_UNSUPPORTED;
    case ENOENT:
        return ERR_NOT_FOUND;
    default:
        return ERR_IO;
    }
}

static int failed(const char *what, char reason[128]) {
    int error = errno;
    snprintf(reason, 128, "%s: %s", what, strerror(error));
    return errno_error(error);
}

/* Is the unix socket file left over from a process that is gone? Only a socket that refuses a
 * connection is: anything else at that path is not ours to delete. */
static int unix_socket_is_stale(const struct net_address *address) {
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->sa;
    struct stat st;
    if (lstat(un->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode)) {
        return 0;
    }
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0) {
        return 0;
    }
    int stale = connect(probe, (const struct sockaddr *)&address->sa, address->len) != 0 &&
                errno == ECONNREFUSED;
    close(probe);
    return stale;
}

static int bind_address(int fd, const struct net_address *address, char reason[128]) {
    const struct sockaddr *sa = (const struct sockaddr *)&address->sa;
    if (bind(fd, sa, address->len) == 0) {
        return 0;
    }
    if (errno == EADDRINUSE && net_address_is_unix(address)) {
        if (!unix_socket_is_stale(address)) {
            errno = EADDRINUSE;
            return failed("bind", reason);
        }
        const struct sockaddr_un *un = (const struct sockaddr_un *)&address->sa;
        if (unlink(un->sun_path) != 0) {
            return failed("unlink", reason);
        }
        if (bind(fd, sa, address->len) == 0) {
            return 0;
        }
    }
    return failed("bind", reason);
}

static int set_listen_options(int fd, const struct net_address *address, int reuse_port,
                              char reason[128]) {
    int on = 1;
    if (net_address_is_unix(address)) {
        return 0;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) {
        return failed("SO_REUSEADDR", reason);
    }
    if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) {
        return failed("SO_REUSEPORT", reason);
    }
    if (address->sa.ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) {
        return failed("IPV6_V6ONLY", reason);
    }
    return 0;
}

int listener_open_fd(const struct net_address *address, int backlog, int reuse_port, int *out,
                     char reason[128]) {
    reason[0] = '\0';
    int fd = socket(address->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return failed("socket", reason);
    }
    int error = set_listen_options(fd, address, reuse_port, reason);
    if (error == 0) {
        error = bind_address(fd, address, reason);
    }
    if (error == 0 && listen(fd, backlog) != 0) {
        error = failed("listen", reason);
    }
    if (error != 0) {
        close(fd);
        return error;
    }
    *out = fd;
    return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void update_polling(struct listener *l) {
    if (l->closing) {
        return;
    }
    if (l->paused || timer_active(&l->rest)) {
        uv_poll_stop(&l->poll);
    } else {
        /* Cannot fail: it only notes what to watch. */
        uv_poll_start(&l->poll, UV_READABLE, on_readable);
    }
}

static void rest(struct listener *l, int errno_value) {
    l->rests++;
    uint64_t now = loop_now_ns(l->loop);
    if (l->rest_logged_ns == 0 || now - l->rest_logged_ns >= REST_LOG_EVERY_NS) {
        l->rest_logged_ns = now;
        log_event(LOG_ERROR, "accept_failed", log_str("reason", strerror(errno_value)),
                  log_u64("rest_ms", LISTENER_REST_MS), log_u64("rests", l->rests));
    }
    timer_start(&l->rest, LISTENER_REST_MS);
    update_polling(l);
}

/* What accept4 may say about one dead connection only (man 2 accept: network errors that were
 * already pending are passed on and must be treated like EAGAIN, by retrying). */
static int is_peers_fault(int errno_value) {
    switch (errno_value) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM: /* a firewall rule */
        return 1;
    default:
        return 0;
    }
}

static int accept_fd(const struct listener *l) {
    int fd;
    do {
        fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && errno == EMFILE && l->reserve != NULL &&
             descriptor_reserve_use(l->reserve));
    return fd;
}

/* Accepts one; returns 0 when there is none or accepting must rest. */
static int accept_one(struct listener *l) {
    int fd = accept_fd(l);
    if (fd >= 0) {
        l->accepted++;
        l->on_accept(l, fd);
        return 1;
    }
    int error = errno;
    if (error == EAGAIN || error == EWOULDBLOCK) {
        return 0;
    }
    if (is_peers_fault(error)) {
        return 1;
    }
    rest(l, error);
    return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    struct listener *l = container_of(poll, struct listener, poll);
    (void)events;
    if (status < 0) {
        rest(l, -status);
        return;
    }
    for (int i = 0; i < LISTENER_ACCEPTS_PER_TURN && !l->paused && !l->closing; i++) {
        if (!accept_one(l)) {
            break;
        }
    }
    if (l->reserve != NULL) { /* one was used to find that nobody else waits */
        descriptor_reserve_fill(l->reserve);
    }
}

static void on_rested(struct timer *t) {
    update_polling(container_of(t, struct listener, rest));
}

int listener_start(struct listener *l, struct loop *loop, int fd,
                   void (*on_accept)(struct listener *l, int fd), void *owner) {
    memset(l, 0, sizeof(*l));
    l->loop = loop;
    l->fd = fd;
    l->on_accept = on_accept;
    l->owner = owner;
    socket_set_tcp_options(fd);
    int rc = uv_poll_init(&loop->uv, &l->poll, fd);
    if (rc != 0) {
        close(fd);
        l->fd = -1;
        return loop_error(rc);
    }
    timer_init(&l->rest, loop, on_rested);
    l->open_handles = 2;
    update_polling(l);
    return 0;
}

void listener_use_reserve(struct listener *l, struct descriptor_reserve *r) {
    l->reserve = r;
}

void listener_pause(struct listener *l) {
    l->paused = 1;
    update_polling(l);
}

void listener_resume(struct listener *l) {
    l->paused = 0;
    update_polling(l);
}

void listener_drain(struct listener *l) {
    for (int i = 0; i < LISTENER_DRAIN_MAX && !l->closing && accept_one(l); i++) {
    }
}

static void maybe_closed(struct listener *l) {
    if (--l->open_handles > 0) {
        return;
    }
    if (l->on_close) {
        l->on_close(l);
    }
}

static void on_poll_close(uv_handle_t *handle) {
    maybe_closed(container_of((uv_poll_t *)handle, struct listener, poll));
}

static void on_rest_close(struct timer *t) {
    maybe_closed(container_of(t, struct listener, rest));
}

void listener_close(struct listener *l, void (*on_close)(struct listener *l)) {
    ASSERT(!l->closing);
    l->closing = 1;
    l->on_close = on_close;
    uv_close((uv_handle_t *)&l->poll, on_poll_close);
    timer_close(&l->rest, on_rest_close);
    /* Legal at once: uv_close has taken the descriptor out of the poll set. */
    close(l->fd);
    l->fd = -1;
}
