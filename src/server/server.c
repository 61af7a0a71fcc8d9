/* Life of a server: listeners, bounds on connections, drain and close.
 *
 * Happy path: server_new -> server_listen ... -> server_drain -> on_drained -> server_close ->
 * on_closed -> server_free. server_close may come at any time instead of the drain; on_closed
 * runs once every connection, listener and timer has closed. */
#include "server/server_impl.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

#include <stdlib.h>
#include <unistd.h>

#define PAUSE_LOG_EVERY_NS (10 * NS_PER_S)

const struct server_options server_options_default = {
    .http =
        {
            .head_bytes = 16384,
            .target_bytes = 8192,
            .header_count = 100,
            .body_bytes = 10485760,
            .chunk_extension_bytes = 1024,
            .trailer_bytes = 2048,
        },
    .connections = 16384,
    .pipeline_depth = 32,
    .out_bytes = 262144,
    .request_bytes = 268435456,
    .header_timeout_ms = 10000,
    .body_timeout_ms = 10000,
    .body_min_rate = 100,
    .first_byte_timeout_ms = 10000,
    .proxy_header_timeout_ms = 5000,
    .idle_timeout_ms = 75000,
    .write_timeout_ms = 30000,
    .linger_ms = 2000,
    .linger_bytes = 65536,
};

static void maybe_drained(struct server *s) {
    if (s->conns.used > 0 || s->on_drained == NULL) {
        return;
    }
    void (*on_drained)(void *arg) = s->on_drained;
    s->on_drained = NULL;
    on_drained(s->drained_arg);
}

static void on_wake(struct timer *t) {
    struct server *s = container_of(t, struct server, wake);
    struct list_node *node;
    /* Those that ask again while this runs wait for the next turn. */
    for (size_t n = s->resume.count; n > 0 && (node = list_pop_front(&s->resume)); n--) {
        conn_resume(container_of(node, struct server_conn, resume_node));
    }
    maybe_drained(s);
}

void server_resume_later(struct server *s, struct server_conn *c) {
    if (!list_linked(&c->resume_node)) {
        list_push_back(&s->resume, &c->resume_node);
        if (!timer_active(&s->wake)) {
            timer_start(&s->wake, 0);
        }
    }
}

void server_set_timeouts(struct server *s) {
    const struct server_options *o = &s->options;
    const uint64_t lengths_ms[QUEUES] = {
        [QUEUE_PROXY] = o->proxy_header_timeout_ms,
        [QUEUE_FIRST_BYTE] = o->first_byte_timeout_ms,
        [QUEUE_HEADER] = o->header_timeout_ms,
        [QUEUE_BODY] = o->body_timeout_ms,
        [QUEUE_IDLE] = o->idle_timeout_ms,
        [QUEUE_LINGER] = o->linger_ms,
        [QUEUE_WRITE] = o->write_timeout_ms,
    };
    for (int i = 0; i < QUEUES; i++) {
        deadline_queue_set_length(&s->queues[i], lengths_ms[i]);
    }
}

struct server *server_new(struct loop *l, struct stream_hub *hub,
                          const struct server_options *options,
                          const struct server_events *events, void *owner) {
    ASSERT(http_self_test() == 0);
    struct server *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return NULL;
    }
    s->loop = l;
    s->hub = hub;
    s->options = *options;
    s->parsers = options->parsers ? options->parsers : &s->own_parsers;
    s->events = events;
    s->owner = owner;
    ASSERT(options->pipeline_depth > 0 && options->connections > 0);
    slab_init(&s->conns, "server_conn", sizeof(struct server_conn), options->connections);
    addresses_init(&s->addresses, options->connections);
    slab_init(&s->slots, "server_request", sizeof(struct server_slot), 0);
    slab_init(&s->kept, "server_answer", KEPT_CHUNK_BYTES, 0);
    for (int i = 0; i < CONN_STATES; i++) {
        list_init(&s->by_state[i]);
    }
    list_init(&s->resume);
    list_init(&s->listeners);
    for (int i = 0; i < QUEUES; i++) {
        deadline_queue_init(&s->queues[i], l, 0,
                            i == QUEUE_WRITE ? conn_on_write_due : conn_on_due, s);
    }
    server_set_timeouts(s);
    timer_init(&s->wake, l, on_wake);
    s->open_timers = QUEUES + 1;
    rng_seed_random(&s->rng);
    return s;
}

