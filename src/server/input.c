/* From bytes to requests: one parser while a request is arriving, the bounds on what may come
 * in, and the copy of each request into memory of its own, the only one that is made. */
#include "server/server_impl.h"

#include "base/error.h"
#include "server/forwarded.h"

#define BODY_TAKE_BYTES 16384 /* from here on a body is taken over, not copied */
/* What handlers and routing may add to a request's arena, beyond its own bytes. */
#define ARENA_EXTRA_BYTES 262144

/* --- parsers --- */

static struct http_request_parser *take_parser(struct server *s) {
    if (s->parsers->count == 0) {
        return http_request_parser_new(&s->options.http);
    }
    struct http_request_parser *p = s->parsers->spare[--s->parsers->count];
    http_request_parser_set_limits(p, &s->options.http);
    return p;
}

/* An idle parser can serve any connection; one in the middle of a request, none. */
static void give_parser(struct server_conn *c) {
    struct server_parsers *parsers = c->server->parsers;
    if (parsers->count < SERVER_PARSERS_MAX) {
        parsers->spare[parsers->count++] = c->parser;
    } else {
        http_request_parser_free(c->parser);
    }
    c->parser = NULL;
}

void conn_drop_parser(struct server_conn *c) {
    http_request_parser_free(c->parser);
    c->parser = NULL;
    c->in_body = 0;
}

void conn_account(struct server_conn *c) {
    size_t held = c->input.cap + (c->parser ? http_request_parser_held(c->parser) : 0);
    held += conn_closing(c) ? 0 : stream_queued(&c->stream);
    c->server->bytes += held - c->held;
    c->held = held;
}

/* --- requests --- */

static struct slice rebase(struct slice s, const char *from, const char *to) {
    if (s.ptr) {
        s.ptr = to + (s.ptr - from);
    }
    return s;
}

/* The client, where the peer only speaks for it. */
static void find_client(struct server_request *r) {
    struct forwarded f = {.client = r->peer, .port = r->port, .tls = r->tls};
    forwarded_read(&r->conn->server->options.trust, &r->http.headers, &f);
    r->peer = f.client;
    r->port = f.port;
    r->tls = f.tls;
}

/* Moves the head's slices to a copy in the arena. ERR_NOMEM leaves the request empty. */
static int copy_head(struct server_request *r, const struct http_request *from,
                     struct slice head) {
    size_t count = from->headers.count;
    struct slice copy = arena_copy(&r->arena, head);
    size_t room = count + SERVER_HEADER_ROOM;
    struct http_header *items = arena_alloc(&r->arena, room * sizeof(*items));
    if (copy.ptr == NULL || items == NULL) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const struct http_header *h = &from->headers.items[i];
        items[i].name = rebase(h->name, head.ptr, copy.ptr);
        items[i].value = rebase(h->value, head.ptr, copy.ptr);
    }
    r->http = *from;
    r->http.method_text = rebase(from->method_text, head.ptr, copy.ptr);
    r->http.target = rebase(from->target, head.ptr, copy.ptr);
    r->http.host = rebase(from->host, head.ptr, copy.ptr);
    r->http.headers.items = items;
    r->http.body = SLICE_EMPTY;
    if (r->conn->server->options.trust.addresses.count > 0) {
        find_client(r);
    }
    return 0;
}

static int copy_body(struct server_conn *c, struct server_slot *slot) {
    struct server_request *r = &slot->request;
    struct slice body = http_request_parser_request(c->parser)->body;
    if (body.len >= BODY_TAKE_BYTES) {
        slot->body = http_request_parser_take_body(c->parser);
        if (slot->body.data != NULL) {
            r->http.body = body;
            return 0;
        }
    }
    r->http.body = arena_copy(&r->arena, body);
    return body.len > 0 && r->http.body.ptr == NULL ? ERR_NOMEM : 0;
}

