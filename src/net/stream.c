/* Happy path of a client: stream_connect -> on_connected -> [handshake] -> stream_opened. Of a
 * server: stream_accept -> (next turn) stream_deliver -> [PROXY header] -> [handshake] ->
 * stream_opened.
 *
 * Failure modes: a call that cannot even start returns its code. An error met inside a call or
 * in the flush is noted (stream_fail_later) and delivered in the next turn from the hub's idle
 * handle, which exists so that the poll does not sleep meanwhile. An error met in an event of
 * the loop is delivered at once (stream_fail_now). stream_close from any state, in any event:
 * every entry looks at the state again after calling the owner. */
#include "net/stream_impl.h"

#include "base/error.h"
#include "net/socket_options.h"
#include "tls/engine.h"

#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

/* An upstream that acknowledges nothing for so long is gone. */
#define UPSTREAM_USER_TIMEOUT_MS 30000u

#define BIT(state) (1u << (unsigned)(state))

static const struct {
    const char *name;
    uint32_t next;
} states[] = {
    [STREAM_NEW] = {"new", BIT(STREAM_CONNECTING) | BIT(STREAM_CLOSING)},
    [STREAM_CONNECTING] = {"connecting", BIT(STREAM_PROXY) | BIT(STREAM_HANDSHAKE) |
                                             BIT(STREAM_OPEN) | BIT(STREAM_FAILED) |
                                             BIT(STREAM_CLOSING)},
    [STREAM_PROXY] = {"proxy", BIT(STREAM_HANDSHAKE) | BIT(STREAM_OPEN) | BIT(STREAM_FAILED) |
                                   BIT(STREAM_CLOSING)},
    [STREAM_HANDSHAKE] = {"handshake",
                          BIT(STREAM_OPEN) | BIT(STREAM_FAILED) | BIT(STREAM_CLOSING)},
    [STREAM_OPEN] = {"open", BIT(STREAM_FAILED) | BIT(STREAM_CLOSING)},
    [STREAM_FAILED] = {"failed", BIT(STREAM_CLOSING)},
    [STREAM_CLOSING] = {"closing", BIT(STREAM_CLOSED)},
    [STREAM_CLOSED] = {"closed", 0},
};

static void move(struct stream *s, enum stream_state to) {
    ASSERT(states[s->state].next & BIT(to));
    s->state = (uint8_t)to;
}

/* ---- the hub ---- */

static void stream_deliver(struct stream *s);

/* Takes what is pending now; what the owners' callbacks add waits for the next turn. */
static void on_wake(uv_idle_t *wake) {
    struct stream_hub *hub = wake->data;
    struct list_node *node;
    for (size_t n = hub->pending.count; n > 0; n--) {
        if ((node = list_pop_front(&hub->pending)) == NULL) {
            break;
        }
        stream_deliver(container_of(node, struct stream, pending_node));
    }
    if (list_empty(&hub->pending)) {
        uv_idle_stop(wake); /* a stream still dirty wakes again from the flush */
    }
}

void stream_wake(struct stream_hub *hub) {
    uv_idle_start(hub->wake, on_wake);
}

static void on_wake_closed(uv_handle_t *handle) {
    free(handle);
}

void stream_hub_init(struct stream_hub *hub, struct loop *l) {
    memset(hub, 0, sizeof(*hub));
    hub->loop = l;
    spares_init(&hub->spares, STREAM_SPARES_BYTES_MAX);
    list_init(&hub->dirty);
    list_init(&hub->pending);
    list_init(&hub->open);
    NEED_MEMORY((hub->wake = malloc(sizeof(*hub->wake))) != NULL);
    uv_idle_init(&l->uv, hub->wake);
    hub->wake->data = hub;
    hub->flush.run = stream_flush_duty;
    loop_add_duty(l, &hub->flush, LOOP_RANK_FLUSH);
}

void stream_hub_fini(struct stream_hub *hub) {
    ASSERT(list_empty(&hub->open));
    ASSERT(list_empty(&hub->dirty) && list_empty(&hub->pending));
    loop_remove_duty(&hub->flush);
    /* On the heap, as it outlives the hub until the loop's next turn. */
    uv_close((uv_handle_t *)hub->wake, on_wake_closed);
    hub->wake = NULL;
    spares_fini(&hub->spares);
}

