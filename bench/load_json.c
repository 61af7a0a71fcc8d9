#include "load_json.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MAX  128
#define STRING_MAX 4096u

static void skip_space(struct load_json *j) {
    while (j->at < j->end &&
           (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r')) {
        j->at++;
    }
}

static int take(struct load_json *j, char c) {
    skip_space(j);
    if (j->at == j->end || *j->at != c) {
        return 0;
    }
    j->at++;
    return 1;
}

static int skip_string(struct load_json *j) {
    for (j->at++; j->at < j->end; j->at++) {
        if (*j->at == '\\' && j->at + 1 < j->end) {
            j->at++;
        } else if (*j->at == '"') {
            j->at++;
            return 0;
        }
    }
    return ERR_INVALID;
}

static int skip_word(struct load_json *j) {
    const char *start = j->at;
    while (j->at < j->end && !strchr(",:]}[{\" \t\r\n", *j->at)) {
        j->at++;
    }
    return j->at > start ? 0 : ERR_INVALID;
}

static int skip_value(struct load_json *j, int depth);

static int skip_members(struct load_json *j, char close, int depth) {
    j->at++;
    if (take(j, close)) {
        return 0;
    }
    do {
        if (close == '}') {
            skip_space(j);
            if (j->at == j->end || *j->at != '"' || skip_string(j) || !take(j, ':')) {
                return ERR_INVALID;
            }
        }
        if (skip_value(j, depth + 1)) {
            return ERR_INVALID;
        }
    } while (take(j, ','));
    return take(j, close) ? 0 : ERR_INVALID;
}

static int skip_value(struct load_json *j, int depth) {
    skip_space(j);
    if (j->at == j->end || depth > DEPTH_MAX) {
        return ERR_INVALID;
    }
    switch (*j->at) {
    case '{':
        return skip_members(j, '}', depth);
    case '[':
        return skip_members(j, ']', depth);
    case '"':
        return skip_string(j);
    default:
        return skip_word(j);
    }
}

static int take_value(struct load_json *j, struct slice *value) {
    skip_space(j);
    const char *start = j->at;
    if (skip_value(j, 0)) {
        return ERR_INVALID;
    }
    *value = slice_of(start, (size_t)(j->at - start));
    return 0;
}

int load_json_text(struct slice text, struct slice *value) {
    struct load_json j = {text.ptr, text.ptr + text.len};
    if (text.len == 0 || take_value(&j, value)) {
        return ERR_INVALID;
    }
    skip_space(&j);
    return j.at == j.end ? 0 : ERR_INVALID;
}

struct load_json load_json_each(struct slice container) {
    struct load_json j = {container.ptr, container.ptr + container.len};
    if (container.len > 0 && (*j.at == '{' || *j.at == '[')) {
        j.at++;
    } else {
        j.end = j.at;
    }
    return j;
}

int load_json_next(struct load_json *j, struct slice *name, struct slice *value) {
    struct slice first;
    (void)take(j, ',');
    skip_space(j);
    if (j->at == j->end || *j->at == '}' || *j->at == ']' || take_value(j, &first)) {
        return 0;
    }
    if (!take(j, ':')) {
        *name = SLICE_EMPTY;
        *value = first;
        return 1;
    }
    *name = first;
    return take_value(j, value) == 0;
}

static int is(struct slice value, char first) {
    return value.len > 0 && value.ptr[0] == first;
}

static int is_number(struct slice value) {
    return value.len > 0 &&
           (value.ptr[0] == '-' || (value.ptr[0] >= '0' && value.ptr[0] <= '9'));
}

double load_json_number(struct slice value, double otherwise) {
    char text[64], *end;
    if (!is_number(value) || value.len >= sizeof text) {
        return otherwise;
    }
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    double number = strtod(text, &end);
    return *end == '\0' ? number : otherwise;
}

/* ---- strings ---- */

static int hex4(const char *at, const char *end, unsigned *out) {
    *out = 0;
    for (int i = 0; i < 4; i++, at++) {
        const char *digits = "0123456789abcdef", *found;
        if (at == end || (found = strchr(digits, *at | 0x20)) == NULL || *found == '\0') {
            return ERR_INVALID;
        }
        *out = *out * 16 + (unsigned)(found - digits);
    }
    return 0;
}

static size_t put_utf8(char out[4], unsigned c) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--, c >>= 6) {
        out[i] = (char)(0x80 | (c & 0x3f));
    }
    out[0] = (char)(lead[len] | c);
    return len;
}

/* One character of a string's inside, at most four bytes. */
static int next_character(struct load_json *j, char out[4], size_t *len) {
    static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    unsigned c, low;
    *len = 1;
    out[0] = *j->at++;
    if (out[0] != '\\') {
        return 0;
    }
    if (j->at == j->end) {
        return ERR_INVALID;
    }
    const char *found = strchr(escapes, *j->at);
    if (found && *found) {
        j->at++;
        out[0] = meant[found - escapes];
        return 0;
    }
    if (*j->at != 'u' || hex4(j->at + 1, j->end, &c)) {
        return ERR_INVALID;
    }
    j->at += 5;
    if (c >= 0xd800 && c < 0xdc00 && j->end - j->at >= 6 && j->at[0] == '\\' &&
        j->at[1] == 'u' && hex4(j->at + 2, j->end, &low) == 0) {
        c = 0x10000 + ((c - 0xd800) << 10) + ((low - 0xdc00) & 0x3ff);
        j->at += 6;
    }
    *len = put_utf8(out, c);
    return 0;
}

