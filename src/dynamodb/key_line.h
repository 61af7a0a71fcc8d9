/* Order per key: the ops of one key stand in line in the order they were accepted.
 *
 *   line "Artist=x":  [put, flying] <- [update, standing] <- [get, standing] <- [get, standing]
 *                      ^ first: it alone is ready, flying or resting
 *
 * A write goes when it is first. Reads that are first go together: nothing they do can be out
 * of order, and a hot key can be read at full rate. An op keeps its place while it backs off.
 * It also keeps it when its caller was told at the deadline, until its exchange has ended.
 *
 * What no line can do: when no answer came in the pool's response time-out, the write may still
 * be on its way there, and be applied after its own repeat, even after the next of its key. The
 * connection is closed then, and the time-out is long; the rest is the service's. */
#ifndef DYNAMODB_KEY_LINE_H
#define DYNAMODB_KEY_LINE_H

#include "base/map.h"
#include "dynamodb/op.h"

struct key_line {
    struct map_node node; /* in table->lines; the key bytes are those of the first op */
    struct list ops;      /* by line_node */
    size_t writes;        /* among them */
};

struct dynamodb;

/* True when its turn has come at once. */
int key_line_join(struct dynamodb *d, struct op *op);
/* Those whose turn has come by that are made ready. */
void key_line_leave(struct dynamodb *d, struct op *op);
/* The one whose turn it is; NULL when nobody stands there. */
struct op *key_line_first(const struct table *t, struct slice key);

#endif
