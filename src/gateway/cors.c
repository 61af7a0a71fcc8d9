#include "gateway/cors.h"

#define OWNED SLICE("access-control-")

static struct slice scheme_of(struct slice origin) {
    return slice_starts_with(origin, SLICE("https://"))  ? SLICE("https://")
           : slice_starts_with(origin, SLICE("http://")) ? SLICE("http://")
                                                         : SLICE_EMPTY;
}

int cors_origin_valid(struct slice origin) {
    if (slice_eq(origin, SLICE("*"))) {
        return 1;
    }
    struct slice scheme = scheme_of(origin);
    if (scheme.len == 0 || origin.len == scheme.len) {
        return 0;
    }
    struct slice host = slice_from(origin, scheme.len);
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '/' || c == ',' || (c == '*' && host.len > 1)) {
            return 0;
        }
    }
    return 1;
}

int cors_is_preflight(const struct http_request *head) {
    return head->method == HTTP_OPTIONS_ &&
           http_header_find(&head->headers, SLICE("origin")) != NULL &&
           http_header_find(&head->headers, SLICE("access-control-request-method")) != NULL;
}

/* "*" also when the entry is the only one that lets it in: what is sent back then is "*". */
static int origin_matches(struct slice entry, struct slice origin) {
    if (entry.ptr[entry.len - 1] != '*') {
        return slice_eq_nocase(entry, origin);
    }
    return slice_starts_with(origin, slice_of(entry.ptr, entry.len - 1));
}

/* The value of Access-Control-Allow-Origin; empty: not allowed. */
static struct slice allowed_origin(const struct cors *c, struct slice origin) {
    for (size_t i = 0; i < c->origin_count && origin.len > 0; i++) {
        if (origin_matches(c->origins[i], origin)) {
            return c->origins[i].len == 1 ? c->origins[i] : origin;
        }
    }
    return SLICE_EMPTY;
}

static int any_origin(const struct cors *c) {
    for (size_t i = 0; i < c->origin_count; i++) {
        if (c->origins[i].len == 1) {
            return 1;
        }
    }
    return 0;
}

static void add(struct http_header *out, size_t *count, struct slice name, struct slice value) {
    if (value.len > 0) {
        out[(*count)++] = (struct http_header){name, value};
    }
}

/* What both kinds of answer have. 0: nothing more is to be added. */
static int add_common(const struct cors *c, const struct http_headers *request,
                      struct http_header *out, size_t *count) {
    struct slice origin = allowed_origin(c, http_header_value(request, SLICE("origin")));
    /* The answer depends on the origin: a cache must know (RFC 9110 section 12.5.5). */
    if (!any_origin(c)) {
        add(out, count, SLICE("vary"), SLICE("Origin"));
    }
    if (origin.len == 0) {
        return 0;
    }
    add(out, count, SLICE("access-control-allow-origin"), origin);
    if (c->credentials) {
        add(out, count, SLICE("access-control-allow-credentials"), SLICE("true"));
    }
    return 1;
}

size_t cors_preflight(const struct cors *c, const struct http_headers *request,
                      struct http_header out[CORS_FIELDS_MAX]) {
    size_t count = 0;
    if (add_common(c, request, out, &count)) {
        add(out, &count, SLICE("access-control-allow-methods"), c->methods);
        add(out, &count, SLICE("access-control-allow-headers"), c->headers);
        add(out, &count, SLICE("access-control-max-age"), c->max_age);
    }
    return count;
}

size_t cors_fields(const struct cors *c, const struct http_headers *request,
                   struct http_header out[CORS_FIELDS_MAX]) {
    size_t count = 0;
    if (add_common(c, request, out, &count)) {
        add(out, &count, SLICE("access-control-expose-headers"), c->expose_headers);
    }
    return count;
}

int cors_owns_field(struct slice name) {
    return name.len > OWNED.len && slice_eq_nocase(slice_of(name.ptr, OWNED.len), OWNED);
}
