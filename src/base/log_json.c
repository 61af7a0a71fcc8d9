#include "base/log_json.h"

#include "base/clock.h"

/* Kept free for what ends a line: ,"truncated":true,"dropped":18446744073709551615}\n */
#define TAIL_BYTES 56
/* The longest form of one character, \u009f, and the quote after it. */
#define CHARACTER_BYTES 7

struct text {
    char *at;
    char *end;
    bool cut;
};

static bool fits(struct text *t, size_t len) {
    if ((size_t)(t->end - t->at) < len) {
        t->cut = true;
        return false;
    }
    return true;
}

static void put(struct text *t, const char *bytes, size_t len) {
    if (len && fits(t, len)) {
        memcpy(t->at, bytes, len);
        t->at += len;
    }
}

static void put_cstr(struct text *t, const char *s) {
    put(t, s, strlen(s));
}

static void put_u64(struct text *t, uint64_t n) {
    char digits[20];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    put(t, digits + i, sizeof digits - i);
}

static void put_i64(struct text *t, int64_t n) {
    if (n < 0) {
        put(t, "-", 1);
        put_u64(t, -(uint64_t)n);
    } else {
        put_u64(t, (uint64_t)n);
    }
}

static bool continues(unsigned char byte, unsigned char low, unsigned char high) {
    return byte >= low && byte <= high;
}

/* Length of the well-formed sequence at p (Unicode 15, table 3-7), 0 when there is none. */
static size_t utf8_sequence(const unsigned char *p, size_t left) {
    unsigned char lead = p[0];
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xc2 || lead > 0xf4 || left < 2) {
        return 0;
    }
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    size_t len = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (!continues(p[1], low, high) || left < len) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if (!continues(p[i], 0x80, 0xbf)) {
            return 0;
        }
    }
    return len;
}

static void put_escape(struct text *t, unsigned code) {
    static const char digits[16] = "0123456789abcdef";
    char escape[6] = {'\\', 'u', '0', '0', digits[code >> 4 & 15], digits[code & 15]};
    put(t, escape, sizeof escape);
}

/* The letter of a two-character escape, or 0. */
static char short_escape(unsigned char c) {
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

/* One character of the source, however long; returns the bytes taken. */
static size_t put_character(struct text *t, const unsigned char *p, size_t left) {
    char letter = short_escape(p[0]);
    if (letter) {
        put(t, (char[2]){'\\', letter}, 2);
        return 1;
    }
    if (p[0] < 0x20 || p[0] == 0x7f) {
        put_escape(t, p[0]);
        return 1;
    }
    size_t len = utf8_sequence(p, left);
    if (len == 0) {
        put(t, "\xef\xbf\xbd", 3); /* U+FFFD */
        return 1;
    }
    if (len == 2 && p[0] == 0xc2 && p[1] < 0xa0) {
        put_escape(t, p[1]); /* C1 controls steer terminals, too */
    } else {
        put(t, (const char *)p, len);
    }
    return len;
}

static bool is_plain(unsigned char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_string(struct text *t, struct slice s) {
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t i = 0;
    put(t, "\"", 1);
    while (i < s.len) {
        size_t room = (size_t)(t->end - t->at);
        if (room < CHARACTER_BYTES) {
            t->cut = true;
            break;
        }
        size_t run = 0;
        while (i + run < s.len && run < room - 1 && is_plain(p[i + run])) {
            run++;
        }
        if (run) {
            put(t, s.ptr + i, run);
            i += run;
        } else {
            i += put_character(t, p + i, s.len - i);
        }
    }
    put(t, "\"", 1);
}

/* A field that does not fit is left out, but for a string, which is cut. */
static void put_field(struct text *t, const struct log_field *field) {
    char *before = t->at;
    size_t needed =
        strlen(field->name) + 4 + 20; /* ,"name": and a number or a string's start */
    if (!fits(t, needed)) {
        return;
    }
    put(t, ",\"", 2);
    put_cstr(t, field->name);
    put(t, "\":", 2);
    switch (field->kind) {
    case LOG_FIELD_SLICE:
        put_string(t, field->text);
        break;
    case LOG_FIELD_U64:
        put_u64(t, field->number);
        break;
    case LOG_FIELD_I64:
        put_i64(t, (int64_t)field->number);
        break;
    case LOG_FIELD_RAW:
        if (field->text.len == 0 || !fits(t, field->text.len)) {
            t->at = before;
            return;
        }
        put(t, field->text.ptr, field->text.len);
        break;
    case LOG_FIELD_END:
        break;
    }
}

size_t log_format(char out[LOG_LINE_MAX], const struct log_head *head,
                  const struct log_field *fields) {
    static const char *const levels[] = {"debug", "info", "warn", "error", "off"};
    struct text t = {.at = out, .end = out + LOG_LINE_MAX - TAIL_BYTES};
    char time[25];
    clock_format_iso8601_ms(head->epoch_ms, time);
    put_cstr(&t, "{\"time\":\"");
    put(&t, time, sizeof time - 1);
    put_cstr(&t, "\",\"level\":\"");
    put_cstr(&t, levels[head->level]);
    put_cstr(&t, "\",\"event\":");
    put_string(&t, slice_cstr(head->event));
    if (head->thread) {
        put_cstr(&t, ",\"thread\":");
        put_string(&t, slice_cstr(head->thread));
    }
    for (; fields->kind != LOG_FIELD_END; fields++) {
        put_field(&t, fields);
    }
    t.end = out + LOG_LINE_MAX;
    if (t.cut) {
        put_cstr(&t, ",\"truncated\":true");
    }
    if (head->dropped) {
        put_cstr(&t, ",\"dropped\":");
        put_u64(&t, head->dropped);
    }
    put(&t, "}\n", 2);
    return (size_t)(t.at - out);
}
