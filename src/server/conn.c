/* A connection: its states, deadlines and life.
 *
 * Happy path: conn_accept -> [on_proxied] -> on_open -> on_data -> conn_parse (input.c) ->
 * answers (answer.c)
 * -> on_drain -> idle -> on_data ... -> the peer's FIN -> the last answer -> on_close.
 *
 * Failure modes: bytes that are no request, a limit, a late peer -> conn_refuse, then FIN, the
 * peer's rest is read and dropped for a while (a close with unread input would be a reset,
 * which can overtake the answer), close. Reset -> requests in flight are abandoned, close.
 * Every event ends in conn_settle, the one place that chooses state, deadline and reading. */
#include "server/server_impl.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "net/stream_proxy.h"

#include <unistd.h>

/* How long an answer may wait for its reader when others need the memory. */
#define SLOW_READER_MS       1000
#define SLOW_READERS_AT_ONCE 16

static const struct state_def states[] = {
    [CONN_OPENING] = {"opening", STATE_BIT(CONN_READING) | STATE_BIT(CONN_BUSY) |
                                     STATE_BIT(CONN_LINGERING) | STATE_BIT(CONN_CLOSING)},
    [CONN_READING] = {"reading", STATE_BIT(CONN_BUSY) | STATE_BIT(CONN_IDLE) |
                                     STATE_BIT(CONN_LINGERING) | STATE_BIT(CONN_CLOSING)},
    [CONN_BUSY] = {"busy", STATE_BIT(CONN_READING) | STATE_BIT(CONN_IDLE) |
                               STATE_BIT(CONN_LINGERING) | STATE_BIT(CONN_CLOSING)},
    [CONN_IDLE] = {"idle", STATE_BIT(CONN_READING) | STATE_BIT(CONN_BUSY) |
                               STATE_BIT(CONN_LINGERING) | STATE_BIT(CONN_CLOSING)},
    [CONN_LINGERING] = {"lingering", STATE_BIT(CONN_CLOSING)},
    [CONN_CLOSING] = {"closing", 0},
};

/* The only place that moves a connection between the server's lists. */
static void move(struct server_conn *c, enum conn_state to) {
    if (state_of(&c->state) == to) {
        return;
    }
    state_move(&c->state, to);
    list_remove(&c->node);
    list_push_back(&c->server->by_state[to], &c->node);
}

/* --- what is logged --- */

static void log_closed(const struct server_conn *c, enum log_level level, const char *reason) {
    char ip[NET_ADDRESS_TEXT_MAX];
    if (log_threshold > level) {
        return;
    }
    net_address_format_ip(&c->peer, ip);
    log_event(level, "connection_closed", log_str("reason", reason), log_str("ip", ip),
              log_str("state", states[state_of(&c->state)].name),
              log_u64("age_ms", (loop_now_ns(c->server->loop) - c->opened_ns) / NS_PER_MS),
              log_u64("answered", c->answered), log_u64("in_flight", c->requests.count));
}

/* Why it is about to close. */
static void note(struct server_conn *c, const char *reason) {
    server_note_reason(c->server, reason);
    log_closed(c, LOG_INFO, reason);
    c->told = 1;
}

void conn_log_answer(const struct server_conn *c, const char *event, const char *reason,
                     unsigned status, const char *request_id) {
    char ip[NET_ADDRESS_TEXT_MAX];
    net_address_format_ip(&c->peer, ip);
    log_event(LOG_INFO, event, log_str("reason", reason), log_u64("status", status),
              log_str("request_id", request_id), log_str("ip", ip),
              log_str("state", states[state_of(&c->state)].name),
              log_u64("age_ms", (loop_now_ns(c->server->loop) - c->opened_ns) / NS_PER_MS),
              log_u64("answered", c->answered), log_u64("in_flight", c->requests.count));
}

/* --- deadlines --- */

static int armed(const struct server_conn *c, enum server_queue q) {
    return c->read_deadline.node.list == &c->server->queues[q].waiting;
}

