/* Events of API Gateway, payload formats 1.0 and 2.0, back into the requests they tell of. */
#ifndef LAMBDA_EVENT_READ_H
#define LAMBDA_EVENT_READ_H

#include "lambda/invocation.h"

#define EVENT_PAIRS_MAX HTTP_HEADERS_MAX /* headers, parameters of the query, of the path */

/* Fills in r and e, in r's arena, as the front end and the gateway fill them in for a request:
 * what no request can hold is refused. *format is 1 or 2; 0: any other JSON, the way Lambda
 * gives events to functions, is the body of POST /. NULL, or why not (static). */
MUST_CHECK const char *event_read(struct slice json, struct server_request *r,
                                  struct lambda_event *e, unsigned *format);

/* "/prod/music" -> "/music" on stage "prod"; "$default" and "" have no part in paths. False:
 * the path is of another stage. */
bool event_strip_stage(struct slice stage, struct slice *path);
/* Appends a text of an event as a part of a request's target: what may not stand there as it is
 * is percent-encoded, and so is each of `also`. With '%' in `also` the text has no escapes. */
MUST_CHECK int event_put_escaped(struct buffer *out, struct slice text, const char *also);

#endif
