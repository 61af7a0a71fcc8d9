/* The canonical request: the same bytes on both sides, however the request was written. */
#include "aws/sigv4.h"
#include "base/error.h"
#include "base/hex.h"

#define QUERY_PAIRS_MAX 128

static int unreserved(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == '.' || c == '~';
}

/* Percent-encodes all but unreserved bytes and those of `keep`. */
static int append_encoded(struct buffer *out, struct slice s, const char *keep) {
    static const char digits[] = "0123456789ABCDEF";
    int e = buffer_reserve(out, s.len * 3);
    if (e) {
        return e;
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        char *p = buffer_tail(out);
        if (unreserved(c) || (c != 0 && strchr(keep, c))) {
            p[0] = (char)c;
            buffer_grow(out, 1);
        } else {
            p[0] = '%';
            p[1] = digits[c >> 4];
            p[2] = digits[c & 15];
            buffer_grow(out, 3);
        }
    }
    return 0;
}

/* Drops what follows the last slash, and the slash. */
static void pop_segment(struct buffer *out, size_t start) {
    while (out->len > start && buffer_begin(out)[out->len - 1] != '/') {
        out->len--;
    }
    if (out->len > start) {
        out->len--;
    }
}

/* Without empty and dot segments; a closing slash stays when something stands before it. */
static int append_normalized_path(struct buffer *out, struct slice path) {
    size_t start = out->len;
    int closing = path.len > 0 && path.ptr[path.len - 1] == '/';
    while (path.len > 0) {
        struct slice segment = slice_split(path, '/', &path);
        int e = 0;
        if (slice_eq(segment, SLICE(".."))) {
            pop_segment(out, start);
        } else if (segment.len > 0 && !slice_eq(segment, SLICE("."))) {
            e = buffer_append(out, "/", 1);
            e = e ? e : append_encoded(out, segment, "");
        }
        if (e) {
            return e;
        }
    }
    return out->len == start || closing ? buffer_append(out, "/", 1) : 0;
}

static int append_path(struct buffer *out, const struct sigv4_request *r) {
    if (r->normalize_path) {
        return append_normalized_path(out, r->path);
    }
    return append_encoded(out, r->path.len ? r->path : SLICE("/"), "/%");
}

struct query_pair { /* offsets: the scratch buffer moves while it grows */
    size_t name, value, end;
};

static struct slice span(const struct buffer *b, size_t from, size_t to) {
    return slice_of(buffer_begin(b) + from, to - from);
}

