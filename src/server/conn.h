/* A connection and its requests, private to server/. */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include "base/state.h"
#include "loop/timer.h"
#include "server/parts.h"

/* What a connection waits for; each state is a list of the server.
 *
 *            first byte        complete             all answered and sent
 *   OPENING ------------> READING <------> BUSY ----------------> IDLE
 *      |                     |   `---------- first byte ----------'|
 *      |                     v                                     |
 *      |  last answer -> LINGERING (FIN sent; the peer's rest is read and dropped)
 *      |                     |                                     |
 *      `-----------------> CLOSING <-------------------------------'
 */
enum conn_state {
    CONN_OPENING,   /* no byte of a request yet */
    CONN_READING,   /* a request has begun and is not complete */
    CONN_BUSY,      /* requests handed out, or answers not yet sent */
    CONN_IDLE,      /* between requests */
    CONN_LINGERING, /* after the last answer */
    CONN_CLOSING,   /* waiting for the stream's on_close */
    CONN_STATES
};

struct server_listener;
struct server_conn {
    struct stream stream;
    struct server *server;
    struct state_machine state;
    struct list_node node;         /* in server->by_state[state] */
    struct list_node resume_node;  /* in server->resume */
    struct list requests;          /* slots, oldest first */
    struct deadline read_deadline; /* first byte, header, body, idle or linger */
    struct deadline write_deadline;
    struct http_request_parser *parser; /* NULL while no request is arriving */
    struct server_slot *intake;         /* whose body is arriving in parts */
    struct buffer input;                /* not yet parsed: pipelining beyond the bounds */
    size_t held; /* what parser, input and unsent answers count in server->bytes */
    size_t kept; /* bytes of answers that wait for those before them */
    uint64_t opened_ns;
    uint64_t message_ns; /* first byte of the arriving request */
    uint64_t written;    /* bytes given to the stream */
    uint64_t sent_mark;  /* of them gone out when the write deadline was armed */
    uint64_t ticket[2];  /* of the arriving request */
    size_t body_window;  /* body bytes since the body deadline was armed */
    size_t lingered;
    uint64_t answered;
    struct address_count *address; /* NULL: not counted */
    const char *broken;      /* why an answer was lost: none follows, closed in the next turn */
    struct net_address peer; /* or whom its PROXY header speaks for */
    uint16_t port;           /* the one it came to */
    unsigned tls : 1;
    unsigned proxied : 1;    /* a PROXY header is due */
    unsigned surplus : 1;    /* one more than its address may have: 503 */
    unsigned in_body : 1;    /* the arriving request's head is complete */
    unsigned parsing : 1;    /* the parser loop is on the stack */
    unsigned more_input : 1; /* ... and has bytes behind the request it hands out */
    unsigned reading : 1;
    unsigned no_more : 1;      /* no request after those handed out */
    unsigned peer_done : 1;    /* on_end came */
    unsigned continue_due : 1; /* 100 Continue, once the answers before it are out */
    unsigned paused : 1;       /* the owner wants no more of the body that is arriving */
    unsigned cut : 1;          /* no answer after the last one: ends in the next turn */
    unsigned reset : 1;        /* ... and its end must not look like one */
    unsigned told : 1;         /* why it closes has been logged */
    unsigned left : 1;         /* the client closed, in the middle of something */
};

/* conn.c */
void conn_accept(struct server_listener *from, int fd);
/* After every event: what comes next. The connection may be closing afterwards. */
void conn_settle(struct server_conn *c);
/* An answer that is not out has its time from now on, if it has not already. */
void conn_watch_write(struct server_conn *c);
/* Others need the memory: the answers that have waited longest are given up, a few at once. */
void conn_end_slow_readers(struct server *s);
/* No answer can follow, for this reason. Closed in the next turn: the owner is on the stack. */
void conn_break(struct server_conn *c, const char *reason);
/* Closes now. The reason (a static string) is logged and counted. */
void conn_close(struct server_conn *c, const char *reason);
/* Closes where nothing went wrong, or what did has its line already. */
void conn_end(struct server_conn *c, const char *reason);
/* The one line of an answer with a reason, where its owner has none. */
void conn_log_answer(const struct server_conn *c, const char *event, const char *reason,
                     unsigned status, const char *request_id);
void conn_on_due(struct deadline_queue *q, struct deadline *d);
/* Requests in hand have no answer any more: why, or NULL: the client left. */
void conn_abandon_requests(struct server_conn *c, const char *reason);
void conn_on_write_due(struct deadline_queue *q, struct deadline *d);

/* A request has begun to arrive. */
static inline int conn_arriving(const struct server_conn *c) {
    return c->parser != NULL && !http_request_parser_idle(c->parser);
}

static inline int conn_closing(const struct server_conn *c) {
    return state_of(&c->state) == CONN_CLOSING;
}

/* input.c */
/* Parses what it may of bytes[0..len) and hands out requests; keeps the rest. */
void conn_take(struct server_conn *c, char *bytes, size_t len);
/* Goes on with what was kept. */
void conn_resume(struct server_conn *c);
/* Counts the change of what the connection holds. */
void conn_account(struct server_conn *c);
/* Forgets what has arrived of a request. */
void conn_drop_parser(struct server_conn *c);
/* Whether a request more may be taken in now. */
int conn_may_parse(const struct server_conn *c);
/* Answers with an error in its turn and closes after it. */
void conn_refuse(struct server_conn *c, unsigned status, const char *reason);
/* The body that is arriving is no longer wanted: no request after it. */
void conn_drop_intake(struct server_conn *c);

#endif
