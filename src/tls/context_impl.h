/* The inside of a context, for the engine. */
#ifndef TLS_CONTEXT_IMPL_H
#define TLS_CONTEXT_IMPL_H

#include "tls/compat.h"
#include "tls/context.h"
#include "tls/shared.h"

/* A server's certificate chain with its key, and the tickets given out under it: a session is
 * resumed only with the certificate it was made with (RFC 6066 section 3). */
struct tls_identity {
    struct tls_identity *next;
    mbedtls_x509_crt certificate;
    mbedtls_pk_context key;
    struct tls_tickets *tickets;
};

struct tls_context {
    mbedtls_ssl_config conf;
    struct tls_drbg random;
    int is_server;
    uint64_t id;         /* unlike any other context's: part of the key of cached sessions */
    struct tls_ca *ca;   /* client */
    unsigned references; /* the owner and every engine */
    struct tls_identity *identities; /* server; the first is the default */
    /* What the callbacks, which know the context only, share with the engine that is in a
     * handshake just now. */
    struct tls_identity **chosen;
    int ticket_taken;
};

#endif
