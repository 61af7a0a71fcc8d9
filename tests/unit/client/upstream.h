/* The other side, for the tests of the pool: a scripted HTTP server on the same loop, a
 * resolver that answers what the test says (define UPSTREAM_REAL_RESOLVER for the real one),
 * and calls: exchanges that note what became of them. Each test file is one program, so all is
 * static. */
#ifndef UNIT_CLIENT_UPSTREAM_H
#define UNIT_CLIENT_UPSTREAM_H

#include "support/unit.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "client/pool_impl.h"
#include "net/listener.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define IDS_MAX 65536

/* What the server does with a request. */
enum act {
    ACT_ANSWER,
    ACT_HOLD,           /* answers when released */
    ACT_ANSWER_CHUNKED, /* byte by byte over several turns */
    ACT_ANSWER_HEAD,    /* a Content-Length without its body: the answer to HEAD */
    ACT_CONTINUE,       /* 100, then 200 */
    ACT_SAY_CLOSE,      /* 200 with Connection: close, then closes */
    ACT_UNTIL_CLOSE,    /* the body ends with the connection */
    ACT_ANSWER_FIN,     /* 200, and closes without a word */
    ACT_FIN,            /* closes without an answer */
    ACT_RESET,
    ACT_HALF,         /* half a response, then closes */
    ACT_NEVER,        /* no answer, stays open */
    ACT_GARBAGE,      /* not HTTP */
    ACT_SURPLUS,      /* 200 and more bytes */
    ACT_CUT,          /* as UNTIL_CLOSE, but under TLS without close_notify */
    ACT_LATE_SURPLUS, /* 200, and more bytes in the next turn */
    ACTS,
};

struct upstream;

struct up_conn {
    struct stream stream;
    struct list_node node;
    struct upstream *up;
    char in[262144];
    size_t in_len;
    unsigned requests;
    unsigned held[64]; /* ids, in order */
    unsigned held_count;
    char drip[256];
    size_t drip_at, drip_len;
    int late_surplus;
    int cut;
    int stuck; /* reads, and ignores, all that follows */
};

struct upstream {
    struct listener listener;
    struct stream_hub *hub;
    struct stream_tls tls;
    uint16_t port;
    struct list conns;
    int listening;
    enum act act; /* for every request, unless choose is set */
    enum act (*choose)(struct up_conn *c, unsigned id);
    int close_on_accept;
    unsigned accepted;
    unsigned requests;
    unsigned closed;
    unsigned seen[IDS_MAX]; /* how often the first bytes of the request came */
    unsigned answered[IDS_MAX];
    unsigned order[IDS_MAX]; /* ids as they came */
};

static inline void up_reset(struct up_conn *c) {
    struct linger hard = {1, 0};
    uv_os_fd_t fd;
    if (!stream_closing(&c->stream) && uv_fileno(&c->stream.uv.handle, &fd) == 0) {
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    stream_close(&c->stream);
}

static inline void up_write(struct up_conn *c, const char *text, size_t len) {
    if (!stream_closing(&c->stream)) {
        int error = stream_write(&c->stream, slice_of(text, len));
        (void)error; /* the client may be gone */
    }
}

static inline void up_answer(struct up_conn *c, unsigned id, const char *extra) {
    char text[256];
    char body[16];
    int body_len = snprintf(body, sizeof body, "%u", id);
    int len = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s",
                       extra, body_len, body);
    c->up->answered[id]++;
    up_write(c, text, (size_t)len);
}

/* Sends what is queued, then FIN, then closes when the other side has. */
static inline void up_fin(struct up_conn *c) {
    c->stuck = 1;
    stream_shutdown(&c->stream);
}

