/* Two engines in memory: the client's output is the server's input and back. */
#include "tls/engine.h"

#include "base/error.h"
#include "tls/session_cache.h"
#include "tls/shared.h"
#include "unit/tls/certs.h"

#if !COMPAT_MBEDTLS_3
#include <mbedtls/ssl_internal.h>
#endif

static struct certs certs;
static struct leaf good, other;
static struct tls_context *client_context, *server_context;

struct end {
    struct tls_engine *engine;
    struct buffer out; /* its ciphertext, on the way to the other */
    struct buffer got; /* plaintext that arrived */
    int state;         /* ERR_AGAIN: handshaking; 0: done; else failed */
    int read_error;    /* what read said last */
};

struct pair {
    struct end client, server;
    size_t step; /* bytes fed at a time */
    size_t moved;
};

static int pair_init(struct pair *p, struct tls_context *client, struct tls_context *server,
                     const char *name, struct tls_session_cache *sessions) {
    memset(p, 0, sizeof(*p));
    p->step = SIZE_MAX;
    p->client.state = p->server.state = ERR_AGAIN;
    int error =
        tls_engine_new(&p->client.engine, client, name, sessions, SLICE("10.0.0.1:443"));
    if (error) {
        return error;
    }
    assert_int_equal(tls_engine_new(&p->server.engine, server, NULL, NULL, SLICE_EMPTY), 0);
    tls_engine_set_output(p->client.engine, &p->client.out);
    tls_engine_set_output(p->server.engine, &p->server.out);
    return 0;
}

static void end_fini(struct end *e) {
    tls_engine_free(e->engine);
    buffer_fini(&e->out);
    buffer_fini(&e->got);
}

static void pair_fini(struct pair *p) {
    end_fini(&p->client);
    end_fini(&p->server);
}

static void progress(struct end *e) {
    if (e->state == ERR_AGAIN) {
        e->state = tls_engine_handshake(e->engine);
    }
    while (e->state == 0 && e->read_error != ERR_CLOSED) {
        char plain[5000];
        size_t len;
        e->read_error = tls_engine_read(e->engine, plain, sizeof(plain), &len);
        if (e->read_error) {
            break;
        }
        assert_true(len > 0);
        assert_int_equal(buffer_append(&e->got, plain, len), 0);
    }
}

static void move(struct pair *p, struct end *from, struct end *to) {
    while (from->out.len > 0) {
        size_t n = from->out.len < p->step ? from->out.len : p->step;
        /* A copy that is gone after the call, so that borrowing too long shows. */
        char *bytes = malloc(n);
        assert_non_null(bytes);
        memcpy(bytes, buffer_begin(&from->out), n);
        buffer_consume(&from->out, n);
        p->moved += n;
        if (tls_engine_feed(to->engine, bytes, n) == 0) {
            progress(to);
        }
        free(bytes);
    }
}

static void run(struct pair *p) {
    progress(&p->client);
    progress(&p->server);
    while (p->client.out.len > 0 || p->server.out.len > 0) {
        move(p, &p->client, &p->server);
        move(p, &p->server, &p->client);
    }
}

static void handshake(struct pair *p) {
    run(p);
    if (p->client.state || p->server.state) {
        fail_msg("client: %s; server: %s", tls_engine_reason(p->client.engine),
                 tls_engine_reason(p->server.engine));
    }
}

static void test_policy_is_negotiated(void **state) {
    struct pair p;
    (void)state;
    assert_int_equal(pair_init(&p, client_context, server_context, "localhost", NULL), 0);
    handshake(&p);
    assert_string_equal(tls_engine_version(p.client.engine), "TLSv1.2");
    assert_string_equal(tls_engine_suite(p.client.engine),
                        "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256");
    assert_string_equal(tls_engine_suite(p.server.engine),
                        "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256");
    assert_string_equal(tls_engine_reason(p.client.engine), "");
    assert_false(tls_engine_resumed(p.client.engine));
    assert_false(tls_engine_resumed(p.server.engine));
    assert_int_equal(tls_engine_handshake(p.client.engine), 0); /* idempotent */
    pair_fini(&p);
}

