/* Placeholder until the engine lands: plain streams link, TLS ones are refused. */
#include "tls/engine.h"

#include "base/error.h"

int tls_engine_new(struct tls_engine **out, struct tls_context *context,
                   const char *server_name, struct tls_session_cache *sessions,
                   struct slice session_key) {
    (void)context, (void)server_name, (void)sessions, (void)session_key;
    *out = NULL;
    return ERR_UNSUPPORTED;
}
void tls_engine_free(struct tls_engine *e) {
    (void)e;
}
int tls_engine_feed(struct tls_engine *e, const char *bytes, size_t len) {
    (void)e, (void)bytes, (void)len;
    return ERR_UNSUPPORTED;
}
int tls_engine_handshake(struct tls_engine *e) {
    (void)e;
    return ERR_UNSUPPORTED;
}
int tls_engine_hold(struct tls_engine *e) {
    (void)e;
    return ERR_UNSUPPORTED;
}
int tls_engine_held(const struct tls_engine *e) {
    (void)e;
    return 0;
}
void tls_engine_peer_gone(struct tls_engine *e) {
    (void)e;
}
int tls_engine_read(struct tls_engine *e, char *out, size_t cap, size_t *len) {
    (void)e, (void)out, (void)cap, (void)len;
    return ERR_UNSUPPORTED;
}
int tls_engine_write(struct tls_engine *e, struct slice plain) {
    (void)e, (void)plain;
    return ERR_UNSUPPORTED;
}
void tls_engine_close_notify(struct tls_engine *e) {
    (void)e;
}
void tls_engine_set_output(struct tls_engine *e, struct buffer *out) {
    (void)e, (void)out;
}
const char *tls_engine_reason(const struct tls_engine *e) {
    (void)e;
    return "";
}
int tls_engine_resumed(const struct tls_engine *e) {
    (void)e;
    return 0;
}