/* NULL, and the connection is closed, when memory is out. */
static struct server_slot *new_slot(struct server_conn *c, size_t bytes) {
    struct server *s = c->server;
    struct server_slot *slot = slab_acquire(&s->slots);
    if (slot == NULL) {
        conn_close(c, "no_memory");
        return NULL;
    }
    struct server_request *r = &slot->request;
    memset(slot, 0, offsetof(struct server_slot, chunk));
    arena_init(&r->arena, slot->chunk, sizeof(slot->chunk), bytes + ARENA_EXTRA_BYTES);
    r->conn = c;
    r->peer = c->peer;
    r->port = c->port;
    r->tls = c->tls;
    r->start_ns = c->message_ns;
    memcpy(r->ticket, c->ticket, sizeof r->ticket);
    r->http.minor = 1;
    rng_uuid(&s->rng, r->request_id);
    slot->bytes = bytes;
    s->bytes += bytes;
    list_push_back(&c->requests, &r->node);
    return slot;
}

void slot_free(struct server_slot *slot) {
    struct server *s = slot->request.conn->server;
    s->bytes -= slot->bytes;
    arena_reset(&slot->request.arena);
    buffer_fini(&slot->body);
    slot->request.conn->kept -= slot->answer.cap;
    slot_drop_kept(slot);
    slab_release(&s->slots, slot);
}

static size_t request_bytes(const struct server_conn *c, uint64_t body_len) {
    size_t headers = http_request_parser_request(c->parser)->headers.count;
    return sizeof(struct server_slot) + http_request_parser_head(c->parser).len +
           (headers + SERVER_HEADER_ROOM) * sizeof(struct http_header) + (size_t)body_len;
}

/* Whether a request of so many bytes, in place of what the connection holds, is too much. */
static int over_bytes(const struct server_conn *c, size_t bytes) {
    const struct server *s = c->server;
    size_t others = s->bytes - c->held;
    return others > s->options.request_bytes || bytes > s->options.request_bytes - others;
}

/* --- refusing --- */

static void refuse_with(struct server_conn *c, const struct server_answer *answer) {
    struct server *s = c->server;
    if (c->intake) { /* its owner has it already, and answers itself or not at all */
        conn_close(c, answer->reason);
        return;
    }
    struct server_slot *slot = new_slot(c, sizeof(struct server_slot));
    if (slot == NULL) {
        return;
    }
    if (c->in_body && copy_head(&slot->request, http_request_parser_request(c->parser),
                                http_request_parser_head(c->parser)) == 0) {
        slot->has_head = 1;
    }
    slot->refusal = 1;
    c->no_more = 1;
    c->continue_due = 0;
    conn_drop_parser(c);
    buffer_fini(&c->input);
    conn_account(c);
    if (answer->status == 408) {
        s->timeouts++;
    } else {
        s->refused++;
    }
    server_note_reason(s, answer->reason);
    slot_answer(slot, answer);
    if (!c->parsing) {
        conn_settle(c);
    }
}

void conn_refuse(struct server_conn *c, unsigned status, const char *reason) {
    refuse_with(c, &(struct server_answer){.status = status,
                                           .body = server_error_body(status),
                                           .content_type = SLICE("application/json"),
                                           .reason = reason});
}

static void refuse_for_memory(struct server_conn *c, size_t bytes) {
    if (bytes <= c->server->options.request_bytes) { /* there can be room */
        conn_end_slow_readers(c->server);
    }
    conn_refuse(c, 503, "request_memory");
}

/* --- parsing --- */

int conn_may_parse(const struct server_conn *c) {
    const struct server_options *o = &c->server->options;
    if (c->intake) {
        return !c->paused && !conn_closing(c);
    }
    return !c->no_more && !conn_closing(c) && c->requests.count < o->pipeline_depth &&
           stream_queued(&c->stream) + c->kept < o->out_bytes;
}

static void hand_out(struct server_conn *c, struct server_slot *slot) {
    struct server *s = c->server;
    if (!slot->request.http.keep_alive) {
        c->no_more = 1;
    }
    slot->has_head = 1;
    slot->owned = 1;
    s->requests++;
    s->in_flight++;
    slot->request.owner = s->owner;
    s->events->on_request(s->owner, &slot->request);
}