static void test_rsa_certificate(void **state) {
    struct pair p;
    struct tls_context *server;
    char reason[TLS_REASON_MAX];
    (void)state;
    struct leaf rsa = certs_leaf(&certs, "rsa", "localhost", CERT_RSA, -1, 30, 0);
    assert_int_equal(tls_server_context_new(&server, rsa.certificate, rsa.key, reason), 0);
    assert_int_equal(pair_init(&p, client_context, server, "localhost", NULL), 0);
    handshake(&p);
    assert_string_equal(tls_engine_suite(p.client.engine),
                        "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256");
    pair_fini(&p);
    tls_context_free(server);
}

static char pattern(size_t i) {
    return (char)(i * 31 + (i >> 11));
}

static void send_and_check(struct pair *p, struct end *from, struct end *to, size_t len) {
    char *plain = malloc(len);
    assert_non_null(plain);
    for (size_t i = 0; i < len; i++) {
        plain[i] = pattern(i);
    }
    assert_int_equal(tls_engine_write(from->engine, slice_of(plain, len)), 0);
    run(p);
    assert_int_equal(to->got.len, len);
    assert_memory_equal(buffer_begin(&to->got), plain, len);
    buffer_consume(&to->got, len);
    free(plain);
}

static void exchange(size_t step, size_t len) {
    struct pair p;
    assert_int_equal(pair_init(&p, client_context, server_context, "localhost", NULL), 0);
    p.step = step;
    handshake(&p);
    send_and_check(&p, &p.client, &p.server, len);
    send_and_check(&p, &p.server, &p.client, len);
    tls_engine_close_notify(p.client.engine);
    run(&p);
    assert_int_equal(p.server.read_error, ERR_CLOSED);
    pair_fini(&p);
}

static void test_sizes(void **state) {
    (void)state;
    exchange(SIZE_MAX, 1);
    exchange(SIZE_MAX, 16384);
    exchange(SIZE_MAX, 16385);
    exchange(SIZE_MAX, 1u << 20);
    exchange(4096, 100000);
    exchange(1, 20000); /* one byte at a time, handshake included */
    exchange(7, 20000);
}

/* Half-close: after the client's close_notify the server may still write. */
static void test_write_after_peers_close_notify(void **state) {
    struct pair p;
    (void)state;
    assert_int_equal(pair_init(&p, client_context, server_context, "localhost", NULL), 0);
    handshake(&p);
    tls_engine_close_notify(p.client.engine);
    run(&p);
    assert_int_equal(p.server.read_error, ERR_CLOSED);
    send_and_check(&p, &p.server, &p.client, 3000);
    pair_fini(&p);
}

/* A reader that stops in the middle finds the rest later. */
static void test_hold(void **state) {
    struct pair p;
    char plain[4000], *bytes;
    size_t len, n;
    (void)state;
    assert_int_equal(pair_init(&p, client_context, server_context, "localhost", NULL), 0);
    handshake(&p);
    assert_false(tls_engine_held(p.server.engine));
    memset(plain, 'a', sizeof(plain));
    for (int i = 0; i < 3; i++) { /* three records */
        assert_int_equal(tls_engine_write(p.client.engine, slice_of(plain, sizeof(plain))), 0);
    }
    n = p.client.out.len;
    bytes = malloc(n);
    assert_non_null(bytes);
    memcpy(bytes, buffer_begin(&p.client.out), n);
    buffer_consume(&p.client.out, n);
    assert_int_equal(tls_engine_feed(p.server.engine, bytes, n), 0);
    assert_int_equal(tls_engine_read(p.server.engine, plain, sizeof(plain), &len), 0);
    assert_int_equal(len, 4000);
    assert_true(tls_engine_held(p.server.engine));
    assert_int_equal(tls_engine_hold(p.server.engine), 0);
    free(bytes);
    assert_true(tls_engine_held(p.server.engine));
    /* Another feed comes behind what is held. */
    assert_int_equal(tls_engine_write(p.client.engine, SLICE("tail")), 0);
    run(&p);
    assert_int_equal(p.server.got.len, 8004);
    assert_memory_equal(buffer_begin(&p.server.got) + 8000, "tail", 4);
    assert_false(tls_engine_held(p.server.engine));
    pair_fini(&p);
}

