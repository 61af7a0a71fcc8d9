/* Happy path: tls_engine_new -> (feed, handshake)* until 0 -> feed, read, write ... ->
 * close_notify. mbedTLS pulls ciphertext through pull() from the span that was fed, and pushes
 * through push() into the owner's buffer, which always takes everything: so WANT_WRITE does not
 * occur.
 *
 * Failure modes: any error of mbedTLS ends the engine (its state is undefined afterwards, and a
 * failed malloc may have damaged it, CVE-2025-27810): every later call repeats the code. */
#include "tls/engine.h"

#include "base/error.h"
#include "tls/context_impl.h"
#include "tls/reason.h"
#include "tls/session_cache_impl.h"

#include <stdio.h>
#include <stdlib.h>

#define SESSION_KEY_MAX 400
/* Records sent in answer to a peer that asks to renegotiate: it need not read them. */
#define UNASKED_MAX 16u

struct tls_engine {
    mbedtls_ssl_context ssl;
    struct tls_context *context;
    struct tls_identity *identity; /* of a server: the one the client's name chose */
    const char *in;                /* borrowed ciphertext */
    size_t in_len;
    struct buffer held; /* ciphertext kept from earlier feeds: comes before `in` */
    struct buffer *out;
    struct tls_session_cache *sessions;
    char *server_name; /* NULL on a server */
    size_t session_key_len;
    unsigned unasked; /* records that mbedTLS itself sent while reading */
    int reading;
    int error;       /* the code every later call returns */
    int done;        /* the handshake is over */
    int offered;     /* a cached session was offered */
    int verified;    /* the peer's chain was looked at: a full handshake */
    int self_signed; /* ... and its first certificate signed itself */
    int took_ticket; /* a server accepted the client's */
    int resumed;
    char reason[TLS_REASON_MAX];
    char session_key[SESSION_KEY_MAX];
};

/* ---- what mbedTLS calls ---- */

