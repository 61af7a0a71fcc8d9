/* Happy path: start -> on_open -> ready -> send -> on_drain (stamps when it left) -> on_data:
 * answer recorded -> ready again -> ...; without keep-alive: ready (closed) -> send opens ->
 * on_open -> on_data -> close -> on_close -> ready.
 *
 * Failure modes:
 * - connect refused or late, TLS: the next address at once; after the last one the connection
 *   rests before it tries again, and one error is counted.
 * - reset, closed, late or malformed answers: everything in flight fails with that kind.
 * - `Connection: close` with more in flight: those go back to be sent elsewhere.
 * - closed by the peer with nothing in flight: opened again, no error. */
#include "load_connection.h"

#include "base/clock.h"
#include "base/error.h"
#include "http/response_parser.h"

#include <stdlib.h>

#define HEAD_MAX 65536u
#define BODY_MAX (256u << 20)

static const struct stream_events events;

static struct load_connection *connection_of(struct stream *s) {
    return container_of(s, struct load_connection, stream);
}

static unsigned depth_of(const struct load_connection *c) {
    return c->worker->plan->pipeline;
}

static struct load_slot *slot_at(struct load_connection *c, unsigned i) {
    unsigned at = c->first + i;
    return &c->slots[at >= depth_of(c) ? at - depth_of(c) : at];
}

static void pop_slot(struct load_connection *c) {
    c->first = c->first + 1 == depth_of(c) ? 0 : c->first + 1;
    c->used--;
    c->worker->in_flight--;
}

static void set_ready(struct load_connection *c) {
    if (!list_linked(&c->ready) && c->used < depth_of(c)) {
        list_push_back(&c->worker->ready, &c->ready);
    }
}

static void unset_ready(struct load_connection *c) {
    if (list_linked(&c->ready)) {
        list_remove(&c->ready);
    }
}

struct load_connection *load_connection_new(struct load_worker *w) {
    struct load_connection *c =
        calloc(1, sizeof *c + w->plan->pipeline * sizeof(struct load_slot));
    ASSERT(c != NULL);
    c->worker = w;
    return c;
}

void load_connection_free(struct load_connection *c) {
    ASSERT(c->state == LOAD_CLOSED);
    free(c);
}

/* ---- opening ---- */

/* An error: nothing has begun, and the stream is being closed. */
static int open_stream(struct load_connection *c) {
    struct load_worker *w = c->worker;
    const struct load_target *target = w->plan->target;
    struct stream_tls tls = {w->tls, target->server_name, w->sessions};
    c->parser = http_response_parser_new(HEAD_MAX, BODY_MAX);
    ASSERT(c->parser != NULL);
    if (!w->source->reads) {
        http_response_parser_drop_bodies(c->parser);
    }
    c->state = LOAD_CONNECTING;
    c->opening_ns = loop_now_ns(&w->loop);
    c->expecting = c->may_reopen = 0;
    c->answered = c->received = 0;
    w->streams++;
    stream_init(&c->stream, &w->hub, &events);
    deadline_arm(&w->waits, &c->wait);
    int error =
        stream_connect(&c->stream, &target->addresses[c->address], w->tls ? &tls : NULL);
    return error;
}

static enum load_error kind_of(int error) {
    switch (error) {
    case ERR_TLS:
    case ERR_TLS_VERIFY:
        return LOAD_ERROR_TLS;
    case ERR_TIMEOUT:
        return LOAD_ERROR_TIMEOUT;
    case ERR_CLOSED:
        return LOAD_ERROR_CLOSED;
    default:
        return LOAD_ERROR_RESET;
    }
}

/* What is in flight goes to another connection. */
static void give_back(struct load_connection *c) {
    while (c->used > 0) {
        struct load_slot slot = *slot_at(c, 0);
        pop_slot(c);
        load_worker_resend(c->worker, slot.id, slot.origin_ns);
    }
}

/* A connect that fails is the failure of a request that could have left: so --count comes to
 * its end. Before the start none could. */
static void fail_unsent(struct load_connection *c, enum load_error error, const char *reason) {
    struct load_worker *w = c->worker;
    uint64_t now_ns = loop_now_ns(&w->loop), id;
    if (c->used > 0 || w->exhausted || now_ns < w->plan->start_ns) {
        return;
    }
    if (load_worker_take_due(w, &id)) {
        load_recorder_error(&w->recorder, now_ns, now_ns, error, reason);
        w->source->failed(w->source, id);
    }
}

