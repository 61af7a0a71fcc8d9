/* Checks the Signature Version 4 of a request as DynamoDB does. */
#ifndef BENCH_SINK_VERIFY_H
#define BENCH_SINK_VERIFY_H

#include "base/assert.h"
#include "http/message.h"

/* 0; ERR_INVALID when the header fields are not those of a signed request; ERR_PERMISSION when
 * the signature is not made with this secret for this request. */
MUST_CHECK int sink_verify(const struct http_request *request, struct slice secret);

#endif
