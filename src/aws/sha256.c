#include "aws/sha256.h"

#include "aws/sigv4.h"

#include <endian.h>
#include <mbedtls/sha256.h>

#ifndef MBEDTLS_PRIVATE /* mbedTLS before 3.0 */
#define MBEDTLS_PRIVATE(member) member
#endif

static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static sha256_blocks_fn use_blocks = sha256_blocks_mbedtls;

__attribute__((constructor)) static void choose(void) {
    sha256_blocks_fn native = sha256_blocks_native();
    if (native) {
        use_blocks = native;
    }
}

void sha256_use(sha256_blocks_fn fn) {
    use_blocks = fn;
}

void sha256_blocks_mbedtls(uint32_t h[8], const unsigned char *bytes, size_t blocks) {
    mbedtls_sha256_context c;
    mbedtls_sha256_init(&c);
    memcpy(c.MBEDTLS_PRIVATE(state), h, SHA256_LEN);
    for (; blocks > 0; blocks--, bytes += SHA256_BLOCK) {
        (void)mbedtls_internal_sha256_process(&c, bytes); /* fails in no software build */
    }
    memcpy(h, c.MBEDTLS_PRIVATE(state), SHA256_LEN);
    mbedtls_sha256_free(&c);
}

void sha256_start(struct sha256_state *s) {
    memcpy(s->h, initial, sizeof(initial));
    s->len = 0;
}

void sha256_update(struct sha256_state *s, const void *bytes, size_t len) {
    const unsigned char *p = bytes;
    size_t held = s->len % SHA256_BLOCK;
    if (len == 0) {
        return;
    }
    s->len += len;
    if (held > 0) {
        size_t room = SHA256_BLOCK - held;
        if (len < room) {
            memcpy(s->tail + held, p, len);
            return;
        }
        memcpy(s->tail + held, p, room);
        use_blocks(s->h, s->tail, 1);
        p += room;
        len -= room;
    }
    if (len >= SHA256_BLOCK) {
        use_blocks(s->h, p, len / SHA256_BLOCK);
        p += len & ~(size_t)(SHA256_BLOCK - 1);
        len %= SHA256_BLOCK;
    }
    memcpy(s->tail, p, len);
}

void sha256_digest(const struct sha256_state *s, unsigned char out[SHA256_LEN]) {
    unsigned char last[2 * SHA256_BLOCK];
    size_t held = s->len % SHA256_BLOCK;
    size_t len = held + 9 <= SHA256_BLOCK ? SHA256_BLOCK : sizeof(last);
    uint32_t h[8];
    memcpy(h, s->h, sizeof(h));
    memcpy(last, s->tail, held);
    last[held] = 0x80;
    memset(last + held + 1, 0, len - held - 9);
    uint64_t bits = htobe64(s->len * 8);
    memcpy(last + len - sizeof(bits), &bits, sizeof(bits));
    use_blocks(h, last, len / SHA256_BLOCK);
    for (int i = 0; i < 8; i++) {
        uint32_t be = htobe32(h[i]);
        memcpy(out + 4 * i, &be, sizeof(be));
    }
}

void sha256(struct slice bytes, unsigned char out[SIGV4_HASH_LEN]) {
    struct sha256_state s;
    sha256_start(&s);
    sha256_update(&s, bytes.ptr, bytes.len);
    sha256_digest(&s, out);
}

static void start_padded(struct sha256_state *s, const unsigned char key[SHA256_BLOCK],
                         unsigned char pad) {
    unsigned char block[SHA256_BLOCK];
    for (size_t i = 0; i < SHA256_BLOCK; i++) {
        block[i] = key[i] ^ pad;
    }
    sha256_start(s);
    sha256_update(s, block, sizeof(block));
    explicit_bzero(block, sizeof(block));
}

void hmac_key_init(struct hmac_key *k, struct slice secret) {
    unsigned char key[SHA256_BLOCK] = {0};
    if (secret.len > SHA256_BLOCK) {
        sha256(secret, key);
    } else if (secret.len > 0) {
        memcpy(key, secret.ptr, secret.len);
    }
    start_padded(&k->inner, key, 0x36);
    start_padded(&k->outer, key, 0x5c);
    explicit_bzero(key, sizeof(key));
}

void hmac_finish(const struct hmac_key *k, const struct sha256_state *inner,
                 unsigned char out[SHA256_LEN]) {
    struct sha256_state outer;
    memcpy(&outer, &k->outer, offsetof(struct sha256_state, tail)); /* a whole block: no tail */
    sha256_digest(inner, out);
    sha256_update(&outer, out, SHA256_LEN);
    sha256_digest(&outer, out);
}

void hmac_sha256(const struct hmac_key *k, struct slice message,
                 unsigned char out[SHA256_LEN]) {
    struct sha256_state inner = k->inner;
    sha256_update(&inner, message.ptr, message.len);
    hmac_finish(k, &inner, out);
}