/* ---- opening ---- */

void stream_init(struct stream *s, struct stream_hub *hub, const struct stream_events *events) {
    memset(s, 0, sizeof(*s));
    s->hub = hub;
    s->events = events;
    s->reading = 1;
    list_push_back(&hub->open, &s->node);
}

void stream_opened(struct stream *s) {
    move(s, STREAM_OPEN);
    if (stream_queued(s) > 0 || s->shut) {
        stream_mark_dirty(s);
    }
    s->events->on_open(s, 0);
    stream_update_polling(s);
}

void stream_transport_ready(struct stream *s) {
    if (s->tls == NULL) {
        stream_opened(s);
        return;
    }
    move(s, STREAM_HANDSHAKE);
    stream_step_handshake(s);
}

/* The socket is connected. */
static void transport_connected(struct stream *s) {
    if (s->proxy == NULL) {
        stream_transport_ready(s);
        return;
    }
    move(s, STREAM_PROXY);
    stream_update_polling(s);
}

static void on_connected(uv_connect_t *request, int status) {
    struct stream *s = container_of(request, struct stream, connect);
    if (s->state != STREAM_CONNECTING || s->error != 0) {
        return; /* closed meanwhile */
    }
    if (status != 0) {
        stream_fail_now(s, loop_error(status));
        return;
    }
    s->connected_ns = loop_now_ns(s->hub->loop);
    transport_connected(s);
}

static int new_engine(struct stream *s, const struct stream_tls *tls, const char *peer) {
    if (tls == NULL || tls->context == NULL) {
        return 0;
    }
    int error = tls_engine_new(&s->tls, tls->context, tls->server_name, tls->sessions,
                               slice_cstr(peer));
    if (error == 0) {
        tls_engine_set_output(s->tls, &s->out);
    }
    return error;
}

static int connect_unix(struct stream *s, const struct net_address *to) {
    int rc = uv_pipe_init(&s->hub->loop->uv, &s->uv.pipe, 0);
    if (rc != 0) {
        return loop_error(rc);
    }
    s->has_handle = 1;
    uv_pipe_connect(&s->connect, &s->uv.pipe, ((const struct sockaddr_un *)&to->sa)->sun_path,
                    on_connected);
    return 0;
}

static int connect_tcp(struct stream *s, const struct net_address *to) {
    uv_os_fd_t fd;
    int rc = uv_tcp_init_ex(&s->hub->loop->uv, &s->uv.tcp, to->sa.ss_family);
    if (rc != 0) {
        return loop_error(rc);
    }
    s->has_handle = 1;
    if (uv_fileno(&s->uv.handle, &fd) == 0) {
        socket_set_tcp_options(fd);
        socket_set_user_timeout(fd, UPSTREAM_USER_TIMEOUT_MS);
    }
    rc =
        uv_tcp_connect(&s->connect, &s->uv.tcp, (const struct sockaddr *)&to->sa, on_connected);
    return rc == 0 ? 0 : loop_error(rc);
}

int stream_connect(struct stream *s, const struct net_address *to,
                   const struct stream_tls *tls) {
    char peer[NET_ADDRESS_TEXT_MAX];
    ASSERT(s->state == STREAM_NEW);
    net_address_format(to, peer);
    int error = new_engine(s, tls, peer);
    if (error == 0) {
        error = net_address_is_unix(to) ? connect_unix(s, to) : connect_tcp(s, to);
    }
    if (error == 0) {
        move(s, STREAM_CONNECTING);
    }
    return error;
}

static int open_handle(struct stream *s, int fd) {
    int domain = 0;
    socklen_t len = sizeof(domain);
    uv_loop_t *uv = &s->hub->loop->uv;
    int is_unix =
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
    int rc = is_unix ? uv_pipe_init(uv, &s->uv.pipe, 0) : uv_tcp_init(uv, &s->uv.tcp);
    if (rc != 0) {
        return rc;
    }
    s->has_handle = 1;
    return is_unix ? uv_pipe_open(&s->uv.pipe, fd) : uv_tcp_open(&s->uv.tcp, fd);
}