static inline void up_act(struct up_conn *c, unsigned id, enum act act) {
    static const char part[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart";
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
    static const char rest[] = "HTTP/1.1 200 OK\r\n\r\nall there is";
    static const char noise[] = "SSH-2.0-OpenSSH_9.2p1\r\n";
    switch (act) {
    case ACT_ANSWER:
        up_answer(c, id, "");
        break;
    case ACT_HOLD:
        assert_true(c->held_count < 64);
        c->held[c->held_count++] = id;
        break;
    case ACT_ANSWER_CHUNKED:
        c->drip_len = (size_t)snprintf(c->drip, sizeof c->drip,
                                       "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                                       "chunked\r\n\r\n1\r\n%c\r\n%x\r\n%s\r\n0\r\n\r\n",
                                       'c', 1, "d");
        c->drip_at = 0;
        c->up->answered[id]++;
        break;
    case ACT_ANSWER_HEAD:
        c->up->answered[id]++;
        up_write(c, head, sizeof head - 1);
        break;
    case ACT_CONTINUE:
        up_write(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        up_answer(c, id, "");
        break;
    case ACT_SAY_CLOSE:
        up_answer(c, id, "Connection: close\r\n");
        up_fin(c);
        break;
    case ACT_UNTIL_CLOSE:
        up_write(c, rest, sizeof rest - 1);
        c->up->answered[id]++;
        up_fin(c);
        break;
    case ACT_CUT:
        up_write(c, rest, sizeof rest - 1);
        c->stuck = 1;
        c->cut = 2;
        break;
    case ACT_ANSWER_FIN:
        up_answer(c, id, "");
        up_fin(c);
        break;
    case ACT_FIN:
        up_fin(c);
        break;
    case ACT_RESET:
        c->stuck = 1;
        up_reset(c);
        break;
    case ACT_HALF:
        up_write(c, part, sizeof part - 1);
        up_fin(c);
        break;
    case ACT_NEVER:
        c->stuck = 1;
        break;
    case ACT_GARBAGE:
        c->stuck = 1;
        up_write(c, noise, sizeof noise - 1);
        break;
    case ACT_SURPLUS:
        up_answer(c, id, "");
        up_write(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad", 41);
        break;
    case ACT_LATE_SURPLUS:
        up_answer(c, id, "");
        c->late_surplus = 2;
        break;
    case ACTS:
        fail();
    }
}

static inline void up_release(struct up_conn *c) {
    unsigned count = c->held_count;
    c->held_count = 0;
    for (unsigned i = 0; i < count && !c->stuck; i++) {
        up_answer(c, c->held[i], "");
    }
}

static inline void up_release_all(struct upstream *up) {
    LIST_FOR_EACH_SAFE (n, next, &up->conns) {
        up_release(container_of(n, struct up_conn, node));
    }
}

/* Once a turn: what drips. */
static inline void up_turn(struct upstream *up) {
    LIST_FOR_EACH_SAFE (n, next, &up->conns) {
        struct up_conn *c = container_of(n, struct up_conn, node);
        if (c->drip_at < c->drip_len) {
            up_write(c, c->drip + c->drip_at++, 1);
        } else if (c->late_surplus && --c->late_surplus == 0) {
            up_write(c, "more", 4);
        } else if (c->cut && --c->cut == 0) {
            uv_os_fd_t fd;
            if (uv_fileno(&c->stream.uv.handle, &fd) == 0) {
                shutdown(fd, SHUT_WR);
            }
        }
    }
}

/* A request is "POST /ID HTTP/1.1 ... Content-Length: N ... body". It counts as seen as soon as
 * its id can be read. */
static inline size_t up_request(struct up_conn *c) {
    char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
    char *length = end ? memmem(c->in, c->in_len, "Content-Length: ", 16) : NULL;
    if (!end || !length) {
        return 0;
    }
    size_t whole = (size_t)(end + 4 - c->in) + (size_t)atoi(length + 16);
    if (c->in_len < whole) {
        return 0;
    }
    unsigned id = (unsigned)atoi((char *)memchr(c->in, '/', c->in_len) + 1);
    assert_true(id < IDS_MAX);
    c->up->order[c->up->requests++ % IDS_MAX] = id;
    c->requests++;
    up_act(c, id, c->up->choose ? c->up->choose(c, id) : c->up->act);
    return whole;
}

/* Marks every request whose first line is complete with the bytes from `from` on. */
static inline void up_mark(struct up_conn *c, size_t from) {
    char *at = c->in + (from > 16 ? from - 16 : 0);
    for (;;) {
        char *slash =
            memmem(at, c->in_len - (size_t)(at - c->in), "T /", 3); /* POST /, GET / */
        size_t start = slash ? (size_t)(slash + 3 - c->in) : 0;
        char *space = slash ? memchr(slash + 3, ' ', c->in_len - start) : NULL;
        if (!space) {
            return;
        }
        unsigned id = (unsigned)atoi(slash + 3);
        assert_true(id < IDS_MAX);
        c->up->seen[id] += (size_t)(space - c->in) >= from;
        at = space;
    }
}

static inline void up_on_data(struct stream *s, char *data, size_t len) {
    struct up_conn *c = container_of(s, struct up_conn, stream);
    assert_true(c->in_len + len < sizeof c->in);
    memcpy(c->in + c->in_len, data, len);
    c->in_len += len;
    up_mark(c, c->in_len - len);
    size_t used;
    while (!c->stuck && (used = up_request(c)) > 0) {
        c->in_len -= used;
        memmove(c->in, c->in + used, c->in_len);
    }
    if (c->stuck && c->in_len > 16) { /* only marks from now on */
        memmove(c->in, c->in + c->in_len - 16, 16);
        c->in_len = 16;
    }
}

static inline void up_on_open(struct stream *s, int error) {
    struct up_conn *c = container_of(s, struct up_conn, stream);
    if (error || c->up->close_on_accept) {
        stream_close(s);
    }
}

static inline void up_on_end(struct stream *s, int error) {
    (void)error;
    stream_close(s);
}

static inline void up_on_close(struct stream *s) {
    struct up_conn *c = container_of(s, struct up_conn, stream);
    list_remove(&c->node);
    c->up->closed++;
    free(c);
}

static const struct stream_events up_events = {
    .on_open = up_on_open, .on_data = up_on_data, .on_end = up_on_end, .on_close = up_on_close};

static inline void up_on_accept(struct listener *l, int fd) {
    struct upstream *up = l->owner;
    struct up_conn *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->up = up;
    up->accepted++;
    list_push_back(&up->conns, &c->node);
    stream_init(&c->stream, up->hub, &up_events);
    if (stream_accept(&c->stream, fd, up->tls.context ? &up->tls : NULL)) {
        stream_close(&c->stream);
    }
}

/* port 0: any. */
static inline void up_listen(struct upstream *up, struct loop *l, struct stream_hub *hub,
                             const char *ip, uint16_t port) {
    char text[64];
    char reason[128];
    struct net_address address;
    int fd;
    snprintf(text, sizeof text, "%s:%u", ip, (unsigned)port);
    assert_int_equal(net_address_parse(slice_cstr(text), &address), 0);
    if (listener_open_fd(&address, 512, 0, &fd, reason)) {
        fail_msg("listen %s: %s", text, reason);
    }
    address.len = sizeof address.sa;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address.sa, &address.len), 0);
    up->port = net_address_port(&address);
    up->hub = hub;
    if (!up->conns.count) {
        list_init(&up->conns);
    }
    assert_int_equal(listener_start(&up->listener, l, fd, up_on_accept, up), 0);
    up->listening = 1;
}

static inline void up_on_listener_close(struct listener *l) {
    ((struct upstream *)l->owner)->listening = 0;
}

static inline void up_stop_listening(struct upstream *up) {
    listener_close(&up->listener, up_on_listener_close);
}

static inline void up_close_conns(struct upstream *up) {
    LIST_FOR_EACH_SAFE (n, next, &up->conns) {
        stream_close(&container_of(n, struct up_conn, node)->stream);
    }
}

/* --- the resolver --- */

#ifndef UPSTREAM_REAL_RESOLVER
struct fake_names {
    const char *ips[8]; /* up to the first NULL */
    int error;
    int start_error; /* of the look-up itself */
    unsigned asked;
    int canceled;
    struct resolve_request *pending;
    struct timer timer;
    uint64_t delay_ms;
};

static struct fake_names names;

static inline void names_on_closed(struct timer *t) {
    struct resolve_request *r = names.pending;
    (void)t;
    names.pending = NULL;
    r->count = 0;
    for (size_t i = 0; i < COUNT(names.ips) && names.ips[i] && !names.error; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s:%u", names.ips[i], (unsigned)r->port);
        assert_int_equal(net_address_parse(slice_cstr(text), &r->addresses[r->count++]), 0);
    }
    r->on_done(r, names.canceled ? ERR_CANCELED : names.error);
}

static inline void names_on_fire(struct timer *t) {
    timer_close(t, names_on_closed);
}

int resolver_start(struct resolve_request *r, struct loop *l, const char *host, uint16_t port,
                   void (*on_done)(struct resolve_request *r, int error)) {
    assert_null(names.pending);
    assert_string_equal(host, "table.test");
    names.asked++;
    if (names.start_error) {
        return names.start_error;
    }
    r->port = port;
    r->on_done = on_done;
    names.canceled = 0;
    names.pending = r;
    timer_init(&names.timer, l, names_on_fire);
    timer_start(&names.timer, names.delay_ms);
    return 0;
}

void resolver_cancel(struct resolve_request *r) {
    assert_ptr_equal(names.pending, r);
    names.canceled = 1;
    timer_start(&names.timer, 0);
}
#endif

/* --- calls --- */

struct world;

struct call {
    struct exchange x;
    struct world *w;
    unsigned id;
    size_t body_len;
    int write_error;
    unsigned writes;
    unsigned done;
    int error;
    unsigned status;
    char body[32];
    char reason[128];
    void (*then)(struct call *c); /* last thing in on_done */
};

struct world {
    struct loop loop;
    struct stream_hub hub;
    struct upstream up;
    struct pool_options options;
    struct pool *pool;
    int pool_closed;
    unsigned submitted;
    unsigned done;
};

static inline int call_on_write(struct exchange *x, struct buffer *out) {
    struct call *c = container_of(x, struct call, x);
    c->writes++;
    if (c->write_error) {
        return c->write_error;
    }
    int error =
        buffer_printf(out,
                      "%s /%u HTTP/1.1\r\nHost: table.test\r\nX-Try: %u\r\n"
                      "Content-Length: %zu\r\n\r\n",
                      x->method == HTTP_HEAD_ ? "GET" : "POST", c->id, c->writes, c->body_len);
    if (error == 0) {
        error = buffer_reserve(out, c->body_len);
    }
    if (error == 0) {
        memset(buffer_tail(out), 'x', c->body_len);
        buffer_grow(out, c->body_len);
    }
    return error;
}

static inline void call_on_done(struct exchange *x, int error,
                                const struct http_response *response) {
    struct call *c = container_of(x, struct call, x);
    c->done++;
    c->w->done++;
    assert_int_equal(c->done, 1);
    c->error = error;
    snprintf(c->reason, sizeof c->reason, "%s", x->reason);
    if (error == 0) {
        assert_int_equal(x->progress, EXCHANGE_ANSWERED);
        c->status = response->status;
        assert_true(response->body.len < sizeof c->body);
        snprintf(c->body, sizeof c->body, "%.*s", (int)response->body.len,
                 response->body.len ? response->body.ptr : "");
    } else {
        assert_null(response);
    }
    if (c->then) {
        c->then(c);
    }
}

static const struct exchange_events call_events = {call_on_write, call_on_done};

static inline void call_init(struct world *w, struct call *c, unsigned id) {
    memset(c, 0, sizeof *c);
    c->w = w;
    c->id = id;
    c->body_len = 10;
    c->x.events = &call_events;
    c->x.method = HTTP_POST_;
    c->x.resend = EXCHANGE_RESEND_SAFE;
}

static inline int call_submit(struct call *c) {
    unsigned done = c->w->done;
    int error = pool_submit(c->w->pool, &c->x);
    assert_int_equal(c->w->done, done); /* never from inside */
    c->w->submitted += error == 0;
    return error;
}

/* The answer of the right exchange. */
static inline void assert_answered(const struct call *c) {
    char id[16];
    snprintf(id, sizeof id, "%u", c->id);
    if (c->error) {
        fail_msg("call %u: %s (%s)", c->id, error_text(c->error), c->reason);
    }
    assert_int_equal(c->done, 1);
    assert_int_equal(c->status, 200);
    assert_string_equal(c->body, id);
}

static inline void assert_failed_with(const struct call *c, int error,
                                      enum exchange_progress progress) {
    assert_int_equal(c->done, 1);
    assert_string_equal(error_name(c->error), error_name(error));
    assert_int_equal(c->x.progress, progress);
    assert_true(c->reason[0] != 0);
}

/* --- the world --- */

static inline void turn(struct world *w) {
    loop_turn(&w->loop);
    up_turn(&w->up);
}

/* Lists, places and counts agree. */
static inline void check_pool(const struct pool *p) {
    size_t depth = p->options.pipeline_depth;
    size_t taken = 0;
    for (unsigned state = 0; state < CONN_STATES; state++) {
        LIST_FOR_EACH (n, &p->conns[state]) {
            const struct pool_conn *c = container_of(n, struct pool_conn, node);
            assert_int_equal(pool_conn_state(c), state);
            if (state == CONN_IDLE || state == CONN_CONNECTING || state == CONN_CLOSING) {
                assert_int_equal(c->slots_used, 0);
            } else if (state == CONN_BUSY) {
                assert_true(c->slots_used > 0 && c->slots_used < depth);
            } else if (state == CONN_FULL) {
                assert_int_equal(c->slots_used, depth);
            }
            taken += state == CONN_IDLE || state == CONN_BUSY || state == CONN_FULL
                         ? c->slots_used
                         : 0;
        }
    }
    assert_int_equal(p->taken, taken);
    if (pool_free_places(p) > 0) {
        assert_true(list_empty(&p->waiting));
    }
}

static inline void turns_for(struct world *w, uint64_t ms) {
    uint64_t end = clock_monotonic_ns() + ms * NS_PER_MS;
    while (clock_monotonic_ns() < end) {
        turn(w);
        check_pool(w->pool);
        usleep(100);
    }
}

#define RUN_UNTIL(w, condition)                                                                \
    do {                                                                                       \
        uint64_t give_up_ = clock_monotonic_ns() + 10 * NS_PER_S;                              \
        for (unsigned spin_ = 0; !(condition); spin_++) {                                      \
            turn(w);                                                                           \
            if ((w)->pool && !(w)->pool_closed) {                                              \
                check_pool((w)->pool);                                                         \
            }                                                                                  \
            if (clock_monotonic_ns() > give_up_) {                                             \
                fail_msg("in vain: %s", #condition);                                           \
            }                                                                                  \
            if (spin_ > 8) {                                                                   \
                usleep(50);                                                                    \
            }                                                                                  \
        }                                                                                      \
    } while (0)

/* A server on 127.0.0.1, no pool yet: change w->options, then world_pool. */
static inline void world_init(struct world *w) {
    log_threshold = getenv("PENSTOCK_TEST_LOG") ? LOG_DEBUG : LOG_OFF;
    memset(w, 0, sizeof *w);
    signal(SIGPIPE, SIG_IGN); /* as main does */
    assert_int_equal(loop_init(&w->loop), 0);
    stream_hub_init(&w->hub, &w->loop);
    list_init(&w->up.conns);
    up_listen(&w->up, &w->loop, &w->hub, "127.0.0.1", 0);
    w->options = pool_options_default;
    snprintf(w->options.host, sizeof w->options.host, "table.test");
    w->options.port = w->up.port;
    w->options.warm_connections = 1;
    w->options.max_connections = 1;
#ifndef UPSTREAM_REAL_RESOLVER
    memset(&names, 0, sizeof names);
    names.ips[0] = "127.0.0.1";
#endif
}

static inline void world_pool(struct world *w) {
    w->pool = pool_new(&w->loop, &w->hub, &w->options);
}

static inline void on_pool_closed(void *arg) {
    struct world *w = arg;
    w->pool_closed = 1;
}

static inline void world_close_pool(struct world *w) {
    pool_close(w->pool, on_pool_closed, w);
    assert_int_equal(w->pool_closed, 0);
    assert_int_equal(w->done, w->submitted);
    RUN_UNTIL(w, w->pool_closed);
    pool_free(w->pool);
    w->pool = NULL;
    w->pool_closed = 0;
}

static inline void world_fini(struct world *w) {
    if (w->pool) {
        world_close_pool(w);
    }
    assert_int_equal(w->done, w->submitted);
    if (w->up.listening) {
        up_stop_listening(&w->up);
    }
    up_close_conns(&w->up);
    RUN_UNTIL(w, list_empty(&w->up.conns) && !w->up.listening);
    stream_hub_fini(&w->hub);
    loop_fini(&w->loop);
}

static inline struct pool_counts counts_of(const struct world *w) {
    struct pool_counts counts;
    pool_count(w->pool, &counts);
    return counts;
}

#endif
