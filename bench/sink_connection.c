/* Happy path: accept -> on_open -> on_data: parser -> answer -> (its latency) -> written, in
 * the order of the requests -> on_end -> on_close.
 *
 * Failure modes: bytes that are no HTTP are answered once, then the connection is shut down. A
 * peer that does not read, or asks for more than it reads, is not read from until it does. */
#include "sink_connection.h"

#include "base/error.h"
#include "http/request_parser.h"
#include "sink_reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define QUEUED_BYTES_MAX (1u << 20)
#define REPLIES_MAX      256u

/* BatchWriteItem takes 16 MB. */
static const struct http_limits limits = {
    .head_bytes = 16384,
    .target_bytes = 8192,
    .header_count = 100,
    .body_bytes = 17u << 20,
    .chunk_extension_bytes = 1024,
    .trailer_bytes = 2048,
};

struct connection {
    struct stream stream;
    struct sink_worker *worker;
    struct list_node node; /* in worker->open */
    struct http_request_parser *parser;
    struct list replies; /* that wait, in the order of their requests */
    uint8_t last;        /* the last answer is decided: what else comes is dropped */
    uint8_t ended;       /* the peer sends no more */
    uint8_t paused;      /* reading is stopped */
};

struct reply {
    struct list_node node; /* in connection->replies */
    struct sink_wait wait;
    struct connection *connection;
    enum sink_then then;
    int due;
    unsigned status;
    uint32_t crc32;
    char *body; /* a copy */
    size_t len;
};

static const struct stream_events events;

static struct connection *connection_of(struct stream *s) {
    return container_of(s, struct connection, stream);
}

static int options_have_latency(const struct sink_worker *w) {
    return w->protocol.options->latency_max_ms > 0;
}

/* ---- writing ---- */

static void write_answer(struct connection *c, const struct sink_answer *a,
                         enum sink_then then) {
    struct sink_worker *w = c->worker;
    char *out = stream_reserve(&c->stream, sink_reply_bound(a));
    if (!out) {
        stream_close(&c->stream);
        return;
    }
    stream_wrote(&c->stream,
                 sink_reply_write(out, a, then, loop_http_date(&w->loop), &w->protocol.rng));
    if (then == SINK_CLOSE) {
        stream_shutdown(&c->stream);
    }
}

static void free_reply(struct reply *r) {
    struct sink_worker *w = r->connection->worker;
    sink_delay_cancel(&r->wait);
    list_remove(&r->node);
    free(r->body);
    slab_release(&w->replies, r);
}

static void maybe_resume(struct connection *c) {
    if (c->paused && !c->last && stream_queued(&c->stream) < QUEUED_BYTES_MAX / 2 &&
        c->replies.count < REPLIES_MAX / 2) {
        c->paused = 0;
        stream_read_start(&c->stream);
    }
}

static void maybe_pause(struct connection *c) {
    if (!c->paused && !c->last &&
        (stream_queued(&c->stream) > QUEUED_BYTES_MAX || c->replies.count > REPLIES_MAX)) {
        c->paused = 1;
        stream_read_stop(&c->stream);
    }
}

/* The peer sends no more, and has everything. */
static void maybe_close(struct connection *c) {
    if (c->ended && list_empty(&c->replies) && stream_queued(&c->stream) == 0) {
        stream_close(&c->stream);
    }
}

void sink_connection_on_due(struct sink_wait *wait) {
    struct reply *r = container_of(wait, struct reply, wait);
    struct connection *c = r->connection;
    r->due = 1;
    while (c->replies.first && !stream_closing(&c->stream)) {
        struct reply *first = container_of(c->replies.first, struct reply, node);
        if (!first->due) {
            break;
        }
        struct sink_answer a = {first->status, slice_of(first->body, first->len), first->crc32};
        write_answer(c, &a, first->then);
        free_reply(first);
    }
    maybe_resume(c);
}

static void delay_answer(struct connection *c, const struct sink_answer *a,
                         enum sink_then then) {
    struct sink_worker *w = c->worker;
    const struct sink_options *o = w->protocol.options;
    struct reply *r = slab_acquire(&w->replies);
    memset(r, 0, sizeof *r);
    r->connection = c;
    r->then = then;
    r->status = a->status;
    r->crc32 = a->crc32;
    r->len = a->body.len;
    r->body = slice_dup(a->body);
    list_push_back(&c->replies, &r->node);
    sink_delay_start(&w->delay, &r->wait,
                     o->latency_min_ms + rng_below(&w->protocol.rng,
                                                   o->latency_max_ms - o->latency_min_ms + 1));
}

