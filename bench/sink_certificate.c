#include "sink_certificate.h"

#include "base/clock.h"
#include "base/error.h"
#include "tls/context.h"

#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NAME    "CN=localhost"
#define DAYS    30u
#define PEM_MAX 4096u

/* GeneralNames (RFC 5280 section 4.2.1.6): mbedTLS 2.28 cannot write them from a list. */
static const unsigned char alternative_names[] = {
    0x30, 35,                                              /* SEQUENCE */
    0x82, 9,  'l', 'o', 'c', 'a', 'l', 'h', 'o', 's', 't', /* dNSName */
    0x87, 4,  127, 0,   0,   1,                            /* iPAddress */
    0x87, 16, 0,   0,   0,   0,   0,   0,   0,   0,   0,   0, 0, 0, 0, 0, 0, 1,
};
/* SEQUENCE { id-kp-serverAuth } */
static const unsigned char server_auth[] = {0x30, 10,   0x06, 8,    0x2b, 0x06,
                                            0x01, 0x05, 0x05, 0x07, 0x03, 0x01};

static int on_random(void *unused, unsigned char *out, size_t len) {
    (void)unused;
    return tls_random(out, len) ? MBEDTLS_ERR_ECP_RANDOM_FAILED : 0;
}

static int make_key(mbedtls_pk_context *key) {
    int rc = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    return rc ? rc
              : mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), on_random,
                                    NULL);
}

static int set_serial(mbedtls_x509write_cert *cert) {
    unsigned char serial[16];
    int rc = on_random(NULL, serial, sizeof serial);
    serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and of full length */
    if (rc) {
        return rc;
    }
#if MBEDTLS_VERSION_NUMBER >= 0x03040000
    return mbedtls_x509write_crt_set_serial_raw(cert, serial, sizeof serial);
#else
    mbedtls_mpi number;
    mbedtls_mpi_init(&number);
    rc = mbedtls_mpi_read_binary(&number, serial, sizeof serial);
    if (!rc) {
        rc = mbedtls_x509write_crt_set_serial(cert, &number);
    }
    mbedtls_mpi_free(&number);
    return rc;
#endif
}

/* From yesterday on, for clocks that differ. */
static int set_validity(mbedtls_x509write_cert *cert, uint64_t now_s) {
    char from[17], to[17], day[9];
    clock_format_amz(now_s - 86400, from, day);
    clock_format_amz(now_s + DAYS * 86400ull, to, day);
    memmove(from + 8, from + 9, 7); /* without the T */
    memmove(to + 8, to + 9, 7);
    from[14] = to[14] = '\0';
    return mbedtls_x509write_crt_set_validity(cert, from, to);
}

static int set_extensions(mbedtls_x509write_cert *cert) {
    int rc = mbedtls_x509write_crt_set_basic_constraints(cert, 0, -1);
    if (!rc) {
        rc = mbedtls_x509write_crt_set_key_usage(cert, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
    }
    if (!rc) {
        rc = mbedtls_x509write_crt_set_subject_key_identifier(cert);
    }
    if (!rc) {
        rc = mbedtls_x509write_crt_set_extension(
            cert, MBEDTLS_OID_EXTENDED_KEY_USAGE,
            MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0, server_auth,
            sizeof server_auth);
    }
    if (!rc) {
        rc = mbedtls_x509write_crt_set_extension(
            cert, MBEDTLS_OID_SUBJECT_ALT_NAME, MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME),
            0, alternative_names, sizeof alternative_names);
    }
    return rc;
}

static int make_certificate(mbedtls_pk_context *key, uint64_t now_s, char pem[PEM_MAX]) {
    mbedtls_x509write_cert cert;
    mbedtls_x509write_crt_init(&cert);
    mbedtls_x509write_crt_set_version(&cert, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&cert, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&cert, key);
    mbedtls_x509write_crt_set_issuer_key(&cert, key);
    int rc = mbedtls_x509write_crt_set_subject_name(&cert, NAME);
    if (!rc) {
        rc = mbedtls_x509write_crt_set_issuer_name(&cert, NAME);
    }
    if (!rc) {
        rc = set_serial(&cert);
    }
    if (!rc) {
        rc = set_validity(&cert, now_s);
    }
    if (!rc) {
        rc = set_extensions(&cert);
    }
    if (!rc) {
        rc = mbedtls_x509write_crt_pem(&cert, (unsigned char *)pem, PEM_MAX, on_random, NULL);
    }
    mbedtls_x509write_crt_free(&cert);
    return rc;
}

static int write_pem(int fd, const char *pem) {
    size_t len = strlen(pem);
    return write(fd, pem, len) == (ssize_t)len ? 0 : ERR_IO;
}

/* A file in memory: the private key never touches a disk. */
static int hold(const char *name, const char *pem, char path[SINK_PATH_MAX], int *fd) {
    *fd = memfd_create(name, MFD_CLOEXEC);
    if (*fd < 0) {
        return ERR_IO;
    }
    snprintf(path, SINK_PATH_MAX, "/proc/self/fd/%d", *fd);
    return write_pem(*fd, pem);
}

static int publish(const char *path, const char *pem) {
    FILE *file = fopen(path, "w");
    if (!file) {
        return ERR_IO;
    }
    int failed = fputs(pem, file) < 0;
    failed |= fclose(file) != 0;
    return failed ? ERR_IO : 0;
}

int sink_certificate_make(struct sink_certificate *c, uint64_t now_s, const char *out) {
    mbedtls_pk_context key;
    char certificate_pem[PEM_MAX], key_pem[PEM_MAX];
    c->certificate_fd = c->key_fd = -1;
    mbedtls_pk_init(&key);
    int rc = make_key(&key);
    if (!rc) {
        rc = make_certificate(&key, now_s, certificate_pem);
    }
    if (!rc) {
        rc = mbedtls_pk_write_key_pem(&key, (unsigned char *)key_pem, sizeof key_pem);
    }
    mbedtls_pk_free(&key);
    int error = rc ? ERR_TLS : 0;
    if (!error) {
        error = hold("certificate", certificate_pem, c->certificate, &c->certificate_fd);
    }
    if (!error) {
        error = hold("key", key_pem, c->key, &c->key_fd);
    }
    if (!error && out) {
        error = publish(out, certificate_pem);
    }
    explicit_bzero(key_pem, sizeof key_pem);
    return error;
}

void sink_certificate_fini(struct sink_certificate *c) {
    if (c->certificate_fd >= 0) {
        close(c->certificate_fd);
    }
    if (c->key_fd >= 0) {
        close(c->key_fd);
    }
    c->certificate_fd = c->key_fd = -1;
}