/* ---- resumption ---- */

static size_t connect_once(struct tls_context *client, struct tls_context *server,
                           struct tls_session_cache *sessions, int resumed) {
    struct pair p;
    assert_int_equal(pair_init(&p, client, server, "localhost", sessions), 0);
    handshake(&p);
    assert_int_equal(tls_engine_resumed(p.client.engine), resumed);
    assert_int_equal(tls_engine_resumed(p.server.engine), resumed);
    send_and_check(&p, &p.client, &p.server, 100);
    size_t moved = p.moved;
    pair_fini(&p);
    return moved;
}

static void test_resumption(void **state) {
    char reason[TLS_REASON_MAX];
    struct tls_context *twin, *stranger, *client2;
    (void)state;
    struct tls_session_cache *sessions = tls_session_cache_new(4);
    size_t full = connect_once(client_context, server_context, sessions, 0);
    assert_int_equal(tls_session_cache_count(sessions), 1);
    for (int i = 0; i < 5; i++) {
        assert_true(connect_once(client_context, server_context, sessions, 1) < full);
    }
    /* Another worker's context of the same identity takes the ticket, too. */
    assert_int_equal(tls_server_context_new(&twin, good.certificate, good.key, reason), 0);
    connect_once(client_context, twin, sessions, 1);
    /* A server that does not know the ticket: full handshake, and the new session is kept. */
    assert_int_equal(tls_server_context_new(&stranger, other.certificate, other.key, reason),
                     0);
    connect_once(client_context, stranger, sessions, 0);
    assert_int_equal(tls_session_cache_count(sessions), 1);
    connect_once(client_context, stranger, sessions, 1);
    /* Another client context verifies for itself. */
    assert_int_equal(tls_client_context_new(&client2, certs.ca, reason), 0);
    connect_once(client2, stranger, sessions, 0);
    assert_int_equal(tls_session_cache_count(sessions), 2);
    tls_context_free(client2);
    tls_context_free(twin);
    tls_context_free(stranger);
    tls_session_cache_free(sessions);
}

/* A session whose offer ends in a failed handshake is not offered again. */
static void test_failed_offer_is_dropped(void **state) {
    struct pair p;
    (void)state;
    struct tls_session_cache *sessions = tls_session_cache_new(4);
    for (int gone = 0; gone < 2; gone++) {
        connect_once(client_context, server_context, sessions, 0);
        assert_int_equal(tls_session_cache_count(sessions), 1);
        assert_int_equal(pair_init(&p, client_context, server_context, "localhost", sessions),
                         0);
        progress(&p.client);
        if (gone) {
            tls_engine_peer_gone(p.client.engine);
        } else {
            assert_int_equal(tls_engine_feed(p.client.engine, "not TLS at all", 14), 0);
            progress(&p.client);
            assert_int_equal(p.client.state, ERR_TLS);
        }
        assert_int_equal(tls_session_cache_count(sessions), 0);
        pair_fini(&p);
    }
    tls_session_cache_free(sessions);
}

static void test_cache_is_bounded(void **state) {
    (void)state;
    struct tls_session_cache *sessions = tls_session_cache_new(2);
    for (int i = 0; i < 4; i++) {
        struct pair p;
        char peer[32];
        memset(&p, 0, sizeof(p));
        assert_int_equal(pair_init(&p, client_context, server_context, "localhost", NULL), 0);
        tls_engine_free(p.client.engine);
        snprintf(peer, sizeof(peer), "10.0.0.%d:443", i);
        assert_int_equal(tls_engine_new(&p.client.engine, client_context, "localhost", sessions,
                                        slice_cstr(peer)),
                         0);
        tls_engine_set_output(p.client.engine, &p.client.out);
        handshake(&p);
        assert_false(tls_engine_resumed(p.client.engine));
        pair_fini(&p);
    }
    assert_int_equal(tls_session_cache_count(sessions), 2);
    tls_session_cache_free(sessions);
}

