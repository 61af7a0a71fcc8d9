/* Answers, in the order of the requests. The oldest one is formatted straight into the stream's
 * queue; one that comes before its turn is formatted into memory of its own and waits. */
#include "server/server_impl.h"

#include "base/error.h"
#include "http/writer.h"

#define BODY(text)                                                                             \
    { "{\"message\":\"" text "\"}", sizeof("{\"message\":\"" text "\"}") - 1 }

/* The words of API Gateway. */
struct slice server_error_body(unsigned status) {
    static const struct {
        unsigned status;
        struct slice body;
    } bodies[] = {
        {400, BODY("Bad Request")},
        {401, BODY("Unauthorized")},
        {403, BODY("Forbidden")},
        {404, BODY("Not Found")},
        {405, BODY("Method Not Allowed")},
        {408, BODY("Request Timeout")},
        {409, BODY("Conflict")},
        {413, BODY("Request Too Long")},
        {414, BODY("Request URI too long")},
        {415, BODY("Unsupported Media Type")},
        {417, BODY("Expectation Failed")},
        {429, BODY("Too Many Requests")},
        {431, BODY("Request Header Fields Too Large")},
        {501, BODY("Not Implemented")},
        {503, BODY("Service Unavailable")},
        {504, BODY("Endpoint request timed out")},
        {505, BODY("HTTP Version Not Supported")},
    };
    static const struct slice other = BODY("Internal server error");
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        if (bodies[i].status == status) {
            return bodies[i].body;
        }
    }
    return status >= 400 && status < 500 ? bodies[0].body : other;
}

static struct http_response_head head_of(const struct server_slot *slot,
                                         const struct server_answer *answer) {
    const struct server_request *r = &slot->request;
    return (struct http_response_head){
        .status = answer->status,
        .minor = r->http.minor,
        .head_only = slot->has_head && r->http.method == HTTP_HEAD_,
        .date = r->conn->server->loop->http_date,
        .content_type = answer->content_type,
        .request_id = slice_of(r->request_id, sizeof(r->request_id) - 1),
        .headers = answer->headers,
        .header_count = answer->header_count,
    };
}

/* Only the last answer may say so, or later ones would be answers nobody reads. A request that
 * is arriving while we drain is still served. */
static int is_last(const struct server_conn *c, const struct server_slot *slot) {
    if (slot->request.node.next != NULL) {
        return 0;
    }
    if (c->no_more) {
        return 1;
    }
    int more = c->input.len > 0 || c->more_input;
    return (c->peer_done && !more) || (c->server->draining && !more && !conn_arriving(c));
}

/* Formats into `out`; what must not be sent becomes a 500. Returns the bytes, *status what was
 * said and *body what of it. */
static size_t format(char *out, struct http_response_head *head, struct slice *body) {
    size_t len = head->status >= 200 ? http_format_response(out, head, *body) : 0;
    if (len == 0) {
        head->status = 500;
        head->content_type = SLICE("application/json");
        head->header_count = 0;
        *body = server_error_body(500);
        len = http_format_response(out, head, *body);
    }
    return len;
}

/* --- in turn --- */

static int in_turn(const struct server_slot *slot) {
    const struct server_conn *c = slot->request.conn;
    return c->requests.first == &slot->request.node && !c->cut && !c->broken;
}

static void count_written(struct server_conn *c, size_t len) {
    c->written += len;
    if (!c->parsing) { /* else when it is settled */
        conn_watch_write(c);
    }
}

void conn_break(struct server_conn *c, const char *reason) {
    reason = c->stream.error != 0 ? "reset" : reason;
    c->broken = c->broken ? c->broken : reason;
    server_resume_later(c->server, c);
}

/* What of its answers a connection has over out_bytes is part of request_bytes: half of that at
 * most, which leaves the other to requests, but where a single answer is so large. */
static int has_memory(struct server_conn *c, size_t bytes) {
    struct server *s = c->server;
    size_t unsent = stream_queued(&c->stream) + c->kept;
    if (unsent + bytes <= s->options.out_bytes) {
        return 1;
    }
    conn_account(c);
    return s->bytes + bytes <= s->options.request_bytes / (unsent > 0 ? 2 : 1);
}

static void write_bytes(struct server_conn *c, struct slice bytes) {
    if (stream_write(&c->stream, bytes)) {
        conn_break(c, "no_memory");
        return;
    }
    count_written(c, bytes.len);
}

