/* From what became of an exchange to what becomes of its ops: the verdict on the exchange, and
 * the retry matrix (engineering section 6). Pure but for reading the op. */
#ifndef DYNAMODB_OUTCOME_H
#define DYNAMODB_OUTCOME_H

#include "aws/errors.h"
#include "aws/retry.h"
#include "dynamodb/dynamodb.h"

enum verdict {
    VERDICT_NONE,             /* the op has not been in an exchange yet */
    VERDICT_STORED,           /* done, and the answer is to be believed */
    VERDICT_CONDITION_FAILED, /* it did not happen, as asked */
    VERDICT_REFUSED,          /* the request is wrong, and would be again */
    VERDICT_DENIED,           /* no such table, no permission, nobody who knows DynamoDB */
    VERDICT_RENEWABLE,        /* credentials or clock: once more with new ones */
    VERDICT_THROTTLED,        /* it did not happen; later it may */
    VERDICT_UNPROCESSED,      /* the same, of one op of a batch */
    VERDICT_NOT_SENT,         /* no byte left this machine */
    VERDICT_LOST,             /* the connection broke, or the answer cannot be believed */
    VERDICT_SERVER_ERROR,     /* 5xx */
    VERDICT_TIMED_OUT,        /* no answer in time */
    VERDICTS,
};

/* What a verdict means, for every op alike. */
struct verdict_rule {
    const char *name;
    uint8_t repeat;        /* enum verdict_repeat */
    uint8_t maybe_applied; /* it may have happened */
    uint8_t kind;          /* enum retry_kind: backoff and cost of a retry */
    uint8_t outcome; /* enum op_outcome when there is no retry and it cannot have happened */
};
enum verdict_repeat {
    REPEAT_NEVER,
    REPEAT_ONCE, /* without cost */
    REPEAT_FREE, /* it never left: no attempt, no cost; until the deadline */
    REPEAT_PAID, /* attempts and quota bound it */
};
extern const struct verdict_rule verdict_rules[VERDICTS];

/* What is read from one exchange; slices live as long as the response. */
struct answer {
    enum verdict verdict;
    enum aws_error_kind kind;
    int few_keys;           /* THROTTLED: hot key ranges or a conflict, not the table */
    int64_t retry_after_ms; /* -1 = not said; at most a minute */
    struct slice body;
    struct slice error_name;
    struct slice message; /* unescaped */
};

/* From the exchange's end alone, when there is no response. */
enum verdict verdict_of_error(int error, enum exchange_progress progress);
/* Reads the response: status, checksum, error body. The verdict of a 200 is STORED until
 * somebody reads its unprocessed items. `text`: reused for the message. */
void answer_read(struct answer *a, const struct http_response *r, struct buffer *text);

struct op;
/* May this op be sent again after its last verdict, quota and time permitting? */
int op_may_repeat(const struct op *op, unsigned max_attempts);
/* Its outcome when it is not: never one that says a write did not happen when it may have.
 * at_deadline: time is why. */
enum op_outcome op_final_outcome(const struct op *op, int at_deadline);
/* What we say when DynamoDB said nothing. */
const char *op_outcome_message(enum op_outcome o);

#endif
