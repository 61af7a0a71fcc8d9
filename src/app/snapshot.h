/* What one worker has counted, at one moment: filled in on the worker's thread, then mailed to
 * whoever asked. Sizes and times since the worker's start, but for longest_turn_ns. */
#ifndef APP_SNAPSHOT_H
#define APP_SNAPSHOT_H

#include "client/pool.h"
#include "dynamodb/dynamodb.h"
#include "gateway/gateway.h"
#include "lambda/invocation.h"
#include "loop/mailbox.h"
#include "server/server.h"

struct snapshot {
    struct mail mail;
    unsigned worker;
    uint64_t turns;
    uint64_t longest_turn_ns; /* since the last snapshot */
    struct server_counts server;
    struct gateway_counts gateway;
    struct lambda_counts lambda;
    struct dynamodb_counts dynamodb;
    struct pool_counts pool;
    struct server_reason reasons[SERVER_REASONS_MAX];
    size_t reason_count;
    size_t route_count;
    struct gateway_route_counts routes[]; /* route_count + 1: the last is of no route */
};

#endif