static struct load_json inside(struct slice string) {
    return (struct load_json){string.ptr + 1, string.ptr + string.len - 1};
}

int load_json_characters(struct slice value, char *out, size_t cap) {
    if (is_number(value) && value.len < cap) {
        memcpy(out, value.ptr, value.len);
        return (int)value.len;
    }
    if (!is(value, '"') || value.len < 2) {
        return -1;
    }
    struct load_json j = inside(value);
    size_t used = 0, len;
    while (j.at < j.end) {
        char character[4];
        if (next_character(&j, character, &len) || used + len > cap) {
            return -1;
        }
        memcpy(out + used, character, len);
        used += len;
    }
    return (int)used;
}

static int strings_equal(struct slice a, struct slice b) {
    struct load_json x = inside(a), y = inside(b);
    char cx[4], cy[4];
    size_t nx = 0, ny = 0, ix = 0, iy = 0;
    for (;;) {
        if (ix == nx && x.at < x.end) {
            if (next_character(&x, cx, &nx)) {
                return 0;
            }
            ix = 0;
        }
        if (iy == ny && y.at < y.end) {
            if (next_character(&y, cy, &ny)) {
                return 0;
            }
            iy = 0;
        }
        if (ix == nx || iy == ny) {
            return ix == nx && iy == ny;
        }
        if (cx[ix++] != cy[iy++]) {
            return 0;
        }
    }
}

/* ---- comparing ---- */

/* A number as its digits without leading and trailing zeros, and the exponent of the first:
 * exact at any length, where a double is not. */
struct decimal {
    char digits[64];
    size_t count;
    long exponent;
    int negative;
};

static int to_decimal(struct slice s, struct decimal *d) {
    size_t i = 0;
    long point = 0;
    int after = 0;
    memset(d, 0, sizeof *d);
    d->negative = s.ptr[0] == '-';
    for (i = (size_t)d->negative; i < s.len && s.ptr[i] != 'e' && s.ptr[i] != 'E'; i++) {
        if (s.ptr[i] == '.') {
            after = 1;
            continue;
        }
        if (s.ptr[i] < '0' || s.ptr[i] > '9' || d->count == sizeof d->digits) {
            return ERR_INVALID;
        }
        if (d->count > 0 || s.ptr[i] != '0') {
            d->digits[d->count++] = s.ptr[i];
            point += !after;
        } else {
            point -= after;
        }
    }
    char text[16] = "";
    if (i < s.len && s.len - i - 1 < sizeof text) {
        memcpy(text, s.ptr + i + 1, s.len - i - 1);
    }
    d->exponent = point + strtol(text, NULL, 10);
    while (d->count > 0 && d->digits[d->count - 1] == '0') {
        d->count--;
    }
    if (d->count == 0) {
        d->exponent = d->negative = 0;
    }
    return 0;
}

static int numbers_equal(struct slice a, struct slice b) {
    struct decimal x, y;
    if (to_decimal(a, &x) || to_decimal(b, &y)) {
        return slice_eq(a, b);
    }
    return x.negative == y.negative && x.exponent == y.exponent && x.count == y.count &&
           memcmp(x.digits, y.digits, x.count) == 0;
}

static int equal(struct slice a, struct slice b);

static struct slice member_named(struct slice object, struct slice quoted) {
    struct load_json j = load_json_each(object);
    struct slice name, value;
    while (load_json_next(&j, &name, &value)) {
        if (is(name, '"') && strings_equal(name, quoted)) {
            return value;
        }
    }
    return SLICE_EMPTY;
}

static size_t count_of(struct slice container) {
    struct load_json j = load_json_each(container);
    struct slice name, value;
    size_t n = 0;
    while (load_json_next(&j, &name, &value)) {
        n++;
    }
    return n;
}

static int members_in(struct slice actual, struct slice expected) {
    struct load_json j = load_json_each(expected);
    struct slice name, value;
    while (load_json_next(&j, &name, &value)) {
        if (!equal(member_named(actual, name), value)) {
            return 0;
        }
    }
    return 1;
}

static int arrays_equal(struct slice a, struct slice b) {
    struct load_json x = load_json_each(a), y = load_json_each(b);
    struct slice name, p, q;
    while (load_json_next(&x, &name, &p)) {
        if (!load_json_next(&y, &name, &q) || !equal(p, q)) {
            return 0;
        }
    }
    return !load_json_next(&y, &name, &q);
}

static int equal(struct slice a, struct slice b) {
    if (a.len == 0 || b.len == 0) {
        return 0;
    }
    if (is(a, '"') && is(b, '"')) {
        return strings_equal(a, b);
    }
    if (is(a, '{') && is(b, '{')) {
        return count_of(a) == count_of(b) && members_in(a, b);
    }
    if (is(a, '[') && is(b, '[')) {
        return arrays_equal(a, b);
    }
    return is_number(a) && is_number(b) ? numbers_equal(a, b) : slice_eq(a, b);
}

struct slice load_json_member(struct slice object, const char *name) {
    char quoted[STRING_MAX];
    int len = snprintf(quoted, sizeof quoted, "\"%s\"", name);
    if (!is(object, '{') || len < 0 || (size_t)len >= sizeof quoted) {
        return SLICE_EMPTY;
    }
    return member_named(object, slice_of(quoted, (size_t)len));
}

int load_json_covers(struct slice actual, struct slice expected) {
    if (is(actual, '{') && is(expected, '{')) {
        return members_in(actual, expected);
    }
    return equal(actual, expected);
}
