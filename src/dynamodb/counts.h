/* What the pipeline has counted since its start, for /metrics. */
#ifndef DYNAMODB_COUNTS_H
#define DYNAMODB_COUNTS_H

#include "base/buckets.h"
#include "dynamodb/dynamodb.h"

struct dynamodb_counts {
    uint64_t submitted, settled; /* submitted = settled + queued + in_flight, always */
    size_t queued, in_flight, queued_bytes;
    uint64_t batches, batched_ops, singles;
    uint64_t retries_throttle, retries_transient, retries_unprocessed, splits;
    uint64_t outcomes[OUTCOME_TIMEOUT + 1];
    size_t slab_bytes;        /* of ops */
    struct buckets batch_ops; /* by buckets_batch_ops: ops of each exchange that writes */
    struct buckets queue_ns;  /* by buckets_wait_ns, each op: from submit to leaving */
    struct buckets sign_ns;   /* by buckets_work_ns, each exchange */
    struct buckets wait_ns;   /* by buckets_wait_ns, each exchange that was answered */
};
void dynamodb_count(const struct dynamodb *d, struct dynamodb_counts *out);

struct dynamodb_table_counts {
    uint64_t throttles;             /* exchanges throttled, or most of them handed back */
    size_t write_limit, read_limit; /* exchanges that may be in flight (limiter.h) */
    size_t writing, reading;        /* and are */
    size_t retry_tokens;            /* left of the retry quota */
};
/* Of a table it knows. */
void dynamodb_count_table(const struct dynamodb *d, struct slice name,
                          struct dynamodb_table_counts *out);

#endif
