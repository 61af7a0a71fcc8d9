#include "http/url.h"

#include "base/error.h"

#include <stdio.h>

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of the escape at s.ptr[i] ('%'), or -1. */
static int escape_value(struct slice s, size_t i) {
    if (s.len - i < 3) {
        return -1;
    }
    int high = hex_value(s.ptr[i + 1]);
    int low = hex_value(s.ptr[i + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* --- the target --- */

/* unreserved and sub-delims of RFC 3986: what a host name may hold. */
static const char name_chars[256] = {
    ['!'] = 1, ['$'] = 1, ['&'] = 1, ['\''] = 1, ['('] = 1, [')'] = 1, ['*'] = 1, ['+'] = 1,
    [','] = 1, ['-'] = 1, ['.'] = 1, [';'] = 1,  ['='] = 1, ['_'] = 1, ['~'] = 1, ['0'] = 1,
    ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1,  ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1,
    ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1,  ['D'] = 1, ['E'] = 1, ['F'] = 1, ['G'] = 1,
    ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1,  ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1,
    ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1,  ['T'] = 1, ['U'] = 1, ['V'] = 1, ['W'] = 1,
    ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['a'] = 1,  ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1,
    ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1,  ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1,
    ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1,  ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1,
    ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1,  ['z'] = 1,
};

static int port_valid(struct slice port) {
    uint64_t number;
    return port.len == 0 || (slice_to_u64(port, &number) == 0 && number <= 65535);
}

/* An IP literal in brackets: hexadecimal digits, colons, dots. */
static int literal_valid(struct slice literal) {
    for (size_t i = 0; i < literal.len; i++) {
        char c = literal.ptr[i];
        if (hex_value(c) < 0 && c != ':' && c != '.') {
            return 0;
        }
    }
    return literal.len > 0;
}

static int reg_name_valid(struct slice name) {
    for (size_t i = 0; i < name.len; i++) {
        if (!name_chars[(unsigned char)name.ptr[i]]) {
            return 0;
        }
    }
    return name.len > 0;
}

int url_authority_valid(struct slice authority) {
    if (authority.len > 0 && authority.ptr[0] == '[') {
        size_t end = slice_find(authority, ']');
        if (end == authority.len || !literal_valid(slice_of(authority.ptr + 1, end - 1))) {
            return 0;
        }
        struct slice rest = slice_from(authority, end + 1);
        return rest.len == 0 || (rest.ptr[0] == ':' && port_valid(slice_from(rest, 1)));
    }
    struct slice port;
    struct slice name = slice_split(authority, ':', &port);
    return reg_name_valid(name) && port_valid(port);
}

static int split_path(struct slice path, struct url_target *out) {
    size_t question = slice_find(path, '?');
    out->path = slice_of(path.ptr, question);
    out->query = question == path.len
                     ? SLICE_EMPTY
                     : slice_of(path.ptr + question + 1, path.len - question - 1);
    return 0;
}

static int split_absolute(struct slice target, struct url_target *out) {
    size_t scheme = slice_find(target, ':');
    struct slice name = slice_of(target.ptr, scheme);
    if (!slice_eq_nocase(name, SLICE("http")) && !slice_eq_nocase(name, SLICE("https"))) {
        return ERR_INVALID;
    }
    struct slice rest = slice_from(target, scheme);
    if (!slice_starts_with(rest, SLICE("://"))) {
        return ERR_INVALID;
    }
    rest = slice_from(rest, 3);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?') {
        end++;
    }
    out->authority = slice_of(rest.ptr, end);
    if (!url_authority_valid(out->authority)) {
        return ERR_INVALID;
    }
    rest = slice_from(rest, end);
    if (rest.len > 0 && rest.ptr[0] == '/') {
        return split_path(rest, out);
    }
    split_path(rest, out);
    out->path = SLICE("/");
    return 0;
}

int url_split_target(struct slice target, struct url_target *out) {
    *out = (struct url_target){0};
    if (target.len == 0 || memchr(target.ptr, '#', target.len)) {
        return ERR_INVALID;
    }
    if (target.ptr[0] == '/') {
        return split_path(target, out);
    }
    if (slice_eq(target, SLICE("*"))) {
        out->path = target;
        return 0;
    }
    return split_absolute(target, out);
}

/* --- the path --- */

/* One byte of the path, escapes resolved; -1 on a bad escape or a NUL. Moves *i past it. */
static int next_byte(struct slice s, size_t *i) {
    int c = (unsigned char)s.ptr[*i];
    if (c != '%') {
        ++*i;
        return c == 0 ? -1 : c;
    }
    c = escape_value(s, *i);
    *i += 3;
    return c == 0 ? -1 : c;
}

/* The usual path: none of the bytes that can make one bad, so no need to look closer. */
static int is_plain_path(struct slice raw) {
    char before = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (!name_chars[(unsigned char)c] || c == '.') {
            if (c != '/' || before == '/') {
                return 0;
            }
        }
        before = c;
    }
    return 1;
}

int url_check_path(struct slice raw) {
    if (raw.len == 0 || raw.ptr[0] != '/') {
        return ERR_INVALID;
    }
    if (is_plain_path(raw)) {
        return 0;
    }
    size_t dots = 0; /* of the segment so far */
    size_t others = 0;
    for (size_t i = 1; i < raw.len;) {
        if (raw.ptr[i] == '/' && raw.ptr[i - 1] == '/') {
            return ERR_INVALID;
        }
        int c = next_byte(raw, &i);
        if (c < 0) {
            return ERR_INVALID;
        }
        if (c == '/' || c == '\\') {
            if (others == 0 && (dots == 1 || dots == 2)) {
                return ERR_INVALID;
            }
            dots = others = 0;
        } else {
            dots += c == '.';
            others += c != '.';
        }
    }
    return others == 0 && (dots == 1 || dots == 2) ? ERR_INVALID : 0;
}

/* --- decoding --- */

/* Length of the well-formed UTF-8 sequence at s (RFC 3629: no overlong forms, no surrogates,
 * nothing over U+10FFFF), or 0. */
static size_t utf8_sequence(const unsigned char *s, size_t len) {
    if (s[0] < 0x80) {
        return 1;
    }
    size_t need = s[0] >= 0xc2 && s[0] <= 0xdf   ? 2
                  : s[0] >= 0xe0 && s[0] <= 0xef ? 3
                  : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                                 : 0;
    if (need == 0 || need > len) {
        return 0;
    }
    unsigned char low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < need; i++) {
        if (s[i] < 0x80 || s[i] > 0xbf) {
            return 0;
        }
    }
    return need;
}

