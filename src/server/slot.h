/* A request and its answer on their connection, private to server/. */
#ifndef SERVER_SLOT_H
#define SERVER_SLOT_H

#include "server/conn.h"

#define REQUEST_CHUNK_BYTES 2560
/* Of an answer that waits for its turn, from a slab; a longer one has memory of its own. */
#define KEPT_CHUNK_BYTES 512

/* A request with what the owner does not see. */
struct server_slot {
    struct server_request request;
    struct buffer body;   /* a big body, taken over from the parser */
    struct buffer answer; /* formatted, waiting for the answers before it; answer_* touch it */
    size_t bytes;         /* counted in server->bytes */
    unsigned has_head : 1;
    unsigned owned : 1; /* handed to the owner, who has not answered yet */
    unsigned refusal : 1;
    unsigned begun : 1; /* its answer comes in parts */
    unsigned chunked : 1;
    unsigned bodyless : 1; /* ... which are not sent: HEAD, 204, 304 */
    unsigned until_close : 1;
    unsigned starved : 1; /* its owner waits for on_room */
    unsigned aborted : 1;
    unsigned kept_chunk : 1; /* answer.data is of server->kept */
    unsigned status;         /* of the answer in parts */
    const char *reason;
    size_t sent; /* of its body */
    _Alignas(16) char chunk[REQUEST_CHUNK_BYTES];
};

static inline struct server_slot *slot_of(struct list_node *node) {
    return container_of(node, struct server_slot, request.node);
}

/* input.c */
void slot_free(struct server_slot *slot);

/* answer.c */
/* Frees what waits for its turn. */
void slot_drop_kept(struct server_slot *slot);
void slot_answer(struct server_slot *slot, const struct server_answer *answer);
/* Writes every answer whose turn has come. */
void conn_pump(struct server_conn *c);
/* Tells the owner of the answer in turn, once there is room. */
void conn_give_room(struct server_conn *c);

#endif