static void arm(struct server_conn *c, enum server_queue q) {
    deadline_disarm(&c->read_deadline);
    deadline_arm(&c->server->queues[q], &c->read_deadline);
}

static void keep_armed(struct server_conn *c, enum server_queue q) {
    if (!armed(c, q)) {
        arm(c, q);
    }
}

/* A head has its time from the first byte on; a body, as long as it makes progress. Nobody is
 * late while it is us who do not read. */
static void arm_for_message(struct server_conn *c) {
    if (!c->reading || c->intake) { /* a body in parts has its owner's time */
        deadline_disarm(&c->read_deadline);
    } else if (!c->in_body) {
        keep_armed(c, QUEUE_HEADER);
    } else if (!armed(c, QUEUE_BODY)) {
        c->body_window = 0;
        arm(c, QUEUE_BODY);
    }
}

static void on_body_due(struct server_conn *c) {
    const struct server_options *o = &c->server->options;
    uint64_t wanted = o->body_min_rate * o->body_timeout_ms / 1000;
    if (c->body_window >= wanted && c->body_window > 0) {
        c->body_window = 0;
        arm(c, QUEUE_BODY);
        return;
    }
    conn_refuse(c, 408, "body_timeout");
}

void conn_on_due(struct deadline_queue *q, struct deadline *d) {
    struct server *s = q->owner;
    struct server_conn *c = container_of(d, struct server_conn, read_deadline);
    switch ((enum server_queue)(q - s->queues)) {
    case QUEUE_HEADER:
        conn_refuse(c, 408, "header_timeout");
        break;
    case QUEUE_BODY:
        on_body_due(c);
        break;
    case QUEUE_PROXY:
        s->timeouts++;
        conn_close(c, "proxy_timeout");
        break;
    case QUEUE_FIRST_BYTE: /* also a TLS handshake that takes too long */
        s->timeouts += s->draining ? 0 : 1;
        conn_close(c, s->draining ? "draining" : "first_byte_timeout");
        break;
    case QUEUE_IDLE:
        conn_close(c, "idle_timeout");
        break;
    case QUEUE_LINGER: /* after a last answer that has its own line; or a drain */
        if (state_of(&c->state) == CONN_LINGERING) {
            conn_end(c, "answered");
        } else {
            conn_close(c, "draining");
        }
        break;
    case QUEUE_WRITE: /* conn_on_write_due */
    case QUEUES:
        break;
    }
}

/* Bytes of answers that the kernel has taken. */
static uint64_t bytes_sent(const struct server_conn *c) {
    size_t queued = stream_queued(&c->stream); /* more than was written: TLS adds to it */
    return c->written > queued ? c->written - queued : 0;
}

void conn_watch_write(struct server_conn *c) {
    if (!list_linked(&c->write_deadline.node)) {
        c->sent_mark = bytes_sent(c);
        deadline_arm(&c->server->queues[QUEUE_WRITE], &c->write_deadline);
    }
}

void conn_on_write_due(struct deadline_queue *q, struct deadline *d) {
    struct server *s = q->owner;
    struct server_conn *c = container_of(d, struct server_conn, write_deadline);
    uint64_t sent = bytes_sent(c);
    if (sent > c->sent_mark) {
        c->sent_mark = sent;
        deadline_arm(q, d);
        return;
    }
    s->timeouts++;
    conn_close(c, "write_timeout");
}

void conn_end_slow_readers(struct server *s) {
    const struct deadline_queue *q = &s->queues[QUEUE_WRITE];
    uint64_t armed_before_ns = loop_now_ns(s->loop) - SLOW_READER_MS * NS_PER_MS;
    size_t ended = 0;
    LIST_FOR_EACH (node, &q->waiting) { /* by age */
        struct deadline *d = container_of(node, struct deadline, node);
        struct server_conn *c = container_of(d, struct server_conn, write_deadline);
        if (ended == SLOW_READERS_AT_ONCE || d->due_ns > armed_before_ns + q->length_ns) {
            return;
        }
        if (!c->broken && !conn_closing(c)) {
            conn_break(c, "slow_reader");
            ended++;
        }
    }
}

