#include "aws/errors.h"

#include "aws/json_scan.h"

struct error_row {
    struct slice name;
    enum aws_error_kind kind;
};

#define ROW(name, kind)                                                                        \
    { {(name), sizeof(name) - 1}, (kind) }

/* The most frequent first: a throttled table asks here often. */
static const struct error_row rows[] = {
    ROW("ProvisionedThroughputExceededException", AWS_THROTTLE),
    ROW("ConditionalCheckFailedException", AWS_CONDITION),
    ROW("ThrottlingException", AWS_THROTTLE),
    ROW("Throttling", AWS_THROTTLE),
    ROW("ThrottledException", AWS_THROTTLE),
    ROW("RequestThrottledException", AWS_THROTTLE),
    ROW("RequestThrottled", AWS_THROTTLE),
    ROW("RequestLimitExceeded", AWS_THROTTLE),
    ROW("TooManyRequestsException", AWS_THROTTLE),
    ROW("BandwidthLimitExceeded", AWS_THROTTLE),
    ROW("LimitExceededException", AWS_THROTTLE),
    ROW("SlowDown", AWS_THROTTLE),
    ROW("PriorRequestNotComplete", AWS_THROTTLE),
    ROW("EC2ThrottledException", AWS_THROTTLE),
    /* Conflicts: refused for another's sake, for now. */
    ROW("TransactionInProgressException", AWS_THROTTLE),
    ROW("TransactionConflictException", AWS_THROTTLE),
    ROW("ReplicatedWriteConflictException", AWS_THROTTLE),
    ROW("RequestTimeout", AWS_TRANSIENT),
    ROW("RequestTimeoutException", AWS_TRANSIENT),
    ROW("InternalServerError", AWS_TRANSIENT),
    ROW("InternalFailure", AWS_TRANSIENT),
    ROW("ServiceUnavailable", AWS_TRANSIENT),
    ROW("ServiceUnavailableException", AWS_TRANSIENT),
    ROW("ValidationException", AWS_VALIDATION),
    ROW("SerializationException", AWS_VALIDATION),
    ROW("AccessDeniedException", AWS_ACCESS),
    ROW("AccessDenied", AWS_ACCESS),
    ROW("OptInRequired", AWS_ACCESS),
    ROW("ExpiredTokenException", AWS_CREDENTIALS),
    ROW("ExpiredToken", AWS_CREDENTIALS),
    ROW("UnrecognizedClientException", AWS_CREDENTIALS),
    ROW("InvalidClientTokenId", AWS_CREDENTIALS),
    ROW("InvalidSignatureException", AWS_CREDENTIALS),
    ROW("SignatureDoesNotMatch", AWS_CREDENTIALS),
    ROW("IncompleteSignatureException", AWS_CREDENTIALS),
    ROW("IncompleteSignature", AWS_CREDENTIALS),
    ROW("MissingAuthenticationTokenException", AWS_CREDENTIALS),
    ROW("MissingAuthenticationToken", AWS_CREDENTIALS),
    ROW("AuthFailure", AWS_CREDENTIALS),
    ROW("RequestTimeTooSkewed", AWS_CLOCK_SKEW),
    ROW("RequestExpired", AWS_CLOCK_SKEW),
    ROW("RequestInTheFuture", AWS_CLOCK_SKEW),
    ROW("ResourceNotFoundException", AWS_NOT_FOUND),
    ROW("TableNotFoundException", AWS_NOT_FOUND),
    ROW("ResourceInUseException", AWS_IN_USE),
    ROW("TableInUseException", AWS_IN_USE),
    ROW("TableAlreadyExistsException", AWS_IN_USE),
    /* Named although they are what an unknown name is, so that nobody adds them elsewhere. */
    ROW("ItemCollectionSizeLimitExceededException", AWS_OTHER_CLIENT),
    ROW("IdempotentParameterMismatchException", AWS_OTHER_CLIENT),
    ROW("TransactionCanceledException", AWS_OTHER_CLIENT),
    ROW("UnknownOperationException", AWS_OTHER_CLIENT),
};

static enum aws_error_kind by_status(unsigned status) {
    if (status >= 500) {
        return AWS_TRANSIENT;
    }
    switch (status) {
    case 403:
        return AWS_ACCESS;
    case 408:
        return AWS_TRANSIENT;
    case 413:
        return AWS_VALIDATION;
    case 429:
        return AWS_THROTTLE;
    default:
        return AWS_OTHER_CLIENT;
    }
}

enum aws_error_kind aws_error_classify(unsigned status, struct slice name) {
    if (status >= 200 && status < 300) {
        return AWS_OK;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (slice_eq(rows[i].name, name)) {
            return rows[i].kind;
        }
    }
    return by_status(status);
}

const char *aws_error_kind_name(enum aws_error_kind kind) {
    switch (kind) {
    case AWS_OK:
        return "ok";
    case AWS_THROTTLE:
        return "throttle";
    case AWS_TRANSIENT:
        return "transient";
    case AWS_CONDITION:
        return "condition";
    case AWS_VALIDATION:
        return "validation";
    case AWS_ACCESS:
        return "access";
    case AWS_CREDENTIALS:
        return "credentials";
    case AWS_CLOCK_SKEW:
        return "clock_skew";
    case AWS_NOT_FOUND:
        return "not_found";
    case AWS_IN_USE:
        return "in_use";
    case AWS_OTHER_CLIENT:
        return "other_client";
    }
    return "";
}

struct slice aws_error_bare_name(struct slice type) {
    size_t hash = slice_find(type, '#');
    struct slice name = hash < type.len ? slice_from(type, hash + 1) : type;
    return slice_of(name.ptr, slice_find(name, ':'));
}

void aws_error_parse(struct slice body, struct slice *name, struct slice *message) {
    struct slice type = json_scan_member(body, SLICE("__type"));
    *name = aws_error_bare_name(type.ptr ? type : json_scan_member(body, SLICE("code")));
    *message = json_scan_member(body, SLICE("message"));
    if (!message->ptr) {
        *message = json_scan_member(body, SLICE("Message"));
    }
}