/* ---- what is refused ---- */

static void refused(const struct leaf *leaf, const char *name, int error, const char *want) {
    struct pair p;
    struct tls_context *server;
    char reason[TLS_REASON_MAX];
    assert_int_equal(tls_server_context_new(&server, leaf->certificate, leaf->key, reason), 0);
    struct tls_session_cache *sessions = tls_session_cache_new(2);
    assert_int_equal(pair_init(&p, client_context, server, name, sessions), 0);
    run(&p);
    assert_int_equal(p.client.state, error);
    if (strstr(tls_engine_reason(p.client.engine), want) == NULL) {
        fail_msg("reason: %s, wanted: %s", tls_engine_reason(p.client.engine), want);
    }
    size_t len;
    char plain[16];
    assert_int_equal(tls_engine_handshake(p.client.engine), error); /* it stays so */
    assert_int_equal(tls_engine_write(p.client.engine, SLICE("x")), error);
    assert_int_equal(tls_engine_read(p.client.engine, plain, sizeof(plain), &len), error);
    assert_int_equal(tls_session_cache_count(sessions), 0);
    assert_int_equal(p.server.state, ERR_TLS); /* the alert arrived */
    assert_non_null(strstr(tls_engine_reason(p.server.engine), "said the peer"));
    pair_fini(&p);
    tls_session_cache_free(sessions);
    tls_context_free(server);
}

static void test_refused(void **state) {
    (void)state;
    struct leaf l = certs_leaf(&certs, "expired", "localhost", CERT_EC, -30, -1, 0);
    refused(&l, "localhost", ERR_TLS_VERIFY, "certificate expired");
    l = certs_leaf(&certs, "future", "localhost", CERT_EC, 2, 30, 0);
    refused(&l, "localhost", ERR_TLS_VERIFY, "not valid yet");
    l = certs_leaf(&certs, "self", "localhost", CERT_EC, -1, 30, 1);
    refused(&l, "localhost", ERR_TLS_VERIFY, "not trusted: self-signed");
    refused(&good, "example.com", ERR_TLS_VERIFY, "name mismatch: expected example.com");
    l = certs_leaf(&certs, "wild", "*.example.com", CERT_EC, -1, 30, 0);
    refused(&l, "a.b.example.com", ERR_TLS_VERIFY, "name mismatch");
    l = certs_leaf(&certs, "ip", "127.0.0.1", CERT_EC, -1, 30, 0);
    refused(&l, "127.0.0.1", ERR_TLS_VERIFY, "DNS names only");

    struct certs strangers;
    certs_init(&strangers);
    l = certs_leaf(&strangers, "leaf", "localhost", CERT_EC, -1, 30, 0);
    refused(&l, "localhost", ERR_TLS_VERIFY, "not trusted: unknown CA");
    l = certs_leaf(&strangers, "both", "else", CERT_EC, -30, -1, 0);
    refused(&l, "localhost", ERR_TLS_VERIFY, "certificate expired; not trusted");
    certs_fini(&strangers);
}

static void test_no_name_no_engine(void **state) {
    struct tls_engine *e;
    (void)state;
    assert_int_equal(tls_engine_new(&e, client_context, NULL, NULL, SLICE_EMPTY), ERR_TLS);
    assert_int_equal(tls_engine_new(&e, client_context, "", NULL, SLICE_EMPTY), ERR_TLS);
}

