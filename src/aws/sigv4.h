/* AWS Signature Version 4 (docs.aws.amazon.com, "Create a signed AWS API request"): pure
 * functions of bytes, time and keys. Two ways in: the general signer (vectors, STS), and the
 * DynamoDB fast path, where all but date, length and body hash is constant. */
#ifndef AWS_SIGV4_H
#define AWS_SIGV4_H

#include "base/assert.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "http/message.h"

#define SIGV4_HASH_LEN 32

struct sigv4_key { /* who signs, where; slices are borrowed */
    struct slice access_key_id;
    struct slice secret_access_key;
    struct slice session_token; /* empty = none */
    struct slice region;
    struct slice service;
};

struct sigv4_request {
    struct slice method;
    struct slice path; /* as it goes on the wire; encoded once more unless `normalize` is off */
    struct slice query;          /* raw */
    struct http_headers headers; /* the ones to sign, Host included */
    struct slice body;
    int normalize_path;     /* every service but S3 */
    int omit_session_token; /* x-amz-security-token is added after signing */
};

/* SHA-256 of bytes; SHA instructions where the processor has them, mbedTLS otherwise. */
void sha256(struct slice bytes, unsigned char out[SIGV4_HASH_LEN]);

/* The three stages, each appended to its buffer, for the vectors and for logs at debug level.
 */
MUST_CHECK int sigv4_canonical_request(const struct sigv4_request *r, struct buffer *out,
                                       struct buffer *signed_headers);
MUST_CHECK int sigv4_string_to_sign(const struct sigv4_key *k, uint64_t epoch_s,
                                    struct slice canonical_request, struct buffer *out);
MUST_CHECK int sigv4_signature(const struct sigv4_key *k, uint64_t epoch_s,
                               struct slice string_to_sign, char hex[65]);
/* The Authorization field's value. The caller has put x-amz-date among the headers. */
MUST_CHECK int sigv4_authorization(const struct sigv4_key *k, const struct sigv4_request *r,
                                   uint64_t epoch_s, struct buffer *out);

/* The DynamoDB fast path: one per worker. Remembers the derived key of the day, its HMAC states
 * and the constant parts of the head. */
struct sigv4_signer;

/* host: the Host field. Aborts when memory is out. */
struct sigv4_signer *sigv4_signer_new(const char *host, const char *region,
                                      const char *service);
void sigv4_signer_free(struct sigv4_signer *s);
/* New credentials, copied; empty access key = unsigned requests are refused (ERR_CREDENTIALS).
 */
void sigv4_signer_set_credentials(struct sigv4_signer *s, struct slice access_key_id,
                                  struct slice secret_access_key, struct slice session_token);
int sigv4_signer_ready(const struct sigv4_signer *s);
/* Appends a whole signed `POST / HTTP/1.1` of application/x-amz-json-1.0 with
 * X-Amz-Target: DynamoDB_20120810.<operation>, then the body. `invocation_id`: 36 characters,
 * the same over the attempts of one op (amz-sdk-invocation-id). 0, ERR_CREDENTIALS, ERR_NOMEM.
 */
MUST_CHECK int sigv4_write_request(struct sigv4_signer *s, struct slice operation,
                                   uint64_t epoch_s, const char *invocation_id,
                                   unsigned attempt, unsigned max_attempts, struct slice body,
                                   struct buffer *out);

#endif
