/* SHA-256 with the x86 SHA extensions: one instruction does two rounds. The working variables
 * live in two registers, ABEF and CDGH, as the instruction wants them. */
#include "aws/sha256.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

static const uint32_t k[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
    0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
    0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
    0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
    0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
    0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
    0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2};

/* Four rounds with the schedule words w. */
#define ROUNDS(i, w)                                                                           \
    do {                                                                                       \
        __m128i wk = _mm_add_epi32(w, _mm_load_si128((const __m128i *)(const void *)&k[i]));   \
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);                                          \
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0e));                 \
    } while (0)
/* w becomes the schedule words of 16 rounds later. */
#define SCHEDULE(w, w1, w2, w3)                                                                \
    w = _mm_sha256msg2_epu32(                                                                  \
        _mm_add_epi32(_mm_sha256msg1_epu32(w, w1), _mm_alignr_epi8(w3, w2, 4)), w3)

__attribute__((target("sha,sse4.1,ssse3"))) static inline __m128i
load_words(const unsigned char *p) {
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), big_endian);
}

__attribute__((target("sha,sse4.1,ssse3"))) static void
blocks_sha_ni(uint32_t h[8], const unsigned char *bytes, size_t blocks) {
    __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)h), 0xb1);
    __m128i efgh =
        _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(h + 4)), 0x1b);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
    __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
    for (; blocks > 0; blocks--, bytes += SHA256_BLOCK) {
        const __m128i abef_before = abef;
        const __m128i cdgh_before = cdgh;
        __m128i w0 = load_words(bytes);
        __m128i w1 = load_words(bytes + 16);
        __m128i w2 = load_words(bytes + 32);
        __m128i w3 = load_words(bytes + 48);
        ROUNDS(0, w0);
        ROUNDS(4, w1);
        ROUNDS(8, w2);
        ROUNDS(12, w3);
        for (int i = 16; i < 64; i += 16) {
            SCHEDULE(w0, w1, w2, w3);
            ROUNDS(i, w0);
            SCHEDULE(w1, w2, w3, w0);
            ROUNDS(i + 4, w1);
            SCHEDULE(w2, w3, w0, w1);
            ROUNDS(i + 8, w2);
            SCHEDULE(w3, w0, w1, w2);
            ROUNDS(i + 12, w3);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
    __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)h, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(h + 4), _mm_alignr_epi8(dchg, feba, 8));
}

sha256_blocks_fn sha256_blocks_native(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1)) {
        return NULL;
    }
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & (1u << 29))) { /* SHA */
        return NULL;
    }
    return blocks_sha_ni;
}

#else

sha256_blocks_fn sha256_blocks_native(void) {
    return NULL;
}

#endif