/* --- choosing what comes next --- */

static void set_reading(struct server_conn *c, int on) {
    if (on == (int)c->reading) {
        return;
    }
    c->reading = on != 0;
    if (on) {
        stream_read_start(&c->stream);
    } else {
        stream_read_stop(&c->stream);
    }
}

static int sent_all(const struct server_conn *c) {
    return stream_queued(&c->stream) == 0;
}

/* All is answered and nothing more will be: FIN behind the last answer. */
static void finish(struct server_conn *c) {
    if (c->written == 0 || (c->peer_done && sent_all(c))) {
        conn_end(c, "client_closed");
        return;
    }
    move(c, CONN_LINGERING);
    conn_drop_parser(c);
    buffer_fini(&c->input);
    conn_account(c);
    deadline_disarm(&c->read_deadline);
    stream_shutdown(&c->stream);
    set_reading(c, !c->peer_done);
    if (sent_all(c)) {
        arm(c, QUEUE_LINGER); /* else when the answer is out */
    }
}

/* Neither a request in hand nor the prospect of one. */
static int is_over(const struct server_conn *c) {
    if (!list_empty(&c->requests) || (c->input.len > 0 && !c->no_more)) {
        return 0;
    }
    return c->no_more || c->peer_done;
}

static void wait_for_request(struct server_conn *c) {
    enum conn_state state = state_of(&c->state);
    if (state == CONN_OPENING) {
        keep_armed(c, c->server->draining ? QUEUE_LINGER : QUEUE_FIRST_BYTE);
        return;
    }
    if (c->server->draining) {
        keep_armed(c, QUEUE_LINGER);
    } else if (state != CONN_IDLE) {
        arm(c, QUEUE_IDLE);
    }
    move(c, CONN_IDLE);
}

void conn_settle(struct server_conn *c) {
    enum conn_state state = state_of(&c->state);
    conn_account(c);
    if (sent_all(c)) { /* not only on_drain says so: see stream_flush */
        deadline_disarm(&c->write_deadline);
    } else if (state != CONN_CLOSING) {
        conn_watch_write(c);
    }
    if (state == CONN_LINGERING || state == CONN_CLOSING || c->broken || c->cut) {
        return;
    }
    if (c->peer_done && c->input.len == 0 && c->intake) {
        c->left = 1;
        conn_close(c, "incomplete_request");
        return;
    }
    if (c->peer_done && c->input.len == 0 && !c->no_more && conn_arriving(c)) {
        note(c, "incomplete_request");
        c->no_more = 1; /* what was asked before is still answered */
    }
    if (is_over(c)) {
        finish(c);
        return;
    }
    set_reading(c, conn_may_parse(c) && c->input.len == 0 && !c->peer_done);
    if (conn_arriving(c)) {
        move(c, CONN_READING);
        arm_for_message(c);
    } else if (!list_empty(&c->requests) || c->input.len > 0 || !sent_all(c)) {
        move(c, CONN_BUSY);
        deadline_disarm(&c->read_deadline);
    } else {
        wait_for_request(c);
    }
}

/* --- the stream's events --- */

static struct server_conn *conn_of(struct stream *stream) {
    return container_of(stream, struct server_conn, stream);
}

/* Above its limit an address is told so; above twice the limit, where those who are being told
 * are as many again, not even that. */
static void count_address(struct server_conn *c) {
    struct server *s = c->server;
    size_t max = s->options.connections_per_address;
    if (max == 0 || net_ranges_contain(&s->options.trust.addresses, &c->peer)) {
        return;
    }
    c->address = addresses_add(&s->addresses, &c->peer);
    if (c->address == NULL || c->address->connections <= max) {
        return;
    }
    if (c->address->connections > 2 * max) {
        conn_close(c, "connections_per_address");
        return;
    }
    c->surplus = 1;
}

