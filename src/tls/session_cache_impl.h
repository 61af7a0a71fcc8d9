/* The engine's side of the session cache. */
#ifndef TLS_SESSION_CACHE_IMPL_H
#define TLS_SESSION_CACHE_IMPL_H

#include "base/assert.h"
#include "tls/compat.h"
#include "tls/session_cache.h"

/* Offers the session kept under the key in the next handshake: 1 if there was one. */
int session_cache_offer(struct tls_session_cache *c, struct slice key,
                        mbedtls_ssl_context *ssl);
/* Keeps the session of a finished handshake in place of an earlier one. */
void session_cache_save(struct tls_session_cache *c, struct slice key,
                        const mbedtls_ssl_context *ssl);
void session_cache_drop(struct tls_session_cache *c, struct slice key);

#endif
