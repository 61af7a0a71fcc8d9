/* What requests and responses share, private to http/: llhttp over a head that may come in
 * pieces, the header table, and a body by length, by chunks or until close.
 *
 *   START --byte--> HEAD --blank line--> BODY --framing complete--> DONE --reset--> START
 *                     `------ any error: FAILED (status and reason are set) <------'
 *
 * A head that lies whole in one feed is used where it is; one that does not is kept in `stash`
 * and the table moves along. Every check is made at a fixed place of the byte stream, so that a
 * message gets the same verdict however it is cut. */
#ifndef HTTP_READER_H
#define HTTP_READER_H

#include "base/buffer.h"
#include "http/message.h"

#include <llhttp.h>

/* engineering section 3: loose 8.x takes a bare CR for a line end (CVE-2023-30589). */
#if LLHTTP_VERSION_MAJOR < 9 && !(defined(LLHTTP_STRICT_MODE) && LLHTTP_STRICT_MODE)
#error "llhttp 8.x must be compiled with LLHTTP_STRICT_MODE=1"
#endif

enum http_reader_state { READER_START, READER_HEAD, READER_BODY, READER_DONE, READER_FAILED };
enum http_reader_result { READER_MORE, READER_COMPLETE, READER_ERROR };
enum http_framing { FRAMING_NONE, FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_UNTIL_CLOSE };

struct http_reader {
    llhttp_t ll;
    llhttp_type_t type;
    /* Looks at what has come of the head (head, head_len) after every piece; may be NULL. */
    enum http_reader_result (*check_head)(struct http_reader *r);
    enum http_reader_state state;
    enum http_framing framing;
    size_t head_max;
    size_t headers_max;
    size_t extension_max;
    size_t trailer_max;
    size_t body_max; /* of this message */
    char *head;      /* in the feed, or in stash */
    size_t head_len;
    size_t header_count;
    uint64_t content_length;
    uint64_t given;         /* of the body, in parts */
    struct buffer stash;    /* a head that did not come whole */
    struct buffer body;     /* a body that did not come whole */
    struct buffer trailers; /* of a body in parts: "name:value\n" each */
    char *compact;          /* decoded chunks that still lie in the feed */
    size_t compact_len;
    size_t chunks;
    size_t extension_bytes;
    size_t trailer_bytes;
    uint8_t in_parts; /* the body is given out as it comes; trailers are kept */
    uint8_t folded;
    uint8_t in_trailer;
    uint8_t message_complete;
    unsigned status; /* of the failure */
    const char *reason;
    unsigned callback_status; /* a failure met inside llhttp: counts if check_head agrees */
    const char *callback_reason;
    struct http_header items[HTTP_HEADERS_MAX + 1]; /* the last is for the one being read */
};

/* The fields that decide framing and connection, found in one pass over the table. */
struct http_fields {
    struct slice host;
    struct slice content_length;
    struct slice transfer_encoding;
    struct slice expect;
    unsigned hosts;
    unsigned content_lengths;
    unsigned transfer_encodings;
    unsigned expects;
    unsigned upgrades;
    unsigned close; /* Connection tokens */
    unsigned keep_alive;
};

void http_reader_init(struct http_reader *r, llhttp_type_t type);
void http_reader_fini(struct http_reader *r);
/* Ready for the next message; keeps memory of the usual size. */
void http_reader_reset(struct http_reader *r);
/* Enters FAILED. Returns READER_ERROR. */
enum http_reader_result http_reader_fail(struct http_reader *r, unsigned status,
                                         const char *reason);

/* START or HEAD. COMPLETE: head and head_len are the whole head; state is BODY. */
enum http_reader_result http_reader_feed_head(struct http_reader *r, char *bytes, size_t len,
                                              size_t *used);
/* Of a complete head: refuses folds and empty names, trims the values, fills `fields`. */
enum http_reader_result http_reader_scan_fields(struct http_reader *r,
                                                struct http_fields *fields);
/* Content-Length by its value: READER_ERROR with 400, or 413 beyond INT64_MAX. */
enum http_reader_result http_reader_set_length(struct http_reader *r, struct slice value);
/* BODY, with framing (and content_length) set. COMPLETE: *body is set, in the fed bytes or in
 * r->body. MORE: everything needed has been kept, so r->head may have moved. In parts: *body is
 * what came of it in this feed, and nothing is kept, not even the head. */
enum http_reader_result http_reader_feed_body(struct http_reader *r, char *bytes, size_t len,
                                              size_t *used, struct slice *body);
/* A slice that pointed into the head when it was at `from`. */
struct slice http_reader_rebase(const struct http_reader *r, struct slice s, const char *from);

#endif
