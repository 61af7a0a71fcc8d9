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

/* An answer as it went out. */
struct server_answered {
    unsigned status;
    size_t body_bytes;  /* that were sent */
    struct slice body;  /* empty where it came in parts, or was lost */
    const char *reason; /* the answer's own, or why it was lost; NULL: all is well */
};

struct server_events {
    /* 0 to go on; else a status: the server answers it and closes. May be NULL. */
    unsigned (*on_head)(void *owner, const struct http_request *head, struct server_head *out);
    void (*on_request)(void *owner, struct server_request *r);
    /* No answer any more; r->owner_data is still there, r is gone afterwards. `reason`, static:
     * why we closed the connection; NULL: the client left. */
    void (*on_abandon)(void *owner, struct server_request *r, const char *reason);
    /* Every answer, for the access log and the counters, before the request is gone; may be
     * NULL. The request is NULL when the head could not be parsed. 1 when it has written a log
     * line with the reason; else the server does. */
    int (*on_answered)(void *owner, const struct server_request *r,
                       const struct server_answered *answered);
    const struct server_parts_events *parts; /* server/parts.h; NULL: bodies come whole */
    /* Last word on the further fields of an answer to a request whose head is known: writes
     * those to send into `out` and returns how many, or SERVER_FIELDS_SAME. May be NULL. */
    size_t (*on_fields)(void *owner, const struct server_request *r,
                        const struct server_answer *answer,
                        struct http_header out[SERVER_FIELDS_MAX]);
};

#endif