static void answer(struct connection *c, const struct sink_answer *a, enum sink_then then) {
    c->last = then == SINK_CLOSE;
    if (options_have_latency(c->worker)) {
        delay_answer(c, a, then);
    } else {
        write_answer(c, a, then);
    }
}

/* ---- reading ---- */

static void on_request(struct connection *c) {
    struct sink_worker *w = c->worker;
    const struct http_request *request = http_request_parser_request(c->parser);
    struct sink_answer a;
    sink_protocol_answer(&w->protocol, request, loop_wall_ms(&w->loop) / 1000, &a);
    answer(c, &a, request->keep_alive ? SINK_KEEP_ALIVE : SINK_CLOSE);
}

static void on_bad_http(struct connection *c) {
    struct sink_answer a = sink_answer_of(http_request_parser_status(c->parser), SLICE("{}"));
    sink_count(&c->worker->protocol.counters.bad_http, 1);
    answer(c, &a, SINK_CLOSE);
}

static void on_head(struct connection *c) {
    if (http_request_parser_request(c->parser)->expect_continue && list_empty(&c->replies) &&
        stream_write(&c->stream, SLICE("HTTP/1.1 100 Continue\r\n\r\n"))) {
        stream_close(&c->stream);
    }
}

static void on_data(struct stream *s, char *data, size_t len) {
    struct connection *c = connection_of(s);
    while (!c->last && !stream_closing(s)) {
        size_t used;
        enum http_parse_result result = http_request_parser_feed(c->parser, data, len, &used);
        data += used;
        len -= used;
        if (result == HTTP_PARSE_MORE) {
            break;
        }
        if (result == HTTP_PARSE_ERROR) {
            on_bad_http(c);
        } else if (result == HTTP_PARSE_HEAD) {
            on_head(c);
        } else {
            on_request(c);
            http_request_parser_next(c->parser);
            if (len == 0) {
                break;
            }
        }
    }
    maybe_pause(c);
}

/* ---- beginning and end ---- */

static void on_open(struct stream *s, int error) {
    static atomic_flag told = ATOMIC_FLAG_INIT;
    struct connection *c = connection_of(s);
    if (!error) {
        return;
    }
    const char *reason = stream_tls_reason(s);
    sink_count(&c->worker->protocol.counters.failed_handshakes, 1);
    if (!atomic_flag_test_and_set(&told)) {
        fprintf(stderr,
                "penstock-sink: a connection failed: %s (further ones are only counted)\n",
                reason && *reason ? reason : error_text(error));
    }
    stream_close(s);
}

static void on_end(struct stream *s, int error) {
    struct connection *c = connection_of(s);
    if (error) {
        stream_close(s);
        return;
    }
    c->ended = 1;
    maybe_close(c);
}

static void on_drain(struct stream *s) {
    struct connection *c = connection_of(s);
    maybe_resume(c);
    maybe_close(c);
}

static void on_close(struct stream *s) {
    struct connection *c = connection_of(s);
    struct sink_worker *w = c->worker;
    while (c->replies.first) {
        free_reply(container_of(c->replies.first, struct reply, node));
    }
    http_request_parser_free(c->parser);
    list_remove(&c->node);
    slab_release(&w->connections, c);
    sink_count(&w->protocol.counters.open_connections, (uint64_t)-1);
}

static const struct stream_events events = {on_open, on_data, on_end, on_drain, on_close};

void sink_worker_slabs_init(struct sink_worker *w) {
    slab_init(&w->connections, "connections", sizeof(struct connection), 0);
    slab_init(&w->replies, "replies", sizeof(struct reply), 0);
    list_init(&w->open);
}

void sink_connection_accept(struct sink_worker *w, int fd) {
    struct http_request_parser *parser = http_request_parser_new(&limits);
    if (!parser) {
        close(fd);
        return;
    }
    struct connection *c = slab_acquire(&w->connections);
    memset(c, 0, sizeof *c);
    c->worker = w;
    c->parser = parser;
    list_init(&c->replies);
    list_push_back(&w->open, &c->node);
    sink_count(&w->protocol.counters.connections, 1);
    sink_count(&w->protocol.counters.open_connections, 1);
    stream_init(&c->stream, &w->hub, &events);
    struct stream_tls tls = {.context = w->tls};
    if (stream_accept(&c->stream, fd, w->tls ? &tls : NULL)) {
        stream_close(&c->stream);
    }
}

void sink_connections_close(struct sink_worker *w) {
    LIST_FOR_EACH (node, &w->open) {
        stream_close(&container_of(node, struct connection, node)->stream);
    }
}
