/* What the pipeline keeps for one table: its lanes of ops, who stands in which key's line, its
 * limits and its retry quota. A table that is slow, missing or throttled holds up nobody else.
 */
#ifndef DYNAMODB_TABLE_H
#define DYNAMODB_TABLE_H

#include "aws/retry.h"
#include "base/map.h"
#include "dynamodb/limiter.h"
#include "dynamodb/op.h"
#include "dynamodb/shed.h"

struct lane {
    struct list ready;   /* ops that may leave, longest waiting first */
    struct list flying;  /* ops in a batch */
    struct list batches; /* and those batches */
    struct shed shed;    /* of those that are ready */
};

struct table {
    struct map_node node;             /* in d->tables, by name */
    const struct model_table *schema; /* &own */
    struct model_table own;
    size_t ops; /* that are not forgotten */
    struct slice name;
    struct map lines; /* struct key_line by canonical key bytes */
    struct lane lanes[LANES];
    size_t ready_bytes;      /* of LANE_COALESCED, on the wire */
    uint64_t waits_since_ns; /* a batch of LANE_COALESCED to be filled; 0: none waits */
    size_t crowd;            /* most ops of LANE_COALESCED outstanding of late */
    uint64_t crowd_ns;       /* ... and when that was */
    struct limiter writes;
    struct limiter reads;
    struct retry_quota quota;
    uint64_t throttles;
};

void table_init(struct table *t, const struct model_table *schema);
void table_fini(struct table *t);
struct limiter *table_limiter(struct table *t, enum lane_name lane);
/* Exchanges in flight that the lane's limiter counts. */
size_t table_in_flight(const struct table *t, enum lane_name lane);

#endif
