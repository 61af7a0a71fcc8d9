#include "dynamodb/coalescer.h"

#include "base/clock.h"
#include "dynamodb/pipeline.h"

int coalescer_takes(const struct dynamodb *d, const struct op_request *request) {
    return d->options.batch_items > 1 && request->klass == OP_IDEMPOTENT &&
           (request->kind == OP_PUT_ITEM || request->kind == OP_DELETE_ITEM) &&
           request->extra.len == 0;
}

size_t coalescer_wire_bytes(const struct op *op) {
    return op->item.len + sizeof "{\"DeleteRequest\":{\"Item\":}},";
}

static size_t outstanding(const struct table *t) {
    const struct lane *lane = &t->lanes[LANE_COALESCED];
    return lane->ready.count + lane->flying.count;
}

int coalescer_eager(const struct table *t) {
    const struct lane *lane = &t->lanes[LANE_COALESCED];
    if (t->crowd > COALESCER_CROWD_OPS) {
        return lane->ready.count >= t->crowd;
    }
    return list_empty(&lane->batches) || outstanding(t) <= COALESCER_EAGER_OPS;
}

void coalescer_before_turn(const struct dynamodb *d, struct table *t) {
    size_t now = outstanding(t);
    if (now >= t->crowd || d->now_ns - t->crowd_ns > d->options.batch_delay_ms * NS_PER_MS) {
        t->crowd = now;
        t->crowd_ns = d->now_ns;
    }
}

static int is_full(const struct dynamodb *d, const struct table *t) {
    return t->lanes[LANE_COALESCED].ready.count >= d->options.batch_items ||
           t->ready_bytes >= COALESCER_BYTES_MAX;
}

int coalescer_leaves(const struct dynamodb *d, const struct table *t, uint64_t now_ns,
                     uint64_t *due_ns) {
    const struct list *ready = &t->lanes[LANE_COALESCED].ready;
    *due_ns = UINT64_MAX;
    if (list_empty(ready)) {
        return 0;
    }
    uint64_t since_ns = t->waits_since_ns ? t->waits_since_ns : now_ns;
    uint64_t due = since_ns + d->options.batch_delay_ms * NS_PER_MS;
    if (is_full(d, t) || now_ns >= due || d->rule(t)) {
        return 1;
    }
    *due_ns = due;
    return 0;
}

void coalescer_after_turn(struct table *t, uint64_t now_ns) {
    if (list_empty(&t->lanes[LANE_COALESCED].ready)) {
        t->waits_since_ns = 0;
    } else if (t->waits_since_ns == 0) {
        t->waits_since_ns = now_ns;
    }
}
