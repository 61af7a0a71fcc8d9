/* The write pipeline of one worker.
 *
 *  dynamodb_submit
 *    | op_new: a slab object with the item's bytes in it
 *    v
 *  key_line_join ---- another op of its key is before it ----> STANDING (d->standing)
 *    |                                                            |
 *    | its turn                                    key_line_leave | of the one before
 *    v                                                            v
 *  READY, in a lane of its table:  [coalesced] [suspects] [alone] [reads]  <-------------.
 *    |                                                                                   |
 *    | dispatch_run, once per turn: a place is free, limiter_admits, coalescer_leaves     |
 *    v                                                                                   |
 *  FLYING, in a struct batch (one exchange) --- port->send --> pool                       |
 *    |                                           on_write: batch_write_body, signed      |
 *    |                                           on_done:  the end of the exchange        |
 *    | answer.c: answer_read, batch_read_answer, limiter, the matrix of outcome.c         |
 *    |--- refused as a whole: split into two groups of suspects ------------------------->|
 *    |--- may be repeated (attempts, quota, time): RESTING, in d->resting                 |
 *    |                                               `-- wake_rested, its time has come --'
 *    v
 *  SETTLED (pipeline_settle: into d->settled)
 *    v
 *  pipeline_deliver: out of line (the next of its key is READY), copy out, free, call last
 *    |
 *    `--- its deadline passed while it flies: called, but in line as ABANDONED until the
 *         exchange ends
 *
 * dynamodb_turn does what is not an answer: it wakes what has rested, sweeps deadlines,
 * dispatches, and says when it wants to run again. In production it is a duty of the loop
 * (live.c), in the simulation a function called after every event. */
#include "dynamodb/pipeline.h"

#include "base/clock.h"
#include "base/error.h"
#include "dynamodb/key_line.h"

#include <stdlib.h>

#define NO_LIMIT 0

const struct dynamodb_options dynamodb_options_default = {
    .batch_items = COALESCER_OPS_MAX,
    .batch_delay_ms = 1,
    .queue_ops = 16384,
    .queue_bytes = 64u << 20,
    .deadline_ms = 10000,
    .max_attempts = 4,
    .retry_after_ms = 1000,
};

static void table_add(struct dynamodb *d, const struct model_table *schema) {
    struct table *t;
    NEED_MEMORY((t = malloc(sizeof *t)) != NULL);
    d->tables = memory_grow(d->tables, (d->table_count + 1) * sizeof *d->tables);
    table_init(t, schema);
    d->tables[d->table_count++] = t;
    map_insert(&d->by_name, &t->node, t->name);
}

static void table_free(struct dynamodb *d, struct table *t) {
    map_remove(&d->by_name, &t->node);
    table_fini(t);
    free(t);
}

void dynamodb_add_tables(struct dynamodb *d, const struct model_table *tables, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct map_node *found = map_find(&d->by_name, slice_cstr(tables[i].name));
        struct table *t = found ? container_of(found, struct table, node) : NULL;
        if (!t) {
            table_add(d, &tables[i]);
        } else if (t->ops == 0) {
            t->own = tables[i]; /* one that was kept for an op may come again with other keys */
        }
    }
}

static int is_among(const struct model_table *tables, size_t count, const struct table *t) {
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(slice_cstr(tables[i].name), t->name)) {
            return 1;
        }
    }
    return 0;
}

void dynamodb_keep_tables(struct dynamodb *d, const struct model_table *tables, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < d->table_count; i++) {
        struct table *t = d->tables[i];
        if (t->ops > 0 || is_among(tables, count, t)) {
            d->tables[kept++] = t;
        } else {
            table_free(d, t);
        }
    }
    d->table_count = kept;
    d->first_table = 0;
}

struct dynamodb *pipeline_new(struct dynamodb_port *port, const struct model_table *tables,
                              size_t table_count, const struct dynamodb_options *options) {
    struct dynamodb *d;
    NEED_MEMORY((d = calloc(1, sizeof *d)) != NULL);
    d->port = port;
    d->options = *options;
    if (d->options.batch_items > COALESCER_OPS_MAX || d->options.batch_items == 0) {
        d->options.batch_items = COALESCER_OPS_MAX;
    }
    d->rule = coalescer_eager;
    map_init(&d->by_name, table_count);
    dynamodb_add_tables(d, tables, table_count);
    slab_init(&d->ops, "op", sizeof(struct op), d->options.queue_ops);
    slab_init(&d->lines, "key_line", sizeof(struct key_line), NO_LIMIT);
    slab_init(&d->batches, "batch", sizeof(struct batch), NO_LIMIT);
    list_init(&d->standing);
    list_init(&d->settled);
    list_init(&d->abandoned);
    backoff_init(&d->resting, d->options.queue_ops);
    d->earliest_deadline_ns = UINT64_MAX;
    d->now_ns = port->now_ns(port);
    return d;
}

