/* One connection to the target. */
#ifndef BENCH_LOAD_CONNECTION_H
#define BENCH_LOAD_CONNECTION_H

#include "load_worker.h"

struct load_slot {
    uint64_t id;
    uint64_t origin_ns;
    size_t len;
};

enum load_connection_state {
    LOAD_CLOSED,     /* no stream; with keep-alive it rests, or waits to be opened */
    LOAD_CONNECTING, /* also with requests waiting, without keep-alive */
    LOAD_OPEN,
    LOAD_CLOSING, /* until on_close */
};

struct load_connection {
    struct stream stream;
    struct load_worker *worker;
    struct list_node ready; /* in worker->ready: has room */
    struct deadline wait;
    struct deadline rest;
    struct http_response_parser *parser;
    enum load_connection_state state;
    int expecting;      /* the parser knows the method */
    int may_reopen;     /* at once, after on_close */
    unsigned address;   /* of the target's, to be tried */
    unsigned attempts;  /* addresses tried in a row */
    unsigned first;     /* ring of slots */
    unsigned used;      /* in flight */
    unsigned unstamped; /* of those, the last so many were queued in `queued_turn` */
    uint64_t queued_turn;
    uint64_t opening_ns;
    uint64_t answered; /* on this stream */
    size_t received;   /* bytes of the answer so far */
    struct load_slot slots[];
};

struct load_connection *load_connection_new(struct load_worker *w);
void load_connection_free(struct load_connection *c);
/* Opens it, unless each request gets its own: then it is ready as it is. */
void load_connection_start(struct load_connection *c);
/* It must be ready. */
void load_connection_send(struct load_connection *c, uint64_t id, uint64_t origin_ns);
/* Closes it, and what is in flight fails. */
void load_connection_fail(struct load_connection *c, enum load_error error, const char *reason);
/* The same without an error counted, and it stays open. */
void load_connection_abandon(struct load_connection *c);
void load_connection_close(struct load_connection *c);
void load_connection_on_wait(struct deadline_queue *q, struct deadline *d);
void load_connection_on_rest(struct deadline_queue *q, struct deadline *d);

#endif
