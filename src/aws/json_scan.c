#include "aws/json_scan.h"

#include "base/error.h"

struct scan {
    const char *p;
    const char *end;
};

static int at(const struct scan *s, char c) {
    return s->p < s->end && *s->p == c;
}

static void skip_space(struct scan *s) {
    while (at(s, ' ') || at(s, '\t') || at(s, '\r') || at(s, '\n')) {
        s->p++;
    }
}

/* At a quote; leaves s behind the closing one. */
static int scan_string(struct scan *s, struct slice *inside) {
    const char *start = ++s->p;
    while (s->p < s->end && *s->p != '"') {
        s->p += *s->p == '\\' ? 2 : 1;
    }
    if (s->p >= s->end) {
        return ERR_INVALID;
    }
    *inside = slice_of(start, (size_t)(s->p - start));
    s->p++;
    return 0;
}

/* At a bracket: to behind its partner, strings skipped whole. */
static int skip_nested(struct scan *s) {
    struct slice ignored;
    size_t depth = 0;
    while (s->p < s->end) {
        if (*s->p == '"') {
            if (scan_string(s, &ignored) != 0) {
                return ERR_INVALID;
            }
            continue;
        }
        depth += *s->p == '{' || *s->p == '[';
        depth -= *s->p == '}' || *s->p == ']';
        s->p++;
        if (depth == 0) {
            return 0;
        }
    }
    return ERR_INVALID;
}

static int scan_value(struct scan *s, struct slice *value, int *is_string) {
    const char *start = s->p;
    *is_string = at(s, '"');
    if (*is_string) {
        return scan_string(s, value);
    }
    if (at(s, '{') || at(s, '[')) {
        int e = skip_nested(s);
        *value = slice_of(start, (size_t)(s->p - start));
        return e;
    }
    while (s->p < s->end && !memchr(",}] \t\r\n", *s->p, 7)) {
        s->p++;
    }
    *value = slice_of(start, (size_t)(s->p - start));
    return value->len > 0 ? 0 : ERR_INVALID;
}

/* At a member's name: name and value, s behind them. */
static int scan_member(struct scan *s, struct slice *name, struct slice *value,
                       int *is_string) {
    skip_space(s);
    if (!at(s, '"') || scan_string(s, name) != 0) {
        return ERR_INVALID;
    }
    skip_space(s);
    if (!at(s, ':')) {
        return ERR_INVALID;
    }
    s->p++;
    skip_space(s);
    return scan_value(s, value, is_string);
}

static int find(struct slice text, struct slice name, struct slice *value, int *is_string) {
    struct scan s = {text.ptr, text.ptr + text.len};
    skip_space(&s);
    if (!at(&s, '{')) {
        return ERR_INVALID;
    }
    do {
        struct slice found;
        s.p++;
        if (scan_member(&s, &found, value, is_string) != 0) {
            return ERR_INVALID;
        }
        if (slice_eq(found, name)) {
            return 0;
        }
        skip_space(&s);
    } while (at(&s, ','));
    return ERR_NOT_FOUND;
}

struct slice json_scan_member(struct slice text, struct slice name) {
    struct slice value;
    int is_string;
    return text.len > 0 && find(text, name, &value, &is_string) == 0 ? value : SLICE_EMPTY;
}

static int hex4(struct slice s, unsigned *out) {
    *out = 0;
    if (s.len < 4) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef";
        char c = s.ptr[i] >= 'A' && s.ptr[i] <= 'F' ? (char)(s.ptr[i] + 32) : s.ptr[i];
        const char *digit = c ? strchr(digits, c) : NULL;
        if (!digit) {
            return ERR_INVALID;
        }
        *out = *out * 16 + (unsigned)(digit - digits);
    }
    return 0;
}

static size_t utf8_encode(unsigned c, char out[3]) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    return 3;
}

/* The escape after a backslash, *used bytes of it. Surrogates are refused: no credential has a
 * character beyond the basic plane. */
static int append_escape(struct slice s, struct buffer *out, size_t *used) {
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const char *name = s.len && s.ptr[0] ? strchr(names, s.ptr[0]) : NULL;
    *used = 1;
    if (name) {
        return buffer_append(out, &bytes[name - names], 1);
    }
    unsigned c;
    char utf8[3];
    if (!s.len || s.ptr[0] != 'u' || hex4(slice_from(s, 1), &c) != 0 || c == 0 ||
        (c >= 0xd800 && c <= 0xdfff)) {
        return ERR_INVALID;
    }
    *used = 5;
    return buffer_append(out, utf8, utf8_encode(c, utf8));
}

int json_scan_string(struct slice text, struct slice name, struct buffer *out) {
    struct slice s;
    int is_string;
    if (text.len == 0 || find(text, name, &s, &is_string) != 0 || !is_string) {
        return ERR_NOT_FOUND;
    }
    while (s.len > 0) {
        size_t plain = slice_find(s, '\\');
        if (memchr(s.ptr, '\0', plain)) {
            return ERR_INVALID;
        }
        int e = buffer_append(out, s.ptr, plain);
        s = slice_from(s, plain);
        if (!e && s.len > 0) {
            size_t used;
            e = append_escape(slice_from(s, 1), out, &used);
            s = slice_from(s, 1 + used);
        }
        if (e) {
            return e;
        }
    }
    return 0;
}
