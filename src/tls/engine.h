/* One TLS connection as a pure byte machine: ciphertext in, ciphertext out, plaintext in and
 * out; no sockets, no loop.
 *
 *   socket bytes -> tls_engine_feed -> [mbedTLS] -> tls_engine_read  -> plaintext
 *   socket bytes <- tls_engine_output <- [mbedTLS] <- tls_engine_write <- plaintext */
#ifndef TLS_ENGINE_H
#define TLS_ENGINE_H

#include "base/buffer.h"
#include "tls/context.h"

struct tls_engine;
struct tls_session_cache;

/* Client: server_name is required (SNI and verification). `sessions` may be NULL; `session_key`
 * names the peer in it (an address). Server: both NULL. 0, ERR_NOMEM, ERR_TLS. */
MUST_CHECK int tls_engine_new(struct tls_engine **out, struct tls_context *context,
                              const char *server_name, struct tls_session_cache *sessions,
                              struct slice session_key);
void tls_engine_free(struct tls_engine *e);

/* Ciphertext from the socket. It is borrowed until the next tls_engine_handshake or _read has
 * returned ERR_AGAIN; what was not used by then is kept inside. */
MUST_CHECK int tls_engine_feed(struct tls_engine *e, const char *bytes, size_t len);
/* 0 when done; ERR_AGAIN when it needs the socket; ERR_TLS, ERR_TLS_VERIFY with a reason. */
MUST_CHECK int tls_engine_handshake(struct tls_engine *e);
/* Copies inside what is borrowed and unused: for a reader that stops before ERR_AGAIN. 0 or
 * ERR_NOMEM. tls_engine_held: whether a read would yield something without new input. */
MUST_CHECK int tls_engine_hold(struct tls_engine *e);
int tls_engine_held(const struct tls_engine *e);
/* The socket is at its end or broken: gives tls_engine_reason a text if the handshake was still
 * on. */
void tls_engine_peer_gone(struct tls_engine *e);
/* Plaintext, at most cap bytes, into out: the count in *len and 0; ERR_AGAIN when there is
 * none; ERR_CLOSED after close_notify; ERR_TLS. Call until ERR_AGAIN. */
MUST_CHECK int tls_engine_read(struct tls_engine *e, char *out, size_t cap, size_t *len);
/* Encrypts all of it into the output. 0, ERR_NOMEM, ERR_TLS. */
MUST_CHECK int tls_engine_write(struct tls_engine *e, struct slice plain);
/* Queues close_notify into the output. */
void tls_engine_close_notify(struct tls_engine *e);
/* Ciphertext for the socket; the caller appends or consumes nothing but what it sent. The owner
 * may swap its own buffer in: output goes to *out until changed. */
void tls_engine_set_output(struct tls_engine *e, struct buffer *out);

/* Why the last call failed: "certificate expired", "name mismatch" ...; "" when nothing failed.
 */
const char *tls_engine_reason(const struct tls_engine *e);
int tls_engine_resumed(const struct tls_engine *e);
/* "TLSv1.2", "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"; for logs and tests. */
const char *tls_engine_version(const struct tls_engine *e);
const char *tls_engine_suite(const struct tls_engine *e);

#endif