/* ---- a body in parts ---- */

static void begin_intake(struct server_conn *c) {
    size_t bytes = request_bytes(c, 0);
    if (over_bytes(c, bytes)) {
        refuse_for_memory(c, bytes);
        return;
    }
    struct server_slot *slot = new_slot(c, bytes);
    if (slot == NULL) {
        return;
    }
    const struct http_request *head = http_request_parser_request(c->parser);
    if (copy_head(&slot->request, head, http_request_parser_head(c->parser))) {
        list_remove(&slot->request.node);
        slot_free(slot);
        conn_refuse(c, 503, "no_memory");
        return;
    }
    http_request_parser_body_in_parts(c->parser);
    c->intake = slot;
    c->paused = 0;
    if (head->expect_continue && head->has_body) {
        c->continue_due = 1;
        conn_pump(c);
    }
    hand_out(c, slot);
}

static void give_part(struct server_conn *c, int last) {
    struct server *s = c->server;
    struct server_slot *slot = c->intake;
    struct slice part = http_request_parser_request(c->parser)->body;
    if (last) {
        c->intake = NULL;
    }
    if (last || part.len > 0) {
        s->events->parts->on_body(slot->request.owner, &slot->request, part, last);
    }
}

static void end_intake(struct server_conn *c) {
    c->in_body = 0;
    c->continue_due = 0;
    give_part(c, 1);
    if (c->parser != NULL) {
        http_request_parser_next(c->parser);
    }
}

void conn_drop_intake(struct server_conn *c) {
    c->intake = NULL;
    c->no_more = 1;
    c->continue_due = 0;
    conn_drop_parser(c);
    buffer_fini(&c->input);
    conn_account(c);
}

void server_pause(struct server_request *r) {
    struct server_conn *c = r->conn;
    if (c->intake && &c->intake->request == r && !c->paused) {
        c->paused = 1;
        server_resume_later(c->server, c);
    }
}

void server_resume(struct server_request *r) {
    struct server_conn *c = r->conn;
    if (c->intake && &c->intake->request == r && c->paused) {
        c->paused = 0;
        server_resume_later(c->server, c);
    }
}

struct slice server_trailer(const struct server_request *r, struct slice name) {
    return r->conn->parser ? http_request_parser_trailer(r->conn->parser, name) : SLICE_EMPTY;
}

/* ---- the parser's results ---- */

static void on_head(struct server_conn *c) {
    struct server *s = c->server;
    const struct http_request *head = http_request_parser_request(c->parser);
    struct server_head out = {.body_limit = s->options.http.body_bytes};
    c->in_body = 1;
    unsigned status = s->events->on_head ? s->events->on_head(s->owner, head, &out) : 0;
    memcpy(c->ticket, out.ticket, sizeof c->ticket);
    if (conn_closing(c)) {
        return;
    }
    if (status && out.answer) {
        refuse_with(c, out.answer);
    } else if (status) {
        conn_refuse(c, status, "refused_at_head");
    } else if (out.body_limit == SERVER_BODY_PARTS) {
        begin_intake(c);
    } else if (http_request_parser_limit_body(c->parser, out.body_limit)) {
        conn_refuse(c, 413, "body_too_large");
    } else if (over_bytes(c, request_bytes(c, head->content_length))) {
        refuse_for_memory(c, request_bytes(c, head->content_length));
    } else if (head->expect_continue && head->has_body) {
        c->continue_due = 1;
        conn_pump(c);
    }
}

static void on_request(struct server_conn *c) {
    const struct http_request *http = http_request_parser_request(c->parser);
    size_t bytes = request_bytes(c, http->body.len);
    if (over_bytes(c, bytes)) {
        refuse_for_memory(c, bytes);
        return;
    }
    struct server_slot *slot = new_slot(c, bytes);
    if (slot == NULL) {
        return;
    }
    if (copy_head(&slot->request, http, http_request_parser_head(c->parser)) ||
        copy_body(c, slot)) {
        list_remove(&slot->request.node);
        slot_free(slot);
        conn_refuse(c, 503, "no_memory");
        return;
    }
    c->in_body = 0;
    c->continue_due = 0; /* the body has come without it */
    http_request_parser_next(c->parser);
    hand_out(c, slot);
}

