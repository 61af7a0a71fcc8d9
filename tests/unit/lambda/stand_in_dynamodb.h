/* A stand-in of dynamodb/ at link level: ops are kept, and settled by the test. One test
 * program includes it once. */
#ifndef UNIT_LAMBDA_STAND_IN_DYNAMODB_H
#define UNIT_LAMBDA_STAND_IN_DYNAMODB_H

#include "support/unit.h"

#include "base/error.h"
#include "dynamodb/dynamodb.h"

#include <stdio.h>

#define FAKE_OPS_MAX 64

const struct dynamodb_options dynamodb_options_default = {.deadline_ms = 10000};

static struct {
    int refuse; /* what submit answers, when not 0 */
    int busy;
    size_t count; /* ops not settled yet */
    struct {
        enum op_kind kind;
        enum op_class klass;
        char table[64];
        char item[256];
        char extra[256];
        uint64_t deadline_ns;
        op_done_fn done;
        void *arg;
    } ops[FAKE_OPS_MAX];
} fake_db;

int dynamodb_submit(struct dynamodb *d, const struct op_request *request) {
    (void)d;
    if (fake_db.refuse) {
        return fake_db.refuse;
    }
    assert_true(fake_db.count < FAKE_OPS_MAX);
    size_t k = fake_db.count++;
    fake_db.ops[k].kind = request->kind;
    fake_db.ops[k].klass = request->klass;
    snprintf(fake_db.ops[k].table, 64, SLICE_FMT, SLICE_ARG(request->table));
    snprintf(fake_db.ops[k].item, 256, SLICE_FMT, SLICE_ARG(request->item));
    snprintf(fake_db.ops[k].extra, 256, SLICE_FMT, SLICE_ARG(request->extra));
    fake_db.ops[k].deadline_ns = request->deadline_ns;
    fake_db.ops[k].done = request->done;
    fake_db.ops[k].arg = request->arg;
    return 0;
}

int dynamodb_busy(const struct dynamodb *d) {
    (void)d;
    return fake_db.busy;
}

/* The oldest op gets this outcome. */
static inline void fake_settle_result(const struct op_result *result) {
    assert_true(fake_db.count > 0);
    op_done_fn done = fake_db.ops[0].done;
    void *arg = fake_db.ops[0].arg;
    fake_db.count--;
    memmove(&fake_db.ops[0], &fake_db.ops[1], fake_db.count * sizeof(fake_db.ops[0]));
    done(arg, result);
}

static inline void fake_settle(enum op_outcome outcome) {
    fake_settle_result(&(struct op_result){.outcome = outcome});
}

#endif
