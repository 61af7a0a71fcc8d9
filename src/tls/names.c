#include "tls/names.h"

#include <mbedtls/asn1.h>
#include <mbedtls/oid.h>

static int same_name(struct slice a, struct slice b) {
    return a.len > 0 && slice_eq_nocase(a, b);
}

int tls_name_matches(struct slice pattern, struct slice host) {
    if (pattern.len < 3 || pattern.ptr[0] != '*' || pattern.ptr[1] != '.') {
        return same_name(pattern, host);
    }
    const char *dot = memchr(host.ptr, '.', host.len);
    if (dot == NULL || dot == host.ptr) {
        return 0;
    }
    return same_name(slice_from(pattern, 1), slice_from(host, (size_t)(dot - host.ptr)));
}

static struct slice text_of(const mbedtls_asn1_buf *b) {
    return slice_of((const char *)b->p, b->len);
}

static int is_dns_name(const mbedtls_asn1_buf *b) {
    return b->p != NULL && (b->tag & MBEDTLS_ASN1_TAG_VALUE_MASK) == MBEDTLS_X509_SAN_DNS_NAME;
}

static int is_common_name(const mbedtls_x509_name *name) {
    return slice_eq(text_of(&name->oid),
                    slice_of(MBEDTLS_OID_AT_CN, MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_CN)));
}

int tls_certificate_is_for(const mbedtls_x509_crt *certificate, struct slice host) {
    int has_dns_name = 0;
    for (const mbedtls_x509_sequence *s = &certificate->subject_alt_names; s; s = s->next) {
        if (is_dns_name(&s->buf)) {
            has_dns_name = 1;
            if (tls_name_matches(text_of(&s->buf), host)) {
                return 1;
            }
        }
    }
    for (const mbedtls_x509_name *n = &certificate->subject; n && !has_dns_name; n = n->next) {
        if (is_common_name(n) && tls_name_matches(text_of(&n->val), host)) {
            return 1;
        }
    }
    return 0;
}
