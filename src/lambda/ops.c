/* penstock_dynamodb on the worker's pipeline: one small slab object per op binds the outcome to
 * the invocation and the handler's callback. */
#include "lambda/impl.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

struct invocation_op {
    struct penstock_invocation *invocation;
    penstock_result_fn done;
    void *arg;
    int writes;
};

static const enum op_kind kinds[] = {
    [PENSTOCK_PUT_ITEM] = OP_PUT_ITEM,
    [PENSTOCK_GET_ITEM] = OP_GET_ITEM,
    [PENSTOCK_UPDATE_ITEM] = OP_UPDATE_ITEM,
    [PENSTOCK_DELETE_ITEM] = OP_DELETE_ITEM,
    [PENSTOCK_QUERY] = OP_QUERY,
};

/* The two enums have one order, so that an outcome needs no table. */
_Static_assert((int)PENSTOCK_OK == (int)OUTCOME_OK, "outcome");
_Static_assert((int)PENSTOCK_CONDITION_FAILED == (int)OUTCOME_CONDITION_FAILED, "outcome");
_Static_assert((int)PENSTOCK_REFUSED == (int)OUTCOME_REFUSED, "outcome");
_Static_assert((int)PENSTOCK_THROTTLED == (int)OUTCOME_THROTTLED, "outcome");
_Static_assert((int)PENSTOCK_BUSY == (int)OUTCOME_BUSY, "outcome");
_Static_assert((int)PENSTOCK_UNAVAILABLE == (int)OUTCOME_UNAVAILABLE, "outcome");
_Static_assert((int)PENSTOCK_DENIED == (int)OUTCOME_DENIED, "outcome");
_Static_assert((int)PENSTOCK_UNKNOWN == (int)OUTCOME_UNKNOWN, "outcome");
_Static_assert((int)PENSTOCK_UNKNOWN_TIMEOUT == (int)OUTCOME_UNKNOWN_TIMEOUT, "outcome");
_Static_assert((int)PENSTOCK_TIMEOUT == (int)OUTCOME_TIMEOUT, "outcome");

/* Outcomes after which the caller may not be told that nothing happened. */
static bool may_have_happened(enum op_outcome o) {
    return o == OUTCOME_OK || o == OUTCOME_UNKNOWN || o == OUTCOME_UNKNOWN_TIMEOUT;
}

/* Ops of one invocation run side by side: the longest tells where the time went. */
static void note_phases(const struct penstock_invocation *i, const struct op_phases *p) {
    struct lambda_event *event = i->request ? i->request->owner_data : NULL;
    if (event && p->queue_ns + p->wait_ns >= event->phases.queue_ns + event->phases.wait_ns) {
        event->phases = *p;
    }
}

static void on_outcome(void *arg, const struct op_result *r) {
    struct invocation_op op = *(struct invocation_op *)arg;
    struct penstock_invocation *i = op.invocation;
    slab_release(&i->lambda->ops, arg);
    ASSERT(i->ops > 0);
    i->ops--;
    if (op.writes) {
        i->writes--;
        i->written |= may_have_happened(r->outcome);
    }
    note_phases(i, &r->phases);
    struct penstock_result result = {
        .outcome = (enum penstock_outcome)r->outcome,
        .body = slice_out(r->body),
        .error_name = slice_out(r->error_name),
        .message = slice_out(r->message),
        .retry_after_ms = r->retry_after_ms,
    };
    invocation_enter(i);
    op.done(i, op.arg, &result);
    invocation_leave(i);
}

static bool is_write(enum penstock_operation o) {
    return o != PENSTOCK_GET_ITEM && o != PENSTOCK_QUERY;
}

static enum op_class class_of(const struct penstock_request *r) {
    bool harmless = !is_write(r->operation) || r->idempotent ||
                    (r->extra.len == 0 && r->operation != PENSTOCK_UPDATE_ITEM);
    return harmless ? OP_IDEMPOTENT : OP_CONDITIONAL;
}

/* The pipeline's own deadline, or what is left of the invocation's where that is less. */
static uint64_t op_deadline_ns(const struct penstock_invocation *i) {
    uint64_t own =
        loop_now_ns(i->lambda->loop) + i->lambda->options.dynamodb_deadline_ms * NS_PER_MS;
    return own < i->deadline_ns ? own : i->deadline_ns;
}

int penstock_dynamodb(struct penstock_invocation *i, const struct penstock_request *request,
                      penstock_result_fn done, void *arg) {
    struct lambda *l = i->lambda;
    if (state_of(&i->state) != INVOCATION_RUNNING ||
        (unsigned)request->operation > PENSTOCK_QUERY || request->table == NULL ||
        done == NULL) {
        log_event(LOG_WARN, "handler_op_refused", log_str("request_id", i->request_id),
                  log_str("function", i->handler->name),
                  log_str("state", i->state.table[state_of(&i->state)].name));
        return PENSTOCK_REFUSED;
    }
    struct invocation_op *op = slab_acquire(&l->ops);
    if (op == NULL) {
        return PENSTOCK_BUSY;
    }
    *op = (struct invocation_op){i, done, arg, is_write(request->operation)};
    struct op_request r = {
        .kind = kinds[request->operation],
        .klass = class_of(request),
        .table = slice_cstr(request->table),
        .item = slice_in(request->item),
        .extra = slice_in(request->extra),
        .key = slice_in(request->key),
        .deadline_ns = op_deadline_ns(i),
        .done = on_outcome,
        .arg = op,
    };
    int error = dynamodb_submit(l->db, &r);
    if (error != 0) {
        slab_release(&l->ops, op);
        return error == ERR_NOT_FOUND || error == ERR_INVALID ? PENSTOCK_REFUSED
                                                              : PENSTOCK_BUSY;
    }
    i->ops++;
    i->writes += op->writes ? 1 : 0;
    return 0;
}

void ops_init(struct lambda *l) {
    slab_init(&l->ops, "invocation_op", sizeof(struct invocation_op), 0);
}
