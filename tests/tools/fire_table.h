/* The table behind fire_endpoint: what DynamoDB would hold, and a record of every write in the
 * order it was applied.
 *
 * Items have a key `k` (S), a version `v` (N) and perhaps `poison` (any type), for which the
 * write is refused, with the whole batch it came in. */
#ifndef TOOLS_FIRE_TABLE_H
#define TOOLS_FIRE_TABLE_H

#include "base/buffer.h"
#include "base/map.h"
#include "base/rng.h"

#include <stdio.h>

struct fire_write;

struct fire_table {
    struct map keys; /* of struct fire_key: the last version, and whether it is there */
    struct fire_write *record;
    size_t count;
    size_t capacity;
    struct buffer answer;
};

void fire_table_init(struct fire_table *t);
void fire_table_fini(struct fire_table *t);
/* Runs the operation ("PutItem") and returns the HTTP status; the body is in t->answer until
 * the next call. unprocessed: in thousandths, of a batch's writes handed back. */
unsigned fire_table_run(struct fire_table *t, struct slice operation, struct slice body,
                        unsigned unprocessed, struct rng *rng);
/* One line for each write applied, first to last: "P key version", or "D key". */
void fire_table_dump(const struct fire_table *t, FILE *out);

#endif
