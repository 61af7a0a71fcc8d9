/* A worker's connections to one endpoint, and the exchanges that travel on them.
 *
 * Vocabulary: an *exchange* is one HTTP request and its response. It waits in the pool's queue,
 * is given to a *pooled connection* with a free place (pipeline_depth), written, answered.
 *
 * Happy path: pool_submit -> (a connection is free) on_write fills in the bytes, signed for
 * this very attempt -> sent at the end of the turn -> on_done(0) with the response. Failure:
 * on_done(error) with how far it had come, which decides whether a write may be repeated. A
 * first write on a connection that turns out stale (closed by the peer while idle, zero
 * response bytes) is retried on a fresh connection by the pool itself when `resend` says it is
 * safe.
 *
 * on_done runs exactly once iff pool_submit returned 0, never from inside pool_submit. The
 * response in on_done is valid during the call only. */
#ifndef CLIENT_POOL_H
#define CLIENT_POOL_H

#include "base/buckets.h"
#include "base/buffer.h"
#include "http/message.h"
#include "loop/loop.h"
#include "net/stream.h"

struct pool;
struct exchange;

enum exchange_progress {
    EXCHANGE_NOT_SENT, /* no byte left this machine: it cannot have happened */
    EXCHANGE_SENT,     /* some byte was handed to the kernel: it may have happened */
    EXCHANGE_ANSWERED, /* a response arrived, whole or in part */
};

enum exchange_resend {
    EXCHANGE_RESEND_SAFE,  /* repeating is harmless: GET, unconditional put or delete */
    EXCHANGE_RESEND_NEVER, /* only when NOT_SENT */
};

struct exchange_events {
    /* Appends the whole request, head and body. 0, or an error that ends the exchange NOT_SENT.
     */
    int (*on_write)(struct exchange *x, struct buffer *out);
    /* error 0: response is set. The exchange is the caller's again. */
    void (*on_done)(struct exchange *x, int error, const struct http_response *response);
};

/* Embedded in its owner (an attempt, a credentials fetch). Zero it before first use. */
struct exchange {
    struct list_node node;
    const struct exchange_events *events;
    enum http_method method;
    enum exchange_resend resend;
    enum exchange_progress progress; /* read in on_done */
    uint64_t
        deadline_ns; /* monotonic; 0 = response_timeout_ms, to wait and again to be answered */
    uint64_t submitted_ns;
    uint64_t written_ns;
    struct pool_conn *conn;
    const char *reason; /* read in on_done: text for the log, static or per-pool */
    int error;          /* the pool's own, while on_done is still to come */
    uint8_t resends;    /* read in on_done: free repeats; an answer is to the last one alone */
};

struct pool_options {
    char host[256];
    uint16_t port;
    struct tls_context *tls;      /* NULL = plain http:// */
    size_t max_connections;       /* 64 */
    size_t warm_connections;      /* opened ahead and kept; 8 */
    size_t connecting_max;        /* handshakes at a time; 2 */
    uint64_t first_alone_ms;      /* the first TLS handshake, before others; 100 */
    size_t pipeline_depth;        /* exchanges in flight on a connection; 1 */
    size_t queue_max;             /* exchanges waiting: ERR_BUSY beyond */
    uint64_t connect_timeout_ms;  /* TCP and TLS together; 3000 */
    uint64_t response_timeout_ms; /* from written to answered; 5000 */
    uint64_t idle_ms;             /* 50000, jittered down by up to a fifth */
    uint64_t max_age_ms;          /* 600000, jittered; replaced before it is closed */
    uint64_t retry_pause_ms;      /* after a failed connect, doubled up to 5000; 50 */
    uint64_t resolve_ms;          /* look the name up again this often; 30000 */
    size_t response_body_max;     /* 20 MiB */
};

extern const struct pool_options pool_options_default;

/* Aborts when memory is out. Starts resolving and warming at once. */
struct pool *pool_new(struct loop *l, struct stream_hub *hub,
                      const struct pool_options *options);
/* 0; ERR_BUSY at queue_max; ERR_CANCELED when closing. */
MUST_CHECK int pool_submit(struct pool *p, struct exchange *x);
/* Exchanges that would be written at once: free places on open connections, less the queue. The
 * pipeline reads it every turn to decide whether a batch should leave now or grow. */
size_t pool_free_places(const struct pool *p);
/* True when at least one connection is open. */
int pool_ready(const struct pool *p);
/* Why it is not: the last connect error, "" when none. */
const char *pool_last_error(const struct pool *p);

struct pool_counts {
    size_t connecting, idle, busy, waiting;
    uint64_t connects, connect_failures, handshakes, resumed, stale_resends;
    uint64_t closed_idle, closed_age, closed_peer, closed_error; /* of those that had opened */
    uint64_t exchanges, reused; /* written; of these on a connection used before */
    size_t slab_bytes;
    struct buckets connect_ns, handshake_ns; /* by buckets_wait_ns: TCP; then TLS */
};
void pool_count(const struct pool *p, struct pool_counts *out);

/* Fails what waits (NOT_SENT) and what flies, closes all; on_closed in a later turn, then
 * pool_free. */
void pool_close(struct pool *p, void (*on_closed)(void *arg), void *arg);
void pool_free(struct pool *p);

#endif
