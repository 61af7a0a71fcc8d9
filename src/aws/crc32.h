/* DynamoDB's x-amz-crc32: a checksum of the response body as it was sent. */
#ifndef AWS_CRC32_H
#define AWS_CRC32_H

#include "base/assert.h"
#include "base/slice.h"

uint32_t aws_crc32(struct slice bytes);
/* field: the value of x-amz-crc32. 0 when it fits the body or is absent (ptr NULL);
 * ERR_PROTOCOL when it does not fit, or is no number. */
MUST_CHECK int aws_crc32_check(struct slice field, struct slice body);

#endif
