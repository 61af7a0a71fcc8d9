/* Happy path: the socket is readable -> on_alloc lends the loop's read buffer -> on_read ->
 * on_data in place (plain), or the engine takes the ciphertext and on_data shows the hub's
 * plaintext buffer, record by record (TLS).
 *
 * Where a PROXY header is due, it is taken off first and the rest goes on as above.
 *
 * Failure modes: FIN -> on_end(0), or ERR_CLOSED under TLS, where only close_notify is a clean
 * end; reset, malformed record, failed verification -> on_open or on_end with the code. The
 * owner stops reading inside on_data -> the engine keeps what it has; a later turn goes on. */
#include "net/stream_impl.h"

#include "base/error.h"
#include "tls/engine.h"

/* libuv reads up to 32 times 64 KiB from a stream in one turn; the others wait that long. */
#define READ_BYTES_PER_TURN 262144u

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    struct stream *s = container_of((uv_tcp_t *)handle, struct stream, uv.tcp);
    struct loop *l = s->hub->loop;
    (void)suggested;
    if (l->read_buffer_busy) {
        *buf = uv_buf_init(NULL, 0); /* UV_ENOBUFS; the poll reports the data again */
        return;
    }
    l->read_buffer_busy = 1;
    *buf = uv_buf_init(l->read_buffer, sizeof(l->read_buffer));
}

static void ended(struct stream *s, int error) {
    if (s->state != STREAM_OPEN || error != 0) {
        stream_fail_now(s, error != 0 ? error : ERR_CLOSED);
        return;
    }
    s->ended = 1;
    stream_update_polling(s);
    s->events->on_end(s, 0);
}

/* A FIN. Under TLS it is a clean end only after close_notify, and then it is not seen here. */
static void on_fin(struct stream *s) {
    if (s->tls) {
        tls_engine_peer_gone(s->tls);
    }
    ended(s, s->tls ? ERR_CLOSED : 0);
}

void stream_read_engine(struct stream *s) {
    struct stream_hub *hub = s->hub;
    int rc = 0;
    while (s->state == STREAM_OPEN && s->reading) {
        size_t len;
        rc = tls_engine_read(s->tls, hub->plaintext, sizeof(hub->plaintext), &len);
        if (rc != 0) {
            break;
        }
        s->events->on_data(s, hub->plaintext, len);
    }
    if (s->state != STREAM_OPEN) {
        return;
    }
    if (s->out.len > 0) {
        stream_mark_dirty(s); /* an alert */
    }
    if (rc == 0) {
        rc = tls_engine_hold(s->tls); /* the owner stopped reading */
    }
    if (rc == ERR_CLOSED) {
        ended(s, 0);
    } else if (rc != ERR_AGAIN && rc != 0) {
        stream_fail_now(s, rc);
    }
}

void stream_step_handshake(struct stream *s) {
    int rc = tls_engine_handshake(s->tls);
    if (rc != 0 && rc != ERR_AGAIN) {
        stream_fail_now(s, rc);
        return;
    }
    if (s->out.len > 0) {
        stream_mark_dirty(s);
    }
    if (rc == ERR_AGAIN) {
        stream_update_polling(s);
        return;
    }
    stream_opened(s);
    if (s->state == STREAM_OPEN) {
        stream_read_engine(s); /* what came with the last flight */
    }
}

static void received(struct stream *s, char *bytes, size_t len) {
    if (s->state == STREAM_PROXY) {
        size_t used = 0;
        if (!stream_take_proxy(s, bytes, len, &used)) {
            return;
        }
        bytes += used;
        len -= used;
        if (len == 0 || s->state > STREAM_OPEN || s->error != 0) {
            return;
        }
    }
    if (s->tls == NULL) {
        s->events->on_data(s, bytes, len);
        return;
    }
    int rc = tls_engine_feed(s->tls, bytes, len);
    if (rc != 0) {
        stream_fail_now(s, rc);
    } else if (s->state == STREAM_HANDSHAKE) {
        stream_step_handshake(s);
    } else {
        stream_read_engine(s);
    }
}

/* Counts towards the share of the turn; beyond it, reading goes on in the next turn. */
static void count_read(struct stream *s, size_t len) {
    uint64_t turn = s->hub->loop->turns;
    if (s->read_turn != turn) {
        s->read_turn = turn;
        s->read_bytes = 0;
    }
    s->read_bytes += (uint32_t)len;
    s->hub->bytes_in += len;
    if (s->read_bytes >= READ_BYTES_PER_TURN && s->polling) {
        s->polling = 0;
        uv_read_stop(&s->uv.stream);
        stream_pend(s);
    }
}

static void on_read(uv_stream_t *uv, ssize_t nread, const uv_buf_t *buf) {
    struct stream *s = container_of((uv_tcp_t *)(void *)uv, struct stream, uv.tcp);
    struct loop *l = s->hub->loop;
    if (buf->base == NULL && nread == UV_ENOBUFS) {
        return;
    }
    if (s->error == 0) { /* else the error is on its way to the owner */
        if (nread > 0) {
            count_read(s, (size_t)nread);
            received(s, buf->base, (size_t)nread);
        } else if (nread == UV_EOF) {
            on_fin(s);
        } else if (nread < 0) {
            if (s->tls) {
                tls_engine_peer_gone(s->tls);
            }
            ended(s, loop_error((int)nread));
        }
    }
    if (buf->base == l->read_buffer) {
        l->read_buffer_busy = 0;
    }
}

void stream_update_polling(struct stream *s) {
    int opening = s->state == STREAM_PROXY || s->state == STREAM_HANDSHAKE;
    int want = opening || (s->state == STREAM_OPEN && s->reading && !s->ended);
    if (s->error != 0 || list_linked(&s->pending_node)) {
        want = 0; /* an error is to be told, or the turn's share is used up */
    }
    if (want == (int)s->polling || s->state >= STREAM_CLOSING) {
        return;
    }
    s->polling = want != 0;
    if (!want) {
        uv_read_stop(&s->uv.stream);
        return;
    }
    int rc = uv_read_start(&s->uv.stream, on_alloc, on_read);
    if (rc != 0) {
        s->polling = 0;
        stream_fail_later(s, loop_error(rc));
    }
}

void stream_read_stop(struct stream *s) {
    s->reading = 0;
    stream_update_polling(s);
}

void stream_read_start(struct stream *s) {
    s->reading = 1;
    if (s->state != STREAM_OPEN || s->ended) {
        return;
    }
    if (s->tls && tls_engine_held(s->tls)) {
        stream_pend(s); /* what the engine has comes first, in the next turn */
    } else {
        stream_update_polling(s);
    }
}