static void connect_failed(struct load_connection *c, enum load_error error,
                           const char *reason) {
    struct load_worker *w = c->worker;
    size_t addresses = w->plan->target->count;
    c->address = (c->address + 1) % (unsigned)addresses;
    if (++c->attempts % addresses != 0) {
        c->may_reopen = 1;
        give_back(c);
        load_connection_close(c);
        return;
    }
    fail_unsent(c, error, reason);
    load_connection_fail(c, error, reason);
    load_worker_connect_failed(w, loop_now_ns(&w->loop) - c->opening_ns, error, reason);
}

void load_connection_start(struct load_connection *c) {
    if (!c->worker->plan->keep_alive) {
        set_ready(c);
        return;
    }
    int error = open_stream(c);
    if (error) {
        connect_failed(c, LOAD_ERROR_CONNECT, error_text(error));
    }
}

static void on_open(struct stream *s, int error) {
    struct load_connection *c = connection_of(s);
    struct load_worker *w = c->worker;
    if (error) {
        const char *tls = stream_tls_reason(s);
        int is_tls = error == ERR_TLS || error == ERR_TLS_VERIFY;
        connect_failed(c, is_tls ? LOAD_ERROR_TLS : LOAD_ERROR_CONNECT,
                       tls && *tls ? tls : error_text(error));
        return;
    }
    w->opened = 1;
    c->attempts = 0;
    c->state = LOAD_OPEN;
    if (c->used == 0) {
        deadline_disarm(&c->wait);
    }
    if (w->plan->keep_alive) {
        set_ready(c);
    }
}

/* ---- sending ---- */

void load_connection_send(struct load_connection *c, uint64_t id, uint64_t origin_ns) {
    struct load_worker *w = c->worker;
    int error = c->state == LOAD_CLOSED ? open_stream(c) : 0;
    if (error) {
        load_recorder_error(&w->recorder, origin_ns, loop_now_ns(&w->loop), LOAD_ERROR_CONNECT,
                            error_text(error));
        w->source->failed(w->source, id);
        load_connection_close(c);
        return;
    }
    char *out = stream_reserve(&c->stream, w->source->bound(w->source, id));
    if (!out) { /* it has failed, and will say so in the next turn */
        unset_ready(c);
        load_worker_resend(w, id, origin_ns);
        return;
    }
    size_t len = w->source->write(w->source, id, out);
    stream_wrote(&c->stream, len);
    *slot_at(c, c->used) = (struct load_slot){id, origin_ns, len};
    if (c->queued_turn != w->loop.turns) {
        c->queued_turn = w->loop.turns;
        c->unstamped = 0;
    }
    c->unstamped++;
    w->in_flight++;
    if (c->used++ == 0) {
        deadline_arm(&w->waits, &c->wait);
    }
    if (c->used == depth_of(c)) {
        unset_ready(c);
    } else if (w->plan->rate > 0) { /* the next arrival goes to another one */
        unset_ready(c);
        set_ready(c);
    }
}

/* The queue went out in the turn it was filled: the request left between the stream before this
 * one in the flush and now. In a closed loop its time counts from there, not from when the turn
 * began, or a turn's other requests would be in it. */
static void on_drain(struct stream *s) {
    struct load_connection *c = connection_of(s);
    struct load_worker *w = c->worker;
    if (w->plan->rate > 0 || !w->plan->keep_alive) {
        return;
    }
    if (c->queued_turn == w->loop.turns && c->unstamped <= c->used) {
        for (unsigned i = c->used - c->unstamped; i < c->used; i++) {
            struct load_slot *slot = slot_at(c, i);
            if (slot->origin_ns >= w->plan->begin_ns) { /* of the warm-up it stays */
                slot->origin_ns = w->flushed_ns;
            }
        }
    }
    c->unstamped = 0;
    w->flushed_ns = clock_monotonic_ns();
}

/* ---- receiving ---- */

static void on_answer(struct load_connection *c, uint64_t now_ns) {
    struct load_worker *w = c->worker;
    const struct http_response *r = http_response_parser_response(c->parser);
    struct load_slot slot = *slot_at(c, 0);
    struct load_answer a = {slot.origin_ns, now_ns, r->status, slot.len, c->received};
    int keep_alive = r->keep_alive && w->plan->keep_alive;
    load_recorder_answer(&w->recorder, &a);
    w->answered_ns = now_ns;
    pop_slot(c);
    w->source->answered(w->source, slot.id, r);
    http_response_parser_next(c->parser);
    c->expecting = 0;
    c->received = 0;
    c->answered++;
    if (!keep_alive) {
        c->may_reopen = 1;
        give_back(c);
        load_connection_close(c);
        return;
    }
    if (c->used > 0) {
        deadline_arm(&w->waits, &c->wait);
    }
    set_ready(c);
}

