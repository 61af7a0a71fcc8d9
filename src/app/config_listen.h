/* The certificates and proxies of a listener, as configured. */
#ifndef APP_CONFIG_LISTEN_H
#define APP_CONFIG_LISTEN_H

#include "app/config.h"

struct tls_context;

/* What a start would find wrong with the certificates; no errors: they can be used. */
void config_check_certificates(const struct config *c, struct config_errors *errors);
/* The same, and dynamodb.ca_file where it is given: a start reads that once, when it needs it.
 */
void config_check_files(const struct config *c, struct config_errors *errors);
/* A new server context for a listener, with all its certificates; errors as above. */
MUST_CHECK int config_new_tls(const struct config_listen *l, struct tls_context **out,
                              struct config_errors *errors);
/* Who may send the PROXY headers of a listener; NULL: none is due. */
const struct net_ranges *config_proxies(const struct config_listen *l);

#endif
