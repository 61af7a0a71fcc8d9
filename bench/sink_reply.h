/* A DynamoDB response as bytes. */
#ifndef BENCH_SINK_REPLY_H
#define BENCH_SINK_REPLY_H

#include "sink_protocol.h"

enum sink_then { SINK_KEEP_ALIVE, SINK_CLOSE };

/* Upper bound of what sink_reply_write writes. */
size_t sink_reply_bound(const struct sink_answer *a);
/* Bytes written. `date`: of the Date field; the request id comes from `rng`. */
size_t sink_reply_write(char *out, const struct sink_answer *a, enum sink_then then,
                        const char *date, struct rng *rng);

#endif
