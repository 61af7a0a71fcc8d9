/* The pipeline of one worker: ops in, outcomes out, exactly one each. The figure is in
 * pipeline.c.
 *
 * Ops of one key take effect in the order they were submitted; reads of it that follow each
 * other may be in flight together. No outcome but OK, UNKNOWN and UNKNOWN_TIMEOUT is ever given
 * to a write that may have happened.
 *
 * dynamodb_submit takes an op (copying what it needs), or says at once that it cannot; the
 * callback runs exactly once iff submit returned 0, never from inside submit. A caller that has
 * lost interest keeps its op going and ignores the outcome. */
#ifndef DYNAMODB_DYNAMODB_H
#define DYNAMODB_DYNAMODB_H

#include "aws/sigv4.h"
#include "base/assert.h"
#include "client/pool.h"
#include "model/table.h"

enum op_kind {
    OP_PUT_ITEM,
    OP_GET_ITEM,
    OP_UPDATE_ITEM,
    OP_DELETE_ITEM,
    OP_QUERY,
    OP_BATCH_WRITE_ITEM, /* made by the coalescer, never submitted */
    OP_CREATE_TABLE,
    OP_DESCRIBE_TABLE,
};

/* May an attempt that could have happened be repeated? (facts: engineering section 6) */
enum op_class {
    OP_IDEMPOTENT,  /* reads, unconditional put and delete, merges of constants */
    OP_CONDITIONAL, /* conditions, counters: reported as unknown, never repeated */
};

enum op_outcome { /* same order as enum penstock_outcome */
                  OUTCOME_OK,
                  OUTCOME_CONDITION_FAILED,
                  OUTCOME_REFUSED,
                  OUTCOME_THROTTLED,
                  OUTCOME_BUSY,
                  OUTCOME_UNAVAILABLE,
                  OUTCOME_DENIED,
                  OUTCOME_UNKNOWN,
                  OUTCOME_UNKNOWN_TIMEOUT,
                  OUTCOME_TIMEOUT,
};
const char *op_outcome_name(enum op_outcome o);

/* Where its time went. wait_ns is from first leaving to the outcome, repeats included. */
struct op_phases {
    uint64_t queue_ns, sign_ns, wait_ns;
};

struct op_result {
    enum op_outcome outcome;
    struct slice body;       /* the response body; empty for a put that went in a batch */
    struct slice error_name; /* "ValidationException", or empty */
    struct slice message;
    uint64_t retry_after_ms;
    unsigned attempts;
    unsigned batch_ops; /* size of the batch it went in; 1 = alone */
    struct op_phases phases;
};

typedef void (*op_done_fn)(void *arg, const struct op_result *result);

struct op_request {
    enum op_kind kind;
    enum op_class klass;
    struct slice table;
    struct slice item;  /* PUT: item; GET, UPDATE, DELETE: key; DynamoDB JSON */
    struct slice extra; /* further members of the body, each with a leading comma */
    struct slice key;   /* canonical key bytes; empty: taken from item by the table's schema */
    struct slice body;  /* CREATE_TABLE, DESCRIBE_TABLE: the whole body */
    uint64_t deadline_ns; /* monotonic; 0 = options.deadline_ms from now */
    op_done_fn done;
    void *arg;
};

struct dynamodb_options {
    size_t batch_items;      /* 25; 1 turns coalescing off */
    uint64_t batch_delay_ms; /* 1 */
    size_t queue_ops;        /* ops held at a time: busy beyond; 16384 */
    size_t queue_bytes;      /* and their bytes; 67108864 */
    uint64_t deadline_ms;    /* 10000 */
    unsigned max_attempts;   /* 4 */
    uint64_t retry_after_ms; /* what a refused caller is told; 1000 */
};
extern const struct dynamodb_options dynamodb_options_default;

struct dynamodb;

/* Copies the tables; the signer is the worker's. Aborts when memory is out. */
struct dynamodb *dynamodb_new(struct loop *l, struct pool *pool, struct sigv4_signer *signer,
                              const struct model_table *tables, size_t table_count,
                              const struct dynamodb_options *options);
/* A reload: adds those it does not know. Later: drops the others that have no op left. */
void dynamodb_add_tables(struct dynamodb *d, const struct model_table *tables, size_t count);
void dynamodb_keep_tables(struct dynamodb *d, const struct model_table *tables, size_t count);
/* 0; ERR_BUSY at a bound or draining; ERR_NOT_FOUND: no such table; ERR_INVALID: no key. */
MUST_CHECK int dynamodb_submit(struct dynamodb *d, const struct op_request *request);
/* Cheap early refusal before a body is parsed: true when submit would say ERR_BUSY. */
int dynamodb_busy(const struct dynamodb *d);

/* Refuses new ops; on_drained once the last has its outcome. */
void dynamodb_drain(struct dynamodb *d, void (*on_drained)(void *arg), void *arg);
/* Settles whatever is left (CANCELED as unavailable or unknown); on_closed in a later turn. */
void dynamodb_close(struct dynamodb *d, void (*on_closed)(void *arg), void *arg);
/* After the pool has closed: it may have exchanges of ours. Asserts that slabs are empty. */
void dynamodb_free(struct dynamodb *d);
/* The Date field moved our clock: seconds to add to the wall clock when signing. */
int64_t dynamodb_clock_offset_s(const struct dynamodb *d);
/* The service said our credentials are bad: at most once a second, on the worker's thread. */
void dynamodb_on_bad_credentials(struct dynamodb *d, void (*fn)(void *arg), void *arg);

#endif
