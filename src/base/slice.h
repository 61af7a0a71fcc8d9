/* A view of bytes somebody else owns; passed by value, never NUL-terminated. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *ptr; /* may be NULL only when len is 0 */
    size_t len;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
#define SLICE_EMPTY    ((struct slice){NULL, 0})
#define SLICE_FMT      "%.*s"
#define SLICE_ARG(s)   (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct slice slice_of(const char *ptr, size_t len) {
    return (struct slice){ptr, len};
}

static inline struct slice slice_cstr(const char *text) {
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline struct slice slice_from(struct slice s, size_t start) {
    return start >= s.len ? SLICE_EMPTY : (struct slice){s.ptr + start, s.len - start};
}

/* ASCII case-insensitive equality (RFC 9110 section 5.1: field names). */
bool slice_eq_nocase(struct slice a, struct slice b);
bool slice_starts_with(struct slice s, struct slice prefix);
/* Position of the byte, or s.len. */
size_t slice_find(struct slice s, char byte);
/* Without leading and trailing spaces and tabs. */
struct slice slice_trim(struct slice s);
/* Splits at the first `separator`: returns what is before it and leaves in *rest what is after
 * (empty when there is none). */
struct slice slice_split(struct slice s, char separator, struct slice *rest);
/* All digits, at most UINT64_MAX: 0, else ERR_INVALID (empty or a non-digit) or ERR_LIMIT. */
int slice_to_u64(struct slice s, uint64_t *out);
/* A NUL-terminated malloc copy; the caller frees. Aborts when memory is out. */
char *slice_dup(struct slice s);

#endif