static int pull(void *arg, unsigned char *buf, size_t len) {
    struct tls_engine *e = arg;
    if (e->held.len > 0) {
        size_t n = len < e->held.len ? len : e->held.len;
        memcpy(buf, buffer_begin(&e->held), n);
        buffer_consume(&e->held, n);
        return (int)n;
    }
    if (e->in_len == 0) {
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    size_t n = len < e->in_len ? len : e->in_len;
    memcpy(buf, e->in, n);
    e->in += n;
    e->in_len -= n;
    return (int)n;
}

static int push(void *arg, const unsigned char *buf, size_t len) {
    struct tls_engine *e = arg;
    ASSERT(e->out != NULL && len <= INT32_MAX);
    if (e->reading && ++e->unasked > UNASKED_MAX) {
        return MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE;
    }
    if (buffer_append(e->out, buf, len) != 0) {
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    }
    return (int)len;
}

/* Runs in full handshakes only: a resumed one trusts what was verified then. */
static int on_verify(void *arg, mbedtls_x509_crt *crt, int depth, uint32_t *flags) {
    struct tls_engine *e = arg;
    (void)flags; /* mbedTLS has decided; nothing is forgiven here */
    e->verified = 1;
    if (depth == 0) { /* empty names: a certificate of an algorithm mbedTLS does not know */
        struct slice issuer = slice_of((const char *)crt->issuer_raw.p, crt->issuer_raw.len);
        struct slice subject = slice_of((const char *)crt->subject_raw.p, crt->subject_raw.len);
        e->self_signed = issuer.len > 0 && slice_eq(issuer, subject);
    }
    return 0;
}

/* ---- life ---- */

/* Peer, name and context: a session verified for one name or CA is no proof for another. */
static void set_session_key(struct tls_engine *e, struct slice peer) {
    int len = snprintf(e->session_key, sizeof(e->session_key), "%llu %.*s %s",
                       (unsigned long long)e->context->id, SLICE_ARG(peer), e->server_name);
    if (len > 0 && (size_t)len < sizeof(e->session_key)) {
        e->session_key_len = (size_t)len;
    } else {
        e->sessions = NULL; /* too long a name: no resumption */
    }
}

static struct slice session_key(const struct tls_engine *e) {
    return slice_of(e->session_key, e->session_key_len);
}

static int setup_client(struct tls_engine *e, const char *server_name, struct slice peer) {
    if (server_name == NULL || server_name[0] == '\0') {
        return ERR_TLS; /* 2.28 would then verify no name at all (CVE-2025-27809) */
    }
    e->server_name = strdup(server_name);
    if (e->server_name == NULL) {
        return ERR_NOMEM;
    }
    int rc = mbedtls_ssl_set_hostname(&e->ssl, server_name);
    if (rc != 0) {
        return rc == MBEDTLS_ERR_SSL_ALLOC_FAILED ? ERR_NOMEM : ERR_TLS;
    }
    mbedtls_ssl_set_verify(&e->ssl, on_verify, e);
    if (e->sessions) {
        set_session_key(e, peer);
    }
    if (e->sessions) {
        e->offered = session_cache_offer(e->sessions, session_key(e), &e->ssl);
    }
    return 0;
}

int tls_engine_new(struct tls_engine **out, struct tls_context *context,
                   const char *server_name, struct tls_session_cache *sessions,
                   struct slice peer) {
    struct tls_engine *e = calloc(1, sizeof(*e));
    if (e == NULL) {
        return ERR_NOMEM;
    }
    e->context = context;
    e->identity = context->identities;
    context->references++;
    e->sessions = context->is_server ? NULL : sessions;
    mbedtls_ssl_init(&e->ssl);
    int rc = mbedtls_ssl_setup(&e->ssl, &context->conf);
    int error = rc == 0 ? 0 : rc == MBEDTLS_ERR_SSL_ALLOC_FAILED ? ERR_NOMEM : ERR_TLS;
    if (error == 0 && !context->is_server) {
        error = setup_client(e, server_name, peer);
    }
    if (error != 0) {
        tls_engine_free(e);
        return error;
    }
    mbedtls_ssl_set_bio(&e->ssl, e, push, pull, NULL);
    *out = e;
    return 0;
}

void tls_engine_free(struct tls_engine *e) {
    if (e == NULL) {
        return;
    }
    mbedtls_ssl_free(&e->ssl);
    tls_context_free(e->context);
    buffer_fini(&e->held);
    free(e->server_name);
    free(e);
}

void tls_engine_set_output(struct tls_engine *e, struct buffer *out) {
    e->out = out;
}

static int fail(struct tls_engine *e, int rc) {
    const struct tls_failure failure = {
        .rc = rc,
        .verify_flags = e->verified && !e->done ? mbedtls_ssl_get_verify_result(&e->ssl) : 0,
        .alert = compat_fatal_alert(&e->ssl),
        .self_signed = e->self_signed,
        .server_name = e->server_name,
    };
    e->error = tls_reason_of(&failure, e->reason);
    if (e->offered && !e->done) {
        session_cache_drop(e->sessions, session_key(e));
    }
    return e->error;
}

/* ---- bytes in ---- */

int tls_engine_feed(struct tls_engine *e, const char *bytes, size_t len) {
    int error = tls_engine_hold(e);
    if (error == 0) {
        e->in = bytes;
        e->in_len = len;
    }
    return error;
}

static int has_input(const struct tls_engine *e) {
    return e->held.len > 0 || e->in_len > 0;
}

int tls_engine_hold(struct tls_engine *e) {
    int error = buffer_append(&e->held, e->in, e->in_len);
    if (error == 0) {
        e->in = NULL;
        e->in_len = 0;
    }
    return error;
}

int tls_engine_held(const struct tls_engine *e) {
    return has_input(e) || mbedtls_ssl_get_bytes_avail(&e->ssl) > 0 ||
           mbedtls_ssl_check_pending(&e->ssl);
}

void tls_engine_peer_gone(struct tls_engine *e) {
    if (e->error == 0 && e->reason[0] == '\0') {
        snprintf(e->reason, sizeof(e->reason), "%s",
                 e->done ? "the peer closed without close_notify"
                         : "the peer closed during the TLS handshake");
    }
    if (e->offered && !e->done) {
        session_cache_drop(e->sessions, session_key(e));
    }
}

/* All input is used up: its memory need not wait for the next. */
static int again(struct tls_engine *e) {
    ASSERT(!has_input(e));
    buffer_reset(&e->held, 0);
    e->in = NULL;
    return ERR_AGAIN;
}

static void finish_handshake(struct tls_engine *e) {
    e->done = 1;
    e->resumed = e->context->is_server ? e->took_ticket : e->offered && !e->verified;
    if (e->sessions && !e->resumed) {
        session_cache_save(e->sessions, session_key(e), &e->ssl);
    }
}

int tls_engine_handshake(struct tls_engine *e) {
    if (e->error != 0) {
        return e->error;
    }
    if (e->done) {
        return 0;
    }
    e->context->chosen = &e->identity; /* the callbacks cannot know whose they are */
    e->context->ticket_taken = 0;
    int rc;
    do {
        rc = mbedtls_ssl_handshake(&e->ssl);
    } while (rc == MBEDTLS_ERR_SSL_WANT_READ && has_input(e));
    e->took_ticket |= e->context->ticket_taken;
    if (rc == 0) {
        finish_handshake(e);
        return 0;
    }
    return rc == MBEDTLS_ERR_SSL_WANT_READ ? again(e) : fail(e, rc);
}

int tls_engine_read(struct tls_engine *e, char *out, size_t cap, size_t *len) {
    *len = 0;
    if (e->error != 0) {
        return e->error;
    }
    e->context->chosen = &e->identity; /* TLS 1.3 gives tickets after the handshake */
    for (;;) {
        e->reading = 1;
        int rc = mbedtls_ssl_read(&e->ssl, (unsigned char *)out, cap);
        e->reading = 0;
        if (rc > 0) {
            *len = (size_t)rc;
            return 0;
        }
        if (rc == MBEDTLS_ERR_SSL_WANT_READ) {
            if (has_input(e)) { /* mbedTLS says so after a warning, too */
                continue;
            }
            return again(e);
        }
        if (rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
            return ERR_CLOSED;
        }
        if (rc != 0 && !compat_is_new_ticket(rc)) { /* 0: an empty record */
            return fail(e, rc);
        }
        if (rc != 0 && e->sessions) {
            session_cache_save(e->sessions, session_key(e), &e->ssl);
        }
    }
}

/* ---- bytes out ---- */

int tls_engine_write(struct tls_engine *e, struct slice plain) {
    if (e->error != 0) {
        return e->error;
    }
    while (plain.len > 0) {
        /* Takes at most one record (16 KiB). */
        int rc = mbedtls_ssl_write(&e->ssl, (const unsigned char *)plain.ptr, plain.len);
        if (rc <= 0) {
            return fail(e, rc);
        }
        plain = slice_from(plain, (size_t)rc);
    }
    return 0;
}

void tls_engine_close_notify(struct tls_engine *e) {
    if (e->error == 0 && e->done) {
        (void)mbedtls_ssl_close_notify(&e->ssl); /* into a buffer: only memory can run out */
    }
}

/* ---- facts ---- */

const char *tls_engine_reason(const struct tls_engine *e) {
    return e->reason;
}

int tls_engine_resumed(const struct tls_engine *e) {
    return e->resumed;
}

const char *tls_engine_version(const struct tls_engine *e) {
    return mbedtls_ssl_get_version(&e->ssl);
}

const char *tls_engine_suite(const struct tls_engine *e) {
    const char *suite = mbedtls_ssl_get_ciphersuite(&e->ssl);
    return suite ? suite : "";
}
