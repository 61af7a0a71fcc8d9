/* Client sessions for resumption, one per peer key, at most one hour old (facts: engineering
 * section 4). One cache per worker. A session that fails to resume is dropped. */
#ifndef TLS_SESSION_CACHE_H
#define TLS_SESSION_CACHE_H

#include "base/slice.h"

struct tls_session_cache;

/* Aborts when memory is out. `peers` bounds the distinct peer keys kept (least recently used
 * goes). */
struct tls_session_cache *tls_session_cache_new(size_t peers);
void tls_session_cache_free(struct tls_session_cache *c);
size_t tls_session_cache_count(const struct tls_session_cache *c);

#endif
