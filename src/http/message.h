/* HTTP/1.x messages as slices. Nothing here owns memory: a message lives as long as the bytes
 * it was parsed from (see request_parser.h), or as its owner says. */
#ifndef HTTP_MESSAGE_H
#define HTTP_MESSAGE_H

#include "base/slice.h"

#define HTTP_HEADERS_MAX 128 /* the hard bound of a parsed message; limits set less */

enum http_method {
    HTTP_GET_,
    HTTP_HEAD_,
    HTTP_POST_,
    HTTP_PUT_,
    HTTP_PATCH_,
    HTTP_DELETE_,
    HTTP_OPTIONS_,
    HTTP_OTHER_, /* syntactically a method, outside our table: 501 */
};

struct http_header {
    struct slice name;  /* as sent */
    struct slice value; /* trimmed */
};

struct http_headers {
    const struct http_header *items;
    size_t count;
};

struct http_request {
    enum http_method method;
    struct slice method_text;
    struct slice target; /* as sent: origin-form, absolute-form or "*" */
    uint8_t minor;       /* HTTP/1.minor */
    uint8_t keep_alive;  /* what the peer asked for, Connection tokens considered */
    uint8_t expect_continue;
    uint8_t has_body;        /* Content-Length > 0 or chunked */
    uint64_t content_length; /* as announced; 0 when chunked */
    struct slice host;       /* the Host field, or the authority of an absolute-form target */
    struct http_headers headers;
    struct slice body; /* de-chunked, complete; set when the message is complete */
};

struct http_response {
    uint16_t status;
    uint8_t keep_alive;
    struct http_headers headers;
    struct slice body;
};

/* First field of that name, any case; NULL when absent. */
const struct http_header *http_header_find(const struct http_headers *h, struct slice name);
/* Its value, or an empty slice with a NULL pointer. */
struct slice http_header_value(const struct http_headers *h, struct slice name);
/* "GET"; "" for HTTP_OTHER_. */
const char *http_method_name(enum http_method m);
enum http_method http_method_parse(struct slice text);
/* "Created"; "" when unknown. RFC 9110 section 15. */
const char *http_status_reason(unsigned status);

#endif
