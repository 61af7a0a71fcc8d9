#include "model/json_cursor.h"

#include "base/error.h"
#include "model/json_skip.h"
#include "model/json_text.h"
#include "model/utf8.h"

/* `at` is behind the opening quote; returns what is behind the closing one, or NULL. */
static const char *skip_string(const char *at, const char *end) {
    while (at < end) {
        if (*at == '"') {
            return at + 1;
        }
        if ((unsigned char)*at < 0x20) {
            return NULL;
        }
        at += *at == '\\' ? 2 : 1;
    }
    return NULL;
}

/* Numbers and words: up to what cannot be part of one. */
static const char *skip_scalar(const char *at, const char *end) {
    const char *start = at;
    while (at < end && !json_is_space(*at) && !strchr(",:]}[{\"", *at)) {
        if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7e) {
            return NULL;
        }
        at++;
    }
    return at == start ? NULL : at;
}

const char *json_skip_value(const char *at, const char *end) {
    uint64_t objects[JSON_SKIP_DEPTH / 64]; /* a bit for each open bracket: it is a brace */
    unsigned depth = 0;

    while (at < end) {
        char c = *at;
        if (c == '"') {
            at = skip_string(at + 1, end);
        } else if (c == '{' || c == '[') {
            uint64_t bit = 1ull << (depth % 64);
            if (depth == JSON_SKIP_DEPTH) {
                return NULL;
            }
            objects[depth / 64] =
                (depth % 64 ? objects[depth / 64] & ~bit : 0) | (c == '{' ? bit : 0);
            depth++;
            at++;
        } else if (depth && (c == '}' || c == ']')) {
            depth--;
            if ((objects[depth / 64] >> (depth % 64) & 1) != (c == '}')) {
                return NULL;
            }
            at++;
        } else if (depth && (c == ',' || c == ':' || json_is_space(c))) {
            at++;
            continue;
        } else {
            at = skip_scalar(at, end);
        }
        if (depth == 0 || !at) {
            return at;
        }
    }
    return NULL;
}

static const char *skip_space(const char *at, const char *end) {
    while (at < end && json_is_space(*at)) {
        at++;
    }
    return at;
}

int json_cursor_open(struct json_cursor *c, struct slice value) {
    const char *end = value.len ? value.ptr + value.len : value.ptr;
    const char *at = skip_space(value.ptr, end);

    if (at == end || (*at != '{' && *at != '[')) {
        return ERR_PROTOCOL;
    }
    *c = (struct json_cursor){at + 1, end, 1, *at == '{' ? '}' : ']'};
    return 0;
}

/* The name of a member and its ':'; leaves *at before the value. */
static bool take_name(const char **at, const char *end, struct slice *name) {
    const char *start = *at + 1, *behind;
    if (*at == end || **at != '"') {
        return false;
    }
    behind = skip_string(start, end);
    if (!behind) {
        return false;
    }
    *name = slice_of(start, (size_t)(behind - start) - 1);
    behind = skip_space(behind, end);
    if (behind == end || *behind != ':') {
        return false;
    }
    *at = skip_space(behind + 1, end);
    return true;
}

int json_cursor_next(struct json_cursor *c, struct slice *name, struct slice *value) {
    const char *at = skip_space(c->at, c->end), *behind;

    *name = *value = SLICE_EMPTY;
    if (at == c->end) {
        return ERR_PROTOCOL;
    }
    if (*at == c->close) {
        c->at = at; /* again and again the end */
        return ERR_NOT_FOUND;
    }
    if (!c->first) {
        if (*at != ',') {
            return ERR_PROTOCOL;
        }
        at = skip_space(at + 1, c->end);
    }
    if (c->close == '}' && !take_name(&at, c->end, name)) {
        return ERR_PROTOCOL;
    }
    behind = json_skip_value(at, c->end);
    if (!behind) {
        return ERR_PROTOCOL;
    }
    *value = slice_of(at, (size_t)(behind - at));
    c->at = behind;
    c->first = 0;
    return 0;
}

/* Is the raw (escaped) text the name? */
static bool raw_equals(struct slice raw, struct slice name) {
    struct json_reader r;
    const char *want = name.ptr, *want_end = name.len ? name.ptr + name.len : name.ptr;

    if (raw.len == 0 || !memchr(raw.ptr, '\\', raw.len)) {
        return slice_eq(raw, name);
    }
    json_reader_init(&r, raw);
    while (r.at < r.end) {
        char bytes[4];
        size_t n = 1;
        if (*r.at == '\\') {
            int32_t point = json_read_escape(&r);
            if (point < 0) {
                return false;
            }
            n = utf8_write((uint32_t)point, bytes);
        } else {
            bytes[0] = *r.at++;
        }
        if ((size_t)(want_end - want) < n || memcmp(want, bytes, n) != 0) {
            return false;
        }
        want += n;
    }
    return want == want_end;
}

struct slice json_member(struct slice object, struct slice name) {
    struct json_cursor c;
    struct slice member, value;

    if (json_cursor_open(&c, object) != 0 || c.close != '}') {
        return SLICE_EMPTY;
    }
    while (json_cursor_next(&c, &member, &value) == 0) {
        if (raw_equals(member, name)) {
            return value;
        }
    }
    return SLICE_EMPTY;
}

int json_unescape(struct slice raw_string, struct buffer *out) {
    size_t start = out->len;
    int error;

    if (raw_string.len < 2 || raw_string.ptr[0] != '"' ||
        raw_string.ptr[raw_string.len - 1] != '"') {
        return ERR_PROTOCOL;
    }
    error = json_unescape_text(slice_of(raw_string.ptr + 1, raw_string.len - 2), out);
    if (error) {
        out->len = start;
    }
    return error == ERR_INVALID ? ERR_PROTOCOL : error;
}
