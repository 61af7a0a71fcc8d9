/* Bodies in parts, both ways: a request's body given out as it comes, an answer's body given as
 * it is made.
 *
 * Request: on_head sets body_limit = SERVER_BODY_PARTS; then on_request comes with the head,
 * then on_body ... on_body(last). Whoever is slower than the peer pauses it. A body that is cut
 * short or malformed ends in on_abandon. An answer before the end of the body closes the
 * connection after it.
 *
 * Answer, in place of server_respond: server_begin, server_write ..., then server_end or
 * server_abort. HTTP/1.1 gets chunks (RFC 9112 section 7.1), HTTP/1.0 bytes until close; HEAD,
 * 204 and 304 the head alone. The order of answers is kept: before its turn an answer waits in
 * memory. Of a connection's answers at most options.out_bytes (and the last part of each) wait
 * unsent: then server_write says false, and on_room comes once the client has read on and the
 * answer's turn has come. A client that leaves,
 * or reads nothing for write_timeout_ms, is on_abandon, as for any request.
 *
 * No event comes from inside these calls. */
#ifndef SERVER_PARTS_H
#define SERVER_PARTS_H

#include "server/server.h"

#define SERVER_BODY_PARTS SIZE_MAX

struct server_parts_events {
    /* `part` is valid during the call; with `last` it may be empty. */
    void (*on_body)(void *owner, struct server_request *r, struct slice part, int last);
    /* After server_write said false: more may be written. */
    void (*on_room)(void *owner, struct server_request *r);
};

/* Stops reading the body of r; what has come already may still be given out. */
void server_pause(struct server_request *r);
void server_resume(struct server_request *r);
/* A field of the body's trailer, any case, during on_body(last); ptr NULL: absent. */
struct slice server_trailer(const struct server_request *r, struct slice name);

/* Sends the head; answer->body is not used. 0, or ERR_INVALID for one that must not be sent (as
 * server_respond has it): then nothing has happened, and the request is still to be answered.
 */
MUST_CHECK int server_begin(struct server_request *r, const struct server_answer *answer);
/* Copies the bytes. False: no more until on_room. */
bool server_write(struct server_request *r, struct slice part);
/* The body is complete; the request is gone afterwards. */
void server_end(struct server_request *r);
/* It never will be: the client sees a connection that breaks off (no last chunk; a reset where
 * the close would look like the end). The request is gone. `reason` is for the log, static. */
void server_abort(struct server_request *r, const char *reason);

#endif
