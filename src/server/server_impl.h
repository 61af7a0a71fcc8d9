/* What the files of the server share; nobody else includes this.
 *
 *   listener --fd--> server.c: accept, bounds, drain, close
 *                       |
 *   stream --bytes--> conn.c: the connection's states, deadlines and life
 *                       |
 *                    input.c: parser -> request copied into its arena -> owner's on_request
 *                       .                                                      .
 *   stream <--bytes-- answer.c: answers in request order  <----- server_respond '
 */
#ifndef SERVER_SERVER_IMPL_H
#define SERVER_SERVER_IMPL_H

#include "base/rng.h"
#include "base/slab.h"
#include "net/listener.h"
#include "server/addresses.h"
#include "server/slot.h"

enum server_queue {
    QUEUE_PROXY,
    QUEUE_FIRST_BYTE,
    QUEUE_HEADER,
    QUEUE_BODY,
    QUEUE_IDLE,
    QUEUE_LINGER,
    QUEUE_WRITE,
    QUEUES
};

struct server_listener {
    struct listener listener;
    struct tls_context *tls;
    const struct net_ranges *proxies; /* NULL: no PROXY header */
    uint16_t port;                    /* our own; 0 of a unix socket */
    struct server *server;
    struct list_node node;
};

struct server {
    struct loop *loop;
    struct stream_hub *hub;
    struct server_options options;
    const struct server_events *events;
    void *owner;
    struct slab conns;
    struct slab slots;
    struct slab kept;           /* short answers that wait for their turn */
    struct addresses addresses; /* counted only under options.connections_per_address */
    struct list by_state[CONN_STATES];
    struct deadline_queue queues[QUEUES];
    struct list resume; /* connections with input to go on with in the next turn */
    struct timer wake;  /* fires at once while `resume` is not empty */
    struct list listeners;
    struct server_parsers *parsers;
    struct server_parsers own_parsers;
    struct rng rng;
    size_t bytes; /* of requests, in the sense of options.request_bytes */
    size_t in_flight;
    uint64_t accepted;
    uint64_t requests;
    uint64_t refused;
    uint64_t timeouts;
    struct server_reason reasons[SERVER_REASONS_MAX];
    size_t reason_count;
    int paused;
    uint64_t pause_logged_ns;
    int draining;
    int closing;
    int closing_timers;
    int open_timers;
    void (*on_drained)(void *arg);
    void *drained_arg;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

/* server.c */
void server_resume_later(struct server *s, struct server_conn *c);
void server_note_reason(struct server *s, const char *reason);
void server_conn_gone(struct server *s);
/* The queues' lengths, from the options. */
void server_set_timeouts(struct server *s);

#endif
