/* Counter mode and GHASH with the x86 AES and carry-less multiplication instructions, eight
 * blocks at a time, so that their latencies overlap.
 *
 * GHASH is computed as POLYVAL (RFC 8452, appendix A): bytes reversed, and with a key that has
 * been multiplied by x once, a product needs no bit reflection. Eight blocks are multiplied by
 * the powers of the key 8 to 1 and reduced once. */
#include "tls/gcm.h"

#include <mbedtls/version.h>

#if defined(__x86_64__) && MBEDTLS_VERSION_NUMBER < 0x03000000

#include <immintrin.h>
#include <mbedtls/aes.h>
#include <mbedtls/aesni.h>
#include <mbedtls/platform_util.h>
#include <stdint.h>
#include <string.h>

#define BLOCK     16u
#define GROUP     8u
#define BYTES_MAX 0xfffffffe0u /* of one message (SP 800-38D, section 5.2.1.1) */
#define TARGET    __attribute__((target("aes,pclmul,ssse3,sse4.1")))
#define INLINE    static inline __attribute__((always_inline)) TARGET

struct gcm_run {
    const unsigned char *keys; /* the AES key schedule */
    int rounds;
    int decrypt;
    __m128i counter;       /* bytes reversed: its low 32 bits count */
    __m128i tag;           /* so far, bytes reversed */
    __m128i powers[GROUP]; /* of the hash key, from 1 */
};

INLINE __m128i load(const void *p) {
    return _mm_loadu_si128((const __m128i *)p);
}

INLINE void store(void *p, __m128i v) {
    _mm_storeu_si128((__m128i *)p, v);
}

INLINE __m128i reversed(__m128i v) {
    return _mm_shuffle_epi8(v, _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f));
}

/* ---- the field ---- */

/* A product of 256 bits before its reduction; `middle` straddles the other two. */
struct product {
    __m128i low, middle, high;
};

INLINE void multiply_add(struct product *p, __m128i a, __m128i b) {
    p->low = _mm_xor_si128(p->low, _mm_clmulepi64_si128(a, b, 0x00));
    p->high = _mm_xor_si128(p->high, _mm_clmulepi64_si128(a, b, 0x11));
    p->middle = _mm_xor_si128(p->middle, _mm_clmulepi64_si128(a, b, 0x01));
    p->middle = _mm_xor_si128(p->middle, _mm_clmulepi64_si128(a, b, 0x10));
}

/* Divided by x^128, modulo x^128 + x^127 + x^126 + x^121 + 1: 64 bits at a time from below. */
INLINE __m128i reduce(struct product p) {
    const __m128i poly = _mm_set_epi64x(0, (long long)0xc200000000000000);
    __m128i low = _mm_xor_si128(p.low, _mm_slli_si128(p.middle, 8));
    __m128i high = _mm_xor_si128(p.high, _mm_srli_si128(p.middle, 8));
    for (int i = 0; i < 2; i++) {
        low =
            _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), _mm_clmulepi64_si128(low, poly, 0x00));
    }
    return _mm_xor_si128(high, low);
}

INLINE __m128i multiply(__m128i a, __m128i b) {
    struct product p = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};
    multiply_add(&p, a, b);
    return reduce(p);
}

/* a times x. */
INLINE __m128i double_of(__m128i a) {
    const __m128i poly = _mm_set_epi64x((long long)0xc200000000000000, 1);
    __m128i carries = _mm_srli_epi64(a, 63);
    __m128i top = _mm_shuffle_epi32(carries, 0xaa); /* the bit that falls out, in every lane */
    __m128i shifted = _mm_or_si128(_mm_slli_epi64(a, 1), _mm_slli_si128(carries, 8));
    return _mm_xor_si128(shifted, _mm_and_si128(poly, _mm_sub_epi32(_mm_setzero_si128(), top)));
}

/* ---- blocks ---- */

/* `n` counter blocks encrypted; n is at most GROUP, and a constant where it is that. */
INLINE void key_stream(struct gcm_run *g, __m128i out[GROUP], size_t n) {
    for (size_t i = 0; i < n; i++) {
        g->counter = _mm_add_epi32(g->counter, _mm_set_epi32(0, 0, 0, 1));
        out[i] = _mm_xor_si128(reversed(g->counter), load(g->keys));
    }
    for (int round = 1; round < g->rounds; round++) {
        __m128i key = load(g->keys + BLOCK * (size_t)round);
        for (size_t i = 0; i < n; i++) {
            out[i] = _mm_aesenc_si128(out[i], key);
        }
    }
    __m128i last = load(g->keys + BLOCK * (size_t)g->rounds);
    for (size_t i = 0; i < n; i++) {
        out[i] = _mm_aesenclast_si128(out[i], last);
    }
}

