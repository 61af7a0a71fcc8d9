/* Hexadecimal and base64 (RFC 4648). Sizes are checked by the caller through the _len forms. */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include "base/slice.h"

/* Lower case, 2*len bytes, no NUL. */
void hex_encode(const unsigned char *bytes, size_t len, char *out);
/* 16 digits, lower case, leading zeros, no NUL. */
void hex_u64(uint64_t value, char out[16]);

#define BASE64_ENCODED_LEN(n) (((n) + 2) / 3 * 4)
#define BASE64_DECODED_MAX(n) ((n) / 4 * 3 + 3)

/* Standard alphabet with padding; returns the bytes written. */
size_t base64_encode(const unsigned char *bytes, size_t len, char *out);
/* Strict: standard alphabet, padding required, no white space. 0 or ERR_INVALID. */
int base64_decode(struct slice text, unsigned char *out, size_t *out_len);
/* URL-safe alphabet without padding (RFC 4648 section 5), for tokens. */
size_t base64url_encode(const unsigned char *bytes, size_t len, char *out);
int base64url_decode(struct slice text, unsigned char *out, size_t *out_len);

#endif