/* Who speaks for itself (a health check) keeps its own address. */
static void on_proxied(struct stream *stream, const struct proxy_header *header) {
    struct server_conn *c = conn_of(stream);
    c->proxied = 0;
    if (header->has_addresses) {
        c->peer = header->source;
        c->port = net_address_port(&header->destination);
        count_address(c);
        if (conn_closing(c)) {
            return;
        }
    }
    arm(c, c->server->draining ? QUEUE_LINGER : QUEUE_FIRST_BYTE);
}

static void on_open(struct stream *stream, int error) {
    struct server_conn *c = conn_of(stream);
    const char *proxy = c->proxied ? stream_proxy_reason(stream) : NULL;
    if (error && proxy != NULL) {
        conn_close(c, proxy);
    } else if (error && (c->proxied || error == ERR_CLOSED)) {
        conn_end(c, "client_closed");
    } else if (error) {
        conn_close(c, "tls_handshake");
    } else if (c->surplus) {
        c->message_ns = loop_now_ns(c->server->loop);
        conn_refuse(c, 503, "connections_per_address");
    }
}

/* What the peer still sends after its last answer. */
static void drop_input(struct server_conn *c, size_t len) {
    c->lingered += len;
    if (c->lingered <= c->server->options.linger_bytes) {
        return;
    }
    if (sent_all(c)) {
        conn_end(c, "answered");
    } else {
        set_reading(c, 0);
    }
}

static void on_data(struct stream *stream, char *data, size_t len) {
    struct server_conn *c = conn_of(stream);
    if (state_of(&c->state) == CONN_LINGERING) {
        drop_input(c, len);
        return;
    }
    uint64_t written = c->written;
    conn_take(c, data, len);
    bool all_answered = c->written > written && list_empty(&c->requests) && c->input.len == 0;
    if (all_answered && state_of(&c->state) < CONN_LINGERING) { /* no turn of waiting */
        move(c, CONN_BUSY);
        stream_flush(&c->stream);
    }
    conn_settle(c);
}

/* The stream broke. Who waits for nothing may leave as it likes. */
static void fail(struct server_conn *c, int error) {
    enum conn_state state = state_of(&c->state);
    if (error == ERR_TLS || error == ERR_PROTOCOL) {
        conn_close(c, "tls_failed");
    } else if (state == CONN_IDLE || state == CONN_LINGERING || state == CONN_OPENING) {
        conn_end(c, "client_closed");
    } else {
        c->left = 1;
        conn_close(c, "reset");
    }
}

static void on_end(struct stream *stream, int error) {
    struct server_conn *c = conn_of(stream);
    if (error) {
        fail(c, error);
        return;
    }
    /* Half-closed: what has been asked is still answered. */
    c->peer_done = 1;
    c->reading = 0;
    if (state_of(&c->state) == CONN_LINGERING) {
        if (sent_all(c)) {
            conn_end(c, "answered");
        }
        return;
    }
    conn_settle(c);
}

static void on_drain(struct stream *stream) {
    struct server_conn *c = conn_of(stream);
    deadline_disarm(&c->write_deadline);
    conn_account(c);
    if (state_of(&c->state) == CONN_LINGERING) {
        if (c->peer_done || !c->reading) {
            conn_end(c, "answered");
        } else {
            keep_armed(c, QUEUE_LINGER);
        }
        return;
    }
    int starved = !list_empty(&c->requests) && slot_of(c->requests.first)->starved;
    if (starved || (c->input.len > 0 && conn_may_parse(c))) {
        server_resume_later(c->server, c);
    }
    conn_settle(c);
}

