/* Completing an invocation, whole or in parts; private to lambda/. */
#ifndef LAMBDA_RESPOND_H
#define LAMBDA_RESPOND_H

#include "lambda/impl.h"

/* The one completion: true when this is it; else it has been logged and counted. */
bool invocation_complete(struct penstock_invocation *i);
/* Sends the answer, or drops it when the client has left. The request is gone afterwards. */
void invocation_answer(struct penstock_invocation *i, const struct server_answer *answer);
/* An answer we give in the handler's place: 502 and 504 carry x-penstock-outcome where a write
 * may have happened. `reason` is static. */
void respond_for_handler(struct penstock_invocation *i, unsigned status, const char *reason);

/* NULL when the answer may go out, filled into `out` and `fields`; else why not. */
const char *respond_check(const struct penstock_response *r,
                          struct http_header fields[HTTP_HEADERS_MAX],
                          struct server_answer *out);
/* 502 for an answer that must not go out, logged and counted. */
void respond_refuse(struct penstock_invocation *i, const char *reason);

/* parts.c. 0; else it has been answered, or was completed before: write nothing. */
MUST_CHECK int invocation_begin(struct penstock_invocation *i,
                                const struct penstock_response *response);
/* False: no more until on_room. */
bool invocation_write(struct penstock_invocation *i, struct slice part);
/* broken: why it never comes to its end (static); NULL: it has. */
void invocation_end(struct penstock_invocation *i, const char *broken);

#endif
