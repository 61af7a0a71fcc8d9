#include "tls/reason.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <stdio.h>

static const struct {
    uint32_t flag;
    const char *text;
} verify_texts[] = {
    {MBEDTLS_X509_BADCERT_EXPIRED, "certificate expired"},
    {MBEDTLS_X509_BADCERT_FUTURE, "certificate not valid yet"},
    {MBEDTLS_X509_BADCERT_REVOKED, "certificate revoked"},
    {MBEDTLS_X509_BADCERT_NOT_TRUSTED, "not trusted: unknown CA"},
    {MBEDTLS_X509_BADCERT_CN_MISMATCH, "name mismatch"},
    {MBEDTLS_X509_BADCERT_MISSING, "the peer sent no certificate"},
    {MBEDTLS_X509_BADCERT_KEY_USAGE, "key usage does not allow it"},
    {MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, "not a server's certificate"},
    {MBEDTLS_X509_BADCERT_NS_CERT_TYPE, "not a server's certificate"},
    {MBEDTLS_X509_BADCERT_BAD_MD, "weak signature hash"},
    {MBEDTLS_X509_BADCERT_BAD_PK, "weak signature algorithm"},
    {MBEDTLS_X509_BADCERT_BAD_KEY, "weak key or curve not allowed"},
};

/* RFC 5246 section 7.2: what the peer's alert most likely means. */
static const struct {
    int alert;
    const char *text;
} alert_texts[] = {
    {MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE, "unexpected message"},
    {MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC, "damaged record"},
    /* A server of TLS 1.1 says the same: it knows none of our suites. */
    {MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE, "no common cipher suite or protocol version"},
    {MBEDTLS_SSL_ALERT_MSG_BAD_CERT, "bad certificate"},
    {MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED, "certificate expired"},
    {MBEDTLS_SSL_ALERT_MSG_CERT_UNKNOWN, "certificate not accepted"},
    {MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA, "unknown CA"},
    {MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION, "protocol version"},
    {MBEDTLS_SSL_ALERT_MSG_INSUFFICIENT_SECURITY, "no common cipher suite"},
    {MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR, "internal error"},
    {MBEDTLS_SSL_ALERT_MSG_UNRECOGNIZED_NAME, "unrecognized name"},
};

static int is_ip(const char *name) {
    unsigned char ip[16];
    return inet_pton(AF_INET, name, ip) == 1 || inet_pton(AF_INET6, name, ip) == 1;
}

static void add(char reason[TLS_REASON_MAX], const char *text) {
    size_t len = strlen(reason);
    snprintf(reason + len, TLS_REASON_MAX - len, "%s%s", len ? "; " : "", text);
}

static void add_expected_name(char reason[TLS_REASON_MAX], const char *name) {
    size_t len = strlen(reason);
    if (name) {
        snprintf(reason + len, TLS_REASON_MAX - len, ": expected %.80s%s", name,
                 is_ip(name) ? COMPAT_IP_NAME_NOTE : "");
    }
}

static void explain_verify(const struct tls_failure *f, char reason[TLS_REASON_MAX]) {
    for (size_t i = 0; i < sizeof(verify_texts) / sizeof(verify_texts[0]); i++) {
        uint32_t flag = f->verify_flags & verify_texts[i].flag;
        if (flag == MBEDTLS_X509_BADCERT_NOT_TRUSTED && f->self_signed) {
            add(reason, "not trusted: self-signed");
        } else if (flag != 0) {
            add(reason, verify_texts[i].text);
        }
        if (flag == MBEDTLS_X509_BADCERT_CN_MISMATCH) {
            add_expected_name(reason, f->server_name);
        }
    }
    if (reason[0] == '\0') {
        snprintf(reason, TLS_REASON_MAX, "certificate not accepted (flags 0x%x)",
                 f->verify_flags);
    }
}

static void explain_alert(int alert, char reason[TLS_REASON_MAX]) {
    const char *text = "fatal alert";
    for (size_t i = 0; i < sizeof(alert_texts) / sizeof(alert_texts[0]); i++) {
        if (alert_texts[i].alert == alert) {
            text = alert_texts[i].text;
        }
    }
    if (alert >= 0) {
        snprintf(reason, TLS_REASON_MAX, "%s (said the peer, alert %d)", text, alert);
    } else {
        snprintf(reason, TLS_REASON_MAX, "%s (said the peer)", text);
    }
}

static const char *short_text(int rc) {
    switch (rc) {
    case COMPAT_ERR_NO_CIPHER:
        return "no common cipher suite";
    case COMPAT_ERR_VERSION:
        return "protocol version";
    case MBEDTLS_ERR_SSL_INVALID_MAC:
        return "damaged record";
    case MBEDTLS_ERR_SSL_INVALID_RECORD:
        return "not a TLS record";
    case MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE:
        return "unexpected message";
    case MBEDTLS_ERR_SSL_ALLOC_FAILED:
        return "out of memory";
    default:
        return NULL;
    }
}

int tls_reason_of(const struct tls_failure *f, char reason[TLS_REASON_MAX]) {
    reason[0] = '\0';
    /* All ones: "not verified yet". */
    if (f->verify_flags != 0 && f->verify_flags != UINT32_MAX) {
        explain_verify(f, reason);
        return ERR_TLS_VERIFY;
    }
    if (f->rc == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
        explain_alert(f->alert, reason);
        return ERR_TLS;
    }
    const char *text = short_text(f->rc);
    if (text == NULL) {
        char long_text[TLS_REASON_MAX - 16];
        mbedtls_strerror(f->rc, long_text, sizeof(long_text));
        snprintf(reason, TLS_REASON_MAX, "%s (-0x%04x)", long_text, (unsigned)-f->rc);
    } else {
        add(reason, text);
    }
    return f->rc == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED ? ERR_TLS_VERIFY : ERR_TLS;
}
