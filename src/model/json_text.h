/* JSON text: a reader over bytes, a writer into a buffer, and the strings that pass from one to
 * the other. Strings are checked (RFC 8259, UTF-8) and written in one canonical form: only '"',
 * '\' and control characters are escaped; so two names are equal when their written bytes are.
 */
#ifndef MODEL_JSON_TEXT_H
#define MODEL_JSON_TEXT_H

#include "base/assert.h"
#include "base/buffer.h"
#include "base/error.h"

struct json_reader {
    const char *at;
    const char *end;
    const char *start;
    const char *reason; /* why the last call failed, at `at`; NULL: no memory */
};

static inline void json_reader_init(struct json_reader *r, struct slice text) {
    r->start = r->at = text.ptr;
    r->end = text.len ? text.ptr + text.len : text.ptr;
    r->reason = NULL;
}

static inline void json_skip_space(struct json_reader *r) {
    while (r->at < r->end &&
           (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) {
        r->at++;
    }
}

/* The byte at hand, or NUL at the end (a NUL byte in the text is nowhere a token either). */
static inline char json_peek(const struct json_reader *r) {
    return r->at < r->end ? *r->at : '\0';
}

/* Steps over `c` with spaces around it. */
static inline bool json_accept(struct json_reader *r, char c) {
    json_skip_space(r);
    if (json_peek(r) != c) {
        return false;
    }
    r->at++;
    json_skip_space(r);
    return true;
}

/* Steps over a literal name ("true"); the byte at hand is its first. */
bool json_accept_word(struct json_reader *r, struct slice word);

/* Writes behind the readable bytes of a buffer; their count is right again when the writer is
 * closed, and the caller restores it after an error. */
struct json_writer {
    char *at;
    char *end;
    struct buffer *out;
};

/* 0 or ERR_NOMEM. */
MUST_CHECK int json_writer_open(struct json_writer *w, struct buffer *out, size_t room);
void json_writer_close(struct json_writer *w);
/* The slow side of json_room. */
MUST_CHECK int json_writer_more(struct json_writer *w, size_t room);

/* Room for `room` bytes at w->at: 0 or ERR_NOMEM. */
static inline int json_room(struct json_writer *w, size_t room) {
    return (size_t)(w->end - w->at) >= room ? 0 : json_writer_more(w, room);
}

/* Where the next byte goes, as an offset into the buffer's readable bytes; and back. */
static inline size_t json_writer_offset(const struct json_writer *w) {
    return (size_t)(w->at - buffer_begin(w->out));
}

static inline void json_writer_rewind(struct json_writer *w, size_t offset) {
    w->at = buffer_begin(w->out) + offset;
}

/* These want room first. */
static inline void json_put(struct json_writer *w, char c) {
    *w->at++ = c;
}

static inline void json_put_bytes(struct json_writer *w, const char *bytes, size_t len) {
    memcpy(w->at, bytes, len);
    w->at += len;
}
#define json_put_text(w, literal) json_put_bytes((w), (literal), sizeof(literal) - 1)

struct json_string {
    size_t bytes; /* unescaped, as UTF-8 */
    bool nul;     /* holds U+0000 */
};

/* r is behind the opening quote; copies the contents, without quotes, and steps over the
 * closing one. At least JSON_STRING_SLACK bytes of room remain. 0; ERR_INVALID with r->reason;
 * ERR_NOMEM. */
#define JSON_STRING_SLACK 32
MUST_CHECK int json_copy_string(struct json_reader *r, struct json_writer *w,
                                struct json_string *s);
/* The same from bytes that are no JSON: escapes them. ERR_INVALID: not UTF-8. */
MUST_CHECK int json_escape(struct json_writer *w, struct slice text);
/* Contents of a string that was read (escapes kept), unescaped. 0, ERR_INVALID, ERR_NOMEM. */
MUST_CHECK int json_unescape_text(struct slice contents, struct buffer *out);
/* One escape sequence, r at the backslash: its code point, or -1 with r->reason. */
int32_t json_read_escape(struct json_reader *r);

#endif
