/* One pooled connection.
 *
 * Happy path: conn_open -> on_open -> idle -> exchange_start fills a slot (busy, full) ->
 * on_data completes its response -> idle again -> ... -> conn_close (idle limit) or conn_drain
 * (maximum age) -> on_close, the only place where it is freed.
 * Failure modes:
 * - no connection within connect_timeout_ms, refused, TLS: connect_failed, the address rests.
 * - the peer closes: noticed at once also while idle, since a reader is always armed.
 * - bytes nobody asked for, or a malformed response: the connection is poisoned and closed.
 * - a response later than response_timeout_ms: closed, what waits behind it fails too.
 * - `Connection: close`: no new exchange, closed after that response. */
#include "client/pool_impl.h"

#define HEAD_MAX 65536              /* bytes of a response head */
#define YOUNG_NS (1000 * NS_PER_MS) /* ended at this age without an answer: a failure */

static const struct state_def conn_states[CONN_STATES] = {
    [CONN_CONNECTING] = {"connecting", STATE_BIT(CONN_IDLE) | STATE_BIT(CONN_CLOSING)},
    [CONN_IDLE] = {"idle", STATE_BIT(CONN_BUSY) | STATE_BIT(CONN_FULL) |
                               STATE_BIT(CONN_DRAINING) | STATE_BIT(CONN_CLOSING)},
    [CONN_BUSY] = {"busy", STATE_BIT(CONN_IDLE) | STATE_BIT(CONN_BUSY) | STATE_BIT(CONN_FULL) |
                               STATE_BIT(CONN_DRAINING) | STATE_BIT(CONN_CLOSING)},
    [CONN_FULL] = {"full", STATE_BIT(CONN_IDLE) | STATE_BIT(CONN_BUSY) |
                               STATE_BIT(CONN_DRAINING) | STATE_BIT(CONN_CLOSING)},
    [CONN_DRAINING] = {"draining", STATE_BIT(CONN_CLOSING)},
    [CONN_CLOSING] = {"closing", 0},
};

static void pool_conn_move(struct pool_conn *c, enum pool_conn_state to) {
    struct pool *p = c->pool;
    state_move(&c->machine, to);
    list_remove(&c->node);
    if (to == CONN_IDLE) {
        list_push_front(&p->conns[to], &c->node);
    } else {
        list_push_back(&p->conns[to], &c->node);
    }
}

void pool_conn_settle(struct pool_conn *c) {
    size_t depth = c->pool->options.pipeline_depth;
    pool_conn_move(c, c->slots_used == 0      ? CONN_IDLE
                      : c->slots_used < depth ? CONN_BUSY
                                              : CONN_FULL);
}

struct pool_slot *pool_conn_slot(struct pool_conn *c, unsigned i) {
    unsigned depth = (unsigned)c->pool->options.pipeline_depth;
    unsigned at = c->slots_first + i;
    return &c->slots[at >= depth ? at - depth : at];
}

static int pool_conn_usable(const struct pool_conn *c) {
    enum pool_conn_state s = pool_conn_state(c);
    return s == CONN_IDLE || s == CONN_BUSY || s == CONN_FULL;
}

/* Its places no longer count. */
static void pool_conn_leave_service(struct pool_conn *c, enum pool_conn_state to) {
    struct pool *p = c->pool;
    if (pool_conn_usable(c)) {
        p->taken -= c->slots_used;
    }
    if (p->retiring == c) {
        p->retiring = NULL;
    }
    pool_conn_move(c, to);
}

static void log_closed(struct pool_conn *c, int error, const char *reason) {
    struct pool *p = c->pool;
    enum log_level level = error && error != ERR_CANCELED ? LOG_WARN : LOG_DEBUG;
    if (level < log_threshold) {
        return;
    }
    char peer[NET_ADDRESS_TEXT_MAX];
    net_address_format(&c->to, peer);
    log_event(level, "upstream_closed", log_str("host", p->options.host), log_str("peer", peer),
              log_str("reason", reason), log_str("error", error ? error_name(error) : ""),
              log_str("state", conn_states[pool_conn_state(c)].name),
              log_u64("age_ms", (loop_now_ns(p->loop) - c->started_ns) / NS_PER_MS),
              log_u64("exchanges", c->answered), log_u64("in_flight", c->slots_used));
}

