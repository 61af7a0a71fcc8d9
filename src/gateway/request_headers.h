/* The headers API Gateway gives every request before a handler sees it: X-Forwarded-For, -Port
 * and -Proto as this server knows them, a trace id in X-Amzn-Trace-Id and traceparent.
 *
 * What the client itself sent under these names and Forwarded is taken out: what is true of it
 * is in r->peer, r->port and r->tls by now (server/forwarded.h). tracestate stays only with the
 * traceparent it came with. */
#ifndef GATEWAY_REQUEST_HEADERS_H
#define GATEWAY_REQUEST_HEADERS_H

#include "gateway/trace.h"
#include "server/server.h"

/* Once per request. *root: the trace's root, in the request's arena. 0 or ERR_NOMEM. */
MUST_CHECK int request_headers_complete(struct server_request *r, uint64_t epoch_s,
                                        struct rng *rng, struct slice *root);
/* The root alone, of a request that goes no further: in its headers or `text`. */
struct slice request_headers_trace_root(const struct http_headers *headers, uint64_t epoch_s,
                                        struct rng *rng, char text[TRACE_TEXT_MAX]);

#endif
