/* Which certificate a name asks for (server name indication, RFC 6066 section 3). */
#ifndef TLS_NAMES_H
#define TLS_NAMES_H

#include "base/slice.h"
#include "tls/compat.h"

/* RFC 6125 section 6.4: letters in either case; a leftmost label that is `*` and nothing else
 * stands for exactly one label. */
int tls_name_matches(struct slice pattern, struct slice host);
/* Whether the certificate is for this host: its subject alternative names, or the common name
 * when it has no DNS name among them (RFC 6125 section 6.4.4). */
int tls_certificate_is_for(const mbedtls_x509_crt *certificate, struct slice host);

#endif
