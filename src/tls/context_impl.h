/* The inside of a context, for the engine. */
#ifndef TLS_CONTEXT_IMPL_H
#define TLS_CONTEXT_IMPL_H

#include "tls/compat.h"
#include "tls/context.h"
#include "tls/shared.h"

struct tls_engine;

struct tls_context {
    mbedtls_ssl_config conf;
    struct tls_drbg random;
    int is_server;
    uint64_t id;       /* unlike any other context's: part of the key of cached sessions */
    struct tls_ca *ca; /* client */
    mbedtls_x509_crt certificate; /* server */
    mbedtls_pk_context key;
    struct tls_tickets *tickets;
    int ticket_taken; /* a ticket was good: set by the callback, read by the engine */
};

#endif
