/* The DynamoDB fast path. What is hashed how often:
 *
 *   once a day         the signing key, kept as HMAC states
 *   once a second      the string to sign up to its last line; for each operation in use, the
 *                      canonical request up to its last line and the head of the HTTP request
 *   for each request   the body; 64 hex digits onto each of the two states above; the HMAC's
 *                      outer block
 *
 * The head of an operation is text with two holes of fixed width:
 *
 *   POST / HTTP/1.1 ... Signature=[64] amz-sdk-invocation-id: [36] amz-sdk-request: attempt=
 *
 * and what follows it varies in length: attempt, max, Content-Length, body. */
#include "aws/sha256.h"
#include "aws/sigv4.h"
#include "aws/sigv4_key.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hex.h"
#include "http/writer.h"

#include <stdlib.h>

#define OPERATIONS_MAX    8 /* kept at a time; more take turns */
#define OPERATION_LEN_MAX 40
#define INVOCATION_ID_LEN 36
#define NO_SECOND         UINT64_MAX
#define TARGET            "DynamoDB_20120810."
#define CONTENT_TYPE      "application/x-amz-json-1.0"
#ifdef PENSTOCK_VERSION
#define USER_AGENT "penstock/" PENSTOCK_VERSION
#else
#define USER_AGENT "penstock"
#endif

struct operation_head {
    char operation[OPERATION_LEN_MAX];
    size_t operation_len;
    uint64_t second; /* that the head and the state show, or NO_SECOND */
    struct sha256_state canonical;
    struct buffer head;
    size_t signature_at;
    size_t invocation_at;
};

struct sigv4_signer {
    char *host;
    char *region;
    char *service;
    char *access_key_id;
    char *secret_access_key;
    char *session_token;
    uint64_t second; /* of the dates and of to_sign, or NO_SECOND */
    uint64_t day;    /* of key, or NO_SECOND */
    char date_time[17];
    char date[9];
    struct hmac_key key;
    struct sha256_state to_sign; /* key.inner, then the string to sign but its last line */
    struct operation_head operations[OPERATIONS_MAX];
    size_t next_operation; /* the one that makes room for a new one */
};

struct sigv4_signer *sigv4_signer_new(const char *host, const char *region,
                                      const char *service) {
    struct sigv4_signer *s;
    NEED_MEMORY((s = calloc(1, sizeof(*s))) != NULL);
    s->host = slice_dup(slice_cstr(host));
    s->region = slice_dup(slice_cstr(region));
    s->service = slice_dup(slice_cstr(service));
    sigv4_signer_set_credentials(s, SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY);
    return s;
}

static void free_secret(char *text) {
    if (text) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}

void sigv4_signer_free(struct sigv4_signer *s) {
    if (!s) {
        return;
    }
    free(s->host);
    free(s->region);
    free(s->service);
    free_secret(s->access_key_id);
    free_secret(s->secret_access_key);
    free_secret(s->session_token);
    for (size_t i = 0; i < OPERATIONS_MAX; i++) {
        buffer_fini(&s->operations[i].head);
    }
    explicit_bzero(s, sizeof(*s));
    free(s);
}

static void replace(char **field, struct slice value) {
    char *before = *field;
    *field = slice_dup(value);
    free_secret(before);
}

void sigv4_signer_set_credentials(struct sigv4_signer *s, struct slice access_key_id,
                                  struct slice secret_access_key, struct slice session_token) {
    if (!http_field_value_valid(access_key_id) || !http_field_value_valid(session_token)) {
        access_key_id = SLICE_EMPTY; /* they would break the head: as if there were none */
    }
    replace(&s->access_key_id, access_key_id);
    replace(&s->secret_access_key, secret_access_key);
    replace(&s->session_token, session_token);
    s->second = NO_SECOND;
    s->day = NO_SECOND;
    for (size_t i = 0; i < OPERATIONS_MAX; i++) {
        s->operations[i].second = NO_SECOND;
    }
}

int sigv4_signer_ready(const struct sigv4_signer *s) {
    return s->access_key_id[0] && s->secret_access_key[0];
}

static struct sigv4_key signer_key(const struct sigv4_signer *s) {
    return (struct sigv4_key){
        .access_key_id = slice_cstr(s->access_key_id),
        .secret_access_key = slice_cstr(s->secret_access_key),
        .session_token = slice_cstr(s->session_token),
        .region = slice_cstr(s->region),
        .service = slice_cstr(s->service),
    };
}

static void feed(struct sha256_state *h, const char *text) {
    sha256_update(h, text, strlen(text));
}

static void enter_second(struct sigv4_signer *s, uint64_t epoch_s) {
    clock_format_amz(epoch_s, s->date_time, s->date);
    if (s->day != epoch_s / 86400) {
        struct sigv4_key k = signer_key(s);
        sigv4_derive_key(&k, s->date, &s->key);
        s->day = epoch_s / 86400;
    }
    s->to_sign = s->key.inner;
    feed(&s->to_sign, "AWS4-HMAC-SHA256\n");
    feed(&s->to_sign, s->date_time);
    feed(&s->to_sign, "\n");
    feed(&s->to_sign, s->date);
    feed(&s->to_sign, "/");
    feed(&s->to_sign, s->region);
    feed(&s->to_sign, "/");
    feed(&s->to_sign, s->service);
    feed(&s->to_sign, "/aws4_request\n");
    s->second = epoch_s;
}

static const char *signed_headers(const struct sigv4_signer *s) {
    return s->session_token[0]
               ? "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
               : "content-type;host;x-amz-date;x-amz-target";
}

