/* A BatchWriteItem request, read. */
#ifndef BENCH_SINK_BATCH_H
#define BENCH_SINK_BATCH_H

#include "base/buffer.h"
#include "sink_tables.h"

#define SINK_BATCH_MAX 25

struct sink_batch_entry {
    const struct sink_table *table;
    struct slice request; /* raw: {"PutRequest":{"Item":{...}}} */
    uint64_t hash;        /* of its key */
    bool unprocessed;     /* set by the caller */
};

struct sink_batch {
    struct sink_batch_entry entries[SINK_BATCH_MAX];
    size_t count;
    struct slice table; /* the last one named, for BATCH_NO_TABLE */
};

enum sink_batch_fault {
    BATCH_GOOD,
    BATCH_NOT_JSON,
    BATCH_NO_TABLE,
    BATCH_NO_KEY,
    BATCH_TOO_MANY,
    BATCH_EMPTY,
    BATCH_DUPLICATES,
};

enum sink_batch_fault sink_batch_read(struct sink_batch *b, struct sink_tables *tables,
                                      struct slice body);
/* Appends the answer that gives the unprocessed ones back; there is at least one. */
MUST_CHECK int sink_batch_unprocessed(const struct sink_batch *b, struct buffer *out);

#endif
