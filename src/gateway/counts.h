/* What one worker's gateway has counted since its start, for /metrics. Never a malloc: statuses
 * and reasons have a place each, up to a bound. */
#ifndef GATEWAY_COUNTS_H
#define GATEWAY_COUNTS_H

#include "base/buckets.h"
#include "gateway/access.h"

#define GATEWAY_STATUSES        36 /* those met in practice, then a class each */
#define GATEWAY_REASONS_MAX     64 /* different ones; further ones count as "other" */
#define GATEWAY_REASON_TEXT_MAX 48

struct gateway_reason {
    char name[GATEWAY_REASON_TEXT_MAX]; /* cut: a handler's may be anything */
    uint64_t count;
};

struct gateway_reasons {
    size_t count;
    struct gateway_reason items[GATEWAY_REASONS_MAX + 1]; /* the last is "other" */
};

struct gateway_counts {
    uint64_t refused_early; /* 503 before a body was looked at */
    uint64_t client_left;   /* before its answer */
    uint64_t preflights;    /* answered here */
    uint64_t refusals[ACCESS_REFUSALS];
    struct buckets total_ns;        /* by buckets_wait_ns: first byte to answer, to the turn */
    struct gateway_reasons answers; /* that say no */
    struct gateway_reasons cut_off; /* requests whose connection we closed before that */
};

/* Answers by status, of one route. */
struct gateway_route_counts {
    uint64_t answers[GATEWAY_STATUSES];
};

/* The place of a status in gateway_route_counts.answers, and what it is called: "201", or "2xx"
 * where several share one. */
size_t gateway_status_slot(unsigned status);
const char *gateway_status_text(size_t slot);

void gateway_count_reason(struct gateway_reasons *r, const char *reason);
/* Of items, with "other" where that has any. */
size_t gateway_reasons_length(const struct gateway_reasons *r);
/* Adds all of `from`, which is zero afterwards. */
void gateway_counts_move(struct gateway_counts *to, struct gateway_counts *from);

#endif
