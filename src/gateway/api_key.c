#include "gateway/api_key.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

#define NO_KEY UINT32_MAX

struct api_key_ring {
    const struct api_key *keys;
    size_t count;
    api_key_hash_fn hash;
    uint32_t
        *rows; /* (mask + 1) rows of `width` places in `keys`; NO_KEY where there is none */
    uint32_t mask;
    uint32_t width; /* of every row: as many as the fullest needs, at least one */
};

static uint32_t row_of(const struct api_key_ring *r,
                       const unsigned char digest[API_KEY_DIGEST_LEN]) {
    uint32_t word;
    memcpy(&word, digest, sizeof word);
    return word & r->mask;
}

static uint32_t widest_row(const struct api_key_ring *r, size_t count) {
    uint32_t widest = 1;
    uint32_t *lens;
    NEED_MEMORY((lens = calloc((size_t)r->mask + 1, sizeof *lens)) != NULL);
    for (size_t i = 0; i < count; i++) {
        uint32_t len = ++lens[row_of(r, r->keys[i].digest)];
        widest = len > widest ? len : widest;
    }
    free(lens);
    return widest;
}

static void place(struct api_key_ring *r, uint32_t key) {
    uint32_t *row = r->rows + (size_t)row_of(r, r->keys[key].digest) * r->width;
    while (*row != NO_KEY) {
        row++;
    }
    *row = key;
}

struct api_key_ring *api_key_ring_new(const struct api_key *keys, size_t count,
                                      api_key_hash_fn hash) {
    struct api_key_ring *r;
    uint32_t rows = 1;
    NEED_MEMORY((r = calloc(1, sizeof *r)) != NULL);
    ASSERT(count < UINT32_MAX / 2);
    while (rows < count * 2) {
        rows *= 2;
    }
    r->keys = keys;
    r->count = count;
    r->hash = hash;
    r->mask = rows - 1;
    r->width = widest_row(r, count);
    NEED_MEMORY((r->rows = malloc((size_t)rows * r->width * sizeof *r->rows)) != NULL);
    memset(r->rows, 0xff, (size_t)rows * r->width * sizeof *r->rows);
    for (size_t i = 0; i < count; i++) {
        place(r, (uint32_t)i);
    }
    return r;
}

void api_key_ring_free(struct api_key_ring *r) {
    if (r) {
        free(r->rows);
        free(r);
    }
}

void api_key_ring_each(const struct api_key_ring *r,
                       void (*each)(const struct api_key *key, void *arg), void *arg) {
    for (size_t i = 0; i < r->count; i++) {
        each(&r->keys[i], arg);
    }
}

/* 1 when equal, 0 when not, in the same time. The barrier keeps the compiler from leaving the
 * loop early. */
static uint32_t same_digest(const unsigned char *a, const unsigned char *b) {
    unsigned char different = 0;
    for (size_t i = 0; i < API_KEY_DIGEST_LEN; i++) {
        different = (unsigned char)(different | (a[i] ^ b[i]));
    }
    __asm__ volatile("" : "+r"(different));
    return (uint32_t)((different - 1u) >> 31);
}

const struct api_key *api_key_find(const struct api_key_ring *r, struct slice secret) {
    static const unsigned char nothing[API_KEY_DIGEST_LEN];
    unsigned char digest[API_KEY_DIGEST_LEN];
    uint32_t found = NO_KEY;

    r->hash(secret.ptr, secret.len, digest);
    const uint32_t *row = r->rows + (size_t)row_of(r, digest) * r->width;
    for (uint32_t i = 0; i < r->width; i++) {
        const unsigned char *other = row[i] == NO_KEY ? nothing : r->keys[row[i]].digest;
        uint32_t same = 0u - same_digest(digest, other); /* all ones, or none */
        found = (row[i] & same) | (found & ~same);
    }
    return found == NO_KEY ? NULL : &r->keys[found];
}