/* It opened, and never answered: not when it was used, or not for long enough to be used. */
static int of_no_use(const struct pool_conn *c, int error) {
    int young = loop_now_ns(c->pool->loop) - c->opened_ns < YOUNG_NS;
    return c->answered == 0 && ((error && c->slots_used > 0) || young);
}

void pool_conn_close(struct pool_conn *c, int error, const char *reason) {
    struct pool *p = c->pool;
    ASSERT(pool_conn_state(c) != CONN_CLOSING);
    log_closed(c, error, reason);
    p->counts.closed_error +=
        error && error != ERR_CANCELED && pool_conn_state(c) != CONN_CONNECTING;
    if (list_linked(&c->connect.node)) {
        deadline_disarm(&c->connect);
    } else if (error != ERR_CANCELED && of_no_use(c, error)) {
        pool_addresses_failed(p, &c->to); /* do not hurry back */
    }
    pool_conn_leave_service(c, CONN_CLOSING);
    exchange_abandon(c, error ? error : ERR_CLOSED, reason);
    stream_close(&c->stream);
    pool_set_alarm(p, loop_now_ns(p->loop)); /* for what failed, and for a successor */
}

void pool_conn_drain(struct pool_conn *c, int error, const char *reason) {
    c->end_error = error;
    c->end_reason = reason;
    if (c->slots_used == 0) {
        pool_conn_close(c, error, reason);
    } else if (pool_conn_state(c) != CONN_DRAINING) {
        pool_conn_leave_service(c, CONN_DRAINING);
    }
}

static void connect_failed(struct pool_conn *c, int error) {
    struct pool *p = c->pool;
    const char *tls = stream_tls_reason(&c->stream);
    const char *why = tls && tls[0]           ? tls
                      : error == ERR_TIMEOUT  ? "connect timed out"
                      : error == ERR_CANCELED ? "connect canceled"
                                              : error_text(error);
    char peer[NET_ADDRESS_TEXT_MAX];
    net_address_format(&c->to, peer);
    snprintf(p->last_error, sizeof p->last_error, "%s (%s): %s", p->options.host, peer, why);
    p->connect_failures++;
    p->counts.connect_failures++;
    pool_addresses_failed(p, &c->to);
    pool_conn_close(c, error, why);
}

/* --- events of the stream --- */

/* The loop's time is from before the last step of the handshake, the dear one. */
static void count_opened(struct pool_conn *c) {
    struct pool_counts *counts = &c->pool->counts;
    uint64_t connected_ns = c->stream.connected_ns;
    buckets_add(&counts->connect_ns, buckets_wait_ns, connected_ns - c->started_ns);
    if (c->pool->options.tls) {
        counts->handshakes++;
        counts->resumed += stream_tls_resumed(&c->stream) != 0;
        buckets_add(&counts->handshake_ns, buckets_wait_ns,
                    clock_monotonic_ns() - connected_ns);
    }
}

static void on_open(struct stream *s, int error) {
    struct pool_conn *c = container_of(s, struct pool_conn, stream);
    struct pool *p = c->pool;
    if (error) {
        connect_failed(c, error);
        pool_after_event(p);
        return;
    }
    deadline_disarm(&c->connect);
    c->opened_ns = c->alive_ns = loop_now_ns(p->loop);
    p->connect_failures = 0;
    p->counts.connects++;
    count_opened(c);
    pool_conn_move(c, CONN_IDLE);
    pool_on_opened(p);
    pool_after_event(p);
}

/* Whether a response can be for what stands in the first slot: its request has left. */
static int expects_response(struct pool_conn *c) {
    return c->slots_used > 0 && exchange_may_have_left(pool_conn_slot(c, 0));
}

/* Feeds one response's bytes; what was used, or 0 when the connection is of no more use. */
static size_t feed(struct pool_conn *c, char *data, size_t len) {
    struct pool *p = c->pool;
    if (!expects_response(c)) {
        pool_conn_close(c, ERR_PROTOCOL, "bytes nobody asked for");
        return 0;
    }
    if (!c->expecting) {
        http_response_parser_expect(c->parser, pool_conn_slot(c, 0)->method);
        c->expecting = 1;
    }
    size_t used = 0;
    switch (http_response_parser_feed(c->parser, data, len, &used)) {
    case HTTP_PARSE_MORE:
    case HTTP_PARSE_HEAD:
        return len;
    case HTTP_PARSE_DONE:
        break;
    case HTTP_PARSE_ERROR:
        snprintf(p->reason, sizeof p->reason, "malformed response: %s",
                 http_response_parser_reason(c->parser));
        pool_conn_close(c, ERR_PROTOCOL, p->reason);
        return 0;
    }
    exchange_answered(c);
    return pool_conn_state(c) == CONN_CLOSING ? 0 : used;
}