static void malformed(struct load_connection *c, const char *reason) {
    struct load_worker *w = c->worker;
    if (c->used == 0) { /* nobody asked: an error all the same */
        uint64_t now_ns = loop_now_ns(&w->loop);
        load_recorder_error(&w->recorder, now_ns, now_ns, LOAD_ERROR_MALFORMED, reason);
    }
    load_connection_fail(c, LOAD_ERROR_MALFORMED, reason);
}

/* Returns the bytes used, or 0 when there is no more to do. */
static size_t feed(struct load_connection *c, char *data, size_t len, uint64_t now_ns) {
    size_t used = 0;
    if (c->used == 0) {
        malformed(c, "bytes nobody asked for");
        return 0;
    }
    if (!c->expecting) {
        http_response_parser_expect(c->parser, c->worker->source->method);
        c->expecting = 1;
    }
    switch (http_response_parser_feed(c->parser, data, len, &used)) {
    case HTTP_PARSE_MORE:
    case HTTP_PARSE_HEAD:
        c->received += len;
        return 0;
    case HTTP_PARSE_ERROR:
        malformed(c, http_response_parser_reason(c->parser));
        return 0;
    case HTTP_PARSE_DONE:
        c->received += used;
        on_answer(c, now_ns);
        break;
    }
    return c->state == LOAD_OPEN ? used : 0;
}

static void on_data(struct stream *s, char *data, size_t len) {
    struct load_connection *c = connection_of(s);
    uint64_t now_ns = clock_monotonic_ns();
    while (len > 0) {
        size_t used = feed(c, data, len, now_ns);
        if (used == 0) {
            break;
        }
        data += used;
        len -= used;
    }
}

static void on_end(struct stream *s, int error) {
    struct load_connection *c = connection_of(s);
    if (error == 0 && c->used > 0 && c->expecting &&
        http_response_parser_end(c->parser) == HTTP_PARSE_DONE) {
        on_answer(c, clock_monotonic_ns()); /* its body ended with the stream */
        return;
    }
    c->may_reopen = c->used == 0 && c->answered > 0;
    load_connection_fail(c, error ? kind_of(error) : LOAD_ERROR_CLOSED,
                         error_text(error ? error : ERR_CLOSED));
}

/* ---- ending ---- */

void load_connection_fail(struct load_connection *c, enum load_error error,
                          const char *reason) {
    struct load_worker *w = c->worker;
    uint64_t now_ns = loop_now_ns(&w->loop);
    while (c->used > 0) {
        struct load_slot slot = *slot_at(c, 0);
        pop_slot(c);
        load_recorder_error(&w->recorder, slot.origin_ns, now_ns, error, reason);
        w->source->failed(w->source, slot.id);
    }
    load_connection_close(c);
    load_worker_failed(w);
}

void load_connection_abandon(struct load_connection *c) {
    while (c->used > 0) {
        uint64_t id = slot_at(c, 0)->id;
        pop_slot(c);
        c->worker->source->failed(c->worker->source, id);
    }
}

void load_connection_close(struct load_connection *c) {
    unset_ready(c);
    deadline_disarm(&c->wait);
    deadline_disarm(&c->rest);
    if (c->state == LOAD_CONNECTING || c->state == LOAD_OPEN) {
        c->state = LOAD_CLOSING;
        stream_close(&c->stream);
    }
}

static void on_close(struct stream *s) {
    struct load_connection *c = connection_of(s);
    struct load_worker *w = c->worker;
    ASSERT(c->used == 0);
    http_response_parser_free(c->parser);
    c->parser = NULL;
    c->state = LOAD_CLOSED;
    c->first = c->unstamped = 0;
    w->streams--;
    if (w->stopping) {
        return;
    }
    if (c->may_reopen) {
        load_connection_start(c);
    } else {
        deadline_arm(&w->rests, &c->rest);
    }
}

void load_connection_on_wait(struct deadline_queue *q, struct deadline *d) {
    struct load_connection *c = container_of(d, struct load_connection, wait);
    (void)q;
    if (c->state == LOAD_CONNECTING) {
        connect_failed(c, LOAD_ERROR_CONNECT, "connect timed out");
    } else if (c->used > 0) {
        load_connection_fail(c, LOAD_ERROR_TIMEOUT, "no answer in time");
    }
}

void load_connection_on_rest(struct deadline_queue *q, struct deadline *d) {
    (void)q;
    load_connection_start(container_of(d, struct load_connection, rest));
}

static const struct stream_events events = {on_open, on_data, on_end, on_drain, on_close};