/* --- listeners --- */

/* At the limit every connection that ends lets one in: the line comes once in a while. */
static void note_pause(struct server *s) {
    uint64_t now = loop_now_ns(s->loop);
    server_note_reason(s, "accept_paused");
    if (s->pause_logged_ns == 0 || now - s->pause_logged_ns >= PAUSE_LOG_EVERY_NS) {
        s->pause_logged_ns = now;
        log_event(LOG_WARN, "accept_paused", log_str("reason", "connection_limit"),
                  log_u64("connections", s->conns.used));
    }
}

static void on_accept(struct listener *l, int fd) {
    struct server_listener *from = l->owner;
    struct server *s = from->server;
    if (s->conns.used == s->options.connections) {
        close(fd); /* only from the backlog that a drain empties: else accepting is paused */
        server_note_reason(s, "connection_limit");
        log_event(LOG_INFO, "connection_closed", log_str("reason", "connection_limit"));
        return;
    }
    conn_accept(from, fd);
    if (s->conns.used == s->options.connections && !s->paused) {
        s->paused = 1;
        note_pause(s);
        LIST_FOR_EACH (node, &s->listeners) {
            listener_pause(&container_of(node, struct server_listener, node)->listener);
        }
    }
}

static uint16_t port_of(int fd) {
    struct net_address own = {.len = sizeof(own.sa)};
    return getsockname(fd, (struct sockaddr *)&own.sa, &own.len) == 0 ? net_address_port(&own)
                                                                      : 0;
}

int server_listen(struct server *s, int fd, struct tls_context *tls) {
    return server_listen_proxied(s, fd, tls, NULL);
}

int server_listen_proxied(struct server *s, int fd, struct tls_context *tls,
                          const struct net_ranges *proxies) {
    struct server_listener *l;
    NEED_MEMORY((l = calloc(1, sizeof(*l))) != NULL);
    l->server = s;
    l->tls = tls;
    l->proxies = proxies;
    l->port = port_of(fd);
    int error = listener_start(&l->listener, s->loop, fd, on_accept, l);
    if (error) {
        free(l);
        return error;
    }
    listener_use_reserve(&l->listener, s->options.reserve);
    list_push_back(&s->listeners, &l->node);
    return 0;
}

static void maybe_closed(struct server *s);

static void on_listener_closed(struct listener *listener) {
    struct server_listener *l = container_of(listener, struct server_listener, listener);
    struct server *s = l->server;
    list_remove(&l->node);
    free(l);
    maybe_closed(s);
}

static void close_listeners(struct server *s) {
    LIST_FOR_EACH (node, &s->listeners) {
        struct server_listener *l = container_of(node, struct server_listener, node);
        if (!l->listener.closing) {
            listener_close(&l->listener, on_listener_closed);
        }
    }
}

/* --- drain and close --- */

/* An idle connection stays for linger_ms: its peer may be sending a request just now, which is
 * then answered, with Connection: close. */
void server_drain(struct server *s, void (*on_drained)(void *arg), void *arg) {
    if (s->draining || s->closing) {
        return;
    }
    LIST_FOR_EACH (node, &s->listeners) {
        /* Who has connected already is not turned away. */
        listener_drain(&container_of(node, struct server_listener, node)->listener);
    }
    s->draining = 1;
    s->on_drained = on_drained;
    s->drained_arg = arg;
    close_listeners(s);
    static const enum conn_state waiting[] = {CONN_OPENING, CONN_IDLE};
    for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++) {
        LIST_FOR_EACH_SAFE (node, follow, &s->by_state[waiting[i]]) {
            conn_settle(container_of(node, struct server_conn, node));
        }
    }
    timer_start(&s->wake, 0); /* on_drained never runs inside this call */
}