static void hash_canonical(const struct sigv4_signer *s, struct operation_head *o) {
    struct sha256_state *h = &o->canonical;
    sha256_start(h);
    feed(h, "POST\n/\n\ncontent-type:" CONTENT_TYPE "\nhost:");
    feed(h, s->host);
    feed(h, "\nx-amz-date:");
    feed(h, s->date_time);
    if (s->session_token[0]) {
        feed(h, "\nx-amz-security-token:");
        feed(h, s->session_token);
    }
    feed(h, "\nx-amz-target:" TARGET);
    sha256_update(h, o->operation, o->operation_len);
    feed(h, "\n\n");
    feed(h, signed_headers(s));
    feed(h, "\n");
}

static int write_head(const struct sigv4_signer *s, struct operation_head *o) {
    struct buffer *b = &o->head;
    struct sigv4_key k = signer_key(s);
    int e;
    buffer_reset(b, SIZE_MAX);
    e = buffer_printf(b,
                      "POST / HTTP/1.1\r\nHost: %s\r\nUser-Agent: " USER_AGENT
                      "\r\nAccept-Encoding: identity\r\nContent-Type: " CONTENT_TYPE
                      "\r\nX-Amz-Target: " TARGET "%.*s\r\nX-Amz-Date: %s\r\n",
                      s->host, (int)o->operation_len, o->operation, s->date_time);
    if (!e && s->session_token[0]) {
        e = buffer_printf(b, "X-Amz-Security-Token: %s\r\n", s->session_token);
    }
    e = e ? e
          : buffer_printf(b, "Authorization: AWS4-HMAC-SHA256 Credential=%s/",
                          s->access_key_id);
    e = e ? e : sigv4_append_scope(b, &k, s->date);
    e = e ? e : buffer_printf(b, ", SignedHeaders=%s, Signature=", signed_headers(s));
    o->signature_at = b->len;
    e = e ? e : buffer_printf(b, "%64s\r\namz-sdk-invocation-id: ", "");
    o->invocation_at = b->len;
    return e ? e : buffer_printf(b, "%36s\r\namz-sdk-request: attempt=", "");
}

static struct operation_head *find_operation(struct sigv4_signer *s, struct slice operation) {
    for (size_t i = 0; i < OPERATIONS_MAX; i++) {
        struct operation_head *o = &s->operations[i];
        if (slice_eq(slice_of(o->operation, o->operation_len), operation)) {
            return o;
        }
    }
    ASSERT(operation.len > 0 && operation.len <= OPERATION_LEN_MAX);
    struct operation_head *o = &s->operations[s->next_operation];
    s->next_operation = (s->next_operation + 1) % OPERATIONS_MAX;
    memcpy(o->operation, operation.ptr, operation.len);
    o->operation_len = operation.len;
    o->second = NO_SECOND;
    return o;
}

/* The operation's head and states for this second. */
static int enter_operation(struct sigv4_signer *s, struct slice operation, uint64_t epoch_s,
                           struct operation_head **out) {
    struct operation_head *o = find_operation(s, operation);
    if (s->second != epoch_s) {
        enter_second(s, epoch_s);
    }
    if (o->second != epoch_s) {
        o->second = NO_SECOND;
        int e = write_head(s, o);
        if (e) {
            return e;
        }
        hash_canonical(s, o);
        o->second = epoch_s;
    }
    *out = o;
    return 0;
}

static void sign(const struct sigv4_signer *s, const struct operation_head *o,
                 struct slice body, char signature[2 * SHA256_LEN]) {
    unsigned char hash[SHA256_LEN];
    char hex[2 * SHA256_LEN];
    struct sha256_state h = o->canonical;
    sha256(body, hash);
    hex_encode(hash, sizeof(hash), hex);
    sha256_update(&h, hex, sizeof(hex));
    sha256_digest(&h, hash);
    hex_encode(hash, sizeof(hash), hex);
    h = s->to_sign;
    sha256_update(&h, hex, sizeof(hex));
    hmac_finish(&s->key, &h, hash);
    hex_encode(hash, sizeof(hash), signature);
}

static char *put(char *p, const char *text, size_t len) {
    memcpy(p, text, len);
    return p + len;
}

#define PUT(p, literal) put((p), (literal), sizeof(literal) - 1)

static char *put_number(char *p, uint64_t n) {
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return put(p, digits + at, sizeof(digits) - at);
}

int sigv4_write_request(struct sigv4_signer *s, struct slice operation, uint64_t epoch_s,
                        const char *invocation_id, unsigned attempt, unsigned max_attempts,
                        struct slice body, struct buffer *out) {
    struct operation_head *o;
    if (!sigv4_signer_ready(s)) {
        return ERR_CREDENTIALS;
    }
    int e = enter_operation(s, operation, epoch_s, &o);
    e = e ? e : buffer_reserve(out, o->head.len + 128 + body.len);
    if (e) {
        return e;
    }
    char *start = buffer_tail(out);
    char *p = put(start, buffer_begin(&o->head), o->head.len);
    sign(s, o, body, start + o->signature_at);
    memcpy(start + o->invocation_at, invocation_id, INVOCATION_ID_LEN);
    p = put_number(p, attempt);
    p = PUT(p, "; max=");
    p = put_number(p, max_attempts);
    p = PUT(p, "\r\nContent-Length: ");
    p = put_number(p, body.len);
    p = PUT(p, "\r\n\r\n");
    if (body.len > 0) {
        p = put(p, body.ptr, body.len);
    }
    buffer_grow(out, (size_t)(p - start));
    return 0;
}
