/* Files with certificates and keys, PEM or DER, read whole and taken whole or not at all. On
 * the main thread: it reads. */
#ifndef TLS_PEM_H
#define TLS_PEM_H

#include "tls/compat.h"
#include "tls/context.h"

#define PEM_FILE_MAX 1048576

/* `out` is initialised. Every certificate that begins in the file must be there to its end: one
 * that is cut off while it is being written would go unnoticed by the parser, and the chain by
 * no client. */
MUST_CHECK int pem_read_chain(mbedtls_x509_crt *out, const char *file,
                              char reason[TLS_REASON_MAX]);
MUST_CHECK int pem_read_key(mbedtls_pk_context *out, const char *file,
                            mbedtls_ctr_drbg_context *drbg, char reason[TLS_REASON_MAX]);

#endif