static void on_data(struct stream *s, char *data, size_t len) {
    struct pool_conn *c = container_of(s, struct pool_conn, stream);
    c->alive_ns = loop_now_ns(c->pool->loop);
    while (len > 0 && pool_conn_state(c) != CONN_CLOSING) {
        size_t used = feed(c, data, len);
        if (used == 0) {
            break;
        }
        data += used;
        len -= used;
    }
    pool_after_event(c->pool);
}

static void on_end(struct stream *s, int error) {
    struct pool_conn *c = container_of(s, struct pool_conn, stream);
    struct pool *p = c->pool;
    if (error == 0 && c->expecting && http_response_parser_end(c->parser) == HTTP_PARSE_DONE) {
        pool_conn_drain(c, 0, "closed by the peer to end a response");
        exchange_answered(c);
    }
    if (pool_conn_state(c) != CONN_CLOSING && c->slots_used == 0) {
        p->counts.closed_peer++;
        pool_conn_close(c, 0, "closed by the peer while idle");
    } else if (pool_conn_state(c) != CONN_CLOSING) {
        pool_conn_close(c, error ? error : ERR_CLOSED,
                        "closed by the peer before the response");
    }
    pool_after_event(p);
}

static void on_close(struct stream *s) {
    struct pool_conn *c = container_of(s, struct pool_conn, stream);
    struct pool *p = c->pool;
    ASSERT(pool_conn_state(c) == CONN_CLOSING && c->slots_used == 0);
    list_remove(&c->node);
    http_response_parser_free(c->parser);
    slab_release(&p->slab, c);
    pool_maybe_closed(p);
}

static const struct stream_events conn_events = {
    .on_open = on_open,
    .on_data = on_data,
    .on_end = on_end,
    .on_close = on_close,
};

/* --- opening --- */

/* limit_ms less up to a fifth, so that connections opened together do not end together. */
static uint64_t jittered_ns(struct pool *p, uint64_t limit_ms) {
    uint64_t ns = limit_ms * NS_PER_MS;
    return ns - rng_below(&p->rng, ns / 5 + 1);
}

int pool_conn_open(struct pool *p, const struct net_address *to) {
    struct http_response_parser *parser =
        http_response_parser_new(HEAD_MAX, p->options.response_body_max);
    struct pool_conn *c = parser ? slab_acquire(&p->slab) : NULL;
    if (c == NULL) {
        http_response_parser_free(parser);
        return ERR_NOMEM;
    }
    memset(c, 0, p->slab.object_len);
    c->pool = p;
    c->to = *to;
    c->started_ns = loop_now_ns(p->loop);
    c->idle_limit_ns = jittered_ns(p, p->options.idle_ms);
    c->age_limit_ns = jittered_ns(p, p->options.max_age_ms);
    c->parser = parser;
    state_init(&c->machine, "pool_conn", conn_states, CONN_CONNECTING);
    list_push_back(&p->conns[CONN_CONNECTING], &c->node);
    stream_init(&c->stream, p->hub, &conn_events);
    deadline_arm(&p->connect_deadlines, &c->connect);
    struct stream_tls tls = {p->options.tls, p->options.host, p->sessions};
    int error = stream_connect(&c->stream, to, p->options.tls ? &tls : NULL);
    if (error) {
        connect_failed(c, error);
    }
    return 0;
}

void pool_conn_on_connect_due(struct deadline_queue *q, struct deadline *d) {
    struct pool_conn *c = container_of(d, struct pool_conn, connect);
    (void)q;
    connect_failed(c, ERR_TIMEOUT);
    pool_after_event(c->pool);
}

void pool_conn_on_response_due(struct deadline_queue *q, struct deadline *d) {
    struct pool_slot *slot = container_of(d, struct pool_slot, response);
    struct pool_conn *c = slot->conn;
    (void)q;
    pool_conn_close(c, ERR_TIMEOUT, "no response in time");
    pool_after_event(c->pool);
}