void dynamodb_free(struct dynamodb *d) {
    ASSERT(list_empty(&d->standing) && list_empty(&d->settled) && list_empty(&d->abandoned));
    for (size_t i = 0; i < d->table_count; i++) {
        table_free(d, d->tables[i]);
    }
    map_fini(&d->by_name);
    free(d->tables);
    backoff_fini(&d->resting);
    slab_fini(&d->ops);
    slab_fini(&d->lines);
    slab_fini(&d->batches);
    buffer_fini(&d->body);
    buffer_fini(&d->text);
    model_key_buffer_fini(&d->keys);
    d->port->free(d->port);
    free(d);
}

/* ---- in ---- */

static int has_key(enum op_kind kind) {
    return kind == OP_PUT_ITEM || kind == OP_GET_ITEM || kind == OP_UPDATE_ITEM ||
           kind == OP_DELETE_ITEM;
}

static enum lane_name lane_of(const struct dynamodb *d, const struct op_request *request) {
    switch (request->kind) {
    case OP_PUT_ITEM:
    case OP_UPDATE_ITEM:
    case OP_DELETE_ITEM:
    case OP_BATCH_WRITE_ITEM:
        return coalescer_takes(d, request) ? LANE_COALESCED : LANE_ALONE;
    case OP_GET_ITEM:
    case OP_QUERY:
    case OP_CREATE_TABLE:
    case OP_DESCRIBE_TABLE:
        break;
    }
    return LANE_READS;
}

int dynamodb_busy(const struct dynamodb *d) {
    return d->phase != PIPELINE_OPEN || d->ops.used >= d->options.queue_ops ||
           d->held_bytes >= d->options.queue_bytes;
}

static int find_key(struct dynamodb *d, const struct table *t, const struct op_request *request,
                    struct slice *key) {
    *key = request->key;
    if (!has_key(request->kind)) {
        *key = SLICE_EMPTY;
        return 0;
    }
    if (key->len) {
        return 0;
    }
    return model_item_key(t->schema, request->item, &d->keys, key) ? ERR_INVALID : 0;
}

static int admits(struct dynamodb *d, struct table *t, const struct op_request *request) {
    enum lane_name name = lane_of(d, request);
    struct lane *lane = &t->lanes[name];
    int about_tables = !has_key(request->kind) && request->kind != OP_QUERY;
    if (about_tables || !shed_overloaded(&lane->shed, d->now_ns)) {
        return 1;
    }
    size_t in_flight = table_in_flight(t, name), limit = table_limiter(t, name)->limit;
    size_t places = d->port->free_places(d->port);
    size_t allowed = limit > in_flight ? limit - in_flight : 0;
    size_t at_once = (places < allowed ? places : allowed) *
                     (name == LANE_COALESCED ? d->options.batch_items : 1);
    return shed_admits(&lane->shed, lane->ready.count, at_once, lane->flying.count);
}

int dynamodb_submit(struct dynamodb *d, const struct op_request *request) {
    ASSERT(request->done && request->kind != OP_BATCH_WRITE_ITEM);
    size_t bytes = request->item.len + request->extra.len + request->body.len;
    if (dynamodb_busy(d) || bytes > d->options.queue_bytes - d->held_bytes) {
        return ERR_BUSY;
    }
    struct map_node *found = map_find(&d->by_name, request->table);
    if (!found) {
        return ERR_NOT_FOUND;
    }
    struct table *t = container_of(found, struct table, node);
    struct slice key;
    d->now_ns = d->port->now_ns(d->port);
    if (!admits(d, t, request)) {
        return ERR_BUSY;
    }
    int error = find_key(d, t, request, &key);
    if (error) {
        return error;
    }
    struct op *op = slab_reserve(&d->lines) == 0 ? op_new(&d->ops, request, key) : NULL;
    if (!op) {
        return ERR_BUSY;
    }
    op->table = t;
    t->ops++;
    op->lane = (uint8_t)lane_of(d, request);
    op->invocation = rng_u64(&d->port->rng);
    op->submitted_ns = d->now_ns;
    if (op->deadline_ns == 0) {
        op->deadline_ns = d->now_ns + d->options.deadline_ms * NS_PER_MS;
    }
    d->held_bytes += op->held;
    d->submitted++;
    int goes = !key.len || key_line_join(d, op);
    op_start(d, op, goes ? OP_READY : OP_STANDING);
    return 0;
}

