/* Certificates made at test time, in a directory of its own under /tmp: a CA, and leaves signed
 * by it or by themselves. Nothing here outlives the test. */
#ifndef TEST_TLS_CERTS_H
#define TEST_TLS_CERTS_H

#include <mbedtls/asn1.h>
#include <mbedtls/bignum.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <mbedtls/x509_crt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants <setjmp.h> and its kind first */
#include <cmocka.h>

enum cert_key { CERT_EC, CERT_RSA };

struct certs {
    char dir[64];
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context drbg;
    mbedtls_pk_context ca_key;
    char ca[96]; /* the CA's certificate, a PEM file */
    int serial;
};

struct leaf {
    char certificate[96]; /* PEM files */
    char key[96];
};

static inline void certs_write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static inline void certs_make_key(struct certs *c, mbedtls_pk_context *key,
                                  enum cert_key kind) {
    mbedtls_pk_init(key);
    if (kind == CERT_RSA) {
        assert_int_equal(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)), 0);
        assert_int_equal(mbedtls_rsa_gen_key(mbedtls_pk_rsa(*key), mbedtls_ctr_drbg_random,
                                             &c->drbg, 2048, 65537),
                         0);
    } else {
        assert_int_equal(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
        assert_int_equal(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key),
                                             mbedtls_ctr_drbg_random, &c->drbg),
                         0);
    }
}

static inline void certs_date(char out[16], int days_from_now) {
    time_t at = time(NULL) + (time_t)days_from_now * 86400;
    struct tm tm;
    gmtime_r(&at, &tm);
    assert_int_equal(strftime(out, 16, "%Y%m%d%H%M%S", &tm), 14);
}

/* subjectAltName with one DNS name or, when ip is not NULL, one IPv4 address. */
static inline void certs_set_san(mbedtls_x509write_cert *w, const char *dns,
                                 const unsigned char *ip) {
    unsigned char der[260];
    size_t len = ip ? 4 : strlen(dns);
    assert_true(len < 120);
    der[0] = 0x30; /* SEQUENCE of GeneralName */
    der[1] = (unsigned char)(len + 2);
    der[2] = ip ? 0x87 : 0x82; /* [7] iPAddress, [2] dNSName */
    der[3] = (unsigned char)len;
    memcpy(der + 4, ip ? (const char *)ip : dns, len);
    assert_int_equal(mbedtls_x509write_crt_set_extension(
                         w, MBEDTLS_OID_SUBJECT_ALT_NAME,
                         MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, der, len + 4),
                     0);
}

static inline void certs_write(struct certs *c, const char *path, const char *subject,
                               mbedtls_pk_context *key, const char *issuer,
                               mbedtls_pk_context *issuer_key, const char *dns, int from_days,
                               int to_days) {
    static const unsigned char loopback[4] = {127, 0, 0, 1};
    mbedtls_x509write_cert w;
    mbedtls_mpi serial;
    unsigned char pem[4096];
    char from[16], to[16];
    mbedtls_x509write_crt_init(&w);
    mbedtls_mpi_init(&serial);
    assert_int_equal(mbedtls_mpi_lset(&serial, ++c->serial), 0);
    certs_date(from, from_days);
    certs_date(to, to_days);
    mbedtls_x509write_crt_set_version(&w, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&w, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&w, key);
    mbedtls_x509write_crt_set_issuer_key(&w, issuer_key);
    assert_int_equal(mbedtls_x509write_crt_set_subject_name(&w, subject), 0);
    assert_int_equal(mbedtls_x509write_crt_set_issuer_name(&w, issuer), 0);
    assert_int_equal(mbedtls_x509write_crt_set_serial(&w, &serial), 0);
    assert_int_equal(mbedtls_x509write_crt_set_validity(&w, from, to), 0);
    assert_int_equal(mbedtls_x509write_crt_set_basic_constraints(&w, dns == NULL, -1), 0);
    if (dns != NULL) {
        certs_set_san(&w, dns, strcmp(dns, "127.0.0.1") == 0 ? loopback : NULL);
    }
    assert_int_equal(
        mbedtls_x509write_crt_pem(&w, pem, sizeof(pem), mbedtls_ctr_drbg_random, &c->drbg), 0);
    certs_write_file(path, (const char *)pem);
    mbedtls_mpi_free(&serial);
    mbedtls_x509write_crt_free(&w);
}

static inline void certs_write_key(const char *path, mbedtls_pk_context *key) {
    unsigned char pem[4096];
    assert_int_equal(mbedtls_pk_write_key_pem(key, pem, sizeof(pem)), 0);
    certs_write_file(path, (const char *)pem);
}

static inline void certs_init(struct certs *c) {
    memset(c, 0, sizeof(*c));
    snprintf(c->dir, sizeof(c->dir), "/tmp/penstock-certs-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    mbedtls_entropy_init(&c->entropy);
    mbedtls_ctr_drbg_init(&c->drbg);
    assert_int_equal(
        mbedtls_ctr_drbg_seed(&c->drbg, mbedtls_entropy_func, &c->entropy, NULL, 0), 0);
    certs_make_key(c, &c->ca_key, CERT_EC);
    snprintf(c->ca, sizeof(c->ca), "%s/ca.pem", c->dir);
    certs_write(c, c->ca, "CN=Test CA", &c->ca_key, "CN=Test CA", &c->ca_key, NULL, -1, 365);
}

/* A leaf named `dns`, valid between the two days from today, signed by the CA, or by itself. */
static inline struct leaf certs_leaf(struct certs *c, const char *name, const char *dns,
                                     enum cert_key kind, int from_days, int to_days,
                                     int self_signed) {
    struct leaf leaf;
    mbedtls_pk_context key;
    char subject[160];
    certs_make_key(c, &key, kind);
    snprintf(leaf.certificate, sizeof(leaf.certificate), "%s/%s.pem", c->dir, name);
    snprintf(leaf.key, sizeof(leaf.key), "%s/%s.key", c->dir, name);
    snprintf(subject, sizeof(subject), "CN=%s", dns);
    certs_write(c, leaf.certificate, subject, &key, self_signed ? subject : "CN=Test CA",
                self_signed ? &key : &c->ca_key, dns, from_days, to_days);
    certs_write_key(leaf.key, &key);
    mbedtls_pk_free(&key);
    return leaf;
}

static inline void certs_fini(struct certs *c) {
    char command[128];
    mbedtls_pk_free(&c->ca_key);
    mbedtls_ctr_drbg_free(&c->drbg);
    mbedtls_entropy_free(&c->entropy);
    snprintf(command, sizeof(command), "rm -rf '%s'", c->dir);
    assert_int_equal(system(command), 0);
}

#endif
