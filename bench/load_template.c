#include "load_template.h"

#include "base/error.h"
#include "load_json.h"
#include "load_zipf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define WORDS_MAX        5
#define KEYS_MAX         (1ull << 53)
#define DEFAULT_EXPONENT 0.99 /* as YCSB has it */
#define NUMBER_BOUND     20u
#define UUID_BOUND       37u /* rng_uuid adds a NUL */
#define MEMBER_MAX       2048u
#define SHOWN_MAX        60u

enum part_kind {
    PART_TEXT,
    PART_SEQ,
    PART_UUID,
    PART_RAND,
    PART_UNIFORM,
    PART_ZIPF,
    PART_BODY
};

struct load_template_part {
    enum part_kind kind;
    struct slice text; /* the literal, or the name of the body's member */
    uint64_t salt;     /* of the placeholder's words */
    int64_t low;
    uint64_t span; /* values from low on; 0 = all 2^64 */
    struct load_zipf zipf;
};

static uint64_t mix(uint64_t z) {
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* FNV-1a. */
static uint64_t salt_of(struct slice *words, size_t count) {
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k <= words[i].len; k++) {
            unsigned char byte = k < words[i].len ? (unsigned char)words[i].ptr[k] : ' ';
            h = (h ^ byte) * 0x100000001b3u;
        }
    }
    return h;
}

/* ---- parsing ---- */

static int to_i64(struct slice s, int64_t *out) {
    uint64_t n;
    int negative = s.len > 0 && s.ptr[0] == '-';
    if (slice_to_u64(slice_from(s, (size_t)negative), &n) || n > INT64_MAX) {
        return ERR_INVALID;
    }
    *out = negative ? -(int64_t)n : (int64_t)n;
    return 0;
}

static int to_double(struct slice s, double *out) {
    char text[32], *end;
    if (s.len == 0 || s.len >= sizeof text) {
        return ERR_INVALID;
    }
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    double number = strtod(text, &end);
    if (*end != '\0') {
        return ERR_INVALID;
    }
    *out = number;
    return 0;
}

static int parse_rand(struct load_template_part *p, struct slice *words, size_t count) {
    int64_t high;
    if (count < 3 || count > 4 || to_i64(words[1], &p->low) || to_i64(words[2], &high) ||
        high < p->low) {
        return ERR_INVALID;
    }
    p->kind = PART_RAND;
    p->span = (uint64_t)high - (uint64_t)p->low + 1;
    return 0;
}

static int parse_key(struct load_template_part *p, struct slice *words, size_t count) {
    double exponent = DEFAULT_EXPONENT;
    uint64_t n;
    if (count < 3 || slice_to_u64(words[2], &n) || n < 1 || n > KEYS_MAX) {
        return ERR_INVALID;
    }
    if (slice_eq(words[1], SLICE("uniform")) && count <= 4) {
        p->kind = PART_UNIFORM;
        p->low = 1;
        p->span = n;
        return 0;
    }
    int given = count > 3 && to_double(words[3], &exponent) == 0;
    if (!slice_eq(words[1], SLICE("zipf")) || !(exponent > 0 && exponent <= 100) ||
        (count > 4 && !given)) {
        return ERR_INVALID;
    }
    p->kind = PART_ZIPF;
    load_zipf_init(&p->zipf, n, exponent);
    return 0;
}

static size_t split_words(struct slice inner, struct slice words[WORDS_MAX + 1]) {
    size_t count = 0;
    struct slice rest = slice_trim(inner);
    while (rest.len > 0 && count <= WORDS_MAX) {
        words[count++] = slice_split(rest, ' ', &rest);
        rest = slice_trim(rest);
    }
    return count;
}

static int parse_placeholder(struct load_template_part *p, struct slice inner,
                             enum load_template_use use) {
    struct slice words[WORDS_MAX + 1];
    size_t count = split_words(inner, words);
    if (count == 0 || count > WORDS_MAX) {
        return ERR_INVALID;
    }
    p->salt = salt_of(words, count);
    if (slice_eq(words[0], SLICE("seq")) && count == 1) {
        p->kind = PART_SEQ;
        return 0;
    }
    if (slice_eq(words[0], SLICE("uuid")) && count <= 2) {
        p->kind = PART_UUID;
        return 0;
    }
    if (slice_eq(words[0], SLICE("rand"))) {
        return parse_rand(p, words, count);
    }
    if (slice_eq(words[0], SLICE("key"))) {
        return parse_key(p, words, count);
    }
    if (slice_eq(words[0], SLICE("body")) && count == 2 && use == LOAD_TEMPLATE_PATH) {
        p->kind = PART_BODY;
        p->text = words[1];
        return 0;
    }
    return ERR_INVALID;
}