int stream_accept(struct stream *s, int fd, const struct stream_tls *tls) {
    ASSERT(s->state == STREAM_NEW);
    int error = new_engine(s, tls, NULL);
    if (error == 0) {
        int rc = open_handle(s, fd);
        error = rc == 0 ? 0 : loop_error(rc);
    }
    if (error != 0) {
        close(fd);
        return error;
    }
    move(s, STREAM_CONNECTING);
    stream_pend(s);
    return 0;
}

/* ---- errors and the events of the next turn ---- */

void stream_pend(struct stream *s) {
    if (!list_linked(&s->pending_node)) {
        list_push_back(&s->hub->pending, &s->pending_node);
        stream_wake(s->hub);
    }
}

void stream_fail_later(struct stream *s, int error) {
    if (s->error == 0 && s->state < STREAM_FAILED) {
        s->error = error;
        stream_pend(s);
    }
}

void stream_fail_now(struct stream *s, int error) {
    int opened = s->state == STREAM_OPEN;
    s->error = error;
    move(s, STREAM_FAILED);
    stream_update_polling(s);
    stream_send_alert(s);
    stream_drop_queue(s);
    if (list_linked(&s->pending_node)) {
        list_remove(&s->pending_node);
    }
    if (opened) {
        s->ended = 1;
        s->events->on_end(s, error);
    } else {
        s->events->on_open(s, error);
    }
}

static void finish_close(struct stream *s) {
    list_remove(&s->node);
    stream_drop_queue(s);
    buffer_fini(&s->sending);
    tls_engine_free(s->tls);
    s->tls = NULL;
    stream_drop_proxy(s);
    move(s, STREAM_CLOSED);
    s->events->on_close(s);
}

static void on_handle_closed(uv_handle_t *handle) {
    finish_close(container_of((uv_tcp_t *)handle, struct stream, uv.tcp));
}

static void stream_deliver(struct stream *s) {
    if (s->state == STREAM_CLOSING) {
        finish_close(s);
    } else if (s->error != 0) {
        stream_fail_now(s, s->error);
    } else if (s->state == STREAM_CONNECTING) {
        transport_connected(s);
    } else {
        /* Reading was resumed, or had used up its share of a turn. */
        if (s->state == STREAM_OPEN && s->tls && s->reading && !s->ended) {
            stream_read_engine(s);
        }
        stream_update_polling(s);
    }
}

void stream_close(struct stream *s) {
    if (s->state >= STREAM_CLOSING) {
        return;
    }
    move(s, STREAM_CLOSING);
    s->polling = 0;
    stream_drop_queue(s);
    if (list_linked(&s->pending_node)) {
        list_remove(&s->pending_node);
    }
    if (s->has_handle) {
        uv_close(&s->uv.handle, on_handle_closed);
    } else {
        stream_pend(s);
    }
}

void stream_reset(struct stream *s) {
    static const struct linger now = {.l_onoff = 1};
    uv_os_fd_t fd;
    if (s->has_handle && s->state < STREAM_CLOSING && uv_fileno(&s->uv.handle, &fd) == 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    stream_close(s);
}

int stream_closing(const struct stream *s) {
    return s->state >= STREAM_CLOSING;
}

/* ---- facts ---- */

void stream_peer(const struct stream *s, struct net_address *peer) {
    uv_os_fd_t fd;
    memset(peer, 0, sizeof(*peer));
    peer->len = sizeof(peer->sa);
    if (!s->has_handle || s->state >= STREAM_CLOSING || uv_fileno(&s->uv.handle, &fd) != 0 ||
        getpeername(fd, (struct sockaddr *)&peer->sa, &peer->len) != 0) {
        memset(peer, 0, sizeof(*peer));
    }
}

const char *stream_tls_reason(const struct stream *s) {
    return s->tls ? tls_engine_reason(s->tls) : NULL;
}

int stream_tls_resumed(const struct stream *s) {
    return s->tls ? tls_engine_resumed(s->tls) : 0;
}
