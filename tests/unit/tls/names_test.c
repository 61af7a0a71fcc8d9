/* Names of certificates, and the certificate a client's name chooses. */
#include "tls/names.h"

#include "base/buffer.h"
#include "base/error.h"
#include "tls/engine.h"
#include "tls/session_cache.h"
#include "unit/tls/certs.h"

static struct certs certs;

static void test_name_matches(void **state) {
    static const struct {
        const char *pattern, *host;
        int matches;
    } cases[] = {
        {"a.example", "a.example", 1},
        {"a.example", "A.Example", 1},
        {"a.example", "b.example", 0},
        {"a.example", "x.a.example", 0},
        {"*.example", "a.example", 1},
        {"*.example", "A.EXAMPLE", 1},
        {"*.example", "a.b.example", 0}, /* one label */
        {"*.example", "example", 0},
        {"*.example", ".example", 0},
        {"*.a.example", "b.a.example", 1},
        {"w*.example", "www.example", 0}, /* a whole label or none */
        {"a.*.example", "a.b.example", 0},
        {"*", "example", 0},
        {"*.", "example.", 0},
        {"", "", 0},
        {"a.example", "a.example.", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (tls_name_matches(slice_cstr(cases[i].pattern), slice_cstr(cases[i].host)) !=
            cases[i].matches) {
            fail_msg("%s, %s: expected %d", cases[i].pattern, cases[i].host, cases[i].matches);
        }
    }
}

static int is_for(const char *file, const char *host) {
    mbedtls_x509_crt crt;
    mbedtls_x509_crt_init(&crt);
    assert_int_equal(mbedtls_x509_crt_parse_file(&crt, file), 0);
    int found = tls_certificate_is_for(&crt, slice_cstr(host));
    mbedtls_x509_crt_free(&crt);
    return found;
}

static void test_certificate_is_for(void **state) {
    (void)state;
    struct leaf wild = certs_leaf(&certs, "wild", "*.example", CERT_EC, -1, 30, 0);
    assert_true(is_for(wild.certificate, "a.example"));
    assert_false(is_for(wild.certificate, "example"));
    /* An address among the alternative names is no DNS name: the common name speaks. */
    struct leaf address = certs_leaf(&certs, "address", "127.0.0.1", CERT_EC, -1, 30, 0);
    assert_true(is_for(address.certificate, "127.0.0.1"));
    assert_true(is_for(certs.ca, "test ca"));
}

/* ---- two certificates on one context ---- */

struct session {
    struct tls_engine *client, *server;
    struct buffer up, down;
};

static int step(struct tls_engine *e, struct buffer *from) {
    struct buffer in = *from;
    memset(from, 0, sizeof *from);
    int error = tls_engine_feed(e, buffer_begin(&in), in.len);
    error = error ? error : tls_engine_handshake(e);
    int held = tls_engine_hold(e);
    assert_int_equal(held, 0);
    buffer_fini(&in);
    return error;
}

/* The client verifies the name, so that it is done only with the right certificate. */
static void connect_as(struct tls_context *client, struct tls_context *server, const char *name,
                       struct tls_session_cache *sessions, int expected, int resumed) {
    struct session s = {0};
    assert_int_equal(tls_engine_new(&s.client, client, name, sessions, SLICE("peer")), 0);
    assert_int_equal(tls_engine_new(&s.server, server, NULL, NULL, SLICE_EMPTY), 0);
    tls_engine_set_output(s.client, &s.up);
    tls_engine_set_output(s.server, &s.down);
    int client_says = tls_engine_handshake(s.client), server_says = ERR_AGAIN;
    while (s.up.len > 0 || s.down.len > 0) {
        if (s.up.len > 0) {
            server_says = step(s.server, &s.up);
        }
        if (s.down.len > 0) {
            client_says = step(s.client, &s.down);
        }
    }
    assert_int_equal(client_says, expected);
    if (expected == 0) {
        assert_int_equal(server_says, 0);
        assert_int_equal(tls_engine_resumed(s.client), resumed);
    }
    tls_engine_free(s.client);
    tls_engine_free(s.server);
    buffer_fini(&s.up);
    buffer_fini(&s.down);
}

static void test_the_name_chooses(void **state) {
    char reason[TLS_REASON_MAX];
    struct tls_context *server, *client;
    (void)state;
    struct leaf a = certs_leaf(&certs, "a", "a.example", CERT_EC, -1, 30, 0);
    struct leaf b = certs_leaf(&certs, "b", "b.example", CERT_RSA, -1, 30, 0);
    struct leaf wild = certs_leaf(&certs, "w", "*.example", CERT_EC, -1, 30, 0);
    assert_int_equal(tls_server_context_new(&server, a.certificate, a.key, reason), 0);
    assert_int_equal(tls_server_context_add(server, b.certificate, a.key, reason), ERR_TLS);
    assert_non_null(strstr(reason, "does not belong"));
    assert_int_equal(tls_server_context_add(server, b.certificate, b.key, reason), 0);
    assert_int_equal(tls_server_context_add(server, wild.certificate, wild.key, reason), 0);
    assert_int_equal(tls_client_context_new(&client, certs.ca, reason), 0);
    connect_as(client, server, "a.example", NULL, 0, 0);
    connect_as(client, server, "b.example", NULL, 0, 0);
    connect_as(client, server, "c.example", NULL, 0, 0);
    /* The default certificate is not for this name: the client refuses. */
    connect_as(client, server, "elsewhere.test", NULL, ERR_TLS_VERIFY, 0);
    tls_context_free(client);
    tls_context_free(server);
}

/* A reload makes a new context while engines of the old one live on; tickets of a certificate
 * file are taken by the new one, those of another certificate are not. */
static void test_replaced_while_in_use(void **state) {
    char reason[TLS_REASON_MAX];
    struct tls_context *old, *fresh, *client;
    struct tls_engine *engine;
    struct buffer out = {0};
    (void)state;
    struct leaf a = certs_leaf(&certs, "ra", "a.example", CERT_EC, -1, 30, 0);
    struct leaf b = certs_leaf(&certs, "rb", "b.example", CERT_EC, -1, 30, 0);
    struct tls_session_cache *sessions = tls_session_cache_new(4);
    assert_int_equal(tls_client_context_new(&client, certs.ca, reason), 0);
    assert_int_equal(tls_server_context_new(&old, a.certificate, a.key, reason), 0);
    assert_int_equal(tls_server_context_add(old, b.certificate, b.key, reason), 0);
    assert_int_equal(tls_engine_new(&engine, old, NULL, NULL, SLICE_EMPTY), 0);
    tls_engine_set_output(engine, &out);
    connect_as(client, old, "b.example", sessions, 0, 0);
    connect_as(client, old, "b.example", sessions, 0, 1);

    assert_int_equal(tls_server_context_new(&fresh, b.certificate, b.key, reason), 0);
    tls_context_free(old);
    assert_int_equal(tls_engine_handshake(engine), ERR_AGAIN); /* still has its context */
    tls_engine_free(engine);
    connect_as(client, fresh, "b.example", sessions, 0, 1);
    tls_context_free(fresh);
    tls_context_free(client);
    tls_session_cache_free(sessions);
    buffer_fini(&out);
}

static int setup(void **state) {
    (void)state;
    tls_global_init();
    certs_init(&certs);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    certs_fini(&certs);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_matches),
        cmocka_unit_test(test_certificate_is_for),
        cmocka_unit_test(test_the_name_chooses),
        cmocka_unit_test(test_replaced_while_in_use),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
