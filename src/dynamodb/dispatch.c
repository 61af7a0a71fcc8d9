/* Once per turn: which ops leave, in which company.
 *
 * A table's lanes are served longest waiting first; tables take turns, one exchange each, until
 * no connection is free or nothing may leave. */
#include "base/clock.h"
#include "base/error.h"
#include "dynamodb/pipeline.h"

static struct op *first_ready(const struct lane *lane) {
    return container_of(lane->ready.first, struct op, node);
}

static int lane_leaves(const struct dynamodb *d, struct table *t, enum lane_name name) {
    uint64_t due_ns;
    if (list_empty(&t->lanes[name].ready) ||
        !limiter_admits(table_limiter(t, name), table_in_flight(t, name), d->now_ns)) {
        return 0;
    }
    return name != LANE_COALESCED || coalescer_leaves(d, t, d->now_ns, &due_ns);
}

static enum lane_name choose_lane(const struct dynamodb *d, struct table *t) {
    enum lane_name best = LANES;
    for (enum lane_name i = 0; i < LANES; i++) {
        if (lane_leaves(d, t, i) &&
            (best == LANES ||
             first_ready(&t->lanes[i])->ready_ns < first_ready(&t->lanes[best])->ready_ns)) {
            best = i;
        }
    }
    return best;
}

/* Does the op still fit into the batch? */
static int joins(const struct dynamodb *d, const struct batch *b, const struct op *op,
                 size_t bytes) {
    if (b->count == 0) {
        return 1;
    }
    switch ((enum lane_name)b->lane) {
    case LANE_COALESCED:
        return b->count < d->options.batch_items &&
               bytes + coalescer_wire_bytes(op) <= COALESCER_BYTES_MAX;
    case LANE_SUSPECTS:
        return op->group == b->ops[0]->group;
    case LANE_ALONE:
    case LANE_READS:
    case LANES:
        break;
    }
    return 0;
}

/* Takes the ops from the front of the lane; the ones whose time is up are settled instead. */
static void load(struct dynamodb *d, struct batch *b) {
    struct lane *lane = &b->table->lanes[b->lane];
    size_t bytes = 0;
    while (!list_empty(&lane->ready) && b->count < COALESCER_OPS_MAX) {
        struct op *op = first_ready(lane);
        if (op->deadline_ns <= d->now_ns) {
            pipeline_give_up(d, op);
            continue;
        }
        if (!joins(d, b, op, bytes)) {
            return;
        }
        bytes += coalescer_wire_bytes(op);
        shed_left(&lane->shed, d->now_ns - op->ready_ns, d->now_ns);
        op_move(d, op, OP_FLYING);
        op->batch = b;
        b->ops[b->count++] = op;
    }
}

static void prepare(struct batch *b) {
    struct exchange *x = &b->exchange;
    x->events = &answer_events;
    x->method = HTTP_POST_;
    x->resend = EXCHANGE_RESEND_SAFE;
    for (size_t i = 0; i < b->count; i++) {
        const struct op *op = b->ops[i];
        if (op_is_write(op) && op->klass == OP_CONDITIONAL) {
            x->resend = EXCHANGE_RESEND_NEVER;
        }
        if (op->deadline_ns > x->deadline_ns) {
            x->deadline_ns = op->deadline_ns;
        }
    }
}

static void count_sent(struct dynamodb *d, const struct batch *b) {
    if (b->count > 1) {
        d->counts.batches++;
        d->counts.batched_ops += b->count;
    } else {
        d->counts.singles++;
    }
}

static int send_batch(struct dynamodb *d, struct table *t, enum lane_name lane) {
    struct batch *b = slab_acquire(&d->batches);
    if (!b) {
        return ERR_NOMEM; /* the ops stay ready, for a later turn or their deadline */
    }
    memset(b, 0, sizeof *b);
    b->owner = d;
    b->table = t;
    b->lane = (uint8_t)lane;
    b->sent_ns = d->now_ns;
    load(d, b);
    if (b->count == 0) {
        slab_release(&d->batches, b);
        return 0;
    }
    prepare(b);
    if (lane == LANE_COALESCED) {
        t->waits_since_ns = 0;
    }
    list_push_back(&t->lanes[lane].batches, &b->node);
    int error = d->port->send(d->port, &b->exchange);
    if (error) {
        list_remove(&b->node);
        for (size_t i = 0; i < b->count; i++) {
            b->ops[i]->batch = NULL;
            op_move(d, b->ops[i], OP_READY);
        }
        slab_release(&d->batches, b);
        return error;
    }
    count_sent(d, b);
    return 0;
}

void dispatch_run(struct dynamodb *d) {
    size_t idle = 0; /* tables in a row that had nothing to send */
    size_t at = d->first_table;
    for (size_t i = 0; i < d->table_count; i++) {
        coalescer_before_turn(d, d->tables[i]);
    }
    while (idle < d->table_count && d->port->free_places(d->port) > 0) {
        struct table *t = d->tables[at];
        at = at + 1 < d->table_count ? at + 1 : 0;
        enum lane_name lane = choose_lane(d, t);
        if (lane == LANES) {
            idle++;
            continue;
        }
        idle = 0;
        if (send_batch(d, t, lane) != 0) {
            break; /* the pool is full after all, or closing, or memory is out */
        }
    }
    d->first_table = at;
    for (size_t i = 0; i < d->table_count; i++) {
        coalescer_after_turn(d->tables[i], d->now_ns);
    }
}

uint64_t dispatch_due_ns(const struct dynamodb *d) {
    uint64_t earliest = UINT64_MAX;
    for (size_t i = 0; i < d->table_count; i++) {
        struct table *t = d->tables[i];
        for (enum lane_name lane = 0; lane < LANES; lane++) {
            if (list_empty(&t->lanes[lane].ready)) {
                continue;
            }
            uint64_t due_ns = UINT64_MAX;
            const struct limiter *l = table_limiter(t, lane);
            if (l->paused_until_ns > d->now_ns) {
                due_ns = l->paused_until_ns;
            } else if (lane == LANE_COALESCED) {
                (void)coalescer_leaves(d, t, d->now_ns, &due_ns);
            }
            earliest = due_ns < earliest ? due_ns : earliest;
        }
    }
    return earliest;
}