static int utf8_valid(struct slice s) {
    for (size_t i = 0; i < s.len;) {
        size_t n = utf8_sequence((const unsigned char *)s.ptr + i, s.len - i);
        if (n == 0) {
            return 0;
        }
        i += n;
    }
    return 1;
}

static int decode(struct arena *a, struct slice raw, int form, struct slice *out) {
    int plain = !memchr(raw.ptr ? raw.ptr : "", '%', raw.len) &&
                !(form && memchr(raw.ptr ? raw.ptr : "", '+', raw.len));
    if (plain) {
        *out = raw; /* nothing to decode: the raw bytes serve */
        return utf8_valid(raw) && slice_find(raw, '\0') == raw.len ? 0 : ERR_INVALID;
    }
    char *text = arena_alloc(a, raw.len);
    if (text == NULL) {
        return ERR_NOMEM;
    }
    size_t len = 0;
    for (size_t i = 0; i < raw.len;) {
        if (form && raw.ptr[i] == '+') {
            text[len++] = ' ';
            i++;
            continue;
        }
        int c = next_byte(raw, &i);
        if (c < 0) {
            return ERR_INVALID;
        }
        text[len++] = (char)c;
    }
    *out = slice_of(text, len);
    return utf8_valid(*out) ? 0 : ERR_INVALID;
}

int url_decode(struct arena *a, struct slice raw, struct slice *out) {
    return decode(a, raw, 0, out);
}

int url_decode_form(struct arena *a, struct slice raw, struct slice *out) {
    return decode(a, raw, 1, out);
}

int url_parse_query(struct arena *a, struct slice raw, struct url_pair *pairs, size_t max,
                    size_t *count) {
    *count = 0;
    while (raw.len > 0) {
        struct slice pair = slice_split(raw, '&', &raw);
        if (pair.len == 0) {
            continue;
        }
        if (*count == max) {
            return ERR_LIMIT;
        }
        struct slice value;
        struct slice name = slice_split(pair, '=', &value);
        int error = url_decode_form(a, name, &pairs[*count].name);
        error = error ? error : url_decode_form(a, value, &pairs[*count].value);
        if (error) {
            return error;
        }
        ++*count;
    }
    return 0;
}

/* --- endpoints --- */

int url_parse_endpoint(struct slice text, struct url_endpoint *out) {
    struct url_target target;
    *out = (struct url_endpoint){0};
    if (text.len == 0 || text.ptr[0] == '/' || url_split_target(text, &target) ||
        target.authority.len == 0 || target.query.ptr != NULL) {
        return ERR_INVALID;
    }
    out->tls = (text.ptr[4] | 0x20) == 's';
    struct slice host = target.authority;
    struct slice port;
    int bracketed = host.ptr[0] == '[';
    if (bracketed) {
        size_t end = slice_find(host, ']');
        port = slice_from(host, end + 2);
        host = slice_of(host.ptr + 1, end - 1);
    } else {
        host = slice_split(host, ':', &port);
    }
    uint64_t number = out->tls ? 443 : 80;
    uint64_t usual = number;
    if (port.len > 0 && (slice_to_u64(port, &number) || number == 0)) {
        return ERR_INVALID;
    }
    if (host.len >= sizeof(out->host) - 2 || target.path.len >= sizeof(out->path)) {
        return ERR_INVALID;
    }
    out->port = (uint16_t)number;
    memcpy(out->host, host.ptr, host.len);
    memcpy(out->path, target.path.ptr, target.path.len);
    int len =
        snprintf(out->authority, sizeof(out->authority), bracketed ? "[%s]" : "%s", out->host);
    if (number != usual) {
        snprintf(out->authority + len, sizeof(out->authority) - (size_t)len, ":%u", out->port);
    }
    return 0;
}