/* One step; 0 when the loop must stop. */
static int step(struct server_conn *c, char *bytes, size_t len, size_t *used) {
    int counts = c->in_body;
    if (http_request_parser_idle(c->parser)) {
        c->message_ns = loop_now_ns(c->server->loop);
    }
    enum http_parse_result result = http_request_parser_feed(c->parser, bytes, len, used);
    c->body_window += counts ? *used : 0;
    switch (result) {
    case HTTP_PARSE_MORE:
        if (c->intake) {
            give_part(c, 0);
        }
        return 0;
    case HTTP_PARSE_HEAD:
        on_head(c);
        return c->parser != NULL;
    case HTTP_PARSE_DONE:
        c->more_input = *used < len;
        if (c->intake) {
            end_intake(c);
        } else {
            on_request(c);
        }
        return *used < len && conn_may_parse(c);
    case HTTP_PARSE_ERROR:
        conn_refuse(c, http_request_parser_status(c->parser),
                    http_request_parser_reason(c->parser));
        return 0;
    }
    return 0;
}

/* Returns the bytes consumed. */
static size_t parse(struct server_conn *c, char *bytes, size_t len) {
    size_t at = 0;
    if (!conn_may_parse(c)) {
        return 0;
    }
    if (c->parser == NULL && (c->parser = take_parser(c->server)) == NULL) {
        conn_close(c, "no_memory");
        return 0;
    }
    c->parsing = 1;
    size_t used;
    do {
        used = 0;
        if (!step(c, bytes + at, len - at, &used)) {
            break;
        }
        at += used;
    } while (1);
    c->parsing = 0;
    c->more_input = 0;
    return at + used;
}

static void after_parse(struct server_conn *c) {
    if (conn_closing(c)) {
        return;
    }
    if (c->parser != NULL && http_request_parser_unused(c->parser)) {
        give_parser(c);
    }
    conn_account(c);
    if (conn_arriving(c) && over_bytes(c, c->held)) {
        refuse_for_memory(c, c->held);
    }
}

void conn_take(struct server_conn *c, char *bytes, size_t len) {
    /* What was kept goes first. */
    size_t used = c->input.len == 0 ? parse(c, bytes, len) : 0;
    if (used < len && !c->no_more && !conn_closing(c) &&
        buffer_append(&c->input, bytes + used, len - used)) {
        conn_close(c, "no_memory");
    }
    after_parse(c);
}

/* What follows an answer that ended with the connection. True: that is closed. */
static int end_cut(struct server_conn *c) {
    c->cut = 0;
    conn_abandon_requests(c, "after_last_answer");
    if (c->reset) {
        stream_reset(&c->stream);
        server_note_reason(c->server, "answer_aborted");
        conn_end(c, "answer_aborted"); /* which has its own line */
    }
    return (int)c->reset;
}

void conn_resume(struct server_conn *c) {
    if (c->broken) {
        if (c->stream.error == 0) { /* else on_end is about to say how it ended */
            conn_close(c, c->broken);
        }
        return;
    }
    if (c->cut && end_cut(c)) {
        return;
    }
    size_t used = 0;
    if (c->input.len > 0) {
        used = parse(c, buffer_begin(&c->input), c->input.len);
    }
    if (used > 0 && c->input.len > 0) { /* else a refusal or the close has dropped it */
        buffer_consume(&c->input, used);
        if (c->input.len == 0) {
            buffer_fini(&c->input);
        }
    }
    after_parse(c);
    if (c->input.len > 0 && conn_may_parse(c)) {
        server_resume_later(c->server, c);
    }
    conn_give_room(c);
    conn_settle(c);
}
