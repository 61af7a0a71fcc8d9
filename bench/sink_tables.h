/* The tables the sink says exist: from --table and CreateTable. Only ever added to, so that
 * every thread may look without a lock. */
#ifndef BENCH_SINK_TABLES_H
#define BENCH_SINK_TABLES_H

#include "base/buffer.h"
#include "sink_options.h"

#include <pthread.h>
#include <stdatomic.h>

#define SINK_NAME_MAX 255

struct sink_key {
    char name[SINK_NAME_MAX + 1];
    size_t len; /* 0 = the table has no such key */
    char type;  /* S, N or B */
};

struct sink_table {
    char name[SINK_NAME_MAX + 1];
    size_t len;
    struct sink_key partition;
    struct sink_key sort;
    uint64_t created_s;
};

struct sink_tables {
    struct sink_table items[SINK_TABLES_MAX];
    atomic_size_t count;
    pthread_mutex_t adding;
};

void sink_tables_init(struct sink_tables *t);
/* "name:pk[:sk]", keys with an optional "=N". 0, ERR_INVALID, ERR_EXISTS, ERR_LIMIT. */
MUST_CHECK int sink_tables_add(struct sink_tables *t, struct slice text, uint64_t now_s);
/* The body of a CreateTable request; *table is the new one, or the one that EXISTS. */
MUST_CHECK int sink_tables_create(struct sink_tables *t, struct slice body, uint64_t now_s,
                                  const struct sink_table **table);
/* NULL when there is none of that name. */
const struct sink_table *sink_tables_find(struct sink_tables *t, struct slice name);
/* Appends the TableDescription object. */
MUST_CHECK int sink_table_describe(const struct sink_table *t, struct buffer *out);

#endif
