/* mbedTLS 2.28 and 3.x seen alike: the one place that knows the difference. Everything the
 * other files of tls/ include of mbedTLS comes through here. The 3.x side is UNTESTED: it was
 * written from the 3.6 migration guide and headers and has never been compiled. */
#ifndef TLS_COMPAT_H
#define TLS_COMPAT_H

#include <mbedtls/version.h>

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#define COMPAT_MBEDTLS_3 1
#else
#define COMPAT_MBEDTLS_3 0
#endif

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crt.h>

/* Whether mbedTLS locks what it shares (CA chain, ticket keys): else every context has its own.
 */
#if defined(MBEDTLS_THREADING_C)
#define COMPAT_MAY_SHARE 1
#else
#define COMPAT_MAY_SHARE 0
#endif

/* Appended to "name mismatch" when the expected name is an IP address. */
#if COMPAT_MBEDTLS_3
#define COMPAT_IP_NAME_NOTE ""
#else
#define COMPAT_IP_NAME_NOTE " (this mbedTLS matches DNS names only, not IP addresses)"
#endif

#if COMPAT_MBEDTLS_3
#define COMPAT_ERR_VERSION   MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION
#define COMPAT_ERR_NO_CIPHER MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE
#else
#define COMPAT_ERR_VERSION   MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION
#define COMPAT_ERR_NO_CIPHER MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN
#endif

/* TLS 1.3 suites, to stand before the others. */
#if COMPAT_MBEDTLS_3 && defined(MBEDTLS_TLS1_3_AES_128_GCM_SHA256)
#define COMPAT_SUITES_13                                                                       \
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256, MBEDTLS_TLS1_3_AES_256_GCM_SHA384,                      \
        MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
#else
#define COMPAT_SUITES_13
#endif

/* Does once, before any thread exists, what mbedTLS does at a first call without a lock:
 * detects the CPU's features (CVE-2025-52496), fills its tables; starts PSA. What helgrind
 * still reports with 2.28 are counters of its self-test. */
void compat_global_init(void);
/* Versions, groups and signature hashes of the policy in context.h. */
void compat_conf_policy(mbedtls_ssl_config *conf);
int compat_parse_key(mbedtls_pk_context *key, const unsigned char *bytes, size_t len,
                     mbedtls_ctr_drbg_context *drbg);
int compat_check_pair(const mbedtls_pk_context *public_key, const mbedtls_pk_context *key,
                      mbedtls_ctr_drbg_context *drbg);
/* The description of the fatal alert that was just received, or -1 when it is not known. */
int compat_fatal_alert(const mbedtls_ssl_context *ssl);
/* Is this result of mbedtls_ssl_read a session ticket and not an error (TLS 1.3)? */
int compat_is_new_ticket(int result);

#endif