static void on_close(struct stream *stream) {
    struct server_conn *c = conn_of(stream);
    struct server *s = c->server;
    ASSERT(list_empty(&c->requests) && c->parser == NULL && c->held == 0);
    if (c->address != NULL) {
        addresses_remove(&s->addresses, c->address);
    }
    list_remove(&c->node);
    slab_release(&s->conns, c);
    server_conn_gone(s);
}

static const struct stream_events stream_events = {
    .on_open = on_open,
    .on_data = on_data,
    .on_end = on_end,
    .on_drain = on_drain,
    .on_close = on_close,
};

/* --- life --- */

/* The PROXY header of a connection that may bring one; who may not is closed unheard. */
static void expect_proxy(struct server_conn *c, const struct net_ranges *proxies) {
    c->proxied = 1;
    if (c->peer.sa.ss_family == AF_UNSPEC) { /* it has gone already */
        conn_end(c, "client_closed");
        return;
    }
    if (!net_ranges_contain(proxies, &c->peer)) {
        conn_close(c, "proxy_untrusted");
        return;
    }
    arm(c, c->server->draining ? QUEUE_LINGER : QUEUE_PROXY);
}

void conn_accept(struct server_listener *from, int fd) {
    struct server *s = from->server;
    struct server_conn *c = slab_acquire(&s->conns);
    if (c == NULL) { /* out of memory: the caller keeps the limit */
        (void)close(fd);
        server_note_reason(s, "no_memory");
        log_event(LOG_INFO, "connection_closed", log_str("reason", "no_memory"));
        return;
    }
    memset(c, 0, sizeof(*c));
    c->server = s;
    s->accepted++;
    state_init(&c->state, "server_conn", states, CONN_OPENING);
    list_push_back(&s->by_state[CONN_OPENING], &c->node);
    list_init(&c->requests);
    c->opened_ns = loop_now_ns(s->loop);
    c->reading = 1;
    c->tls = from->tls != NULL;
    c->port = from->port;
    stream_init(&c->stream, s->hub, &stream_events);
    struct stream_tls with = {.context = from->tls};
    if (from->proxies != NULL && stream_expect_proxy(&c->stream, on_proxied)) {
        close(fd);
        conn_close(c, "no_memory");
        return;
    }
    if (stream_accept(&c->stream, fd, &with)) {
        conn_close(c, "accept_failed");
        return;
    }
    stream_peer(&c->stream, &c->peer);
    if (from->proxies != NULL) {
        expect_proxy(c, from->proxies);
        return;
    }
    count_address(c);
    if (conn_closing(c)) {
        return;
    }
    arm(c, s->draining ? QUEUE_LINGER : QUEUE_FIRST_BYTE);
}

void conn_abandon_requests(struct server_conn *c, const char *reason) {
    struct server *s = c->server;
    struct list_node *node;
    c->intake = NULL;
    while ((node = list_pop_front(&c->requests)) != NULL) {
        struct server_slot *slot = slot_of(node);
        if (slot->owned) {
            slot->owned = 0;
            s->in_flight--;
            s->events->on_abandon(slot->request.owner, &slot->request, reason);
        }
        slot_free(slot);
    }
}

static void close_now(struct server_conn *c, const char *reason) {
    move(c, CONN_CLOSING);
    deadline_disarm(&c->read_deadline);
    deadline_disarm(&c->write_deadline);
    if (list_linked(&c->resume_node)) {
        list_remove(&c->resume_node);
    }
    conn_drop_parser(c);
    buffer_fini(&c->input);
    conn_account(c);
    stream_close(&c->stream);
    conn_abandon_requests(c, c->left ? NULL : reason);
}

void conn_close(struct server_conn *c, const char *reason) {
    if (!conn_closing(c)) {
        note(c, reason);
        close_now(c, reason);
    }
}

void conn_end(struct server_conn *c, const char *reason) {
    if (conn_closing(c)) {
        return;
    }
    if (!c->told) {
        log_closed(c, LOG_DEBUG, reason);
    }
    close_now(c, reason);
}
