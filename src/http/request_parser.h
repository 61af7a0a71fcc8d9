/* Bytes to HTTP/1.x requests: llhttp (strict) and the checks it does not make
 * (facts: engineering section 3; each check names its rule in request_parser.c).
 *
 * Happy path: feed -> HTTP_PARSE_MORE ... -> HTTP_PARSE_HEAD (head complete: look at the
 * headers, set the body limit, refuse or send 100-continue) -> feed the rest -> HTTP_PARSE_DONE
 * (body complete) -> use request -> http_request_parser_next -> feed the rest. A request
 * without a body gives HEAD, then DONE on the next feed (which may be of 0 bytes).
 *
 * Zero copy where possible: when a whole message lies in one feed, its slices point into the
 * bytes fed; otherwise the parser keeps what it must in its own buffer. Either way they are
 * valid until the next call. HEAD consumes nothing of the body: the bytes of that feed stay
 * where they are until the next feed, which gets the rest of them, if only 0 bytes; after MORE
 * nothing points into the fed bytes any more. Chunked bodies are compacted in place: the fed
 * bytes are written to.
 *
 * Failure: HTTP_PARSE_ERROR, with the status to answer and a reason code for the log; the
 * parser then refuses everything until it is freed: the connection must be closed after the
 * answer. */
#ifndef HTTP_REQUEST_PARSER_H
#define HTTP_REQUEST_PARSER_H

#include "base/buffer.h"
#include "http/message.h"

struct http_limits {
    size_t head_bytes;            /* request line and headers: 431 beyond; default 16384 */
    size_t target_bytes;          /* 414 beyond; default 8192 */
    size_t header_count;          /* 431 beyond; default 100, at most HTTP_HEADERS_MAX */
    size_t body_bytes;            /* 413 beyond; default 10485760 */
    size_t chunk_extension_bytes; /* per body; default 1024 */
    size_t trailer_bytes;         /* dropped, 431 beyond; default 2048 */
};

extern const struct http_limits http_limits_default;

enum http_parse_result { HTTP_PARSE_MORE, HTTP_PARSE_HEAD, HTTP_PARSE_DONE, HTTP_PARSE_ERROR };

struct http_request_parser;

/* `limits` must outlive the parser. NULL when memory is out. */
struct http_request_parser *http_request_parser_new(const struct http_limits *limits);
/* Between requests: for the next one. */
void http_request_parser_set_limits(struct http_request_parser *p,
                                    const struct http_limits *limits);
void http_request_parser_free(struct http_request_parser *p);

/* Consumes up to `len` bytes; how many in *used. */
enum http_parse_result http_request_parser_feed(struct http_request_parser *p, char *bytes,
                                                size_t len, size_t *used);
/* The message: head fields from HEAD on, body from DONE on. */
const struct http_request *http_request_parser_request(const struct http_request_parser *p);
/* The bytes of the head, from the request line to the empty line; from HEAD on. Every slice of
 * the request but the body lies in them. */
struct slice http_request_parser_head(const struct http_request_parser *p);
/* Lowers or raises the limit for the body of this message; between HEAD and the next feed.
 * Returns 0, or ERR_LIMIT when Content-Length is already over it (answer 413, close). */
int http_request_parser_limit_body(struct http_request_parser *p, size_t body_bytes);
/* This message's body shall come in parts, not kept, without a limit; between HEAD and the next
 * feed. From then on request->body is, after MORE and DONE, what that feed brought of it (in
 * the fed bytes), and the head's slices are no longer valid. */
void http_request_parser_body_in_parts(struct http_request_parser *p);
/* A trailer field of a body in parts, after DONE: first of that name, any case; else ptr NULL.
 * Valid until http_request_parser_next. */
struct slice http_request_parser_trailer(const struct http_request_parser *p,
                                         struct slice name);
/* Makes ready for the next request on the connection, after DONE. */
void http_request_parser_next(struct http_request_parser *p);
/* True when no byte of a next request has been seen: an idle connection. Blank lines do not
 * count. */
int http_request_parser_idle(const struct http_request_parser *p);
/* True when not even a blank line has been seen: it can serve another connection. */
int http_request_parser_unused(const struct http_request_parser *p);
/* Bytes held in the parser's own buffer (for memory accounting). */
size_t http_request_parser_held(const struct http_request_parser *p);

/* After DONE: hands over the buffer the body lies in, when that is the parser's own; the slice
 * request->body stays good as long as the buffer. Else an empty one. */
struct buffer http_request_parser_take_body(struct http_request_parser *p);

/* After HTTP_PARSE_ERROR: 400, 405, 413, 414, 417, 431, 501, 503 or 505, and a stable reason
 * code such as "obs_fold" or "missing_host". */
unsigned http_request_parser_status(const struct http_request_parser *p);
const char *http_request_parser_reason(const struct http_request_parser *p);

/* At start-up: 0 when llhttp, as linked, refuses what made its loose form exploitable
 * (CVE-2023-30589), else ERR_PROTOCOL. */
MUST_CHECK int http_self_test(void);

#endif
