/* An exchange has come to its end: what that means for each op it carried.
 *
 * Happy path: 200, checksum right, nothing unprocessed -> every op is stored -> callbacks.
 * Failure modes: some are handed back (they rest, the others are stored); all are throttled or
 * lost (each rests or is settled, as the matrix in outcome.c says); refused as a whole (a batch
 * is cut in two and both halves leave again, until the bad op stands alone). */
#include "aws/skew.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "dynamodb/pipeline.h"

/* They leave with this exchange, as soon as it is flushed. */
static void note_leaving(struct dynamodb *d, struct batch *b) {
    uint64_t now_ns = d->port->now_ns(d->port);
    uint64_t sign_ns = d->port->sign_ns;
    buckets_add(&d->counts.sign_ns, buckets_work_ns, sign_ns);
    if (op_is_write(b->ops[0])) {
        buckets_add(&d->counts.batch_ops, buckets_batch_ops, b->count);
    }
    for (size_t i = 0; i < b->count; i++) {
        struct op *op = b->ops[i];
        op->sign_ns = sign_ns;
        if (op->left_ns == 0) {
            op->left_ns = now_ns;
            buckets_add(&d->counts.queue_ns, buckets_wait_ns, now_ns - op->submitted_ns);
        }
    }
}

static int on_write(struct exchange *x, struct buffer *out) {
    struct batch *b = container_of(x, struct batch, exchange);
    struct dynamodb *d = b->owner;
    struct rng ids;
    char id[37];
    if (!b->table || b->count == 0) {
        return ERR_CANCELED;
    }
    buffer_reset(&d->body, BODY_KEEP_BYTES);
    int error = batch_write_body(b, &d->body);
    if (error) {
        return error;
    }
    const struct op *first = b->ops[0];
    rng_seed(&ids, first->invocation);
    rng_uuid(&ids, id);
    struct wire_request request = {
        .operation = op_operation(batch_kind(b)),
        .epoch_s = (uint64_t)((int64_t)d->port->wall_s(d->port) + d->clock_offset_s),
        .invocation_id = id,
        .attempt = first->attempts + 1u,
        .max_attempts = d->options.max_attempts,
        .body = buffer_slice(&d->body),
    };
    error = d->port->write(d->port, &request, out);
    b->written |= error == 0; /* for good: a copy that left before still counts */
    /* Once it may have left only an answer or the pool's own time-out ends it: until then it
     * may be applied, and nobody of the same key may overtake it. */
    x->deadline_ns = b->written ? 0 : x->deadline_ns;
    if (!error) {
        note_leaving(d, b);
    }
    return error;
}

/* The Date field: looked at once a second, and whenever something was refused. */
static int clock_moved(struct dynamodb *d, const struct answer *a,
                       const struct http_response *r) {
    if (a->kind == AWS_OK && d->now_ns - d->clock_checked_ns < CLOCK_CHECK_MS * NS_PER_MS) {
        return 0;
    }
    d->clock_checked_ns = d->now_ns;
    struct slice date = http_header_value(&r->headers, SLICE("date"));
    if (!aws_skew_update(date, d->port->wall_s(d->port), a->kind, &d->clock_offset_s)) {
        return 0;
    }
    log_event(LOG_WARN, "clock_skew", log_i64("offset_s", d->clock_offset_s));
    return 1;
}

static void read_answer(struct dynamodb *d, struct batch *b, int error,
                        const struct http_response *r, struct answer *a) {
    if (error) {
        memset(a, 0, sizeof *a);
        a->retry_after_ms = -1;
        a->verdict = verdict_of_error(error, b->exchange.progress);
        a->message = b->exchange.reason ? slice_cstr(b->exchange.reason) : SLICE_EMPTY;
        a->kind = error == ERR_CREDENTIALS ? AWS_CREDENTIALS : AWS_OK;
        return;
    }
    answer_read(a, r, &d->text);
    if (clock_moved(d, a, r) && (a->kind == AWS_ACCESS || a->verdict == VERDICT_RENEWABLE)) {
        a->verdict = VERDICT_RENEWABLE;
        a->kind = AWS_CLOCK_SKEW;
    }
    if (a->verdict == VERDICT_STORED && op_is_write(b->ops[0]) &&
        (r->status != 200 || batch_read_answer(b, a->body, &d->keys) != 0)) {
        a->verdict = VERDICT_LOST;
        a->message = SLICE("an answer that is not DynamoDB's");
    }
}

