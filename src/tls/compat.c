#include "tls/compat.h"

#include "tls/gcm.h"

#include <string.h>

#if COMPAT_MBEDTLS_3
#include <psa/crypto.h>
#else
#include <mbedtls/aesni.h>
#endif

void compat_global_init(void) {
    static const unsigned char zeros[32];
    unsigned char out[16], tag[16];
    mbedtls_gcm_context gcm;
#if COMPAT_MBEDTLS_3
    (void)psa_crypto_init(); /* UNTESTED */
#elif defined(MBEDTLS_AESNI_C) && defined(MBEDTLS_HAVE_X86_64)
    (void)mbedtls_aesni_has_support(MBEDTLS_AESNI_AES);
    (void)mbedtls_aesni_has_support(MBEDTLS_AESNI_CLMUL);
#endif
    gcm_init();
    /* One operation of the cipher fills every static table behind it. */
    mbedtls_gcm_init(&gcm);
    if (mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, zeros, 128) == 0) {
        (void)mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, sizeof(out), zeros, 12, NULL,
                                        0, zeros, out, sizeof(tag), tag);
    }
    mbedtls_gcm_free(&gcm);
    /* The defaults build the lists of suites and curves at the first call, without a lock. */
    mbedtls_ssl_config conf;
    mbedtls_ssl_config_init(&conf);
    (void)mbedtls_ssl_config_defaults(&conf, MBEDTLS_SSL_IS_CLIENT,
                                      MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    mbedtls_ssl_config_free(&conf);
}

#if COMPAT_MBEDTLS_3 /* UNTESTED, all of it */

void compat_conf_policy(mbedtls_ssl_config *conf) {
    static const uint16_t groups[] = {
        MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
        MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
    static const uint16_t algorithms[] = {MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256,
                                          MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,
                                          MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,
                                          MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
                                          MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,
                                          MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,
                                          MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,
                                          MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,
                                          MBEDTLS_TLS1_3_SIG_NONE};
    mbedtls_ssl_conf_min_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
#if !COMPAT_MAY_SHARE
    /* TLS 1.3 works on PSA's global state, which only MBEDTLS_THREADING_C protects. */
    mbedtls_ssl_conf_max_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
#elif defined(MBEDTLS_SSL_PROTO_TLS1_3) && MBEDTLS_VERSION_NUMBER >= 0x03060100
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        conf, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
#endif
    mbedtls_ssl_conf_groups(conf, groups);
    mbedtls_ssl_conf_sig_algs(conf, algorithms);
}

int compat_parse_key(mbedtls_pk_context *key, const unsigned char *bytes, size_t len,
                     mbedtls_ctr_drbg_context *drbg) {
    return mbedtls_pk_parse_key(key, bytes, len, NULL, 0, mbedtls_ctr_drbg_random, drbg);
}

int compat_check_pair(const mbedtls_pk_context *public_key, const mbedtls_pk_context *key,
                      mbedtls_ctr_drbg_context *drbg) {
    return mbedtls_pk_check_pair(public_key, key, mbedtls_ctr_drbg_random, drbg);
}

int compat_fatal_alert(const mbedtls_ssl_context *ssl) {
    (void)ssl; /* 3.x shows it to nobody */
    return -1;
}

int compat_is_new_ticket(int result) {
#if defined(MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
    return result == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
#else
    (void)result;
    return 0;
#endif
}

#else /* 2.28 */

void compat_conf_policy(mbedtls_ssl_config *conf) {
    static const mbedtls_ecp_group_id curves[] = {
        MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_ECP_DP_SECP384R1,
        MBEDTLS_ECP_DP_NONE};
    static const int hashes[] = {MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA512,
                                 MBEDTLS_MD_NONE};
    mbedtls_ssl_conf_min_version(conf, MBEDTLS_SSL_MAJOR_VERSION_3,
                                 MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_curves(conf, curves);
    mbedtls_ssl_conf_sig_hashes(conf, hashes);
}

int compat_parse_key(mbedtls_pk_context *key, const unsigned char *bytes, size_t len,
                     mbedtls_ctr_drbg_context *drbg) {
    (void)drbg;
    return mbedtls_pk_parse_key(key, bytes, len, NULL, 0);
}

int compat_check_pair(const mbedtls_pk_context *public_key, const mbedtls_pk_context *key,
                      mbedtls_ctr_drbg_context *drbg) {
    (void)drbg;
    return mbedtls_pk_check_pair(public_key, key);
}

int compat_fatal_alert(const mbedtls_ssl_context *ssl) {
    int is_alert = ssl->in_msgtype == MBEDTLS_SSL_MSG_ALERT && ssl->in_msglen == 2 &&
                   ssl->in_msg != NULL && ssl->in_msg[0] == MBEDTLS_SSL_ALERT_LEVEL_FATAL;
    return is_alert ? ssl->in_msg[1] : -1;
}

int compat_is_new_ticket(int result) {
    (void)result;
    return 0;
}

#endif
