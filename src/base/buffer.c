#include "base/buffer.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUFFER_MIN 256u

void buffer_fini(struct buffer *b) {
    free(b->data);
    *b = (struct buffer){0};
}

void buffer_reset(struct buffer *b, size_t keep_bytes) {
    b->head = 0;
    b->len = 0;
    if (b->cap > keep_bytes) {
        buffer_fini(b);
    }
}

/* Moves the contents to the front. */
static void compact(struct buffer *b) {
    memmove(b->data, b->data + b->head, b->len);
    b->head = 0;
}

static int grow(struct buffer *b, size_t extra) {
    size_t need;
    if (__builtin_add_overflow(b->len, extra, &need)) {
        return ERR_NOMEM;
    }
    size_t cap = b->cap < BUFFER_MIN ? BUFFER_MIN : b->cap;
    while (cap < need) {
        if (__builtin_mul_overflow(cap, 2u, &cap)) {
            cap = need;
        }
    }
    if (b->head) {
        compact(b); /* realloc would copy the consumed bytes, too */
    }
    char *data = realloc(b->data, cap);
    if (!data) {
        return ERR_NOMEM;
    }
    b->data = data;
    b->cap = cap;
    return 0;
}

int buffer_reserve(struct buffer *b, size_t extra) {
    if (b->data && buffer_room(b) >= extra) {
        return 0;
    }
    /* Moving no more than was consumed keeps the cost of a byte constant. */
    if (b->head >= b->len && b->head > 0 && b->cap - b->len >= extra) {
        compact(b);
        return 0;
    }
    return grow(b, extra);
}

int buffer_append(struct buffer *b, const void *bytes, size_t len) {
    if (len == 0) {
        return 0;
    }
    int error = buffer_reserve(b, len);
    if (error) {
        return error;
    }
    memcpy(buffer_tail(b), bytes, len);
    b->len += len;
    return 0;
}

int buffer_append_slice(struct buffer *b, struct slice s) {
    return buffer_append(b, s.ptr, s.len);
}

int buffer_printf(struct buffer *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    size_t room = b->data ? buffer_room(b) : 0;
    int len = vsnprintf(room ? buffer_tail(b) : NULL, room, format, args);
    int error = len < 0 ? ERR_INVALID : 0;
    if (!error && (size_t)len >= room) {
        error = buffer_reserve(b, (size_t)len + 1);
        if (!error) {
            vsnprintf(buffer_tail(b), (size_t)len + 1, format, again);
        }
    }
    if (!error) {
        b->len += (size_t)len;
    }
    va_end(again);
    va_end(args);
    return error;
}

void buffer_consume(struct buffer *b, size_t len) {
    ASSERT(len <= b->len);
    b->len -= len;
    b->head = b->len ? b->head + len : 0;
}
