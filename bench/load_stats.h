/* What a run counts. Times are nanoseconds. */
#ifndef BENCH_LOAD_STATS_H
#define BENCH_LOAD_STATS_H

#include "base/histogram.h"
#include "load_timeline.h"

#define LOAD_ERROR_MAP(X)                                                                      \
    X(CONNECT, "connect")     /* refused, unreachable, no answer to the connect */             \
    X(TLS, "tls")             /* handshake or verification */                                  \
    X(RESET, "reset")         /* with a request in flight */                                   \
    X(CLOSED, "closed")       /* the same, in good order */                                    \
    X(TIMEOUT, "timeout")     /* no whole answer in time */                                    \
    X(MALFORMED, "malformed") /* no HTTP/1.x answer, or bytes nobody asked for */              \
    X(UNSENT, "unsent")       /* open loop: due, and no connection was free until the end */

enum load_error {
#define X(name, text) LOAD_ERROR_##name,
    LOAD_ERROR_MAP(X)
#undef X
        LOAD_ERRORS
};

extern const char *const load_error_names[LOAD_ERRORS];

#define LOAD_STATUSES   600
#define LOAD_REASON_MAX 192

struct load_stats {
    struct histogram latency;  /* of what was answered */
    struct histogram accepted; /* ... with a status below 400 */
    struct histogram refused;  /* ... and with one from there up */
    uint64_t statuses[LOAD_STATUSES];
    uint64_t errors[LOAD_ERRORS];
    char reasons[LOAD_ERRORS][LOAD_REASON_MAX]; /* of the first of its kind */
    uint64_t answered;
    uint64_t answered_in_time; /* before the end, for the rate */
    uint64_t bytes_sent;
    uint64_t bytes_received;
    uint64_t last_ns; /* when the last answer came */
};

uint64_t load_stats_errors(const struct load_stats *s);
/* Answers of status 400 and up. */
uint64_t load_stats_refused(const struct load_stats *s);
void load_stats_merge(struct load_stats *into, const struct load_stats *from);

/* One thread's view of a run: what began before begin_ns was warm-up and is not counted. */
struct load_recorder {
    struct load_stats stats;
    struct load_timeline *timeline; /* shared; NULL = none */
    uint64_t begin_ns;
    uint64_t end_ns; /* UINT64_MAX = none */
    struct histogram interval;
    uint64_t interval_errors;
    uint64_t interval_index;
    uint64_t interval_end_ns;
};

struct load_answer {
    uint64_t origin_ns; /* intended time, or when it was sent */
    uint64_t done_ns;
    unsigned status;
    size_t sent;
    size_t received;
};

void load_recorder_init(struct load_recorder *r, struct load_timeline *timeline,
                        uint64_t begin_ns, uint64_t end_ns);
void load_recorder_answer(struct load_recorder *r, const struct load_answer *a);
void load_recorder_error(struct load_recorder *r, uint64_t origin_ns, uint64_t now_ns,
                         enum load_error error, const char *reason);
/* Due at origin and never sent: an error whose wait so far is in the latencies, too. */
void load_recorder_unsent(struct load_recorder *r, uint64_t origin_ns, uint64_t now_ns);
/* Hands the rest to the timeline. */
void load_recorder_finish(struct load_recorder *r);

#endif
