/* What a thread of the sink counts. Written by that thread alone, read by any. */
#ifndef BENCH_SINK_COUNTERS_H
#define BENCH_SINK_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

/* Name in the JSON summary, and what is counted. */
#define SINK_COUNTERS(X)                                                                       \
    X(requests)           /* answered, whatever the answer */                                  \
    X(ok)                 /* ... with 200 */                                                   \
    X(throttled)          /* ... by --throttle, or since all of a batch was unprocessed */     \
    X(failed)             /* ... by --fail */                                                  \
    X(refused)            /* ... since they are wrong: 4xx */                                  \
    X(bad_signatures)     /* ... of these, by --verify-secret */                               \
    X(checked_signatures) /* looked at by --verify-secret */                                   \
    X(puts)               /* PutItem */                                                        \
    X(batches)            /* BatchWriteItem */                                                 \
    X(gets)               /* GetItem and Query */                                              \
    X(updates)            /* UpdateItem */                                                     \
    X(deletes)            /* DeleteItem */                                                     \
    X(items)              /* writes acknowledged, alone or in batches */                       \
    X(unprocessed)        /* items given back by --unprocessed */                              \
    X(connections)        /* accepted */                                                       \
    X(open_connections)   /* now */                                                            \
    X(failed_handshakes)                                                                       \
    X(bad_http) /* connections closed for it */                                                \
    X(bytes_in) /* of request bodies */

struct sink_counters {
#define X(name) _Alignas(8) _Atomic uint64_t name;
    SINK_COUNTERS(X)
#undef X
};

/* One writer: a load and a store are enough. */
static inline void sink_count(_Atomic uint64_t *counter, uint64_t n) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

#endif
