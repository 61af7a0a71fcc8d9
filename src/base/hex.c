#include "base/hex.h"

#include "base/error.h"

#include <endian.h>

#define ONES 0x0101010101010101ull /* times a byte: that byte in all eight */

/* Eight digits side by side in a word: every request has two or three ids to write. */
static void put8(uint32_t value, char out[8]) {
    uint64_t v = __builtin_bswap32(value); /* the first byte lowest */
    v = (v | v << 16) & 0x0000ffff0000ffffull;
    v = (v | v << 8) & 0x00ff00ff00ff00ffull;
    v = (v >> 4 | v << 8) & (ONES * 15);
    uint64_t letters = (v + ONES * 6) >> 4 & ONES;
    v = htole64(v + ONES * '0' + letters * ('a' - '0' - 10));
    memcpy(out, &v, sizeof v);
}

void hex_u64(uint64_t value, char out[16]) {
    put8((uint32_t)(value >> 32), out);
    put8((uint32_t)value, out + 8);
}

void hex_encode(const unsigned char *bytes, size_t len, char *out) {
    static const char digits[16] = "0123456789abcdef";
    for (; len >= 8; len -= 8, bytes += 8, out += 16) {
        uint64_t word;
        memcpy(&word, bytes, sizeof word);
        hex_u64(be64toh(word), out);
    }
    for (; len > 0; len--, bytes++, out += 2) {
        out[0] = digits[*bytes >> 4];
        out[1] = digits[*bytes & 15];
    }
}

static const char standard[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The full groups and the last partial one, without padding. */
static size_t encode(const char alphabet[64], const unsigned char *bytes, size_t len,
                     char *out) {
    char *at = out;
    size_t i = 0;
    for (; i + 3 <= len; i += 3) {
        uint32_t group =
            (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | (uint32_t)bytes[i + 2];
        *at++ = alphabet[group >> 18];
        *at++ = alphabet[group >> 12 & 63];
        *at++ = alphabet[group >> 6 & 63];
        *at++ = alphabet[group & 63];
    }
    if (len - i == 1) {
        *at++ = alphabet[bytes[i] >> 2];
        *at++ = alphabet[bytes[i] << 4 & 63];
    } else if (len - i == 2) {
        uint32_t group = (uint32_t)bytes[i] << 8 | (uint32_t)bytes[i + 1];
        *at++ = alphabet[group >> 10];
        *at++ = alphabet[group >> 4 & 63];
        *at++ = alphabet[group << 2 & 63];
    }
    return (size_t)(at - out);
}

/* 0..63, or 64 for a byte outside the alphabet. */
static uint32_t sextet(const char alphabet[64], char c) {
    if (c >= 'A' && c <= 'Z') {
        return (uint32_t)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (uint32_t)(c - 'a' + 26);
    }
    if (c >= '0' && c <= '9') {
        return (uint32_t)(c - '0' + 52);
    }
    return c == alphabet[62] ? 62 : c == alphabet[63] ? 63 : 64;
}

/* Text without padding. The bits that the last byte does not fill must be zero, so that each
 * value has one encoding only. */
static int decode(const char alphabet[64], struct slice text, unsigned char *out,
                  size_t *out_len) {
    uint32_t bits = 0;
    unsigned count = 0;
    size_t len = 0;
    if (text.len % 4 == 1) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint32_t value = sextet(alphabet, text.ptr[i]);
        if (value > 63) {
            return ERR_INVALID;
        }
        bits = bits << 6 | value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[len++] = (unsigned char)(bits >> count);
        }
    }
    if (bits & ((1u << count) - 1)) {
        return ERR_INVALID;
    }
    *out_len = len;
    return 0;
}

size_t base64_encode(const unsigned char *bytes, size_t len, char *out) {
    size_t written = encode(standard, bytes, len, out);
    while (written % 4) {
        out[written++] = '=';
    }
    return written;
}

int base64_decode(struct slice text, unsigned char *out, size_t *out_len) {
    if (text.len % 4) {
        return ERR_INVALID;
    }
    for (int pads = 0; pads < 2 && text.len && text.ptr[text.len - 1] == '='; pads++) {
        text.len--;
    }
    return decode(standard, text, out, out_len);
}

size_t base64url_encode(const unsigned char *bytes, size_t len, char *out) {
    return encode(url_safe, bytes, len, out);
}

int base64url_decode(struct slice text, unsigned char *out, size_t *out_len) {
    return decode(url_safe, text, out, out_len);
}
