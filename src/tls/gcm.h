/* AES-GCM (NIST SP 800-38D) of mbedTLS 2.28, many blocks at a time.
 *
 * mbedTLS does one block after the other, each waiting for the one before: a quarter of what an
 * acknowledged write costs. Its inner loop, mbedtls_gcm_update, is a function of its own that
 * the library calls through the dynamic linker; the program defines it, too, and so comes
 * first. Key schedule, nonce, lengths, tag and the comparison of tags stay with mbedTLS, and so
 * does all of it where the processor lacks the instructions, the cipher is not AES, mbedTLS is
 * linked statically or is not 2.28. Nothing is allocated; no branch and no index depends on a
 * secret. */
#ifndef TLS_GCM_H
#define TLS_GCM_H

#include <mbedtls/gcm.h>

/* Makes the choice. Once, before any thread exists and before any TLS. */
void gcm_init(void);

/* As mbedtls_gcm_update of 2.28: encrypts or decrypts `len` bytes and folds the ciphertext into
 * the tag. Only the last call of a message may have a length that is no multiple of 16. `out`
 * may be `in`, or begin before it. 0, or MBEDTLS_ERR_GCM_BAD_INPUT. */
typedef int (*gcm_update_fn)(mbedtls_gcm_context *ctx, size_t len, const unsigned char *in,
                             unsigned char *out);

/* mbedTLS's own. */
int gcm_update_mbedtls(mbedtls_gcm_context *ctx, size_t len, const unsigned char *in,
                       unsigned char *out);
/* NULL where the processor or the mbedTLS is another. */
gcm_update_fn gcm_update_native(void);
/* For tests: what mbedTLS runs on from now on. */
void gcm_use(gcm_update_fn fn);

#endif