static void write_answer(struct server_conn *c, struct http_response_head *head,
                         struct slice *body, size_t bound) {
    char *out = stream_reserve(&c->stream, bound);
    if (out == NULL) {
        conn_break(c, "no_memory");
        return;
    }
    size_t len = format(out, head, body);
    stream_wrote(&c->stream, len);
    count_written(c, len);
}

/* An answer whose end is the connection's leaves nothing to those behind it. */
static void remove_slot(struct server_conn *c, struct server_slot *slot) {
    c->answered++;
    list_remove(&slot->request.node);
    if (slot->aborted || (slot->until_close && !list_empty(&c->requests))) {
        c->cut = 1;
        c->no_more = 1;
        c->reset = slot->aborted && slot->until_close;
        server_resume_later(c->server, c);
    }
    slot_free(slot);
}

/* So many bytes more (or, wrapping round, less) of answers wait for their turn. */
static void count_kept(struct server_slot *slot, size_t bytes) {
    struct server_conn *c = slot->request.conn;
    slot->bytes += bytes;
    c->kept += bytes;
    c->server->bytes += bytes;
}

void slot_drop_kept(struct server_slot *slot) {
    if (slot->kept_chunk) {
        slab_release(&slot->request.conn->server->kept, slot->answer.data);
        slot->answer = (struct buffer){0};
        slot->kept_chunk = 0;
    } else {
        buffer_fini(&slot->answer);
    }
}

/* More room than a chunk has. */
static int leave_chunk(struct server_slot *slot, size_t len) {
    struct buffer own = {0};
    int error = buffer_reserve(&own, slot->answer.len + len);
    error = error ? error : buffer_append_slice(&own, buffer_slice(&slot->answer));
    if (error == 0) {
        slot_drop_kept(slot);
        slot->answer = own;
    }
    return error;
}

/* Room for so many bytes more, and counted. */
static int reserve_kept(struct server_slot *slot, size_t len) {
    struct buffer *b = &slot->answer;
    size_t before = b->cap;
    int error = 0;
    if (before == 0 && len <= KEPT_CHUNK_BYTES) {
        b->data = slab_acquire(&slot->request.conn->server->kept);
        b->cap = b->data ? KEPT_CHUNK_BYTES : 0;
        slot->kept_chunk = b->data != NULL;
        error = b->data ? 0 : ERR_NOMEM;
    } else if (!slot->kept_chunk) {
        error = buffer_reserve(b, len);
    } else if (buffer_room(b) < len) {
        error = leave_chunk(slot, len);
    }
    count_kept(slot, b->cap - before);
    return error;
}

/* What a slot has kept until its turn. */
static void write_kept(struct server_conn *c, struct server_slot *slot) {
    if (slot->answer.len > 0) {
        write_bytes(c, buffer_slice(&slot->answer));
        count_kept(slot, 0 - slot->answer.cap);
        slot_drop_kept(slot);
    }
}

