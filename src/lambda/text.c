#include "lambda/text.h"

#include "model/utf8.h"

bool text_utf8_valid(struct slice s) {
    const char *end = s.len ? s.ptr + s.len : s.ptr;
    for (const char *at = s.ptr; at < end;) {
        size_t len = utf8_sequence(at, end);
        if (len == 0) {
            return false;
        }
        at += len;
    }
    return true;
}

static bool plain(unsigned char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Writes the escape of one byte that is not plain; returns its length. */
static size_t escape_byte(unsigned char c, char *out) {
    static const char hex[] = "0123456789abcdef";
    static const char shorts[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    out[0] = '\\';
    if (c == '"' || c == '\\') {
        out[1] = (char)c;
        return 2;
    }
    if (c < 0x20 && shorts[c] != 0) {
        out[1] = shorts[c];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

int text_json_escape(struct buffer *out, struct slice s) {
    int error = buffer_reserve(out, 6 * s.len);
    if (error != 0) {
        return error;
    }
    const char *end = s.len ? s.ptr + s.len : s.ptr;
    char *to = buffer_tail(out);
    char *start = to;
    for (const char *at = s.ptr; at < end;) {
        unsigned char c = (unsigned char)*at;
        if (plain(c)) {
            *to++ = *at++;
        } else if (c < 0x80) {
            to += escape_byte(c, to);
            at++;
        } else {
            size_t len = utf8_sequence(at, end);
            memcpy(to, len ? at : "\xef\xbf\xbd", len ? len : 3);
            to += len ? len : 3;
            at += len ? len : 1;
        }
    }
    buffer_grow(out, (size_t)(to - start));
    return 0;
}

int text_json_string(struct buffer *out, struct slice s) {
    int error = buffer_append(out, "\"", 1);
    if (error == 0) {
        error = text_json_escape(out, s);
    }
    return error != 0 ? error : buffer_append(out, "\"", 1);
}

static bool ends_with_nocase(struct slice s, struct slice suffix) {
    return s.len >= suffix.len &&
           slice_eq_nocase(slice_of(s.ptr + s.len - suffix.len, suffix.len), suffix);
}

bool text_media_type(struct slice content_type) {
    struct slice rest;
    struct slice type = slice_trim(slice_split(content_type, ';', &rest));
    static const struct slice exact[] = {
        {"application/json", 16},
        {"application/xml", 15},
        {"application/javascript", 22},
        {"application/x-www-form-urlencoded", 33},
    };
    for (size_t k = 0; k < sizeof(exact) / sizeof(exact[0]); k++) {
        if (slice_eq_nocase(type, exact[k])) {
            return true;
        }
    }
    return (type.len > 5 && slice_eq_nocase(slice_of(type.ptr, 5), SLICE("text/"))) ||
           ends_with_nocase(type, SLICE("+json")) || ends_with_nocase(type, SLICE("+xml"));
}

void text_keep_line(struct buffer *log, struct slice line) {
    if (buffer_slice(log).len > TEXT_LINES_KEEP) {
        buffer_consume(log, buffer_slice(log).len - TEXT_LINES_KEEP);
    }
    int error = buffer_append_slice(log, line);
    error = error ? error : buffer_append(log, "\n", 1);
    if (error != 0) { /* out of memory: better no tail than no call */
        buffer_reset(log, 0);
    }
}
