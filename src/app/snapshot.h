/* What one worker has counted, at one moment: filled in on the worker's thread, then mailed to
 * whoever asked. Sizes and times since the worker's start, but for longest_turn_ns. */
#ifndef APP_SNAPSHOT_H
#define APP_SNAPSHOT_H

#include "client/pool.h"
#include "dynamodb/counts.h"
#include "gateway/gateway.h"
#include "lambda/function.h"
#include "lambda/invocation.h"
#include "loop/mailbox.h"
#include "server/server.h"

/* Lengths of what is counted by name: all workers have the same. */
struct snapshot_lengths {
    size_t routes; /* and one more: requests of no route */
    size_t tables;
    size_t functions;
};

struct snapshot {
    struct mail mail;
    struct mailbox *reply_to;
    unsigned worker;
    uint64_t turns;
    uint64_t longest_turn_ns; /* since the last snapshot */
    struct buckets turn_ns;   /* by buckets_work_ns, as the next */
    struct buckets late_ns;
    uint64_t bytes_in, bytes_out;
    struct server_counts server;
    struct gateway_counts gateway;
    struct lambda_counts lambda;
    struct dynamodb_counts dynamodb;
    struct pool_counts pool;
    struct server_reason reasons[SERVER_REASONS_MAX];
    size_t reason_count;
    unsigned edition; /* whose names these are */
    struct snapshot_lengths lengths;
    struct gateway_route_counts *routes; /* these three in the snapshot's own memory */
    struct dynamodb_table_counts *tables;
    struct function_counts *functions; /* zero for a handler in C */
};

/* All zero; NULL when memory is out. Goes by free(). */
struct snapshot *snapshot_new(const struct snapshot_lengths *lengths);

#endif
