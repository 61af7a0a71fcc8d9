/* Workers make and free contexts at the same time, share the parsed CA bundle and the ticket
 * keys, and shake hands. Worth most under ThreadSanitizer (our side) and helgrind (mbedTLS's).
 */
#include "base/error.h"
#include "tls/engine.h"
#include "tls/session_cache.h"
#include "unit/tls/certs.h"

#include <pthread.h>

enum { THREADS = 4, ROUNDS = 8 };

static struct certs certs;
static struct leaf ec, rsa;

static int failed(const char *what) {
    fprintf(stderr, "%s\n", what);
    return 1;
}

/* Moves what one side has for the other; no cmocka in here, it is not thread-safe. */
static int shake(struct tls_engine *client, struct tls_engine *server) {
    struct buffer to_server = {0}, to_client = {0};
    int c = ERR_AGAIN, s = ERR_AGAIN, error = 0;
    tls_engine_set_output(client, &to_server);
    tls_engine_set_output(server, &to_client);
    for (int i = 0; i < 10 && (c == ERR_AGAIN || s == ERR_AGAIN) && !error; i++) {
        error = tls_engine_feed(client, buffer_begin(&to_client), to_client.len);
        c = c == ERR_AGAIN ? tls_engine_handshake(client) : c;
        to_client.len = 0;
        error =
            error ? error : tls_engine_feed(server, buffer_begin(&to_server), to_server.len);
        s = s == ERR_AGAIN ? tls_engine_handshake(server) : s;
        to_server.len = 0;
    }
    buffer_fini(&to_server);
    buffer_fini(&to_client);
    return c || s ? failed(tls_engine_reason(c ? client : server)) : 0;
}

static int round_of(const struct leaf *leaf, int *resumed) {
    struct tls_context *client = NULL, *server = NULL;
    char reason[TLS_REASON_MAX];
    int error = 0;
    if (tls_client_context_new(&client, certs.ca, reason) ||
        tls_server_context_new(&server, leaf->certificate, leaf->key, reason)) {
        tls_context_free(client);
        return failed(reason);
    }
    struct tls_session_cache *sessions = tls_session_cache_new(4);
    for (int i = 0; i < 3 && !error; i++) {
        struct tls_engine *c, *s;
        if (tls_engine_new(&c, client, "localhost", sessions, SLICE("peer")) ||
            tls_engine_new(&s, server, NULL, NULL, SLICE_EMPTY)) {
            abort();
        }
        error = shake(c, s);
        *resumed += tls_engine_resumed(c);
        tls_engine_free(c);
        tls_engine_free(s);
    }
    tls_session_cache_free(sessions);
    tls_context_free(client);
    tls_context_free(server);
    return error;
}

static void *on_thread(void *arg) {
    int *errors = arg, resumed = 0;
    for (int i = 0; i < ROUNDS; i++) {
        *errors += round_of(i % 2 ? &ec : &rsa, &resumed);
    }
    *errors += resumed != ROUNDS * 2;
    return NULL;
}

static void test_threads(void **state) {
    pthread_t threads[THREADS];
    int errors[THREADS] = {0};
    (void)state;
    tls_global_init();
    certs_init(&certs);
    ec = certs_leaf(&certs, "ec", "localhost", CERT_EC, -1, 30, 0);
    rsa = certs_leaf(&certs, "rsa", "localhost", CERT_RSA, -1, 30, 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, on_thread, &errors[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(errors[i], 0);
    }
    certs_fini(&certs);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
