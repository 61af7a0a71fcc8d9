/* What went wrong, in words an operator can act on. */
#ifndef TLS_REASON_H
#define TLS_REASON_H

#include "tls/compat.h"
#include "tls/context.h"

/* Facts the verify callback and the engine gathered. */
struct tls_failure {
    int rc;                /* what mbedTLS returned */
    uint32_t verify_flags; /* of the peer's certificate; 0 when it was not looked at */
    int alert;             /* the fatal alert received, or -1 */
    int self_signed;
    const char *server_name; /* NULL on a server */
};

/* Writes the text; returns ERR_TLS_VERIFY or ERR_TLS. */
int tls_reason_of(const struct tls_failure *f, char reason[TLS_REASON_MAX]);

#endif
