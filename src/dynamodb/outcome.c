#include "dynamodb/outcome.h"

#include "aws/crc32.h"
#include "base/error.h"
#include "dynamodb/op.h"
#include "model/json_cursor.h"

/* Callers are told how long to stay away: one wrong header must not mean for a day. */
#define HINT_MAX_MS 60000u

static const struct {
    const char *name;
    const char *message;
} outcomes[] = {
    [OUTCOME_OK] = {"ok", ""},
    [OUTCOME_CONDITION_FAILED] = {"condition_failed", "The conditional request failed"},
    [OUTCOME_REFUSED] = {"refused", "DynamoDB refused the request"},
    [OUTCOME_THROTTLED] = {"throttled", "DynamoDB throttles the table"},
    [OUTCOME_BUSY] = {"busy", "too many operations are waiting"},
    [OUTCOME_UNAVAILABLE] = {"unavailable", "DynamoDB cannot be reached"},
    [OUTCOME_DENIED] = {"denied", "DynamoDB denied access"},
    [OUTCOME_UNKNOWN] = {"unknown", "the write may or may not have happened"},
    [OUTCOME_UNKNOWN_TIMEOUT] = {"unknown_timeout",
                                 "no answer in time: the write may or may not have happened"},
    [OUTCOME_TIMEOUT] = {"timeout", "the deadline passed"},
};

const char *op_outcome_name(enum op_outcome o) {
    return outcomes[o].name;
}

const char *op_outcome_message(enum op_outcome o) {
    return outcomes[o].message;
}

const struct verdict_rule verdict_rules[VERDICTS] = {
    [VERDICT_NONE] = {"none", REPEAT_FREE, 0, RETRY_TRANSIENT, OUTCOME_TIMEOUT},
    [VERDICT_STORED] = {"stored", REPEAT_NEVER, 0, 0, OUTCOME_OK},
    [VERDICT_CONDITION_FAILED] = {"condition_failed", REPEAT_NEVER, 0, 0,
                                  OUTCOME_CONDITION_FAILED},
    [VERDICT_REFUSED] = {"refused", REPEAT_NEVER, 0, 0, OUTCOME_REFUSED},
    [VERDICT_DENIED] = {"denied", REPEAT_NEVER, 0, 0, OUTCOME_DENIED},
    [VERDICT_RENEWABLE] = {"renewable", REPEAT_ONCE, 0, RETRY_TRANSIENT, OUTCOME_DENIED},
    [VERDICT_THROTTLED] = {"throttled", REPEAT_PAID, 0, RETRY_THROTTLE, OUTCOME_THROTTLED},
    [VERDICT_UNPROCESSED] = {"unprocessed", REPEAT_PAID, 0, RETRY_THROTTLE, OUTCOME_THROTTLED},
    [VERDICT_NOT_SENT] = {"not_sent", REPEAT_FREE, 0, RETRY_TRANSIENT, OUTCOME_UNAVAILABLE},
    [VERDICT_LOST] = {"lost", REPEAT_PAID, 1, RETRY_TRANSIENT, OUTCOME_UNAVAILABLE},
    [VERDICT_SERVER_ERROR] = {"server_error", REPEAT_PAID, 1, RETRY_TRANSIENT,
                              OUTCOME_UNAVAILABLE},
    [VERDICT_TIMED_OUT] = {"timed_out", REPEAT_PAID, 1, RETRY_TIMEOUT, OUTCOME_TIMEOUT},
};

enum verdict verdict_of_error(int error, enum exchange_progress progress) {
    if (error == ERR_CREDENTIALS) {
        return VERDICT_RENEWABLE; /* the signer has none yet */
    }
    if (progress == EXCHANGE_NOT_SENT) {
        return VERDICT_NOT_SENT;
    }
    return error == ERR_TIMEOUT ? VERDICT_TIMED_OUT : VERDICT_LOST;
}

static enum verdict verdict_of_kind(enum aws_error_kind kind) {
    switch (kind) {
    case AWS_OK:
        return VERDICT_STORED;
    case AWS_THROTTLE:
        return VERDICT_THROTTLED;
    case AWS_TRANSIENT:
        return VERDICT_SERVER_ERROR;
    case AWS_CONDITION:
        return VERDICT_CONDITION_FAILED;
    case AWS_VALIDATION:
    case AWS_IN_USE:
    case AWS_OTHER_CLIENT:
        return VERDICT_REFUSED;
    case AWS_ACCESS:
    case AWS_NOT_FOUND:
        return VERDICT_DENIED;
    case AWS_CREDENTIALS:
    case AWS_CLOCK_SKEW:
        return VERDICT_RENEWABLE;
    }
    return VERDICT_REFUSED;
}