/* ---- out ---- */

void pipeline_settle(struct dynamodb *d, struct op *op, enum op_outcome outcome) {
    op->outcome = (uint8_t)outcome;
    op_move(d, op, OP_SETTLED);
}

void pipeline_give_up(struct dynamodb *d, struct op *op) {
    enum op_outcome outcome = op_final_outcome(op, op->deadline_ns <= d->now_ns);
    if (op->verdict == VERDICT_NONE && d->phase >= PIPELINE_CLOSING) {
        outcome = OUTCOME_UNAVAILABLE;
    } else if (op->verdict == VERDICT_NONE && state_of(&op->state) == OP_READY) {
        if (table_limiter(op->table, op->lane)->throttled) {
            outcome = OUTCOME_THROTTLED; /* the table's last answer, on which it waited */
        } else if (!d->port->reachable(d->port)) {
            outcome = OUTCOME_UNAVAILABLE;
        }
    }
    pipeline_settle(d, op, outcome);
}

static struct op_phases phases_of(const struct dynamodb *d, const struct op *op) {
    if (op->left_ns == 0) {
        return (struct op_phases){.queue_ns = d->now_ns - op->submitted_ns};
    }
    return (struct op_phases){.queue_ns = op->left_ns - op->submitted_ns,
                              .sign_ns = op->sign_ns,
                              .wait_ns = d->now_ns - op->left_ns};
}

static void describe(const struct dynamodb *d, const struct op *op, const struct answer *a,
                     size_t batch_ops, struct op_result *result) {
    uint64_t hint = a && a->retry_after_ms > 0 ? (uint64_t)a->retry_after_ms : 0;
    memset(result, 0, sizeof *result);
    result->outcome = op->outcome;
    result->attempts = op->attempts;
    result->batch_ops = op->batch_ops;
    result->phases = phases_of(d, op);
    if (a && batch_ops == 1) {
        result->body = a->body;
    }
    if (result->outcome == OUTCOME_OK) {
        return;
    }
    if (a) {
        result->error_name = a->error_name;
        result->message = a->message;
    }
    if (!result->message.len) {
        result->message = slice_cstr(op_outcome_message(result->outcome));
    }
    if (result->outcome == OUTCOME_THROTTLED || result->outcome == OUTCOME_UNAVAILABLE) {
        result->retry_after_ms =
            hint > d->options.retry_after_ms ? hint : d->options.retry_after_ms;
    }
}

void pipeline_forget(struct dynamodb *d, struct op *op) {
    list_remove(&op->node);
    key_line_leave(d, op);
    d->held_bytes -= op->held;
    op->table->ops--;
    op_free(&d->ops, op);
}

void pipeline_deliver(struct dynamodb *d, const struct answer *a, size_t batch_ops) {
    while (!list_empty(&d->settled)) {
        struct op *op = container_of(d->settled.first, struct op, node);
        struct op_result result;
        op_done_fn done = op->done;
        void *arg = op->arg;
        describe(d, op, a, batch_ops, &result);
        d->counts.settled++;
        d->counts.outcomes[op->outcome]++;
        if (op->batch) {
            op_move(d, op, OP_ABANDONED);
        } else {
            pipeline_forget(d, op);
        }
        done(arg, &result);
    }
}

/* ---- once per turn ---- */

static void wake_rested(struct dynamodb *d) {
    struct op *op;
    while ((op = backoff_first(&d->resting)) != NULL && op->due_ns <= d->now_ns) {
        op_move(d, op, OP_READY);
    }
}

/* Out of a batch that waits in the pool: the others may have more time. */
static void withdraw(struct dynamodb *d, struct op *op) {
    struct batch *b = op->batch;
    size_t at = 0;
    while (b->ops[at] != op) {
        at++;
    }
    b->count--;
    memmove(&b->ops[at], &b->ops[at + 1], (b->count - at) * sizeof b->ops[0]);
    op->batch = NULL;
    op->verdict = VERDICT_NOT_SENT;
    pipeline_settle(d, op, op_final_outcome(op, 1));
}

