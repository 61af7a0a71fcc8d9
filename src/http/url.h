/* Request targets (RFC 9112 section 3.2, RFC 3986): split, decode, normalise once, so that the
 * router and everyone after it see the same path. */
#ifndef HTTP_URL_H
#define HTTP_URL_H

#include "base/arena.h"
#include "base/slice.h"

struct url_target {
    struct slice path;      /* raw, "/..." or "*" */
    struct slice query;     /* raw, without "?"; ptr NULL when there was none */
    struct slice authority; /* of an absolute-form target, else empty */
};

/* 0 or ERR_INVALID ("#", no leading slash, bad scheme or authority). */
int url_split_target(struct slice target, struct url_target *out);
/* host[:port], not empty, of the characters RFC 3986 section 3.2 allows, without userinfo. */
int url_authority_valid(struct slice authority);
/* Percent-decodes. 0; ERR_INVALID on a bad escape, %00 or invalid UTF-8; ERR_NOMEM. */
int url_decode(struct arena *a, struct slice raw, struct slice *out);
/* Form decoding: "+" is a space. */
int url_decode_form(struct arena *a, struct slice raw, struct slice *out);
/* Checks a raw path: no "//", no bad escape, no encoded NUL, and no dot segment, where "%2e" is
 * a dot and "%2f", "%5c" and "\\" end a segment for this purpose only: elsewhere %2F is data
 * ("AC%2FDC" is one segment). 0, or ERR_INVALID. */
int url_check_path(struct slice raw_path);

struct url_pair {
    struct slice name;
    struct slice value;
};

/* Decoded pairs in order, at most `max`; a name without "=" has an empty value. 0, ERR_INVALID,
 * ERR_LIMIT, ERR_NOMEM. */
int url_parse_query(struct arena *a, struct slice raw, struct url_pair *pairs, size_t max,
                    size_t *count);

struct url_endpoint {
    int tls;             /* https */
    char host[256];      /* without brackets */
    uint16_t port;       /* 443 or 80 by default */
    char authority[264]; /* Host header value: host, ":port" unless default, brackets kept */
    char path[1024];     /* "/" when absent */
};

/* "https://host[:port][/path]" of a configuration or credentials source. 0 or ERR_INVALID. */
int url_parse_endpoint(struct slice text, struct url_endpoint *out);

#endif
