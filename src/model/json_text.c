#include "model/json_text.h"

#include "model/utf8.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

bool json_accept_word(struct json_reader *r, struct slice word) {
    if ((size_t)(r->end - r->at) < word.len || memcmp(r->at, word.ptr, word.len) != 0) {
        return false;
    }
    r->at += word.len;
    return true;
}

int json_writer_open(struct json_writer *w, struct buffer *out, size_t room) {
    int error = buffer_reserve(out, room);
    if (error) {
        return error;
    }
    w->out = out;
    w->at = buffer_tail(out);
    w->end = w->at + buffer_room(out);
    return 0;
}

void json_writer_close(struct json_writer *w) {
    w->out->len = json_writer_offset(w);
}

int json_writer_more(struct json_writer *w, size_t room) {
    /* Ours must count as readable: no more than that is kept when the buffer moves. */
    w->out->len = json_writer_offset(w);
    int error = buffer_reserve(w->out, room > w->out->len ? room : w->out->len);
    if (error) {
        return error;
    }
    w->at = buffer_tail(w->out);
    w->end = w->at + buffer_room(w->out);
    return 0;
}

/* How many of the 16 bytes at p come before the first that is '"', '\', a control character or
 * not ASCII; they are all copied to w. */
#if defined(__SSE2__)
static inline unsigned copy_plain16(const char *p, char *w) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    /* Signed: bytes from 0x80 are below 0x20 too. */
    __m128i odd = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    _mm_storeu_si128((__m128i *)(void *)w, bytes);
    return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(odd) | 0x10000u);
}
#else
#define ONES  0x0101010101010101ull
#define HIGHS 0x8080808080808080ull
static inline uint64_t odd_bytes(uint64_t v) {
    uint64_t quote = v ^ (ONES * '"'), slash = v ^ (ONES * '\\');
    /* "Is there a zero / a byte under 0x20", exact up to the first hit; non-ASCII by itself. */
    return (((v - ONES * 0x20) & ~v) | ((quote - ONES) & ~quote) | ((slash - ONES) & ~slash) |
            v) &
           HIGHS;
}

static inline unsigned copy_plain16(const char *p, char *w) {
    unsigned n = 0;
    uint64_t words[2];
    memcpy(words, p, 16);
    memcpy(w, words, 16);
    if (odd_bytes(words[0]) | odd_bytes(words[1])) {
        while (n < 16 && (unsigned char)p[n] >= 0x20 && (unsigned char)p[n] < 0x80 &&
               p[n] != '"' && p[n] != '\\') {
            n++;
        }
        return n;
    }
    return 16;
}
#endif

static inline bool plain(char c) {
    return (signed char)c >= 0x20 && c != '"' && c != '\\';
}

/* Copies bytes that need no look; stops at the end or at one that does. */
static inline int copy_plain(const char **at, const char *end, struct json_writer *w) {
    const char *p = *at;
    for (;;) {
        int error = json_room(w, JSON_STRING_SLACK);
        if (error) {
            return error;
        }
        if (end - p < 16) {
            break;
        }
        unsigned n = copy_plain16(p, w->at);
        p += n;
        w->at += n;
        if (n < 16) {
            *at = p;
            return 0;
        }
    }
    while (p < end && plain(*p)) {
        *w->at++ = *p++;
    }
    *at = p;
    return json_room(w, JSON_STRING_SLACK);
}

/* Well-formed non-ASCII characters in a row: false at a malformed one. Room for 4 is there. */
static bool copy_wide(const char **at, const char *end, struct json_writer *w, int *error) {
    while (*at < end && (signed char)**at < 0) {
        size_t n = utf8_sequence(*at, end);
        if (n == 0) {
            return false;
        }
        memcpy(w->at, *at, n);
        w->at += n;
        *at += n;
        *error = json_room(w, JSON_STRING_SLACK);
        if (*error) {
            return false;
        }
    }
    return true;
}