static void test_damaged_record(void **state) {
    struct pair p;
    (void)state;
    assert_int_equal(pair_init(&p, client_context, server_context, "localhost", NULL), 0);
    handshake(&p);
    assert_int_equal(tls_engine_write(p.client.engine, SLICE("pay 1 euro")), 0);
    buffer_begin(&p.client.out)[p.client.out.len - 3] ^= 1;
    run(&p);
    assert_int_equal(p.server.read_error, ERR_TLS);
    assert_string_equal(tls_engine_reason(p.server.engine), "damaged record");
    assert_int_equal(p.server.got.len, 0);
    assert_int_equal(p.client.read_error, ERR_TLS); /* told by alert */
    pair_fini(&p);
}

#if !COMPAT_MBEDTLS_3
/* A client that may do what our engine never does. */
struct raw_client {
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config conf;
    struct tls_drbg random;
    struct buffer out;
    int deaf; /* reads no more */
    struct end server;
};

static int raw_push(void *arg, const unsigned char *bytes, size_t len) {
    struct raw_client *c = arg;
    assert_int_equal(buffer_append(&c->out, bytes, len), 0);
    return (int)len;
}

static int raw_pull(void *arg, unsigned char *bytes, size_t len) {
    struct raw_client *c = arg;
    struct buffer *from = &c->server.out;
    size_t n = len < from->len ? len : from->len;
    if (n == 0 || c->deaf) {
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    memcpy(bytes, buffer_begin(from), n);
    buffer_consume(from, n);
    return (int)n;
}

/* All it has sent, in one feed. */
static void raw_deliver(struct raw_client *c) {
    struct buffer sent = c->out;
    c->out = (struct buffer){0};
    assert_int_equal(tls_engine_feed(c->server.engine, buffer_begin(&sent), sent.len), 0);
    progress(&c->server);
    buffer_fini(&sent);
}

static void raw_init(struct raw_client *c) {
    char reason[TLS_REASON_MAX];
    int rc;
    memset(c, 0, sizeof(*c));
    c->server.state = ERR_AGAIN;
    assert_int_equal(tls_engine_new(&c->server.engine, server_context, NULL, NULL, SLICE_EMPTY),
                     0);
    tls_engine_set_output(c->server.engine, &c->server.out);
    assert_int_equal(tls_drbg_init(&c->random, reason), 0);
    mbedtls_ssl_config_init(&c->conf);
    mbedtls_ssl_init(&c->ssl);
    assert_int_equal(mbedtls_ssl_config_defaults(&c->conf, MBEDTLS_SSL_IS_CLIENT,
                                                 MBEDTLS_SSL_TRANSPORT_STREAM,
                                                 MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_rng(&c->conf, mbedtls_ctr_drbg_random, &c->random.drbg);
    mbedtls_ssl_conf_authmode(&c->conf, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_renegotiation(&c->conf, MBEDTLS_SSL_RENEGOTIATION_ENABLED);
    assert_int_equal(mbedtls_ssl_setup(&c->ssl, &c->conf), 0);
    mbedtls_ssl_set_bio(&c->ssl, c, raw_push, raw_pull, NULL);
    while ((rc = mbedtls_ssl_handshake(&c->ssl)) != 0) {
        assert_int_equal(rc, MBEDTLS_ERR_SSL_WANT_READ);
        raw_deliver(c);
    }
    assert_int_equal(c->server.state, 0);
}

static void raw_fini(struct raw_client *c) {
    mbedtls_ssl_free(&c->ssl);
    mbedtls_ssl_config_free(&c->conf);
    tls_drbg_fini(&c->random);
    buffer_fini(&c->out);
    end_fini(&c->server);
}

/* At a warning mbedTLS says WANT_READ, whatever lies behind it. */
static void test_data_behind_a_warning(void **state) {
    struct raw_client c;
    (void)state;
    raw_init(&c);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mbedtls_ssl_send_alert_message(&c.ssl, MBEDTLS_SSL_ALERT_LEVEL_WARNING,
                                                        MBEDTLS_SSL_ALERT_MSG_NO_RENEGOTIATION),
                         0);
        assert_int_equal(mbedtls_ssl_write(&c.ssl, (const unsigned char *)"behind", 6), 6);
        raw_deliver(&c);
    }
    assert_int_equal(c.server.read_error, ERR_AGAIN);
    assert_int_equal(c.server.got.len, 12);
    assert_memory_equal(buffer_begin(&c.server.got), "behindbehind", 12);
    assert_false(tls_engine_held(c.server.engine));
    raw_fini(&c);
}

/* Each is answered by an alert, which the peer need not read. */
static void test_renegotiation_without_end(void **state) {
    struct raw_client c;
    (void)state;
    raw_init(&c);
    c.deaf = 1;
    for (int i = 0; i < 1000 && c.server.read_error != ERR_TLS; i++) {
        c.ssl.state = MBEDTLS_SSL_HANDSHAKE_OVER;
        c.ssl.renego_status = MBEDTLS_SSL_RENEGOTIATION_DONE;
        assert_int_equal(mbedtls_ssl_renegotiate(&c.ssl), MBEDTLS_ERR_SSL_WANT_READ);
        raw_deliver(&c);
    }
    assert_int_equal(c.server.read_error, ERR_TLS);
    assert_string_equal(tls_engine_reason(c.server.engine), "unexpected message");
    assert_in_range(c.server.out.len, 1, 2048);
    raw_fini(&c);
}
#endif

static void test_garbage(void **state) {
    struct pair p;
    (void)state;
    assert_int_equal(pair_init(&p, client_context, server_context, "localhost", NULL), 0);
    assert_int_equal(tls_engine_feed(p.server.engine, "GET / HTTP/1.1\r\n\r\n", 18), 0);
    assert_int_equal(tls_engine_handshake(p.server.engine), ERR_TLS);
    assert_string_not_equal(tls_engine_reason(p.server.engine), "");
    pair_fini(&p);
}

/* Every prefix of the server's flight, then the end. */
static void test_truncated_handshake(void **state) {
    (void)state;
    for (size_t keep = 0; keep < 1200; keep += 37) {
        struct pair p;
        assert_int_equal(pair_init(&p, client_context, server_context, "localhost", NULL), 0);
        progress(&p.client);
        move(&p, &p.client, &p.server);
        size_t n = keep < p.server.out.len ? keep : p.server.out.len - 1;
        assert_int_equal(tls_engine_feed(p.client.engine, buffer_begin(&p.server.out), n), 0);
        progress(&p.client);
        assert_int_equal(p.client.state, ERR_AGAIN);
        tls_engine_peer_gone(p.client.engine);
        assert_string_equal(tls_engine_reason(p.client.engine),
                            "the peer closed during the TLS handshake");
        pair_fini(&p);
    }
}

/* One byte of the handshake changed: never a success on both sides with different views. */
static void test_bent_handshake(void **state) {
    (void)state;
    for (size_t at = 0; at < 700; at += 13) {
        struct pair p;
        assert_int_equal(pair_init(&p, client_context, server_context, "localhost", NULL), 0);
        progress(&p.client);
        move(&p, &p.client, &p.server);
        if (at >= p.server.out.len) {
            pair_fini(&p);
            break;
        }
        buffer_begin(&p.server.out)[at] ^= 0x20;
        run(&p);
        assert_int_not_equal(p.client.state, 0);
        assert_int_not_equal(p.server.state, 0);
        pair_fini(&p);
    }
}

/* ---- contexts ---- */

static void test_contexts_that_fail(void **state) {
    struct tls_context *c;
    char reason[TLS_REASON_MAX], path[128];
    (void)state;
    assert_int_equal(tls_client_context_new(&c, "/no/such/file", reason), ERR_NOT_FOUND);
    assert_non_null(strstr(reason, "/no/such/file"));
    snprintf(path, sizeof(path), "%s/empty.pem", certs.dir);
    certs_write_file(path, "");
    assert_int_equal(tls_client_context_new(&c, path, reason), ERR_TLS);
    assert_non_null(strstr(reason, "empty.pem"));
    snprintf(path, sizeof(path), "%s/text.pem", certs.dir);
    certs_write_file(path, "no certificate in here\n");
    assert_int_equal(tls_client_context_new(&c, path, reason), ERR_TLS);
    assert_int_equal(tls_server_context_new(&c, good.certificate, other.key, reason), ERR_TLS);
    assert_string_equal(reason, "the private key does not belong to the certificate");
    assert_int_equal(tls_server_context_new(&c, "/no/such", good.key, reason), ERR_TLS);
    assert_int_equal(tls_server_context_new(&c, good.certificate, "/no/such", reason), ERR_TLS);
    assert_non_null(strstr(reason, "/no/such"));
    assert_int_equal(tls_server_context_new(&c, path, good.key, reason), ERR_TLS);
    tls_context_free(NULL);
    tls_engine_free(NULL);
    tls_session_cache_free(NULL);
}

static void test_ca_is_shared(void **state) {
    struct tls_ca *a, *b, *c;
    char reason[TLS_REASON_MAX], path[128];
    (void)state;
    snprintf(path, sizeof(path), "%s/bundle.pem", certs.dir);
    certs_write(&certs, path, "CN=One", &certs.ca_key, "CN=One", &certs.ca_key, NULL, -1, 9);
    assert_int_equal(tls_ca_acquire(&a, path, reason), 0);
    assert_int_equal(tls_ca_acquire(&b, path, reason), 0);
    assert_ptr_equal(a, b);
    unlink(path); /* replaced: a new one */
    certs_write(&certs, path, "CN=Two!", &certs.ca_key, "CN=Two!", &certs.ca_key, NULL, -1, 9);
    assert_int_equal(tls_ca_acquire(&c, path, reason), 0);
    assert_ptr_not_equal(a, c);
    tls_ca_release(a);
    tls_ca_release(b);
    tls_ca_release(c);
    tls_ca_release(NULL);
}

static void test_system_bundle(void **state) {
    struct tls_context *c;
    char reason[TLS_REASON_MAX];
    (void)state;
    if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) != 0) {
        print_message("skipped: no system CA bundle here\n");
        skip();
    }
    assert_int_equal(tls_client_context_new(&c, NULL, reason), 0);
    tls_context_free(c);
}

