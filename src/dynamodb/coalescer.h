/* When the unconditional puts and deletes of a table leave, and how many together.
 *
 * A full batch (25 ops, or as many bytes as a request may have) leaves as soon as a connection
 * is free. A partial one leaves at once when fewer batches of its table are in flight than all
 * its outstanding ops would fill; otherwise with the next that fills it, when one in flight
 * returns and that makes it so, or when its oldest op has waited batch_delay_ms.
 *
 *   outstanding = ready + in flight;  fewest = ceil(outstanding / 25)
 *   1 op, none in flight:  0 < 1: leaves at once, an idle service adds no delay
 *   64 in a closed loop:   fewest = 3: two full ones and the rest, mean 21
 *
 * With up to 25 outstanding this is the design's rule ("at once if none is in flight, else when
 * it returns"); beyond, "when one returns" would let every return carry away a handful: 64
 * clients then travel as 25, 25, 13 and 1, or as 4 x 16. tests/unit/dynamodb/coalescer_test.c
 * prints both curves. */
#ifndef DYNAMODB_COALESCER_H
#define DYNAMODB_COALESCER_H

#include "dynamodb/table.h"

/* DynamoDB's limits are 25 and 16 MB; a margin is left for the head and for what a proxy adds. */
#define COALESCER_OPS_MAX   25u
#define COALESCER_BYTES_MAX (15u << 20)

struct dynamodb;

/* May ops of the lane leave now that do not fill a batch? The seam for the tests' other rule. */
typedef int (*coalescer_rule)(const struct dynamodb *d, const struct table *t);
int coalescer_fewest_batches(const struct dynamodb *d, const struct table *t);

int coalescer_takes(const struct dynamodb *d, const struct op_request *request);
/* What an op adds to a batch's body, rounded up. */
size_t coalescer_wire_bytes(const struct op *op);
/* True when a batch of the lane should leave at now_ns. Else *due_ns is when it will have waited
 * enough; UINT64_MAX when none waits. */
int coalescer_leaves(const struct dynamodb *d, const struct table *t, uint64_t now_ns,
                     uint64_t *due_ns);

#endif
