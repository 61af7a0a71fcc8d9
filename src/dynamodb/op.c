#include "dynamodb/op.h"

#include "dynamodb/pipeline.h"

#include <stdlib.h>

static const struct state_def op_states[] = {
    [OP_STANDING] = {"standing", STATE_BIT(OP_READY) | STATE_BIT(OP_SETTLED)},
    [OP_READY] = {"ready", STATE_BIT(OP_FLYING) | STATE_BIT(OP_SETTLED)},
    [OP_RESTING] = {"resting", STATE_BIT(OP_READY) | STATE_BIT(OP_SETTLED)},
    [OP_FLYING] = {"flying",
                   STATE_BIT(OP_READY) | STATE_BIT(OP_RESTING) | STATE_BIT(OP_SETTLED)},
    [OP_SETTLED] = {"settled", STATE_BIT(OP_ABANDONED)},
    [OP_ABANDONED] = {"abandoned", 0},
};

static char *op_put(char *at, struct slice from, struct slice *to) {
    *to = slice_of(at, from.len);
    if (from.len) {
        memcpy(at, from.ptr, from.len);
    }
    return at + from.len;
}

struct op *op_new(struct slab *slab, const struct op_request *request, struct slice key) {
    size_t total = request->item.len + request->extra.len + key.len + request->body.len;
    char *overflow = NULL;
    if (total > OP_INLINE_BYTES && !(overflow = malloc(total))) {
        return NULL;
    }
    struct op *op = slab_acquire(slab);
    if (!op) {
        free(overflow);
        return NULL;
    }
    memset(op, 0, offsetof(struct op, bytes));
    op->overflow = overflow;
    op->held = total;
    char *at = overflow ? overflow : op->bytes;
    at = op_put(at, request->item, &op->item);
    at = op_put(at, request->extra, &op->extra);
    at = op_put(at, key, &op->key);
    op_put(at, request->body, &op->body);
    op->kind = (uint8_t)request->kind;
    op->klass = (uint8_t)request->klass;
    op->deadline_ns = request->deadline_ns;
    op->done = request->done;
    op->arg = request->arg;
    op->verdict = VERDICT_NONE;
    return op;
}

void op_free(struct slab *slab, struct op *op) {
    ASSERT(!list_linked(&op->node) && !list_linked(&op->line_node));
    free(op->overflow);
    slab_release(slab, op);
}

static void unlink_op(struct dynamodb *d, struct op *op) {
    switch ((enum op_state)state_of(&op->state)) {
    case OP_RESTING:
        backoff_remove(&d->resting, op);
        return;
    case OP_READY:
        if (op->lane == LANE_COALESCED) {
            op->table->ready_bytes -= coalescer_wire_bytes(op);
        }
        break;
    case OP_STANDING:
    case OP_FLYING:
    case OP_SETTLED:
    case OP_ABANDONED:
        break;
    }
    list_remove(&op->node);
}

static void link_op(struct dynamodb *d, struct op *op) {
    struct lane *lane = &op->table->lanes[op->lane];
    switch ((enum op_state)state_of(&op->state)) {
    case OP_STANDING:
        list_push_back(&d->standing, &op->node);
        break;
    case OP_READY:
        op->ready_ns = d->now_ns;
        if (op->lane == LANE_COALESCED) {
            op->table->ready_bytes += coalescer_wire_bytes(op);
        }
        list_push_back(&lane->ready, &op->node);
        break;
    case OP_RESTING:
        backoff_push(&d->resting, op);
        return;
    case OP_FLYING:
        list_push_back(&lane->flying, &op->node);
        break;
    case OP_SETTLED:
        list_push_back(&d->settled, &op->node);
        return;
    case OP_ABANDONED:
        list_push_back(&d->abandoned, &op->node);
        return;
    }
    /* Where it may wait past its deadline, it is swept. */
    if (op->deadline_ns < d->earliest_deadline_ns) {
        d->earliest_deadline_ns = op->deadline_ns;
    }
}

void op_start(struct dynamodb *d, struct op *op, enum op_state state) {
    state_init(&op->state, "op", op_states, state);
    link_op(d, op);
}

void op_move(struct dynamodb *d, struct op *op, enum op_state to) {
    unlink_op(d, op);
    state_move(&op->state, to);
    link_op(d, op);
}

int op_is_write(const struct op *op) {
    return op->lane != LANE_READS;
}

struct slice op_operation(enum op_kind kind) {
    switch (kind) {
    case OP_PUT_ITEM:
        return SLICE("PutItem");
    case OP_GET_ITEM:
        return SLICE("GetItem");
    case OP_UPDATE_ITEM:
        return SLICE("UpdateItem");
    case OP_DELETE_ITEM:
        return SLICE("DeleteItem");
    case OP_QUERY:
        return SLICE("Query");
    case OP_BATCH_WRITE_ITEM:
        return SLICE("BatchWriteItem");
    case OP_CREATE_TABLE:
        return SLICE("CreateTable");
    case OP_DESCRIBE_TABLE:
        return SLICE("DescribeTable");
    }
    return SLICE_EMPTY;
}
