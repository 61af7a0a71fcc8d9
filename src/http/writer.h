/* HTTP/1.1 heads as bytes. Field values given here are checked: CR, LF and NUL never go out. */
#ifndef HTTP_WRITER_H
#define HTTP_WRITER_H

#include "base/buffer.h"
#include "http/message.h"

enum http_body_framing {
    HTTP_BODY_LENGTH,      /* Content-Length */
    HTTP_BODY_CHUNKED,     /* RFC 9112 section 7.1: chunks follow */
    HTTP_BODY_UNTIL_CLOSE, /* for HTTP/1.0 */
};

struct http_response_head {
    unsigned status;
    uint8_t minor;      /* of the request: an HTTP/1.0 client gets an explicit keep-alive */
    uint8_t keep_alive; /* 0: Connection: close */
    uint8_t head_only;  /* the answer to HEAD: Content-Length without the body */
    uint8_t framing;    /* enum http_body_framing; but for LENGTH the body given is empty */
    const char *date;   /* the loop's http_date */
    struct slice content_type;         /* empty = none */
    struct slice request_id;           /* x-amzn-requestid; empty = none */
    const struct http_header *headers; /* further ones */
    size_t header_count;
};

/* The whole response. Framing is always sent but for 1xx, 204 and 304. Of `headers`
 * those are left out that the writer itself sends or that would frame the message anew
 * (Connection, Content-Length, Transfer-Encoding, Date ...). 0, ERR_NOMEM, or ERR_INVALID when
 * a field name or value must not be sent (nothing was written then). */
MUST_CHECK int http_write_response(struct buffer *out, const struct http_response_head *head,
                                   struct slice body);
/* Upper bound of what http_write_response appends. */
size_t http_response_bound(const struct http_response_head *head, struct slice body);
/* The same into memory of at least that bound: the bytes written, or 0 for ERR_INVALID. */
MUST_CHECK size_t http_format_response(char *out, const struct http_response_head *head,
                                       struct slice body);

/* One chunk: its size line, the bytes, CRLF; `out` has room for HTTP_CHUNK_EXTRA more than the
 * bytes. Returns what was written. No bytes: that would be the last chunk, nothing is written.
 */
#define HTTP_CHUNK_EXTRA 20
#define HTTP_LAST_CHUNK  SLICE("0\r\n\r\n")
size_t http_format_chunk(char *out, struct slice bytes);

/* Field name is a token (RFC 9110 section 5.6.2); value has no CTL but tab. */
int http_field_name_valid(struct slice name);
int http_field_value_valid(struct slice value);

#endif
