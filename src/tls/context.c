#include "tls/context_impl.h"

#include "base/error.h"
#include "tls/names.h"
#include "tls/pem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define DEFAULT_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

/* Forward secrecy and AEAD only; AES first, as the CPU has instructions for it. */
static const int suites[] = {
    COMPAT_SUITES_13 /* with 2.28: none */
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    0,
};

static const mbedtls_x509_crt_profile profile = {
    .allowed_mds = MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) |
                   MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) |
                   MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512),
    .allowed_pks = 0xFFFFFFF,
    .allowed_curves = MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1) |
                      MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP384R1) |
                      MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP521R1),
    .rsa_min_bitlen = 2048,
};

void tls_global_init(void) {
    compat_global_init();
}

int tls_random(void *out, size_t len) {
    char *at = out;
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0) {
            return ERR_TLS;
        }
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

static int context_new(struct tls_context **out, int endpoint, char reason[TLS_REASON_MAX]) {
    static atomic_uint_fast64_t ids;
    reason[0] = '\0';
    struct tls_context *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return ERR_NOMEM;
    }
    c->id = ++ids;
    c->is_server = endpoint == MBEDTLS_SSL_IS_SERVER;
    mbedtls_ssl_config_init(&c->conf);
    c->references = 1;
    int error = tls_drbg_init(&c->random, reason);
    if (error != 0) {
        free(c);
        return error;
    }
    int rc = mbedtls_ssl_config_defaults(&c->conf, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM,
                                         MBEDTLS_SSL_PRESET_DEFAULT);
    if (rc != 0) {
        snprintf(reason, TLS_REASON_MAX, "mbedTLS has no default configuration: -0x%04x",
                 (unsigned)-rc);
        tls_context_free(c);
        return ERR_TLS;
    }
    compat_conf_policy(&c->conf);
    mbedtls_ssl_conf_rng(&c->conf, mbedtls_ctr_drbg_random, &c->random.drbg);
    mbedtls_ssl_conf_ciphersuites(&c->conf, suites);
    mbedtls_ssl_conf_cert_profile(&c->conf, &profile);
#if defined(MBEDTLS_SSL_RENEGOTIATION)
    mbedtls_ssl_conf_renegotiation(&c->conf, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
    *out = c;
    return 0;
}

static void identity_free(struct tls_identity *i) {
    mbedtls_x509_crt_free(&i->certificate);
    mbedtls_pk_free(&i->key);
    tls_tickets_release(i->tickets);
    free(i);
}

void tls_context_free(struct tls_context *c) {
    if (c == NULL || --c->references > 0) {
        return;
    }
    mbedtls_ssl_config_free(&c->conf);
    for (struct tls_identity *i = c->identities, *next; i != NULL; i = next) {
        next = i->next;
        identity_free(i);
    }
    tls_drbg_fini(&c->random);
    tls_ca_release(c->ca);
    free(c);
}

int tls_client_context_new(struct tls_context **out, const char *ca_file,
                           char reason[TLS_REASON_MAX]) {
    struct tls_context *c;
    int error = context_new(&c, MBEDTLS_SSL_IS_CLIENT, reason);
    if (error != 0) {
        return error;
    }
    error = tls_ca_acquire(&c->ca, ca_file ? ca_file : DEFAULT_CA_FILE, reason);
    if (error != 0) {
        tls_context_free(c);
        return error;
    }
    mbedtls_ssl_conf_ca_chain(&c->conf, tls_ca_chain(c->ca), NULL);
    mbedtls_ssl_conf_authmode(&c->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_session_tickets(&c->conf, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
    *out = c;
    return 0;
}

/* ---- servers ---- */

static int write_ticket(void *arg, const mbedtls_ssl_session *session, unsigned char *start,
                        const unsigned char *end, size_t *len, uint32_t *lifetime) {
    struct tls_context *c = arg;
    return mbedtls_ssl_ticket_write(tls_tickets_context((*c->chosen)->tickets), session, start,
                                    end, len, lifetime);
}

static int parse_ticket(void *arg, mbedtls_ssl_session *session, unsigned char *ticket,
                        size_t len) {
    struct tls_context *c = arg;
    int rc = mbedtls_ssl_ticket_parse(tls_tickets_context((*c->chosen)->tickets), session,
                                      ticket, len);
    c->ticket_taken = rc == 0;
    return rc;
}

/* A name nobody has gets the default certificate, and the client decides. */
static int on_server_name(void *arg, mbedtls_ssl_context *ssl, const unsigned char *name,
                          size_t len) {
    struct tls_context *c = arg;
    for (struct tls_identity *i = c->identities; i != NULL; i = i->next) {
        if (tls_certificate_is_for(&i->certificate, slice_of((const char *)name, len))) {
            *c->chosen = i;
            return mbedtls_ssl_set_hs_own_cert(ssl, &i->certificate, &i->key);
        }
    }
    return 0;
}

static int load_identity(struct tls_context *c, struct tls_identity *i,
                         const char *certificate_file, const char *key_file,
                         char reason[TLS_REASON_MAX]) {
    int error = pem_read_chain(&i->certificate, certificate_file, reason);
    if (error == 0) {
        error = pem_read_key(&i->key, key_file, &c->random.drbg, reason);
    }
    if (error != 0) {
        return error;
    }
    if (compat_check_pair(&i->certificate.pk, &i->key, &c->random.drbg) != 0) {
        snprintf(reason, TLS_REASON_MAX, "the private key does not belong to the certificate");
        return ERR_TLS;
    }
    return tls_tickets_acquire(&i->tickets, certificate_file, reason);
}

static void append_identity(struct tls_context *c, struct tls_identity *i) {
    struct tls_identity **last = &c->identities;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = i;
}

int tls_server_context_add(struct tls_context *c, const char *certificate_file,
                           const char *key_file, char reason[TLS_REASON_MAX]) {
    struct tls_identity *i = calloc(1, sizeof(*i));
    if (i == NULL) {
        return ERR_NOMEM;
    }
    mbedtls_x509_crt_init(&i->certificate);
    mbedtls_pk_init(&i->key);
    int error = load_identity(c, i, certificate_file, key_file, reason);
    if (error != 0) {
        identity_free(i);
        return error;
    }
    append_identity(c, i);
    return 0;
}

int tls_server_context_new(struct tls_context **out, const char *certificate_file,
                           const char *key_file, char reason[TLS_REASON_MAX]) {
    struct tls_context *c;
    int error = context_new(&c, MBEDTLS_SSL_IS_SERVER, reason);
    if (error != 0) {
        return error;
    }
    error = tls_server_context_add(c, certificate_file, key_file, reason);
    if (error == 0 && mbedtls_ssl_conf_own_cert(&c->conf, &c->identities->certificate,
                                                &c->identities->key) != 0) {
        snprintf(reason, TLS_REASON_MAX, "certificate: %.128s: cannot be used",
                 certificate_file);
        error = ERR_TLS;
    }
    if (error != 0) {
        tls_context_free(c);
        return error;
    }
    mbedtls_ssl_conf_sni(&c->conf, on_server_name, c);
    mbedtls_ssl_conf_session_tickets_cb(&c->conf, write_ticket, parse_ticket, c);
    *out = c;
    return 0;
}