/* Its time is up while it flies. */
static void abandon(struct dynamodb *d, struct op *op) {
    if (!op->batch->written) {
        withdraw(d, op);
        return;
    }
    op->verdict = VERDICT_TIMED_OUT;
    op->maybe_applied |= op_is_write(op) != 0;
    op->attempts = (uint8_t)(op->attempts + (op->attempts < UINT8_MAX));
    op->batch_ops = (uint8_t)op->batch->count;
    pipeline_settle(d, op, op_final_outcome(op, 1));
}

static void sweep_list(struct dynamodb *d, struct list *l,
                       void (*end)(struct dynamodb *d, struct op *op), uint64_t *earliest) {
    LIST_FOR_EACH_SAFE (n, follow, l) {
        struct op *op = container_of(n, struct op, node);
        if (op->deadline_ns <= d->now_ns) {
            end(d, op);
        }
        if (op->node.list == l && op->deadline_ns < *earliest) {
            *earliest = op->deadline_ns;
        }
    }
}

/* What rests needs no sweep: it is due before its deadline. */
static void sweep_deadlines(struct dynamodb *d) {
    if (d->earliest_deadline_ns > d->now_ns ||
        d->now_ns - d->swept_ns < DEADLINE_SWEEP_MS * NS_PER_MS) {
        return;
    }
    uint64_t earliest = UINT64_MAX;
    d->swept_ns = d->now_ns;
    sweep_list(d, &d->standing, pipeline_give_up, &earliest);
    for (size_t i = 0; i < d->table_count; i++) {
        for (int lane = 0; lane < LANES; lane++) {
            sweep_list(d, &d->tables[i]->lanes[lane].ready, pipeline_give_up, &earliest);
            sweep_list(d, &d->tables[i]->lanes[lane].flying, abandon, &earliest);
        }
    }
    d->earliest_deadline_ns = earliest;
}

static uint64_t next_turn_ns(const struct dynamodb *d) {
    uint64_t due_ns = dispatch_due_ns(d);
    const struct op *rested = backoff_first(&d->resting);
    if (rested && rested->due_ns < due_ns) {
        due_ns = rested->due_ns;
    }
    if (d->earliest_deadline_ns != UINT64_MAX) {
        uint64_t sweep_ns = d->swept_ns + DEADLINE_SWEEP_MS * NS_PER_MS;
        if (sweep_ns < d->earliest_deadline_ns) {
            sweep_ns = d->earliest_deadline_ns;
        }
        due_ns = sweep_ns < due_ns ? sweep_ns : due_ns;
    }
    return due_ns;
}

static size_t count_flying(const struct dynamodb *d) {
    size_t count = 0;
    for (size_t i = 0; i < d->table_count; i++) {
        for (int lane = 0; lane < LANES; lane++) {
            count += d->tables[i]->lanes[lane].flying.count;
        }
    }
    return count;
}

static size_t count_queued(const struct dynamodb *d) {
    size_t count = d->standing.count + d->resting.count;
    for (size_t i = 0; i < d->table_count; i++) {
        for (int lane = 0; lane < LANES; lane++) {
            count += d->tables[i]->lanes[lane].ready.count;
        }
    }
    return count;
}

static void cancel_all(struct dynamodb *d);

static void maybe_finish(struct dynamodb *d) {
    if (d->counts.settled != d->submitted) {
        return;
    }
    if (d->on_drained) {
        void (*on_drained)(void *arg) = d->on_drained;
        d->on_drained = NULL;
        on_drained(d->drained_arg);
    }
    if (d->phase != PIPELINE_CLOSING) {
        return;
    }
    d->phase = PIPELINE_CLOSED;
    d->port->close(d->port, d);
}

static void assert_counts(const struct dynamodb *d) {
    size_t held = count_queued(d) + count_flying(d) + d->settled.count;
    ASSERT(d->submitted == d->counts.settled + held);
    ASSERT(d->ops.used == held + d->abandoned.count);
}