/* A character that JSON wants escaped; returns the bytes written, at most 6. */
static size_t put_escaped(char *out, unsigned char c) {
    static const char letters[] = "btn\0fr"; /* from U+0008 */
    static const char digits[] = "0123456789abcdef";

    out[0] = '\\';
    if (c == '"' || c == '\\') {
        out[1] = (char)c;
        return 2;
    }
    if (c >= 8 && c <= 13 && c != 11) {
        out[1] = letters[c - 8];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = digits[c >> 4];
    out[5] = digits[c & 15];
    return 6;
}

static int32_t hex4(const char *p, const char *end) {
    int32_t value = 0;
    if (end - p < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        value = value << 4 | digit;
    }
    return value;
}

/* Behind "\u": a code point, of one or two escapes. */
static int32_t read_unicode(struct json_reader *r) {
    int32_t first = hex4(r->at, r->end), second;
    if (first < 0) {
        r->reason = "expected four hexadecimal digits";
        return -1;
    }
    if (first < 0xd800 || first > 0xdfff) {
        r->at += 4;
        return first;
    }
    if (first < 0xdc00 && r->end - r->at >= 10 && r->at[4] == '\\' && r->at[5] == 'u') {
        second = hex4(r->at + 6, r->end);
        if (second >= 0xdc00 && second <= 0xdfff) {
            r->at += 10;
            return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        }
    }
    r->reason = "half a surrogate pair";
    return -1;
}

int32_t json_read_escape(struct json_reader *r) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *found;

    if (r->end - r->at < 2) {
        r->at = r->end;
        r->reason = "the string does not end";
        return -1;
    }
    if (r->at[1] == 'u') {
        r->at += 2;
        return read_unicode(r);
    }
    found = r->at[1] ? strchr(from, r->at[1]) : NULL;
    if (!found) {
        r->reason = "unknown escape";
        return -1;
    }
    r->at += 2;
    return to[found - from];
}

/* Reads one escape and writes the character canonically; `*over` grows by what that takes
 * beyond the character itself. */
static int copy_escape(struct json_reader *r, struct json_writer *w, struct json_string *s,
                       size_t *over) {
    int32_t point = json_read_escape(r);
    size_t n;
    if (point < 0) {
        return ERR_INVALID;
    }
    if (point < 0x20 || point == '"' || point == '\\') {
        n = put_escaped(w->at, (unsigned char)point);
        *over += n - 1;
        s->nul |= point == 0;
    } else {
        n = utf8_write((uint32_t)point, w->at);
    }
    w->at += n;
    return json_room(w, JSON_STRING_SLACK);
}

int json_copy_string(struct json_reader *r, struct json_writer *w, struct json_string *s) {
    size_t start = json_writer_offset(w), over = 0;
    int error;

    s->nul = false;
    for (;;) {
        error = copy_plain(&r->at, r->end, w);
        if (error) {
            return error;
        }
        if (r->at == r->end) {
            r->reason = "the string does not end";
            return ERR_INVALID;
        }
        if (*r->at == '"') {
            r->at++;
            s->bytes = json_writer_offset(w) - start - over;
            return 0;
        }
        if (*r->at == '\\') {
            error = copy_escape(r, w, s, &over);
        } else if ((signed char)*r->at >= 0) {
            r->reason = "a control character in a string";
            error = ERR_INVALID;
        } else if (!copy_wide(&r->at, r->end, w, &error) && !error) {
            r->reason = "not UTF-8";
            error = ERR_INVALID;
        }
        if (error) {
            return error;
        }
    }
}

int json_escape(struct json_writer *w, struct slice text) {
    const char *at = text.ptr, *end = text.len ? text.ptr + text.len : text.ptr;
    int error = 0;

    for (;;) {
        error = copy_plain(&at, end, w);
        if (error || at == end) {
            return error;
        }
        if ((signed char)*at >= 0) {
            w->at += put_escaped(w->at, (unsigned char)*at++);
        } else if (!copy_wide(&at, end, w, &error)) {
            return error ? error : ERR_INVALID;
        }
    }
}

int json_unescape_text(struct slice contents, struct buffer *out) {
    struct json_reader r;
    int error = buffer_reserve(out, contents.len + 4);
    if (error) {
        return error;
    }
    json_reader_init(&r, contents);
    while (r.at < r.end) {
        const char *stop = memchr(r.at, '\\', (size_t)(r.end - r.at));
        size_t run = (size_t)((stop ? stop : r.end) - r.at);
        memcpy(buffer_tail(out), r.at, run);
        buffer_grow(out, run);
        r.at += run;
        if (stop) {
            int32_t point = json_read_escape(&r);
            if (point < 0) {
                return ERR_INVALID;
            }
            /* An escape is never shorter than its character. */
            buffer_grow(out, utf8_write((uint32_t)point, buffer_tail(out)));
        }
    }
    return 0;
}
