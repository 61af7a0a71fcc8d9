#include "sink_verify.h"

#include "aws/sigv4.h"
#include "base/clock.h"
#include "base/error.h"

#include <stdio.h>

#define SIGNED_MAX    32u
#define SIGNATURE_LEN 64u

struct authorization {
    struct sigv4_key key;
    struct slice signed_headers; /* "host;x-amz-date" */
    struct slice signature;
};

/* The part after `name` and up to the next comma. */
static struct slice part(struct slice text, struct slice name) {
    while (text.len) {
        struct slice one = slice_trim(slice_split(text, ',', &text));
        if (slice_starts_with(one, name)) {
            return slice_from(one, name.len);
        }
    }
    return SLICE_EMPTY;
}

/* AWS4-HMAC-SHA256 Credential=ID/20150830/REGION/dynamodb/aws4_request, SignedHeaders=...,
 * Signature=... */
static int read_authorization(struct slice text, struct slice secret, struct authorization *a) {
    struct slice scope;
    memset(a, 0, sizeof *a);
    if (!slice_eq(slice_split(text, ' ', &text), SLICE("AWS4-HMAC-SHA256"))) {
        return ERR_INVALID;
    }
    a->signed_headers = part(text, SLICE("SignedHeaders="));
    a->signature = part(text, SLICE("Signature="));
    a->key.access_key_id = slice_split(part(text, SLICE("Credential=")), '/', &scope);
    (void)slice_split(scope, '/', &scope); /* the day: that of the date below */
    a->key.region = slice_split(scope, '/', &scope);
    a->key.service = slice_split(scope, '/', &scope);
    a->key.secret_access_key = secret;
    return a->signature.len == SIGNATURE_LEN && a->signed_headers.len && scope.len
               ? 0
               : ERR_INVALID;
}

/* "20150830T123600Z" */
static int read_date(struct slice text, uint64_t *epoch_s) {
    char iso[32];
    if (text.len != 16 || text.ptr[8] != 'T') {
        return ERR_INVALID;
    }
    const char *t = text.ptr;
    snprintf(iso, sizeof iso, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", t, t + 4, t + 6, t + 9, t + 11,
             t + 13);
    return clock_parse_iso8601(iso, strlen(iso), epoch_s);
}

static int collect(const struct http_request *request, struct slice names,
                   struct http_header *out, size_t *count) {
    *count = 0;
    while (names.len) {
        struct slice name = slice_split(names, ';', &names);
        const struct http_header *field = http_header_find(&request->headers, name);
        if (!field || *count == SIGNED_MAX) {
            return ERR_INVALID;
        }
        out[(*count)++] = *field;
    }
    return 0;
}

int sink_verify(const struct http_request *request, struct slice secret) {
    struct authorization a;
    struct http_header fields[SIGNED_MAX];
    size_t count;
    uint64_t epoch_s;
    if (read_authorization(http_header_value(&request->headers, SLICE("authorization")), secret,
                           &a) ||
        read_date(http_header_value(&request->headers, SLICE("x-amz-date")), &epoch_s) ||
        collect(request, a.signed_headers, fields, &count)) {
        return ERR_INVALID;
    }
    struct sigv4_request signed_request = {
        .method = request->method_text,
        .path = request->target,
        .headers = {fields, count},
        .body = request->body,
        .normalize_path = 1,
    };
    struct buffer expected = {0};
    int error = sigv4_authorization(&a.key, &signed_request, epoch_s, &expected);
    if (!error) {
        struct slice text = buffer_slice(&expected);
        struct slice signature = part(text, SLICE("Signature="));
        error = slice_eq(signature, a.signature) ? 0 : ERR_PERMISSION;
    }
    buffer_fini(&expected);
    return error;
}