static void regulate(struct dynamodb *d, const struct batch *b, const struct answer *a) {
    struct limiter *l = table_limiter(b->table, b->lane);
    size_t in_flight = table_in_flight(b->table, b->lane);
    size_t back = 0;
    for (size_t i = 0; i < b->count; i++) {
        back += b->ops[i]->unprocessed;
    }
    b->table->throttles += a->verdict == VERDICT_THROTTLED || 2 * back > b->count;
    if (a->verdict == VERDICT_THROTTLED) {
        if (!a->few_keys) { /* else their ops rest, and the table does not */
            limiter_throttled(l, LIMITER_HALVE, in_flight, b->sent_ns, d->now_ns,
                              &d->port->rng);
        }
    } else if (2 * back > b->count) {
        limiter_throttled(l, back == b->count ? LIMITER_HALVE : LIMITER_TENTH, in_flight,
                          b->sent_ns, d->now_ns, &d->port->rng);
    } else if (!verdict_rules[a->verdict].maybe_applied) {
        limiter_succeeded(l);
    }
}

/* One retry is paid for by the whole exchange. */
static int pay(struct batch *b, struct op *op) {
    const struct verdict_rule *rule = &verdict_rules[op->verdict];
    if (rule->repeat != REPEAT_PAID) {
        return 1;
    }
    if (b->charge == CHARGE_OPEN) {
        int error = retry_quota_take(&b->table->quota, rule->kind, &op->paid);
        b->charge = error ? CHARGE_DENIED : CHARGE_PAID;
    }
    return b->charge == CHARGE_PAID;
}

static uint64_t delay_ms(struct dynamodb *d, struct op *op, const struct answer *a) {
    const struct verdict_rule *rule = &verdict_rules[op->verdict];
    unsigned before = rule->repeat == REPEAT_FREE ? op->unsent : op->retries;
    if (rule->repeat == REPEAT_ONCE) {
        return a->kind == AWS_CLOCK_SKEW ? 0 : RENEW_PAUSE_MS;
    }
    return retry_delay_ms(&d->port->rng, rule->kind, before + 1, a->retry_after_ms);
}

static void count_retry(struct dynamodb *d, struct op *op) {
    switch ((enum verdict_repeat)verdict_rules[op->verdict].repeat) {
    case REPEAT_ONCE:
        op->renewed = 1;
        break;
    case REPEAT_FREE:
        op->unsent = (uint8_t)(op->unsent + (op->unsent < UINT8_MAX));
        break;
    case REPEAT_PAID:
    case REPEAT_NEVER:
        op->retries++;
        break;
    }
    if (op->verdict == VERDICT_UNPROCESSED) {
        d->counts.retries_unprocessed++;
    } else if (op->verdict == VERDICT_THROTTLED) {
        d->counts.retries_throttle++;
    } else {
        d->counts.retries_transient++;
    }
}

static void rest_or_settle(struct dynamodb *d, struct batch *b, struct op *op,
                           const struct answer *a, int canceled) {
    if (canceled || !op_may_repeat(op, d->options.max_attempts)) {
        pipeline_settle(d, op, op_final_outcome(op, op->deadline_ns <= d->now_ns));
        return;
    }
    op->due_ns = d->now_ns + delay_ms(d, op, a) * NS_PER_MS;
    if (op->due_ns >= op->deadline_ns) {
        pipeline_settle(d, op, op_final_outcome(op, 1));
        return;
    }
    if (!pay(b, op)) {
        pipeline_settle(d, op, op_final_outcome(op, 0));
        return;
    }
    count_retry(d, op);
    op_move(d, op, OP_RESTING);
}

