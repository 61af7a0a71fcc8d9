/* What travels in one exchange: a BatchWriteItem of 2..25 puts and deletes of one table, or one
 * op of any kind under its own name. Made when a place is free, gone when it is answered. */
#ifndef DYNAMODB_BATCH_H
#define DYNAMODB_BATCH_H

#include "client/pool.h"
#include "dynamodb/coalescer.h"
#include "model/item.h"

struct batch {
    struct exchange exchange;
    struct list_node node; /* in its lane's `batches` */
    struct dynamodb *owner;
    struct table *table; /* NULL: detached by a close, its ops are settled */
    struct op *ops[COALESCER_OPS_MAX];
    size_t count; /* 0: the time of all was up before it was written */
    uint64_t sent_ns;
    uint8_t lane;
    uint8_t charge;  /* enum batch_charge */
    uint8_t written; /* its bytes were handed over: it may leave whatever we do */
};

/* A retry is paid for once per exchange that failed, not per op it carried: the quota bounds
 * requests. */
enum batch_charge { CHARGE_OPEN, CHARGE_PAID, CHARGE_DENIED };

/* What it is called: BATCH_WRITE_ITEM, or the kind of its only op. */
enum op_kind batch_kind(const struct batch *b);
/* The JSON body, appended. 0 or ERR_NOMEM. */
MUST_CHECK int batch_write_body(const struct batch *b, struct buffer *out);
/* Sets op->unprocessed of those a BatchWriteItem response hands back, found by their keys. 0;
 * ERR_PROTOCOL when the response, to one write or to many, is not one to be believed (then none
 * is set). */
MUST_CHECK int batch_read_answer(struct batch *b, struct slice body,
                                 struct model_key_buffer *keys);

#endif
