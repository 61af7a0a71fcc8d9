/* What an AWS answer means for the caller: may it be repeated, who must act? (facts: aws
 * sections 3.1 and 3.2, engineering section 6). Pure. */
#ifndef AWS_ERRORS_H
#define AWS_ERRORS_H

#include "base/slice.h"

enum aws_error_kind {
    AWS_OK,
    AWS_THROTTLE,    /* refused for load or a conflict: it did not happen; repeat, later */
    AWS_TRANSIENT,   /* 5xx: it may have happened */
    AWS_CONDITION,   /* the condition was false */
    AWS_VALIDATION,  /* the request is wrong; a batch: one item of it */
    AWS_ACCESS,      /* these credentials may not do this */
    AWS_CREDENTIALS, /* expired, unknown or wrongly signed: fetch new ones, repeat once */
    AWS_CLOCK_SKEW,  /* signed too far from the service's clock: correct it, repeat once */
    AWS_NOT_FOUND,   /* no such table */
    AWS_IN_USE,      /* the table exists, or is being changed */
    AWS_OTHER_CLIENT /* any other refusal: it did not happen, and repeating is useless */
};

enum aws_error_kind aws_error_classify(unsigned status, struct slice name);
const char *aws_error_kind_name(enum aws_error_kind kind);

/* "com.amazonaws.dynamodb.v20120810#ValidationException" or "ValidationException:http://..." to
 * the bare name. */
struct slice aws_error_bare_name(struct slice type);
/* The bare name and the message of a JSON error body, as they stand in it (escapes and all);
 * empty where the body has none. */
void aws_error_parse(struct slice body, struct slice *name, struct slice *message);

#endif
