/* The HTTP front end of one worker: accepts, parses, bounds, answers in order, drains.
 *
 * The owner gives a vtable. Per request: on_head (may refuse or set a body limit), then
 * on_request with the whole request; the owner answers with server_respond, now or in a later
 * turn, exactly once; or, when the connection is gone, gets on_abandon instead and must not
 * answer (its work goes on: a client that left does not undo its write). Pipelined requests of
 * one connection are given out up to `pipeline_depth` at a time and answered in order. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "base/arena.h"
#include "loop/loop.h"
#include "net/stream.h"
#include "server/events.h"
#include "server/options.h"

struct server;
struct server_request;

/* Behind http.headers.items[count] there is room for so many that the owner adds itself. */
#define SERVER_HEADER_ROOM 5

/* What the owner sees of a request. Slab object with an embedded first arena chunk: everything
 * in `http` has been copied into `arena` and lives until the answer or on_abandon. */
struct server_request {
    struct http_request http;
    struct arena arena;
    struct server_conn *conn;
    struct net_address peer; /* the client: who connected, or whom trusted proxies name */
    uint16_t port;           /* the port it came to; 0 when that is not known */
    int tls;                 /* https */
    uint64_t start_ns;       /* first byte of the request, monotonic */
    char request_id[37];     /* UUID; x-amzn-requestid */
    void *owner;             /* the server's when it was handed out */
    void *owner_data;
    uint64_t ticket[2]; /* what on_head left */
    struct list_node node;
    int answered;
};

/* Listeners are added with server_listen. NULL only when memory is out; aborts when llhttp
 * fails http_self_test. */
struct server *server_new(struct loop *l, struct stream_hub *hub,
                          const struct server_options *options,
                          const struct server_events *events, void *owner);
/* fd: a listening socket, owned from then on. tls NULL = plain. */
MUST_CHECK int server_listen(struct server *s, int fd, struct tls_context *tls);
/* The same where every connection begins with a PROXY header, before TLS, and comes from one of
 * `proxies` (which must outlive the server); any other is closed. NULL: as server_listen. */
MUST_CHECK int server_listen_proxied(struct server *s, int fd, struct tls_context *tls,
                                     const struct net_ranges *proxies);

struct server_answer {
    unsigned status;
    struct slice content_type;
    const struct http_header *headers;
    size_t header_count;
    struct slice body;
    const char *reason; /* for the log: why refused; NULL when all is well. Static string. */
    int close;          /* close the connection after this answer */
};

/* Copies everything. The request is gone afterwards. An answer that must not be sent (a header
 * with CR or LF, a status out of 200..599) becomes 500 {"message":"Internal server error"}. */
void server_respond(struct server_request *r, const struct server_answer *answer);

/* {"message":"..."} for a status, as API Gateway words it; static. */
struct slice server_error_body(unsigned status);

/* New connections are no longer accepted, idle ones close after linger_ms (a request may be on
 * its way), the last answer of each carries Connection: close. on_drained (may be NULL) runs
 * once no connection is left. */
void server_drain(struct server *s, void (*on_drained)(void *arg), void *arg);
/* Closes everything at once; on_closed runs when the memory can go: then server_free. */
void server_close(struct server *s, void (*on_closed)(void *arg), void *arg);
void server_free(struct server *s);

struct server_counts {
    size_t connections;
    size_t requests_in_flight;
    uint64_t accepted, requests, timeouts;
    uint64_t refused; /* by the parser or a limit */
    size_t request_bytes, conn_slab_bytes, request_slab_bytes;
};
void server_count(const struct server *s, struct server_counts *out);

/* Refusals and closings in error by their reason code, in the order they were first met. */
struct server_reason {
    const char *name; /* static */
    uint64_t count;
};
/* Idle parsers: a connection has one only while a request is arriving. Zero it; its owner frees
 * what is in it after the servers that share it. */
#define SERVER_PARSERS_MAX 16
struct server_parsers {
    struct http_request_parser *spare[SERVER_PARSERS_MAX];
    size_t count;
};
void server_parsers_fini(struct server_parsers *p);

#define SERVER_REASONS_MAX 96
/* The table and its length, valid as long as the server. */
const struct server_reason *server_reasons(const struct server *s, size_t *count);

#endif