static void test_random(void **state) {
    unsigned char a[32] = {0}, b[32] = {0};
    (void)state;
    assert_int_equal(tls_random(a, sizeof(a)), 0);
    assert_int_equal(tls_random(b, sizeof(b)), 0);
    assert_memory_not_equal(a, b, sizeof(a));
}

static int setup(void **state) {
    char reason[TLS_REASON_MAX];
    (void)state;
    tls_global_init();
    certs_init(&certs);
    good = certs_leaf(&certs, "good", "localhost", CERT_EC, -1, 30, 0);
    other = certs_leaf(&certs, "other", "localhost", CERT_EC, -1, 30, 0);
    assert_int_equal(tls_client_context_new(&client_context, certs.ca, reason), 0);
    assert_int_equal(
        tls_server_context_new(&server_context, good.certificate, good.key, reason), 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tls_context_free(client_context);
    tls_context_free(server_context);
    certs_fini(&certs);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_is_negotiated),
        cmocka_unit_test(test_rsa_certificate),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_write_after_peers_close_notify),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_resumption),
        cmocka_unit_test(test_failed_offer_is_dropped),
        cmocka_unit_test(test_cache_is_bounded),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_name_no_engine),
        cmocka_unit_test(test_damaged_record),
#if !COMPAT_MBEDTLS_3
        cmocka_unit_test(test_data_behind_a_warning),
        cmocka_unit_test(test_renegotiation_without_end),
#endif
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_truncated_handshake),
        cmocka_unit_test(test_bent_handshake),
        cmocka_unit_test(test_contexts_that_fail),
        cmocka_unit_test(test_ca_is_shared),
        cmocka_unit_test(test_system_bundle),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
