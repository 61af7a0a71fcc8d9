/* The pipeline's own: private to dynamodb/ and its tests. The figure is in pipeline.c. */
#ifndef DYNAMODB_PIPELINE_H
#define DYNAMODB_PIPELINE_H

#include "dynamodb/backoff.h"
#include "dynamodb/batch.h"
#include "dynamodb/counts.h"
#include "dynamodb/port.h"
#include "dynamodb/table.h"

#define DEADLINE_SWEEP_MS   20  /* how late a waiting op's deadline may be noticed */
#define RENEW_PAUSE_MS      250 /* for new credentials to arrive */
#define CREDENTIALS_TELL_MS 1000
#define CLOCK_CHECK_MS      1000
#define BODY_KEEP_BYTES     (1u << 20)

enum pipeline_phase { PIPELINE_OPEN, PIPELINE_DRAINING, PIPELINE_CLOSING, PIPELINE_CLOSED };

struct dynamodb {
    struct dynamodb_port *port;
    struct dynamodb_options options;
    coalescer_rule rule;
    struct table **tables;
    size_t table_count;
    size_t first_table; /* whose turn it is to go first */
    struct map by_name;
    struct slab ops;
    struct slab lines;
    struct slab batches;
    struct list standing;
    struct list settled;
    struct list abandoned;
    struct backoff resting;
    size_t held_bytes;
    uint64_t now_ns;               /* read on every way in */
    uint64_t earliest_deadline_ns; /* no op that stands, is ready or flies has an earlier one */
    uint64_t swept_ns;
    uint32_t groups; /* the last number given to a group of suspects */
    uint64_t submitted;
    struct dynamodb_counts counts; /* the totals; lengths come from the lists */
    struct buffer body;            /* of the request being written */
    struct buffer text;            /* the message of the answer being read */
    struct model_key_buffer keys;
    int64_t clock_offset_s;
    uint64_t clock_checked_ns;
    uint64_t credentials_told_ns;
    void (*on_bad_credentials)(void *arg);
    void *bad_credentials_arg;
    enum pipeline_phase phase;
    void (*on_drained)(void *arg);
    void *drained_arg;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

/* The port is freed with it. */
struct dynamodb *pipeline_new(struct dynamodb_port *port, const struct model_table *tables,
                              size_t table_count, const struct dynamodb_options *options);
/* Everything that is decided once per turn. */
void dynamodb_turn(struct dynamodb *d);
/* From the port, after its close. */
void dynamodb_closed(struct dynamodb *d);

/* pipeline.c. The outcome is fixed; the op keeps its place in line until pipeline_deliver. */
void pipeline_settle(struct dynamodb *d, struct op *op, enum op_outcome outcome);
/* Runs the callbacks of what is settled: nothing of ours may be half done. `a`: the answer that
 * settled them, NULL when none did; batch_ops: how many ops it was for. */
void pipeline_deliver(struct dynamodb *d, const struct answer *a, size_t batch_ops);
/* The end of an op whose caller was told before: out of line, freed. */
void pipeline_forget(struct dynamodb *d, struct op *op);
/* An op that will not leave any more: its deadline passed, or we are closing. */
void pipeline_give_up(struct dynamodb *d, struct op *op);

/* dispatch.c */
void dispatch_run(struct dynamodb *d);
/* When dispatch_run might do more than now, if nothing happens meanwhile. */
uint64_t dispatch_due_ns(const struct dynamodb *d);

/* answer.c */
extern const struct exchange_events answer_events;

#endif