static void on_timer_closed(struct timer *t) {
    struct deadline_queue *q = container_of(t, struct deadline_queue, timer);
    struct server *s = q->owner;
    s->open_timers--;
    maybe_closed(s);
}

static void on_wake_closed(struct timer *t) {
    struct server *s = container_of(t, struct server, wake);
    s->open_timers--;
    maybe_closed(s);
}

/* The close gate. The timers go last: connections disarm their deadlines until then. */
static void maybe_closed(struct server *s) {
    if (!s->closing || s->conns.used > 0 || !list_empty(&s->listeners)) {
        return;
    }
    if (!s->closing_timers) {
        s->closing_timers = 1;
        for (int i = 0; i < QUEUES; i++) {
            deadline_queue_close(&s->queues[i], on_timer_closed);
        }
        timer_close(&s->wake, on_wake_closed);
        return;
    }
    if (s->open_timers > 0) {
        return;
    }
    s->on_closed(s->closed_arg);
}

void server_conn_gone(struct server *s) {
    if (s->paused && !s->draining && !s->closing) {
        s->paused = 0;
        LIST_FOR_EACH (node, &s->listeners) {
            listener_resume(&container_of(node, struct server_listener, node)->listener);
        }
    }
    if (s->options.reserve != NULL) {
        descriptor_reserve_fill(s->options.reserve);
    }
    maybe_drained(s);
    maybe_closed(s);
}

void server_close(struct server *s, void (*on_closed)(void *arg), void *arg) {
    ASSERT(!s->closing);
    s->closing = 1;
    s->on_drained = NULL;
    s->on_closed = on_closed;
    s->closed_arg = arg;
    close_listeners(s);
    for (int state = 0; state < CONN_CLOSING; state++) {
        struct list_node *node;
        while ((node = s->by_state[state].first) != NULL) {
            struct server_conn *c = container_of(node, struct server_conn, node);
            if (c->requests.count > 0) {
                conn_close(c, "shutdown");
            } else {
                conn_end(c, "shutdown");
            }
        }
    }
    maybe_closed(s);
}

void server_parsers_fini(struct server_parsers *p) {
    while (p->count > 0) {
        http_request_parser_free(p->spare[--p->count]);
    }
}

void server_free(struct server *s) {
    if (s == NULL) {
        return;
    }
    ASSERT(s->closing && s->open_timers == 0 && s->bytes == 0 && s->in_flight == 0);
    server_parsers_fini(&s->own_parsers);
    slab_fini(&s->slots);
    slab_fini(&s->kept);
    addresses_fini(&s->addresses);
    slab_fini(&s->conns);
    free(s);
}

/* --- counting --- */

void server_note_reason(struct server *s, const char *reason) {
    size_t i = 0;
    while (i < s->reason_count && strcmp(s->reasons[i].name, reason) != 0) {
        i++;
    }
    if (i == SERVER_REASONS_MAX) {
        return;
    }
    if (i == s->reason_count) {
        s->reasons[s->reason_count++].name = reason;
    }
    s->reasons[i].count++;
}

const struct server_reason *server_reasons(const struct server *s, size_t *count) {
    *count = s->reason_count;
    return s->reasons;
}

void server_count(const struct server *s, struct server_counts *out) {
    *out = (struct server_counts){
        .connections = s->conns.used,
        .requests_in_flight = s->in_flight,
        .accepted = s->accepted,
        .requests = s->requests,
        .refused = s->refused,
        .timeouts = s->timeouts,
        .request_bytes = s->bytes,
        .conn_slab_bytes = s->conns.bytes,
        .request_slab_bytes = s->slots.bytes + s->kept.bytes,
    };
}
