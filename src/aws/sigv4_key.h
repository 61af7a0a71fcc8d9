/* What the general signer and the fast path share. */
#ifndef AWS_SIGV4_KEY_H
#define AWS_SIGV4_KEY_H

#include "aws/sha256.h"
#include "aws/sigv4.h"

/* The signing key of one day: HMAC over date, region, service, "aws4_request". */
void sigv4_derive_key(const struct sigv4_key *k, const char date[9], struct hmac_key *out);
/* "20150830/us-east-1/dynamodb/aws4_request" */
MUST_CHECK int sigv4_append_scope(struct buffer *out, const struct sigv4_key *k,
                                  const char date[9]);

#endif
