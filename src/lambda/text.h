/* Text as it goes into events, answers and log lines: JSON strings, UTF-8, media types. */
#ifndef LAMBDA_TEXT_H
#define LAMBDA_TEXT_H

#include "base/buffer.h"

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool text_utf8_valid(struct slice s);
/* A JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD: header fields may hold
 * anything. 0 or ERR_NOMEM. */
MUST_CHECK int text_json_string(struct buffer *out, struct slice s);
/* The same without the quotes. */
MUST_CHECK int text_json_escape(struct buffer *out, struct slice s);
/* Upper bound of what text_json_string appends. */
#define TEXT_JSON_BOUND(len) (6 * (len) + 2)
/* Media types whose bodies API Gateway gives as text: text, JSON, XML, JavaScript, forms.
 * Parameters
 * ("; charset=utf-8") are looked past. */
bool text_media_type(struct slice content_type);

/* A line into a call's own copy of its log, for who wants the end of it: so many bytes and one
 * line are kept, the oldest go first. */
#define TEXT_LINES_KEEP 8192
void text_keep_line(struct buffer *log, struct slice line);

#endif