static void judge(struct dynamodb *d, struct batch *b, struct op *op, const struct answer *a,
                  int canceled) {
    op->batch = NULL;
    if (state_of(&op->state) == OP_ABANDONED) {
        pipeline_forget(d, op);
        return;
    }
    op->verdict = (uint8_t)(op->unprocessed ? VERDICT_UNPROCESSED : a->verdict);
    op->unprocessed = 0;
    op->maybe_applied |= verdict_rules[op->verdict].maybe_applied && op_is_write(op);
    if (op->verdict == VERDICT_STORED) {
        pipeline_settle(d, op, OUTCOME_OK);
    } else {
        rest_or_settle(d, b, op, a, canceled);
    }
}

/* The pool has repeated the request by itself: the answer is to the repeat alone. */
static void remember_resend(struct batch *b) {
    for (size_t i = 0; b->exchange.resends && i < b->count; i++) {
        b->ops[i]->maybe_applied |= op_is_write(b->ops[i]) != 0;
    }
}

/* Halves travel apart, and never again with the innocent. */
static void split(struct dynamodb *d, struct batch *b) {
    uint32_t left = ++d->groups, right = ++d->groups;
    d->counts.splits++;
    for (size_t i = 0; i < b->count; i++) {
        struct op *op = b->ops[i];
        op->batch = NULL;
        if (state_of(&op->state) == OP_ABANDONED) {
            pipeline_forget(d, op);
            continue;
        }
        op->lane = LANE_SUSPECTS;
        op->group = i < b->count / 2 ? left : right;
        op_move(d, op, OP_READY);
    }
}

static void settle_or_retry(struct dynamodb *d, struct batch *b, const struct answer *a,
                            int error) {
    int canceled = error == ERR_CANCELED || d->phase >= PIPELINE_CLOSING;
    int stored = 0; /* an answer that hands everything back is no success */
    uint32_t paid = 0;
    for (size_t i = 0; i < b->count; i++) {
        struct op *op = b->ops[i];
        if (a->verdict == VERDICT_STORED && !op->unprocessed) {
            stored = 1;
            paid += op->paid;
        }
        judge(d, b, op, a, canceled);
    }
    if (stored) {
        retry_quota_refund(&b->table->quota, paid);
    }
}

static void count_attempt(struct batch *b, int error) {
    int left = !error || b->exchange.progress != EXCHANGE_NOT_SENT;
    for (size_t i = 0; i < b->count; i++) {
        struct op *op = b->ops[i];
        op->attempts = (uint8_t)(op->attempts + (left && op->attempts < UINT8_MAX));
        op->batch_ops = (uint8_t)b->count;
    }
}

static void tell_bad_credentials(struct dynamodb *d) {
    if (d->credentials_told_ns &&
        d->now_ns - d->credentials_told_ns < CREDENTIALS_TELL_MS * NS_PER_MS) {
        return;
    }
    d->credentials_told_ns = d->now_ns;
    if (d->on_bad_credentials) {
        d->on_bad_credentials(d->bad_credentials_arg);
    }
}

static void on_done(struct exchange *x, int error, const struct http_response *response) {
    struct batch *b = container_of(x, struct batch, exchange);
    struct dynamodb *d = b->owner;
    struct answer a;
    if (!b->table) { /* a close has settled its ops */
        slab_release(&d->batches, b);
        return;
    }
    d->now_ns = d->port->now_ns(d->port);
    read_answer(d, b, error, response, &a);
    if (!error) {
        buckets_add(&d->counts.wait_ns, buckets_wait_ns, d->now_ns - x->written_ns);
        regulate(d, b, &a);
    }
    size_t count = b->count;
    count_attempt(b, error);
    remember_resend(b);
    if (a.verdict == VERDICT_REFUSED && count > 1) {
        split(d, b);
    } else {
        settle_or_retry(d, b, &a, error);
    }
    list_remove(&b->node);
    slab_release(&d->batches, b);
    int bad_credentials = a.verdict == VERDICT_RENEWABLE && a.kind == AWS_CREDENTIALS;
    pipeline_deliver(d, &a, count);
    if (bad_credentials) {
        tell_bad_credentials(d);
    }
}

const struct exchange_events answer_events = {on_write, on_done};
