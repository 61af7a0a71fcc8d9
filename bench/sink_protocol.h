/* DynamoDB's side of an exchange as bytes: a request body in, an answer out. One per thread. */
#ifndef BENCH_SINK_PROTOCOL_H
#define BENCH_SINK_PROTOCOL_H

#include "base/buffer.h"
#include "base/rng.h"
#include "http/message.h"
#include "sink_counters.h"
#include "sink_keys.h"
#include "sink_options.h"
#include "sink_tables.h"

struct sink_protocol {
    const struct sink_options *options;
    struct sink_tables *tables;
    struct sink_keys *keys; /* NULL = not counted */
    struct sink_counters counters;
    struct rng rng;
    struct buffer scratch; /* answers that are not constant */
};

struct sink_answer {
    unsigned status;
    struct slice body; /* constant, or in scratch: valid until the next call */
    uint32_t crc32;
};

/* With its checksum. */
struct sink_answer sink_answer_of(unsigned status, struct slice body);
void sink_protocol_answer(struct sink_protocol *p, const struct http_request *request,
                          uint64_t now_s, struct sink_answer *answer);

#endif
