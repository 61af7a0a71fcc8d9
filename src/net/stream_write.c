/* Happy path: stream_write copies into the queue and links the stream into hub->dirty -> the
 * flush duty, once per turn: [encrypt] -> uv_try_write -> all of it went out: on_drain.
 *
 * The socket takes only a part: the rest moves to `sending`, one uv_write waits for POLLOUT,
 * and what is written meanwhile gathers in the queue behind it. Failure modes: the socket
 * refuses -> the queue is dropped and the error delivered in the next turn. */
#include "net/stream_impl.h"

#include "base/error.h"
#include "tls/engine.h"

/* Encrypted and sent per stream and turn at most, so that one long answer shares the loop. */
#define FLUSH_BYTES_PER_TURN 262144u
#define ENCRYPT_CHUNK        65536u
#define RECORD_EXTRA         64u /* what a TLS record adds to its bytes, at most */
/* An on_drain may write again and is flushed again, so often in one turn. */
#define FLUSH_ROUNDS 8

/* ---- queue memory ---- */

void stream_drop_queue(struct stream *s) {
    if (list_linked(&s->dirty_node)) {
        list_remove(&s->dirty_node);
    }
    s->out.len = s->plain.len = 0;
    spares_give_back(&s->hub->spares, &s->out);
    spares_give_back(&s->hub->spares, &s->plain);
}

/* A failed engine may have left an alert, which tells the peer why: one attempt. */
void stream_send_alert(struct stream *s) {
    if (s->tls && s->out.len > 0 && !s->writing) {
        uv_buf_t buf = uv_buf_init(buffer_begin(&s->out), (unsigned)s->out.len);
        (void)uv_try_write(&s->uv.stream, &buf, 1);
    }
}

/* ---- the owner's side ---- */

void stream_mark_dirty(struct stream *s) {
    if (!list_linked(&s->dirty_node)) {
        list_push_back(&s->hub->dirty, &s->dirty_node);
    }
}

static int writable(const struct stream *s) {
    return s->error == 0 && !s->shut && s->state != STREAM_NEW && s->state < STREAM_FAILED;
}

static struct buffer *queue_of(struct stream *s) {
    return s->tls ? &s->plain : &s->out;
}

int stream_write(struct stream *s, struct slice bytes) {
    if (!writable(s)) {
        return ERR_CLOSED;
    }
    struct buffer *queue = queue_of(s);
    spares_borrow(&s->hub->spares, queue, bytes.len);
    int error = buffer_append(queue, bytes.ptr, bytes.len);
    stream_mark_dirty(s);
    return error;
}

char *stream_reserve(struct stream *s, size_t len) {
    if (!writable(s)) {
        return NULL;
    }
    struct buffer *queue = queue_of(s);
    spares_borrow(&s->hub->spares, queue, len);
    /* Marked already here: a queue that stays empty gives its memory back in the flush. */
    stream_mark_dirty(s);
    return buffer_reserve(queue, len) == 0 ? buffer_tail(queue) : NULL;
}

void stream_wrote(struct stream *s, size_t len) {
    if (writable(s)) { /* else the queue went with the error */
        buffer_grow(queue_of(s), len);
    }
}

size_t stream_queued(const struct stream *s) {
    size_t sending = s->writing ? uv_stream_get_write_queue_size(&s->uv.stream) : 0;
    return s->plain.len + s->out.len + sending;
}

void stream_shutdown(struct stream *s) {
    if (writable(s)) {
        s->shut = 1;
        stream_mark_dirty(s);
    }
}

/* ---- the flush ---- */

static void on_written(uv_write_t *request, int status) {
    struct stream *s = container_of(request, struct stream, write);
    s->writing = 0;
    s->hub->bytes_out += status == 0 ? s->sending.len : 0;
    spares_give_back(&s->hub->spares, &s->sending);
    if (s->state >= STREAM_FAILED || s->error != 0) {
        return;
    }
    if (status != 0) {
        stream_fail_now(s, loop_error(status));
        return;
    }
    stream_mark_dirty(s); /* the flush goes on, or tells on_drain */
}

/* The socket is full: libuv sends the rest when it is writable again. */
static void send_rest(struct stream *s) {
    s->sending = s->out;
    s->out = (struct buffer){0};
    uv_buf_t buf = uv_buf_init(buffer_begin(&s->sending), (unsigned)s->sending.len);
    s->hub->write_calls++;
    int rc = uv_write(&s->write, &s->uv.stream, &buf, 1, on_written);
    if (rc != 0) {
        spares_give_back(&s->hub->spares, &s->sending);
        stream_fail_later(s, loop_error(rc));
        return;
    }
    s->writing = 1;
}

/* One write of what is in `out`; returns the bytes the socket took, with an error noted in the
 * stream. */
