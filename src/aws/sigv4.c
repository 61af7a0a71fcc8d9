#include "aws/sigv4.h"

#include "aws/sha256.h"
#include "aws/sigv4_key.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hex.h"

#define ALGORITHM "AWS4-HMAC-SHA256"

static void derive_step(struct hmac_key *key, struct slice message) {
    unsigned char next[SHA256_LEN];
    hmac_sha256(key, message, next);
    hmac_key_init(key, slice_of((const char *)next, sizeof(next)));
    explicit_bzero(next, sizeof(next));
}

/* HMAC with "AWS4" + secret as the key, without joining the two in memory that must grow. */
static void first_key(struct slice secret, struct hmac_key *key) {
    char joined[4 + SHA256_BLOCK] = "AWS4";
    if (secret.len <= SHA256_BLOCK - 4) {
        memcpy(joined + 4, secret.ptr, secret.len);
        hmac_key_init(key, slice_of(joined, 4 + secret.len));
    } else { /* a key over one block is its hash */
        struct sha256_state s;
        unsigned char hash[SHA256_LEN];
        sha256_start(&s);
        sha256_update(&s, joined, 4);
        sha256_update(&s, secret.ptr, secret.len);
        sha256_digest(&s, hash);
        hmac_key_init(key, slice_of((const char *)hash, sizeof(hash)));
        explicit_bzero(&s, sizeof(s));
        explicit_bzero(hash, sizeof(hash));
    }
    explicit_bzero(joined, sizeof(joined));
}

void sigv4_derive_key(const struct sigv4_key *k, const char date[9], struct hmac_key *out) {
    first_key(k->secret_access_key, out);
    derive_step(out, slice_cstr(date));
    derive_step(out, k->region);
    derive_step(out, k->service);
    derive_step(out, SLICE("aws4_request"));
}

int sigv4_append_scope(struct buffer *out, const struct sigv4_key *k, const char date[9]) {
    return buffer_printf(out, "%s/" SLICE_FMT "/" SLICE_FMT "/aws4_request", date,
                         SLICE_ARG(k->region), SLICE_ARG(k->service));
}

int sigv4_string_to_sign(const struct sigv4_key *k, uint64_t epoch_s,
                         struct slice canonical_request, struct buffer *out) {
    char date_time[17], date[9], hex[2 * SHA256_LEN];
    unsigned char hash[SHA256_LEN];
    clock_format_amz(epoch_s, date_time, date);
    sha256(canonical_request, hash);
    hex_encode(hash, sizeof(hash), hex);
    int e = buffer_printf(out, ALGORITHM "\n%s\n", date_time);
    e = e ? e : sigv4_append_scope(out, k, date);
    e = e ? e : buffer_append(out, "\n", 1);
    return e ? e : buffer_append(out, hex, sizeof(hex));
}

int sigv4_signature(const struct sigv4_key *k, uint64_t epoch_s, struct slice string_to_sign,
                    char hex[65]) {
    if (k->access_key_id.len == 0 || k->secret_access_key.len == 0) {
        return ERR_CREDENTIALS;
    }
    char date_time[17], date[9];
    struct hmac_key key;
    unsigned char mac[SHA256_LEN];
    clock_format_amz(epoch_s, date_time, date);
    sigv4_derive_key(k, date, &key);
    hmac_sha256(&key, string_to_sign, mac);
    explicit_bzero(&key, sizeof(key));
    hex_encode(mac, sizeof(mac), hex);
    hex[64] = '\0';
    return 0;
}

static int append_authorization(const struct sigv4_key *k, uint64_t epoch_s,
                                struct slice signed_headers, const char *signature,
                                struct buffer *out) {
    char date_time[17], date[9];
    clock_format_amz(epoch_s, date_time, date);
    int e =
        buffer_printf(out, ALGORITHM " Credential=" SLICE_FMT "/", SLICE_ARG(k->access_key_id));
    e = e ? e : sigv4_append_scope(out, k, date);
    return e ? e
             : buffer_printf(out, ", SignedHeaders=" SLICE_FMT ", Signature=%s",
                             SLICE_ARG(signed_headers), signature);
}

int sigv4_authorization(const struct sigv4_key *k, const struct sigv4_request *r,
                        uint64_t epoch_s, struct buffer *out) {
    struct buffer canonical = {0}, signed_headers = {0}, to_sign = {0};
    char signature[65];
    int e = sigv4_canonical_request(r, &canonical, &signed_headers);
    e = e ? e : sigv4_string_to_sign(k, epoch_s, buffer_slice(&canonical), &to_sign);
    e = e ? e : sigv4_signature(k, epoch_s, buffer_slice(&to_sign), signature);
    e = e ? e : append_authorization(k, epoch_s, buffer_slice(&signed_headers), signature, out);
    buffer_fini(&canonical);
    buffer_fini(&signed_headers);
    buffer_fini(&to_sign);
    return e;
}