static void add(struct load_template *t, const struct load_template_part *part) {
    struct load_template_part *grown = realloc(t->parts, (t->count + 1) * sizeof *t->parts);
    ASSERT(grown != NULL);
    t->parts = grown;
    t->parts[t->count++] = *part;
    t->constant &= part->kind == PART_TEXT;
    t->unique |= part->kind == PART_SEQ || part->kind == PART_UUID;
    t->body_parts += part->kind == PART_BODY;
    t->fixed_bound += part->kind == PART_TEXT   ? part->text.len
                      : part->kind == PART_UUID ? UUID_BOUND
                                                : NUMBER_BOUND;
}

static struct slice find_pair(struct slice s, char c) {
    for (size_t i = 0; i + 1 < s.len; i++) {
        if (s.ptr[i] == c && s.ptr[i + 1] == c) {
            return slice_from(s, i);
        }
    }
    return slice_of(s.ptr + s.len, 0);
}

int load_template_parse(struct load_template *t, struct slice text, enum load_template_use use,
                        char reason[LOAD_TEMPLATE_REASON_MAX]) {
    memset(t, 0, sizeof *t);
    t->constant = 1;
    t->text = slice_dup(text);
    struct slice rest = slice_of(t->text, text.len);
    while (rest.len > 0) {
        struct load_template_part part = {.kind = PART_TEXT};
        struct slice open = find_pair(rest, '{');
        part.text = slice_of(rest.ptr, rest.len - open.len);
        if (part.text.len > 0) {
            add(t, &part);
        }
        if (open.len == 0) {
            break;
        }
        struct slice inner = slice_from(open, 2);
        struct slice close = find_pair(inner, '}');
        inner.len -= close.len;
        if (close.len == 0 || parse_placeholder(&part, inner, use)) {
            snprintf(reason, LOAD_TEMPLATE_REASON_MAX,
                     close.len ? "{{%.*s}} is no placeholder" : "{{%.*s has no end",
                     (int)(inner.len < SHOWN_MAX ? inner.len : SHOWN_MAX), inner.ptr);
            load_template_fini(t);
            return ERR_INVALID;
        }
        add(t, &part);
        rest = slice_from(close, 2);
    }
    return 0;
}

void load_template_fini(struct load_template *t) {
    free(t->parts);
    free(t->text);
    memset(t, 0, sizeof *t);
}

/* ---- writing ---- */

size_t load_template_bound(const struct load_template *t, size_t body_len) {
    size_t member = body_len < MEMBER_MAX ? body_len : MEMBER_MAX;
    return t->fixed_bound + t->body_parts * 3 * member;
}

static size_t write_u64(char *out, uint64_t n) {
    char digits[20];
    size_t len = 0;
    do {
        digits[len++] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    for (size_t i = 0; i < len; i++) {
        out[i] = digits[len - 1 - i];
    }
    return len;
}

static size_t write_i64(char *out, int64_t n) {
    if (n >= 0) {
        return write_u64(out, (uint64_t)n);
    }
    out[0] = '-';
    return 1 + write_u64(out + 1, 0 - (uint64_t)n);
}

/* Percent-encodes all but RFC 3986's unreserved characters: a value is one path segment. */
static size_t write_member(char *out, struct slice body, struct slice name) {
    static const char hex[] = "0123456789ABCDEF";
    char member[128], value[MEMBER_MAX];
    struct slice object;
    size_t used = 0;
    snprintf(member, sizeof member, SLICE_FMT, SLICE_ARG(name));
    if (load_json_text(body, &object)) {
        return 0;
    }
    int len = load_json_characters(load_json_member(object, member), value, sizeof value);
    for (int i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];
        if (isalnum(c) || (c && strchr("-._~", c))) {
            out[used++] = (char)c;
        } else {
            out[used++] = '%';
            out[used++] = hex[c >> 4];
            out[used++] = hex[c & 15];
        }
    }
    return used;
}

static size_t write_random(const struct load_template_part *p, const struct load_context *c,
                           char *out) {
    struct rng r;
    rng_seed(&r, mix(c->seed + c->seq * 0x9e3779b97f4a7c15u) ^ p->salt);
    if (p->kind == PART_UUID) {
        rng_uuid(&r, out);
        return UUID_BOUND - 1;
    }
    if (p->kind == PART_ZIPF) {
        return write_u64(out, load_zipf_draw(&p->zipf, &r));
    }
    return write_i64(out, (int64_t)((uint64_t)p->low + rng_below(&r, p->span)));
}

size_t load_template_write(const struct load_template *t, const struct load_context *c,
                           char *out) {
    char *at = out;
    for (size_t i = 0; i < t->count; i++) {
        const struct load_template_part *p = &t->parts[i];
        switch (p->kind) {
        case PART_TEXT:
            memcpy(at, p->text.ptr, p->text.len);
            at += p->text.len;
            break;
        case PART_SEQ:
            at += write_u64(at, c->seq);
            break;
        case PART_BODY:
            at += write_member(at, c->body, p->text);
            break;
        case PART_UUID:
        case PART_RAND:
        case PART_UNIFORM:
        case PART_ZIPF:
            at += write_random(p, c, at);
            break;
        }
    }
    return (size_t)(at - out);
}
