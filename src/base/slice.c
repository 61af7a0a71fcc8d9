#include "base/slice.h"

#include "base/assert.h"
#include "base/error.h"

#include <stdlib.h>

static unsigned char lower(char c) {
    unsigned char u = (unsigned char)c;
    return u >= 'A' && u <= 'Z' ? u | 0x20 : u;
}

bool slice_eq_nocase(struct slice a, struct slice b) {
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (a.ptr[i] != b.ptr[i] && lower(a.ptr[i]) != lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool slice_starts_with(struct slice s, struct slice prefix) {
    return s.len >= prefix.len && slice_eq(slice_of(s.ptr, prefix.len), prefix);
}

size_t slice_find(struct slice s, char byte) {
    const char *at = s.len ? memchr(s.ptr, byte, s.len) : NULL;
    return at ? (size_t)(at - s.ptr) : s.len;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s) {
    while (s.len && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len && is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

struct slice slice_split(struct slice s, char separator, struct slice *rest) {
    size_t at = slice_find(s, separator);
    if (at == s.len) {
        *rest = SLICE_EMPTY;
        return s;
    }
    *rest = slice_of(s.ptr + at + 1, s.len - at - 1);
    return slice_of(s.ptr, at);
}

int slice_to_u64(struct slice s, uint64_t *out) {
    uint64_t value = 0;
    bool overflow = false;
    if (s.len == 0) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.ptr[i] - (unsigned)'0';
        if (digit > 9) {
            return ERR_INVALID;
        }
        overflow |= __builtin_mul_overflow(value, 10u, &value);
        overflow |= __builtin_add_overflow(value, digit, &value);
    }
    if (overflow) {
        return ERR_LIMIT;
    }
    *out = value;
    return 0;
}

char *slice_dup(struct slice s) {
    char *copy;
    NEED_MEMORY((copy = malloc(s.len + 1)) != NULL);
    if (s.len) {
        memcpy(copy, s.ptr, s.len);
    }
    copy[s.len] = '\0';
    return copy;
}
