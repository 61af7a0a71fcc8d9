/* Bytes to HTTP/1.x responses, for our own upstream calls: same shape as request_parser.h.
 * 1xx responses are skipped. Content-Length, chunked and until-close framing; a body is
 * complete only by its framing (a connection that ends early is ERR_CLOSED from _end). Surplus
 * bytes after a response that nobody asked for are the caller's to notice (they poison the
 * connection). */
#ifndef HTTP_RESPONSE_PARSER_H
#define HTTP_RESPONSE_PARSER_H

#include "base/buffer.h"
#include "http/message.h"
#include "http/request_parser.h"

struct http_response_parser;

/* body_max: ERR_LIMIT beyond. NULL when memory is out. */
struct http_response_parser *http_response_parser_new(size_t head_max, size_t body_max);
void http_response_parser_free(struct http_response_parser *p);
/* MORE, DONE (with *used bytes consumed) or ERROR. `head_request` (set by _expect) responses
 * have no body. HTTP_PARSE_HEAD is never returned. */
enum http_parse_result http_response_parser_feed(struct http_response_parser *p, char *bytes,
                                                 size_t len, size_t *used);
/* Method of the request the next response answers. */
void http_response_parser_expect(struct http_response_parser *p, enum http_method method);
/* Between responses: from the next one on no body is kept, however long it is: body is what the
 * last feed brought of it (in the fed bytes), and the headers are valid in the feed that ends
 * the head only. */
void http_response_parser_drop_bodies(struct http_response_parser *p);
/* The peer ended the stream: HTTP_PARSE_DONE when an until-close body is complete by that, else
 * HTTP_PARSE_ERROR. */
enum http_parse_result http_response_parser_end(struct http_response_parser *p);
const struct http_response *http_response_parser_response(const struct http_response_parser *p);
/* Ready for the next response on the connection. */
void http_response_parser_next(struct http_response_parser *p);
/* True when no byte of a response has been seen since the last _next. */
int http_response_parser_idle(const struct http_response_parser *p);
const char *http_response_parser_reason(const struct http_response_parser *p);

#endif
