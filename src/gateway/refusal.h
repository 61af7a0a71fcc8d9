/* Answers that say no in a handler's place, in API Gateway's words. */
#ifndef GATEWAY_REFUSAL_H
#define GATEWAY_REFUSAL_H

#include "server/server.h"

/* `reason` is static. The request is gone afterwards, here and below. */
void refusal_send(struct server_request *r, unsigned status, const char *reason);
/* 503, to come again in a second. */
void refusal_send_busy(struct server_request *r);
/* 405; `allowed`: a bit set of enum http_method. */
void refusal_send_method(struct server_request *r, unsigned allowed);

#endif