static size_t send_out(struct stream *s) {
    uv_buf_t buf = uv_buf_init(buffer_begin(&s->out), (unsigned)s->out.len);
    s->hub->write_calls++;
    int rc = uv_try_write(&s->uv.stream, &buf, 1);
    if (rc < 0 && rc != UV_EAGAIN) {
        stream_fail_later(s, loop_error(rc));
        return 0;
    }
    size_t sent = rc > 0 ? (size_t)rc : 0;
    s->hub->bytes_out += sent;
    buffer_consume(&s->out, sent);
    if (s->out.len > 0) {
        send_rest(s);
    }
    return sent;
}

/* Moves plaintext through the engine into `out`. */
static void encrypt(struct stream *s) {
    size_t len = s->plain.len < ENCRYPT_CHUNK ? s->plain.len : ENCRYPT_CHUNK;
    int rc = 0;
    spares_borrow(&s->hub->spares, &s->out,
                  len + (len / STREAM_PLAINTEXT_MAX + 1) * RECORD_EXTRA);
    if (len > 0) {
        rc = tls_engine_write(s->tls, slice_of(buffer_begin(&s->plain), len));
        buffer_consume(&s->plain, len);
    }
    if (rc == 0 && s->plain.len == 0 && s->shut && !s->notified) {
        s->notified = 1;
        tls_engine_close_notify(s->tls);
    }
    if (rc != 0) {
        stream_fail_later(s, rc);
    }
}

static void finish_shutdown(struct stream *s) {
    uv_os_fd_t fd;
    if (s->shut && !s->fin_sent && s->state == STREAM_OPEN) {
        s->fin_sent = 1;
        if (uv_fileno(&s->uv.handle, &fd) == 0) {
            shutdown(fd, SHUT_WR); /* ENOTCONN: the read side will tell */
        }
    }
}

/* The queue is out. */
static void drained(struct stream *s) {
    spares_give_back(&s->hub->spares, &s->out);
    spares_give_back(&s->hub->spares, &s->plain);
    finish_shutdown(s);
    if (s->state == STREAM_OPEN && s->events->on_drain) {
        s->events->on_drain(s);
    }
}

enum pushed {
    PUSHED_ALL,
    PUSHED_SHARE, /* of the turn, with bytes left */
    PUSHED_STUCK, /* something else goes on with it, or nothing can */
};

static enum pushed push(struct stream *s) {
    size_t sent = 0;
    if (s->writing || s->error != 0 ||
        (s->state != STREAM_HANDSHAKE && s->state != STREAM_OPEN)) {
        return PUSHED_STUCK;
    }
    while (sent < FLUSH_BYTES_PER_TURN) {
        if (s->tls && s->state == STREAM_OPEN) {
            encrypt(s);
        }
        if (s->out.len == 0 || s->error != 0) {
            break;
        }
        sent += send_out(s);
        if (s->writing || s->error != 0) {
            return PUSHED_STUCK;
        }
    }
    if (s->error != 0) {
        return PUSHED_STUCK;
    }
    if (s->out.len == 0 && s->plain.len == 0) {
        return PUSHED_ALL;
    }
    return s->out.len > 0 || s->state == STREAM_OPEN ? PUSHED_SHARE : PUSHED_STUCK;
}

/* Returns 1 when the stream has used up its share of the turn with bytes left. */
static int flush(struct stream *s) {
    enum pushed pushed = push(s);
    if (pushed == PUSHED_ALL) {
        drained(s);
    }
    return pushed == PUSHED_SHARE;
}

void stream_flush(struct stream *s) {
    if (s->tls || s->shut || s->state != STREAM_OPEN || !list_linked(&s->dirty_node)) {
        return;
    }
    enum pushed pushed = push(s);
    if (pushed != PUSHED_SHARE) {
        list_remove(&s->dirty_node);
    }
    if (pushed == PUSHED_ALL) {
        spares_give_back(&s->hub->spares, &s->out);
    }
}

void stream_flush_duty(struct loop_duty *duty) {
    struct stream_hub *hub = container_of(duty, struct stream_hub, flush);
    struct list_node *node;
    struct list later; /* to be flushed again in the next turn */
    list_init(&later);
    for (int round = 0; round < FLUSH_ROUNDS && !list_empty(&hub->dirty); round++) {
        for (size_t n = hub->dirty.count; n > 0; n--) {
            if ((node = list_pop_front(&hub->dirty)) == NULL) {
                break;
            }
            if (flush(container_of(node, struct stream, dirty_node))) {
                list_push_back(&later, node);
            }
        }
    }
    while ((node = list_pop_front(&later)) != NULL) {
        list_push_back(&hub->dirty, node);
    }
    if (!list_empty(&hub->dirty)) {
        stream_wake(hub);
    }
}