void dynamodb_turn(struct dynamodb *d) {
    d->now_ns = d->port->now_ns(d->port);
    if (d->phase == PIPELINE_CLOSING) {
        cancel_all(d);
    }
    wake_rested(d);
    sweep_deadlines(d);
    pipeline_deliver(d, NULL, 0);
    dispatch_run(d);
    assert_counts(d);
    if (list_empty(&d->settled)) {
        d->port->wake_at(d->port, next_turn_ns(d));
    } else { /* the time of some was up when they were to leave */
        pipeline_deliver(d, NULL, 0);
        d->port->wake_at(d->port, d->now_ns);
    }
    maybe_finish(d);
}

/* ---- the end ---- */

static void cancel_ready(struct dynamodb *d, struct table *t) {
    struct op *op;
    for (int lane = 0; lane < LANES; lane++) {
        struct list *ready = &t->lanes[lane].ready;
        while (!list_empty(ready)) {
            op = container_of(ready->first, struct op, node);
            pipeline_give_up(d, op);
        }
    }
}

/* An exchange that was written goes on without them; a write in it may yet happen. */
static void cancel_flying(struct dynamodb *d, struct table *t) {
    for (int lane = 0; lane < LANES; lane++) {
        struct list_node *n;
        while ((n = list_pop_front(&t->lanes[lane].batches)) != NULL) {
            struct batch *b = container_of(n, struct batch, node);
            for (size_t i = 0; i < b->count; i++) {
                struct op *op = b->ops[i];
                op->batch = NULL;
                if (state_of(&op->state) == OP_ABANDONED) {
                    pipeline_forget(d, op);
                    continue;
                }
                op->maybe_applied |= b->written && op_is_write(op);
                op->verdict = b->written ? VERDICT_LOST : VERDICT_NOT_SENT;
                pipeline_settle(d, op, op_final_outcome(op, 0));
            }
            b->table = NULL;
        }
    }
}

static void cancel_all(struct dynamodb *d) {
    struct op *op;
    while (!list_empty(&d->standing)) {
        pipeline_give_up(d, container_of(d->standing.first, struct op, node));
    }
    while ((op = backoff_first(&d->resting)) != NULL) {
        pipeline_give_up(d, op);
    }
    for (size_t i = 0; i < d->table_count; i++) {
        cancel_flying(d, d->tables[i]);
        cancel_ready(d, d->tables[i]);
    }
}

void dynamodb_drain(struct dynamodb *d, void (*on_drained)(void *arg), void *arg) {
    if (d->phase == PIPELINE_OPEN) {
        d->phase = PIPELINE_DRAINING;
    }
    d->on_drained = on_drained;
    d->drained_arg = arg;
    d->port->wake_at(d->port, d->now_ns);
}

void dynamodb_close(struct dynamodb *d, void (*on_closed)(void *arg), void *arg) {
    ASSERT(d->phase < PIPELINE_CLOSING);
    d->phase = PIPELINE_CLOSING;
    d->on_closed = on_closed;
    d->closed_arg = arg;
    d->port->wake_at(d->port, d->now_ns);
}

void dynamodb_closed(struct dynamodb *d) {
    if (d->on_closed) {
        d->on_closed(d->closed_arg);
    }
}

/* ---- what it tells ---- */

void dynamodb_count(const struct dynamodb *d, struct dynamodb_counts *out) {
    *out = d->counts;
    out->submitted = d->submitted;
    out->queued = count_queued(d) + d->settled.count;
    out->in_flight = count_flying(d);
    out->queued_bytes = d->held_bytes;
    out->slab_bytes = d->ops.bytes;
    ASSERT(out->submitted == out->settled + out->queued + out->in_flight);
    ASSERT(d->ops.used == out->queued + out->in_flight + d->abandoned.count);
}

void dynamodb_count_table(const struct dynamodb *d, struct slice name,
                          struct dynamodb_table_counts *out) {
    const struct map_node *found = map_find(&d->by_name, name);
    ASSERT(found != NULL);
    const struct table *t = container_of(found, struct table, node);
    *out = (struct dynamodb_table_counts){.throttles = t->throttles,
                                          .write_limit = t->writes.limit,
                                          .read_limit = t->reads.limit,
                                          .writing = table_in_flight(t, LANE_COALESCED),
                                          .reading = table_in_flight(t, LANE_READS),
                                          .retry_tokens = t->quota.tokens};
}

int64_t dynamodb_clock_offset_s(const struct dynamodb *d) {
    return d->clock_offset_s;
}

void dynamodb_on_bad_credentials(struct dynamodb *d, void (*fn)(void *arg), void *arg) {
    d->on_bad_credentials = fn;
    d->bad_credentials_arg = arg;
}
