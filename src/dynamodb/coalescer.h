/* When the unconditional puts and deletes of a table leave, and how many together.
 *
 * A full batch (25 ops, or as many bytes as a request may have) leaves as soon as a connection
 * is free. A partial one leaves at once while its table has few ops outstanding (ready or in
 * flight: at most COALESCER_EAGER_OPS) or none of its batches in flight; else when it is full,
 * when the last one in flight returns, or when it has waited batch_delay_ms. So an idle service
 * adds no delay, and a busy one makes bigger batches by itself.
 *
 * With more than COALESCER_CROWD_OPS outstanding within the last batch_delay_ms (the crowd), a
 * partial one does not leave when the last returns, either, unless all of the crowd is in it:
 * the clients of that one are about to come again. Over a fast endpoint 64 of them would else
 * leave as 25, 25 and 14 (measured mean 14 to 21; 22 to 24 by this rule, for the same CPU and
 * median latency).
 *
 * The wait counts from the end of the turn that left the batch unfilled, not from when its
 * oldest op came: with 512 clients a turn takes longer than the delay, and counted from the op
 * every turn would end in a scrap (mean batch 15 to 17; 24 by this rule).
 *
 * Why not "when one in flight returns": every return would carry away the first of the clients
 * that come again, alone; with the least jitter 64 clients end as 64 lone puts (mean 1.2 in
 * tests/unit/dynamodb/coalescer_test.c, which prints both curves; 21 by this rule). A batch
 * that waits meets the whole crowd of the batch that has just returned. And with few ops
 * outstanding waiting gains little: two clients out of step would each wait for nothing. */
#ifndef DYNAMODB_COALESCER_H
#define DYNAMODB_COALESCER_H

#include "dynamodb/table.h"

/* DynamoDB's limits are 25 and 16 MB; a margin is left for the head and for what a proxy adds.
 */
#define COALESCER_OPS_MAX   25u
#define COALESCER_BYTES_MAX (15u << 20)
#define COALESCER_EAGER_OPS 8u
#define COALESCER_CROWD_OPS 16u

struct dynamodb;

/* May ops leave at once that do not fill a batch? The seam for the test's other rule. */
typedef int (*coalescer_rule)(const struct table *t);
int coalescer_eager(const struct table *t);

int coalescer_takes(const struct dynamodb *d, const struct op_request *request);
/* What an op adds to a batch's body, rounded up. */
size_t coalescer_wire_bytes(const struct op *op);
/* True when a batch of the lane should leave at now_ns. Else *due_ns is when it will have
 * waited enough; UINT64_MAX when none waits. */
int coalescer_leaves(const struct dynamodb *d, const struct table *t, uint64_t now_ns,
                     uint64_t *due_ns);
/* Before any leaves: how many are outstanding, or were within batch_delay_ms. */
void coalescer_before_turn(const struct dynamodb *d, struct table *t);
/* When all that may leave has left: what stays begins, or goes on, to wait. */
void coalescer_after_turn(struct table *t, uint64_t now_ns);

#endif