INLINE void fold(struct gcm_run *g, const __m128i ciphertext[GROUP], size_t n) {
    struct product p = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};
    for (size_t i = 0; i < n; i++) {
        __m128i block = reversed(ciphertext[i]);
        if (i == 0) {
            block = _mm_xor_si128(block, g->tag);
        }
        multiply_add(&p, block, g->powers[n - 1 - i]);
    }
    g->tag = reduce(p);
}

INLINE void blocks(struct gcm_run *g, const unsigned char *in, unsigned char *out, size_t n) {
    __m128i text[GROUP], stream[GROUP];
    key_stream(g, stream, n);
    for (size_t i = 0; i < n; i++) {
        text[i] = load(in + BLOCK * i);
    }
    for (size_t i = 0; i < n; i++) {
        stream[i] = _mm_xor_si128(stream[i], text[i]);
        store(out + BLOCK * i, stream[i]);
    }
    fold(g, g->decrypt ? text : stream, n);
}

/* Less than a block, as if zeros followed: those are no ciphertext. */
TARGET static void last_block(struct gcm_run *g, const unsigned char *in, unsigned char *out,
                              size_t len) {
    unsigned char bytes[BLOCK] = {0};
    __m128i stream[GROUP], text;
    memcpy(bytes, in, len);
    key_stream(g, stream, 1);
    text = load(bytes);
    store(bytes, _mm_xor_si128(stream[0], text));
    memset(bytes + len, 0, BLOCK - len);
    memcpy(out, bytes, len);
    stream[0] = load(bytes);
    fold(g, g->decrypt ? &text : stream, 1);
}

/* ---- between mbedTLS's context and the registers ---- */

TARGET static void begin(struct gcm_run *g, const mbedtls_gcm_context *ctx, size_t len) {
    const mbedtls_aes_context *aes = ctx->cipher_ctx.cipher_ctx;
    size_t powers = len / BLOCK < GROUP ? len / BLOCK : GROUP;
    g->keys = (const unsigned char *)aes->rk;
    g->rounds = aes->nr;
    g->decrypt = ctx->mode == MBEDTLS_GCM_DECRYPT;
    g->counter = reversed(load(ctx->y));
    g->tag = reversed(load(ctx->buf));
    /* Entry 8 of mbedTLS's table is the hash key itself, as two big-endian numbers. */
    g->powers[0] = double_of(_mm_set_epi64x((long long)ctx->HH[8], (long long)ctx->HL[8]));
    for (size_t i = 1; i < powers; i++) {
        g->powers[i] = multiply(g->powers[i - 1], g->powers[0]);
    }
}

TARGET static int gcm_update_aes(mbedtls_gcm_context *ctx, size_t len, const unsigned char *in,
                                 unsigned char *out) {
    struct gcm_run g;
    if ((out > in && (size_t)(out - in) < len) || ctx->len + len < ctx->len ||
        ctx->len + len > BYTES_MAX) {
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    }
    ctx->len += len;
    begin(&g, ctx, len);
    for (; len >= GROUP * BLOCK;
         len -= GROUP * BLOCK, in += GROUP * BLOCK, out += GROUP * BLOCK) {
        blocks(&g, in, out, GROUP);
    }
    size_t whole = len / BLOCK;
    if (whole > 0) {
        blocks(&g, in, out, whole);
    }
    if (len % BLOCK > 0) {
        last_block(&g, in + whole * BLOCK, out + whole * BLOCK, len % BLOCK);
    }
    store(ctx->y, reversed(g.counter));
    store(ctx->buf, reversed(g.tag));
    mbedtls_platform_zeroize(&g, sizeof(g));
    return 0;
}

static int gcm_update_if_aes(mbedtls_gcm_context *ctx, size_t len, const unsigned char *in,
                             unsigned char *out) {
    const mbedtls_cipher_info_t *cipher = ctx->cipher_ctx.cipher_info;
    int aes = cipher != NULL && (cipher->type == MBEDTLS_CIPHER_AES_128_ECB ||
                                 cipher->type == MBEDTLS_CIPHER_AES_192_ECB ||
                                 cipher->type == MBEDTLS_CIPHER_AES_256_ECB);
    return aes ? gcm_update_aes(ctx, len, in, out) : gcm_update_mbedtls(ctx, len, in, out);
}

gcm_update_fn gcm_update_native(void) {
    /* The same question mbedTLS asks before it lays out a key schedule and a hash key so. */
    int has = mbedtls_aesni_has_support(MBEDTLS_AESNI_AES) &&
              mbedtls_aesni_has_support(MBEDTLS_AESNI_CLMUL) &&
              __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1");
    return has ? gcm_update_if_aes : NULL;
}

#else

gcm_update_fn gcm_update_native(void) {
    return NULL;
}

#endif
