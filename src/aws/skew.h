/* The service's clock against ours, from the Date field of its answers (RFC 9110 section
 * 6.6.1). A signature is good for five minutes around the service's time. Pure. */
#ifndef AWS_SKEW_H
#define AWS_SKEW_H

#include "aws/errors.h"

#define AWS_SKEW_LIMIT_S 300

/* The offset to sign with after this answer: seconds to add to our clock. `now_s` is our clock
 * without any offset, `offset_s` what is added until now. It moves when the two are five
 * minutes apart, or when the service complained (kind) and they differ by more than the seconds
 * an answer may take. Returns 1 when *offset_s moved: a refused request is worth repeating. */
int aws_skew_update(struct slice date, uint64_t now_s, enum aws_error_kind kind,
                    int64_t *offset_s);

#endif
