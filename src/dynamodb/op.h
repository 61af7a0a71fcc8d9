/* One operation on its way. Its state is the list it is in; op_move is the only place that
 * changes either.
 *
 *              submit                       a line's turn has come
 *   STANDING <-------- (new) --------> READY <------------------- STANDING
 *                                       |  ^
 *                        batch_send     |  | not sent, or its batch was refused as a whole
 *                                       v  |
 *   RESTING <------- may be repeated - FLYING
 *      |    -- backoff is over --> READY    \
 *      `------------ any of them ------------`--> SETTLED -> callback, freed; or, when its
 *                                                 exchange has not ended, ABANDONED -> freed */
#ifndef DYNAMODB_OP_H
#define DYNAMODB_OP_H

#include "base/list.h"
#include "base/slab.h"
#include "base/state.h"
#include "dynamodb/dynamodb.h"
#include "dynamodb/outcome.h"

/* Item, extra members and key of the usual write fit; longer ones get one malloc. */
#define OP_INLINE_BYTES 1024

enum op_state {
    OP_STANDING,  /* behind another op of its key: in d->standing */
    OP_READY,     /* in its lane's `ready` */
    OP_RESTING,   /* backing off: in d->backoff */
    OP_FLYING,    /* in a batch, and in its lane's `flying` */
    OP_SETTLED,   /* in d->settled until its callback has run */
    OP_ABANDONED, /* in d->abandoned: its caller was told at the deadline, its exchange goes on
                   */
};

/* How an op travels. */
enum lane_name {
    LANE_COALESCED, /* unconditional puts and deletes, many to a BatchWriteItem */
    LANE_SUSPECTS,  /* the same, from a batch refused as a whole: group by group */
    LANE_ALONE,     /* other writes */
    LANE_READS,     /* gets, queries, and what is asked of tables */
    LANES,
};

struct batch;
struct table;
struct key_line;

struct op {
    struct list_node node;      /* the list that is its state */
    struct list_node line_node; /* in line->ops */
    struct key_line *line;      /* NULL: it has no key to stand in line for */
    struct table *table;
    struct batch *batch; /* whose exchange has not ended; else NULL */
    op_done_fn done;
    void *arg;
    struct slice item; /* into bytes */
    struct slice extra;
    struct slice key;
    struct slice body;
    size_t held; /* bytes counted against queue_bytes */
    char *overflow;
    uint64_t deadline_ns;
    uint64_t submitted_ns;
    uint64_t left_ns;    /* when its first exchange was written; 0 = not yet */
    uint64_t sign_ns;    /* what signing the last one took */
    uint64_t ready_ns;   /* since when it could have left */
    uint64_t due_ns;     /* RESTING: until when */
    size_t heap_index;   /* RESTING: where in d->backoff */
    uint64_t invocation; /* seed of its amz-sdk-invocation-id */
    uint32_t group;      /* LANE_SUSPECTS: those that travel together */
    uint32_t paid;       /* what its last retry took from the quota */
    struct state_machine state;
    uint8_t kind;     /* enum op_kind */
    uint8_t klass;    /* enum op_class */
    uint8_t lane;     /* enum lane_name */
    uint8_t attempts; /* exchanges that carried it and of which a byte left this machine */
    uint8_t retries;  /* of those repeated because they failed */
    uint8_t unsent;   /* exchanges that never left */
    uint8_t outcome;  /* SETTLED: enum op_outcome */
    uint8_t verdict;  /* of its last exchange: enum verdict */
    uint8_t batch_ops;
    unsigned
        maybe_applied : 1;    /* an attempt may have happened: no other answer can undo that */
    unsigned renewed : 1;     /* its one retry with new credentials or clock is used */
    unsigned unprocessed : 1; /* DynamoDB handed it back in this exchange */
    char bytes[OP_INLINE_BYTES];
};

/* Copies the request; NULL at the slab's limit or when memory for a long one is out. It has no
 * state before op_start. */
struct op *op_new(struct slab *slab, const struct op_request *request, struct slice key);
/* It must be in no list. */
void op_free(struct slab *slab, struct op *op);

struct dynamodb;
void op_start(struct dynamodb *d, struct op *op, enum op_state state);
/* Out of the list it is in, into that of the new state. RESTING: due_ns is set before. */
void op_move(struct dynamodb *d, struct op *op, enum op_state to);
int op_is_write(const struct op *op);
/* DynamoDB's name of it, "PutItem". */
struct slice op_operation(enum op_kind kind);

#endif