static int slice_order(struct slice a, struct slice b) {
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int pair_order(const struct buffer *b, const struct query_pair *x,
                      const struct query_pair *y) {
    int order = slice_order(span(b, x->name, x->value), span(b, y->name, y->value));
    return order ? order : slice_order(span(b, x->value, x->end), span(b, y->value, y->end));
}

/* Encodes each pair into `scratch`, sorted by insertion. */
static int collect_pairs(struct buffer *scratch, struct slice query, struct query_pair *pairs,
                         size_t *count) {
    while (query.len > 0) {
        struct slice value, pair = slice_split(query, '&', &query);
        struct slice name = slice_split(pair, '=', &value);
        if (pair.len == 0) {
            continue;
        }
        if (*count == QUERY_PAIRS_MAX) {
            return ERR_LIMIT;
        }
        struct query_pair p = {.name = scratch->len};
        int e = append_encoded(scratch, name, "%");
        p.value = scratch->len;
        e = e ? e : append_encoded(scratch, value, "%");
        p.end = scratch->len;
        if (e) {
            return e;
        }
        size_t at = (*count)++;
        for (; at > 0 && pair_order(scratch, &p, &pairs[at - 1]) < 0; at--) {
            pairs[at] = pairs[at - 1];
        }
        pairs[at] = p;
    }
    return 0;
}

static int append_query(struct buffer *out, struct slice query) {
    struct buffer scratch = {0};
    struct query_pair pairs[QUERY_PAIRS_MAX];
    size_t count = 0;
    int e = buffer_reserve(&scratch, query.len * 3 + 1);
    e = e ? e : collect_pairs(&scratch, query, pairs, &count);
    for (size_t i = 0; i < count && !e; i++) {
        e = i > 0 ? buffer_append(out, "&", 1) : 0;
        e = e ? e : buffer_append_slice(out, span(&scratch, pairs[i].name, pairs[i].value));
        e = e ? e : buffer_append(out, "=", 1);
        e = e ? e : buffer_append_slice(out, span(&scratch, pairs[i].value, pairs[i].end));
    }
    buffer_fini(&scratch);
    return e;
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static int name_order(struct slice a, struct slice b) {
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        int order = (unsigned char)lower(a.ptr[i]) - (unsigned char)lower(b.ptr[i]);
        if (order) {
            return order;
        }
    }
    return (a.len > b.len) - (a.len < b.len);
}

static int append_lower(struct buffer *out, struct slice s) {
    int e = buffer_reserve(out, s.len);
    for (size_t i = 0; i < s.len && !e; i++) {
        *buffer_tail(out) = lower(s.ptr[i]);
        buffer_grow(out, 1);
    }
    return e;
}

static int is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Trimmed, each run of white space one space. */
static int append_value(struct buffer *out, struct slice s) {
    int e = buffer_reserve(out, s.len);
    if (e) {
        return e;
    }
    int gap = 0;
    size_t start = out->len;
    for (size_t i = 0; i < s.len; i++) {
        if (is_space(s.ptr[i])) {
            gap = out->len > start;
            continue;
        }
        if (gap) {
            *buffer_tail(out) = ' ';
            buffer_grow(out, 1);
            gap = 0;
        }
        *buffer_tail(out) = s.ptr[i];
        buffer_grow(out, 1);
    }
    return 0;
}

/* The headers to sign in order of their lower-case names; equal names keep their order. */
static int sort_headers(const struct sigv4_request *r, const struct http_header **sorted,
                        size_t *count) {
    for (size_t i = 0; i < r->headers.count; i++) {
        const struct http_header *h = &r->headers.items[i];
        if (r->omit_session_token && slice_eq_nocase(h->name, SLICE("x-amz-security-token"))) {
            continue;
        }
        if (*count == HTTP_HEADERS_MAX) {
            return ERR_LIMIT;
        }
        size_t at = (*count)++;
        for (; at > 0 && name_order(h->name, sorted[at - 1]->name) < 0; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = h;
    }
    return 0;
}

/* "name:value[,value]\n" for each, and "name;name" into signed_headers. */
static int append_headers(struct buffer *out, struct buffer *signed_headers,
                          const struct sigv4_request *r) {
    const struct http_header *sorted[HTTP_HEADERS_MAX];
    size_t count = 0;
    int e = sort_headers(r, sorted, &count);
    for (size_t i = 0; i < count && !e; i++) {
        if (i > 0 && slice_eq_nocase(sorted[i]->name, sorted[i - 1]->name)) {
            e = buffer_append(out, ",", 1);
        } else {
            e = i > 0 ? buffer_append(out, "\n", 1) : 0;
            e = e ? e : append_lower(out, sorted[i]->name);
            e = e ? e : buffer_append(out, ":", 1);
            e = e || i == 0 ? e : buffer_append(signed_headers, ";", 1);
            e = e ? e : append_lower(signed_headers, sorted[i]->name);
        }
        e = e ? e : append_value(out, sorted[i]->value);
    }
    return e ? e : buffer_append(out, "\n", count > 0);
}

static int append_payload_hash(struct buffer *out, struct slice body) {
    unsigned char hash[SIGV4_HASH_LEN];
    int e = buffer_reserve(out, 2 * sizeof(hash));
    if (e) {
        return e;
    }
    sha256(body, hash);
    hex_encode(hash, sizeof(hash), buffer_tail(out));
    buffer_grow(out, 2 * sizeof(hash));
    return 0;
}

int sigv4_canonical_request(const struct sigv4_request *r, struct buffer *out,
                            struct buffer *signed_headers) {
    int e = buffer_append_slice(out, r->method);
    e = e ? e : buffer_append(out, "\n", 1);
    e = e ? e : append_path(out, r);
    e = e ? e : buffer_append(out, "\n", 1);
    e = e ? e : append_query(out, r->query);
    e = e ? e : buffer_append(out, "\n", 1);
    e = e ? e : append_headers(out, signed_headers, r);
    e = e ? e : buffer_append(out, "\n", 1);
    e = e ? e : buffer_append_slice(out, buffer_slice(signed_headers));
    e = e ? e : buffer_append(out, "\n", 1);
    return e ? e : append_payload_hash(out, r->body);
}
