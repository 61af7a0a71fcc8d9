/* A byte stream on the loop: TCP or unix socket, plain or TLS, one interface.
 *
 * Embedded in its owner. Happy path of a client: stream_init, stream_connect -> on_open(0) ->
 * stream_write / on_data ... -> stream_close -> on_close. Of a server: the listener calls
 * stream_init and stream_accept -> on_open(0) (after any TLS handshake) -> ...
 *
 * Rules:
 * - No event is delivered from inside a stream_* call: errors met there arrive in a later turn.
 * - Data in on_data lies in a shared buffer: valid during the call only; writable.
 * - Writes are copied, corked and sent once per turn (LOOP_RANK_FLUSH, so duties of a later
 * rank must not write); what the socket does not take stays queued. The owner bounds the queue:
 * it reads stream_queued() and stops producing above its own limit until on_drain, which comes
 * from the flush whenever that has emptied the queue. Writing is allowed before on_open: the
 * bytes wait.
 * - After on_end no more data comes. on_end(0) is a clean end (FIN, or close_notify under TLS);
 *   a FIN without close_notify is on_end(ERR_CLOSED); anything else is an error code. The owner
 * may still write after on_end(0) (half-close), and must call stream_close in the end. If such
 * a late write fails, on_end comes a second time, with the error; never after an error.
 * - After on_open(error) or on_end(error) nothing but on_close follows.
 * - on_close is the last event and the only place where the owner may free or reuse the memory.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "loop/timer.h"
#include "net/address.h"
#include "net/stream_hub.h"
#include "tls/session_cache.h" /* who connects owns one, and may not reach tls/ itself */

struct stream;
struct tls_context;

struct stream_events {
    void (*on_open)(struct stream *s, int error);
    void (*on_data)(struct stream *s, char *data, size_t len);
    void (*on_end)(struct stream *s, int error);
    void (*on_drain)(struct stream *s); /* the queue is empty again; may be NULL */
    void (*on_close)(struct stream *s);
};

struct stream {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    const struct stream_events *events;
    struct stream_hub *hub;
    struct list_node node;         /* in hub->open */
    struct list_node dirty_node;   /* in hub->dirty */
    struct list_node pending_node; /* in hub->pending */
    struct buffer out;             /* bytes for the socket (ciphertext under TLS) */
    struct buffer plain;           /* TLS only: bytes to encrypt at the flush */
    struct buffer sending;         /* what uv_write is busy with */
    struct tls_engine *tls;        /* owned; NULL on a plain stream */
    struct stream_proxy *proxy;    /* owned; see stream_proxy.h */
    uv_write_t write;
    uv_connect_t connect;
    uint64_t connected_ns; /* of a client: when TCP was, before the handshake */
    uint64_t read_turn;    /* the turn that read_bytes counts */
    uint32_t read_bytes;   /* bounded per turn, so that one fast peer does not hold the loop */
    int error;             /* first error; reported once */
    uint8_t state;
    unsigned writing : 1;    /* uv_write in flight */
    unsigned reading : 1;    /* the owner wants data */
    unsigned polling : 1;    /* uv_read_start is on */
    unsigned ended : 1;      /* on_end was delivered */
    unsigned shut : 1;       /* shutdown asked for: FIN after the queue */
    unsigned fin_sent : 1;   /* ... and done */
    unsigned notified : 1;   /* close_notify is in the output */
    unsigned has_handle : 1; /* the libuv handle is open */
};

/* Zeroes and registers; nothing is open yet. */
void stream_init(struct stream *s, struct stream_hub *hub, const struct stream_events *events);

struct stream_tls {
    struct tls_context *context;        /* NULL = plain */
    const char *server_name;            /* client: SNI and the name that is verified */
    struct tls_session_cache *sessions; /* client: resumption; may be NULL */
};

/* 0: on_open follows exactly once, unless stream_close comes first. Else a code, and the caller
 * still owes stream_close. TCP_NODELAY is set. The owner keeps its own connect deadline. */
MUST_CHECK int stream_connect(struct stream *s, const struct net_address *to,
                              const struct stream_tls *tls);
/* Takes over an accepted descriptor; on_open follows as with stream_connect. */
MUST_CHECK int stream_accept(struct stream *s, int fd, const struct stream_tls *tls);

/* Copies into the queue; sent before the loop polls. 0, ERR_NOMEM, or ERR_CLOSED after an
 * error, a shutdown or a close. */
MUST_CHECK int stream_write(struct stream *s, struct slice bytes);
/* Room for `len` bytes at the end of the queue, to be filled by the caller and counted with
 * stream_wrote: the way to write without a copy. NULL when stream_write would fail. */
char *stream_reserve(struct stream *s, size_t len);
void stream_wrote(struct stream *s, size_t len);
/* Sends now what the flush would, without an on_drain; not under TLS. */
void stream_flush(struct stream *s);
size_t stream_queued(const struct stream *s); /* bytes not yet handed to the kernel */

/* Reading is on after on_open. Stopping is what makes the peer wait. */
void stream_read_stop(struct stream *s);
void stream_read_start(struct stream *s);
/* close_notify and FIN once the queue is out; reading goes on. */
void stream_shutdown(struct stream *s);
/* Drops what is queued; on_close in a later turn. Idempotent. With a reset the end does not
 * look like one. */
void stream_close(struct stream *s);
void stream_reset(struct stream *s);
int stream_closing(const struct stream *s);

/* The peer's address; of family AF_UNSPEC when the peer is already gone. */
void stream_peer(const struct stream *s, struct net_address *peer);
/* The reason of a failed handshake or verification, for logs; NULL on a plain stream, "" when
 * nothing failed. Valid until on_close. */
const char *stream_tls_reason(const struct stream *s);
int stream_tls_resumed(const struct stream *s); /* whether the handshake resumed a session */

#endif
