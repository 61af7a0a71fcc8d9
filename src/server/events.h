/* What the server asks and tells its owner. */
#ifndef SERVER_EVENTS_H
#define SERVER_EVENTS_H

#include "http/message.h"

struct server_answer;
struct server_parts_events;
struct server_request;

#define SERVER_FIELDS_MAX  (HTTP_HEADERS_MAX + 16) /* of an answer, beside the server's own */
#define SERVER_FIELDS_SAME SIZE_MAX

/* What on_head may say of a request beside 0 or a status. */
struct server_head {
    size_t body_limit;                  /* comes in as the default */
    uint64_t ticket[2];                 /* the owner's own: request->ticket has it later */
    const struct server_answer *answer; /* of a refusal; NULL: server_error_body's. Copied. */
};

struct server_events {
    /* 0 to go on; else a status: the server answers it and closes. May be NULL. */
    unsigned (*on_head)(void *owner, const struct http_request *head, struct server_head *out);
    void (*on_request)(void *owner, struct server_request *r);
    /* The client left before the answer; r->owner_data is still there, r is gone afterwards. */
    void (*on_abandon)(void *owner, struct server_request *r);
    /* Every answer, for the access log and the counters, before the request is gone; may be
     * NULL. The request is NULL when the head could not be parsed. 1 when it has written a log
     * line with the reason; else the server does. */
    int (*on_answered)(void *owner, const struct server_request *r, unsigned status,
                       size_t body_bytes, const char *reason);
    const struct server_parts_events *parts; /* server/parts.h; NULL: bodies come whole */
    /* Last word on the further fields of an answer to a request whose head is known: writes
     * those to send into `out` and returns how many, or SERVER_FIELDS_SAME. May be NULL. */
    size_t (*on_fields)(void *owner, const struct server_request *r,
                        const struct server_answer *answer,
                        struct http_header out[SERVER_FIELDS_MAX]);
};

#endif
