#include "handlers/token.h"

#include "base/error.h"
#include "base/hex.h"

#define CHECK_BYTES 6
/* A sort key is at most 1024 bytes; in base64 (type B) that is 1368. */
#define TOKEN_MAX 2048

/* FNV-1a; the length goes in too, so that parts cannot run into each other. */
static uint64_t mix(uint64_t hash, struct slice part) {
    for (size_t i = 0; i < part.len; i++) {
        hash = (hash ^ (unsigned char)part.ptr[i]) * 0x100000001b3ull;
    }
    return (hash ^ part.len) * 0x100000001b3ull;
}

static void checksum(struct slice table, struct slice partition, struct slice sort,
                     unsigned char out[CHECK_BYTES]) {
    uint64_t hash = mix(mix(mix(0xcbf29ce484222325ull, table), partition), sort);
    hash ^= hash >> 29; /* the low bytes of FNV are its best */
    for (int i = 0; i < CHECK_BYTES; i++) {
        out[i] = (unsigned char)(hash >> (8 * i));
    }
}

int token_seal(struct slice table, struct slice partition, struct slice sort,
               struct buffer *out) {
    unsigned char plain[TOKEN_MAX];
    int error;

    if (sort.len > sizeof plain - CHECK_BYTES) {
        return ERR_INVALID;
    }
    checksum(table, partition, sort, plain);
    if (sort.len) {
        memcpy(plain + CHECK_BYTES, sort.ptr, sort.len);
    }
    error = buffer_reserve(out, BASE64_ENCODED_LEN(CHECK_BYTES + sort.len));
    if (!error) {
        buffer_grow(out, base64url_encode(plain, CHECK_BYTES + sort.len, buffer_tail(out)));
    }
    return error;
}

int token_open(struct slice table, struct slice partition, struct slice token,
               struct buffer *sort) {
    unsigned char plain[BASE64_DECODED_MAX(BASE64_ENCODED_LEN(TOKEN_MAX))];
    unsigned char expected[CHECK_BYTES];
    struct slice text;
    size_t len;

    if (token.len > BASE64_ENCODED_LEN(TOKEN_MAX) ||
        base64url_decode(token, plain, &len) != 0 || len < CHECK_BYTES) {
        return ERR_INVALID;
    }
    text = slice_of((const char *)plain + CHECK_BYTES, len - CHECK_BYTES);
    checksum(table, partition, text, expected);
    if (memcmp(expected, plain, CHECK_BYTES) != 0) {
        return ERR_INVALID;
    }
    return buffer_append_slice(sort, text);
}
