/* A growable byte buffer that owns its memory. {0} is a valid empty buffer with no memory.
 *
 *   data ----- consumed (head) ===== readable ===== (head+len) ----- free ----- cap
 *
 * Sizes a peer controls are checked by the caller against a named limit before they get here;
 * after that, running out of memory returns ERR_NOMEM and leaves the buffer as it was. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "base/assert.h"
#include "base/slice.h"

struct buffer {
    char *data;
    size_t head; /* bytes already consumed at the front */
    size_t len;  /* readable bytes after head */
    size_t cap;
};

void buffer_fini(struct buffer *b);
/* Forgets the contents; frees the memory when the capacity is over keep_bytes. */
void buffer_reset(struct buffer *b, size_t keep_bytes);
/* Room for `extra` more bytes at the tail; may move the contents. 0 or ERR_NOMEM. */
MUST_CHECK int buffer_reserve(struct buffer *b, size_t extra);
MUST_CHECK int buffer_append(struct buffer *b, const void *bytes, size_t len);
MUST_CHECK int buffer_append_slice(struct buffer *b, struct slice s);
/* printf into the tail. 0 or ERR_NOMEM. */
MUST_CHECK int buffer_printf(struct buffer *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Drops `len` bytes at the front. */
void buffer_consume(struct buffer *b, size_t len);

static inline char *buffer_begin(const struct buffer *b) {
    return b->data + b->head;
}

/* Where the next byte goes, after buffer_reserve; then count it with buffer_grow. */
static inline char *buffer_tail(const struct buffer *b) {
    return b->data + b->head + b->len;
}

static inline size_t buffer_room(const struct buffer *b) {
    return b->cap - b->head - b->len;
}

static inline void buffer_grow(struct buffer *b, size_t len) {
    ASSERT(len <= buffer_room(b));
    b->len += len;
}

static inline struct slice buffer_slice(const struct buffer *b) {
    return slice_of(b->data ? b->data + b->head : NULL, b->len);
}

#endif
