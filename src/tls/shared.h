/* What the contexts of all workers share, by reference count: the parsed CA bundle (474 KB and
 * 3 ms each time) and the keys of the session tickets (a client that comes back meets any
 * worker). Read-only after the parse, or locked inside mbedTLS; where mbedTLS has no locks
 * (COMPAT_MAY_SHARE) every caller gets its own. The registry itself has a mutex, taken only
 * when contexts are made and freed. */
#ifndef TLS_SHARED_H
#define TLS_SHARED_H

#include "tls/compat.h"
#include "tls/context.h"

struct tls_ca;
struct tls_tickets;

/* The bundle in a file, parsed once for as long as the file stays the same one. */
MUST_CHECK int tls_ca_acquire(struct tls_ca **out, const char *file,
                              char reason[TLS_REASON_MAX]);
void tls_ca_release(struct tls_ca *ca);
mbedtls_x509_crt *tls_ca_chain(struct tls_ca *ca);

/* The ticket keys of one identity, named by its certificate file. */
MUST_CHECK int tls_tickets_acquire(struct tls_tickets **out, const char *certificate_file,
                                   char reason[TLS_REASON_MAX]);
void tls_tickets_release(struct tls_tickets *t);
mbedtls_ssl_ticket_context *tls_tickets_context(struct tls_tickets *t);

/* Entropy and generator of one owner, seeded. */
struct tls_drbg {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context drbg;
};

MUST_CHECK int tls_drbg_init(struct tls_drbg *d, char reason[TLS_REASON_MAX]);
void tls_drbg_fini(struct tls_drbg *d);

/* "what: file: what mbedTLS says" into reason. */
void tls_reason_file(char reason[TLS_REASON_MAX], const char *what, const char *file, int rc);

#endif
