/* What TLS connections share: trust, identity, policy. One context per worker and role; mbedTLS
 * contexts are not shared between threads here, so no lock is ever taken.
 * Policy (facts: engineering section 4): TLS 1.2 minimum; ECDHE with AES-128-GCM, AES-256-GCM,
 * ChaCha20-Poly1305; X25519, P-256, P-384; SHA-256 and up; renegotiation off; verification
 * required on the client side, of the chain and of the name. */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include "base/assert.h"
#include "base/slice.h"

struct tls_context;

#define TLS_REASON_MAX 192

/* Call once in main before any thread starts (CVE-2025-52496: AES-NI detection races). */
void tls_global_init(void);

/* ca_file: PEM bundle; NULL = /etc/ssl/certs/ca-certificates.crt. 0, or a code with its reason.
 */
MUST_CHECK int tls_client_context_new(struct tls_context **out, const char *ca_file,
                                      char reason[TLS_REASON_MAX]);
/* Certificate chain and key, PEM files; checks that they belong together. */
MUST_CHECK int tls_server_context_new(struct tls_context **out, const char *certificate_file,
                                      const char *key_file, char reason[TLS_REASON_MAX]);
/* One more certificate on the same listener, for the names it bears (tls/names.h); the first is
 * for everybody else. Before the first connection only: afterwards a context never changes. */
MUST_CHECK int tls_server_context_add(struct tls_context *c, const char *certificate_file,
                                      const char *key_file, char reason[TLS_REASON_MAX]);
/* The owner's part ends; the memory goes with the last connection that uses it. All on the one
 * thread that uses it: there is no lock. */
void tls_context_free(struct tls_context *c);

/* Cryptographic random bytes: 0 or ERR_TLS. */
MUST_CHECK int tls_random(void *out, size_t len);

#endif