/* ThrottlingReasons: [{"reason":"TableWriteKeyRangeThroughputExceeded","resource":"arn:.."}] */
static int only_key_ranges(struct slice body) {
    struct slice reasons = json_member(body, SLICE("ThrottlingReasons"));
    struct json_cursor c;
    struct slice name, value;
    size_t count = 0;
    if (!reasons.ptr || json_cursor_open(&c, reasons) != 0) {
        return 0;
    }
    while (json_cursor_next(&c, &name, &value) == 0) {
        struct slice reason = json_member(value, SLICE("reason"));
        if (!reason.ptr || !memmem(reason.ptr, reason.len, "KeyRange", 8)) {
            return 0;
        }
        count++;
    }
    return count > 0;
}

/* With another writer of the same item. */
static int is_conflict(struct slice name) {
    return slice_eq(name, SLICE("TransactionConflictException")) ||
           slice_eq(name, SLICE("TransactionInProgressException")) ||
           slice_eq(name, SLICE("ReplicatedWriteConflictException"));
}

static void unescape(struct slice escaped, struct buffer *text, struct slice *out) {
    buffer_reset(text, 65536);
    *out = escaped;
    /* aws_error_parse gives the inside of the quotes; the cursor wants them. */
    if (escaped.ptr && slice_find(escaped, '\\') < escaped.len &&
        json_unescape(slice_of(escaped.ptr - 1, escaped.len + 2), text) == 0) {
        *out = buffer_slice(text);
    }
}

static int64_t read_hint(const struct http_response *r) {
    uint64_t ms;
    if (slice_to_u64(http_header_value(&r->headers, SLICE("x-amz-retry-after")), &ms) != 0) {
        return -1;
    }
    return (int64_t)(ms < HINT_MAX_MS ? ms : HINT_MAX_MS);
}

void answer_read(struct answer *a, const struct http_response *r, struct buffer *text) {
    memset(a, 0, sizeof *a);
    a->body = r->body;
    a->retry_after_ms = read_hint(r);
    if (aws_crc32_check(http_header_value(&r->headers, SLICE("x-amz-crc32")), r->body) != 0) {
        a->verdict = VERDICT_LOST;
        return;
    }
    struct slice escaped = SLICE_EMPTY;
    if (r->status < 200 || r->status >= 300) {
        aws_error_parse(r->body, &a->error_name, &escaped);
    }
    a->kind = aws_error_classify(r->status, a->error_name);
    a->verdict = verdict_of_kind(a->kind);
    if (a->verdict == VERDICT_REFUSED && a->error_name.len == 0 && r->status != 400 &&
        r->status != 413) {
        a->verdict = VERDICT_DENIED; /* not DynamoDB's: that names what is wrong */
    }
    a->few_keys = a->verdict == VERDICT_THROTTLED &&
                  (is_conflict(a->error_name) || only_key_ranges(r->body));
    unescape(escaped, text, &a->message);
}

int op_may_repeat(const struct op *op, unsigned max_attempts) {
    const struct verdict_rule *rule = &verdict_rules[op->verdict];
    /* A conditional op that may have happened is never sent again, whatever came after. */
    if (op_is_write(op) && op->klass == OP_CONDITIONAL && op->maybe_applied) {
        return 0;
    }
    switch ((enum verdict_repeat)rule->repeat) {
    case REPEAT_NEVER:
        return 0;
    case REPEAT_ONCE:
        return !op->renewed;
    case REPEAT_FREE:
        return 1;
    case REPEAT_PAID:
        return op->retries + 1u < max_attempts;
    }
    return 0;
}

enum op_outcome op_final_outcome(const struct op *op, int at_deadline) {
    enum op_outcome outcome = verdict_rules[op->verdict].outcome;
    if (outcome == OUTCOME_OK) {
        return outcome;
    }
    if (op_is_write(op) && op->maybe_applied) {
        return at_deadline || op->verdict == VERDICT_TIMED_OUT ? OUTCOME_UNKNOWN_TIMEOUT
                                                               : OUTCOME_UNKNOWN;
    }
    int in_time = outcome == OUTCOME_THROTTLED || op->verdict == VERDICT_NOT_SENT ||
                  op->verdict == VERDICT_RENEWABLE;
    return at_deadline && !in_time ? OUTCOME_TIMEOUT : outcome;
}
