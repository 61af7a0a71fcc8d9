/* The key of an item, read from DynamoDB JSON. */
#ifndef BENCH_SINK_ITEM_H
#define BENCH_SINK_ITEM_H

#include "sink_json.h"
#include "sink_tables.h"

/* Walks the item or key at the cursor. The hash is of the table and of the key's values as the
 * request spells them. 0; ERR_NOT_FOUND when a key attribute is missing; ERR_INVALID. */
MUST_CHECK int sink_item_hash(struct sink_json *j, const struct sink_table *table,
                              uint64_t *hash);

#endif