void conn_pump(struct server_conn *c) {
    struct list_node *node = NULL;
    while (!c->cut && !c->broken && (node = c->requests.first) != NULL) {
        struct server_slot *slot = slot_of(node);
        write_kept(c, slot);
        if (!slot->request.answered) {
            break;
        }
        remove_slot(c, slot);
    }
    if (c->cut || c->broken) {
        return;
    }
    if (node != NULL && slot_of(node)->starved) {
        server_resume_later(c->server, c); /* for those ahead of it, which are gone */
    }
    if (c->continue_due && (node == NULL ? !c->no_more : slot_of(node) == c->intake)) {
        c->continue_due = 0;
        write_bytes(c, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
    }
}

/* A request that was refused before it was handed out is the present owner's. */
static void *owner_of(const struct server_slot *slot) {
    return slot->request.owner ? slot->request.owner : slot->request.conn->server->owner;
}

/* --- answering --- */

static void tell_owner(const struct server_slot *slot, const struct server_answered *a) {
    const struct server *s = slot->request.conn->server;
    int told =
        s->events->on_answered != NULL &&
        s->events->on_answered(owner_of(slot), slot->has_head ? &slot->request : NULL, a);
    if (a->reason != NULL && !told) {
        conn_log_answer(slot->request.conn,
                        slot->aborted ? "answer_aborted" : "request_refused", a->reason,
                        a->status, slot->request.request_id);
    }
}

static void keep_answer(struct server_slot *slot, struct http_response_head *head,
                        struct slice *body, size_t bound) {
    if (reserve_kept(slot, bound)) {
        conn_break(slot->request.conn, "no_memory");
        return;
    }
    buffer_grow(&slot->answer, format(buffer_tail(&slot->answer), head, body));
}

static void answer_with(struct server_slot *slot, const struct server_answer *answer) {
    struct server_conn *c = slot->request.conn;
    static const struct http_header retry = {{"Retry-After", 11}, {"1", 1}};
    static const struct http_header allow = {
        {"Allow", 5}, {"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", 44}};
    struct http_response_head head = head_of(slot, answer);
    struct slice body = answer->body;
    if (slot->refusal && head.header_count == 0 && (head.status == 503 || head.status == 405)) {
        head.headers = head.status == 503 ? &retry : &allow;
        head.header_count = 1;
    }
    if (is_last(c, slot)) {
        c->no_more = 1;
    } else {
        head.keep_alive = 1;
    }
    /* Room for the 500 it may become. */
    size_t bound = http_response_bound(&head, body) + 64;
    int now = in_turn(slot);
    slot->request.answered = 1;
    if (!c->broken && !has_memory(c, bound)) {
        conn_break(c, "answer_memory");
    }
    if (c->broken) {
        body = SLICE_EMPTY;
    } else if (now) {
        write_answer(c, &head, &body, bound);
    } else {
        keep_answer(slot, &head, &body, bound);
    }
    const char *reason = head.status == answer->status ? answer->reason : "bad_answer";
    tell_owner(slot, &(struct server_answered){.status = head.status,
                                               .body_bytes = head.head_only ? 0 : body.len,
                                               .body = body,
                                               .reason = c->broken ? c->broken : reason});
    if (now && !c->broken) {
        remove_slot(c, slot);
        conn_pump(c);
    }
}

/* The answer with the fields that the owner has the last word on. */
static struct server_answer with_fields(const struct server_slot *slot,
                                        const struct server_answer *answer,
                                        struct http_header fields[SERVER_FIELDS_MAX]) {
    const struct server *s = slot->request.conn->server;
    struct server_answer own = *answer;
    if (slot->has_head && s->events->on_fields) {
        ASSERT(answer->header_count <= HTTP_HEADERS_MAX);
        size_t count = s->events->on_fields(owner_of(slot), &slot->request, answer, fields);
        if (count != SERVER_FIELDS_SAME) {
            ASSERT(count <= SERVER_FIELDS_MAX);
            own.headers = fields;
            own.header_count = count;
        }
    }
    return own;
}

void slot_answer(struct server_slot *slot, const struct server_answer *answer) {
    struct http_header fields[SERVER_FIELDS_MAX];
    struct server_answer own = with_fields(slot, answer, fields);
    answer_with(slot, &own);
}

/* After an answer. */
static void settle(struct server_conn *c) {
    if (c->parsing) {
        return; /* its caller settles */
    }
    if (c->input.len > 0 && conn_may_parse(c)) {
        server_resume_later(c->server, c);
    }
    conn_settle(c);
}

void server_respond(struct server_request *r, const struct server_answer *answer) {
    struct server_slot *slot = container_of(r, struct server_slot, request);
    struct server_conn *c = r->conn;
    ASSERT(slot->owned && !r->answered);
    slot->owned = 0;
    c->server->in_flight--;
    if (slot == c->intake) {
        conn_drop_intake(c);
    }
    if (answer->close) {
        c->no_more = 1;
    }
    slot_answer(slot, answer);
    settle(c);
}

/* --- in parts --- */

/* Room for so many bytes of the answer, in the stream or until its turn. */
static char *slot_reserve(struct server_slot *slot, size_t len) {
    struct server_conn *c = slot->request.conn;
    if (in_turn(slot)) {
        return stream_reserve(&c->stream, len);
    }
    return reserve_kept(slot, len) ? NULL : buffer_tail(&slot->answer);
}

static void slot_wrote(struct server_slot *slot, size_t len) {
    struct server_conn *c = slot->request.conn;
    if (in_turn(slot)) {
        stream_wrote(&c->stream, len);
        count_written(c, len);
    } else {
        buffer_grow(&slot->answer, len);
    }
}

int server_begin(struct server_request *r, const struct server_answer *answer) {
    struct server_slot *slot = container_of(r, struct server_slot, request);
    struct server_conn *c = r->conn;
    struct http_header fields[SERVER_FIELDS_MAX];
    struct server_answer own = with_fields(slot, answer, fields);
    struct http_response_head head = head_of(slot, &own);
    ASSERT(slot->owned && !slot->begun && slot != c->intake);
    head.framing = r->http.minor == 0 ? HTTP_BODY_UNTIL_CLOSE : HTTP_BODY_CHUNKED;
    int alone = slot->request.node.next == NULL;
    int last = alone && (answer->close || is_last(c, slot));
    head.keep_alive = r->http.minor != 0 && !last;
    char *out = slot_reserve(slot, http_response_bound(&head, SLICE_EMPTY));
    if (out == NULL) {
        conn_break(c, "no_memory"); /* and on_abandon follows */
    } else {
        size_t len = head.status >= 200 ? http_format_response(out, &head, SLICE_EMPTY) : 0;
        if (len == 0) {
            return ERR_INVALID;
        }
        slot_wrote(slot, len);
    }
    slot->begun = 1;
    slot->status = head.status;
    slot->reason = answer->reason;
    slot->bodyless = head.head_only || head.status == 204 || head.status == 304;
    slot->chunked = head.framing == HTTP_BODY_CHUNKED;
    slot->until_close = !slot->chunked;
    c->no_more |= answer->close || (!head.keep_alive && alone);
    return 0;
}

bool server_write(struct server_request *r, struct slice part) {
    struct server_slot *slot = container_of(r, struct server_slot, request);
    struct server_conn *c = r->conn;
    ASSERT(slot->begun);
    if (part.len == 0 || slot->bodyless || c->broken) {
        return !slot->starved;
    }
    char *out = slot_reserve(slot, part.len + HTTP_CHUNK_EXTRA);
    if (out == NULL) {
        conn_break(c, "no_memory");
        return true;
    }
    size_t len = part.len;
    if (slot->chunked) {
        len = http_format_chunk(out, part);
    } else {
        memcpy(out, part.ptr, part.len);
    }
    slot_wrote(slot, len);
    slot->sent += part.len;
    size_t waiting = stream_queued(&c->stream) + (in_turn(slot) ? 0 : c->kept);
    if (waiting >= c->server->options.out_bytes) {
        slot->starved = 1;
        server_resume_later(c->server, c); /* reading stops, too */
    }
    return !slot->starved;
}

static void finish_parts(struct server_slot *slot, const char *reason) {
    struct server_conn *c = slot->request.conn;
    ASSERT(slot->owned && slot->begun);
    slot->owned = 0;
    slot->starved = 0;
    slot->request.answered = 1;
    c->server->in_flight--;
    tell_owner(slot, &(struct server_answered){
                         .status = slot->status, .body_bytes = slot->sent, .reason = reason});
    conn_pump(c);
    settle(c);
}

void server_end(struct server_request *r) {
    struct server_slot *slot = container_of(r, struct server_slot, request);
    struct slice last = HTTP_LAST_CHUNK;
    if (slot->chunked && !slot->bodyless && !r->conn->broken) {
        char *out = slot_reserve(slot, last.len);
        if (out == NULL) {
            conn_break(r->conn, "no_memory");
        } else {
            memcpy(out, last.ptr, last.len);
            slot_wrote(slot, last.len);
        }
    }
    finish_parts(slot, slot->reason);
}

void server_abort(struct server_request *r, const char *reason) {
    struct server_slot *slot = container_of(r, struct server_slot, request);
    slot->aborted = !slot->bodyless;
    r->conn->no_more |= slot->aborted;
    server_note_reason(r->conn->server, reason);
    finish_parts(slot, reason);
}

void conn_give_room(struct server_conn *c) {
    struct server *s = c->server;
    if (list_empty(&c->requests) || conn_closing(c) || c->broken) {
        return;
    }
    struct server_slot *slot = slot_of(c->requests.first);
    if (slot->starved && stream_queued(&c->stream) < s->options.out_bytes) {
        slot->starved = 0;
        s->events->parts->on_room(slot->request.owner, &slot->request);
    }
}
