/* One thread of the sink: a loop, a listener, its connections. Threads share nothing but the
 * tables and the set of keys. */
#ifndef BENCH_SINK_WORKER_H
#define BENCH_SINK_WORKER_H

#include "base/slab.h"
#include "net/listener.h"
#include "net/stream.h"
#include "sink_delay.h"
#include "sink_protocol.h"

#include <pthread.h>

struct sink_worker {
    struct loop loop;
    struct stream_hub hub;
    struct listener listener;
    struct tls_context *tls; /* NULL = plain */
    struct sink_protocol protocol;
    struct sink_delay delay;
    struct slab connections;
    struct slab replies; /* that wait for their time */
    struct list open;
    pthread_t thread;
};

struct sink_shared {
    const struct sink_options *options;
    struct sink_tables *tables;
    struct sink_keys *keys;
    const char *certificate; /* file names; NULL = plain */
    const char *key;
};

/* Takes over `fd`, a listening socket. NULL, with one line on standard error. */
struct sink_worker *sink_worker_new(const struct sink_shared *shared, int fd, uint64_t seed);
/* Runs its thread. */
MUST_CHECK int sink_worker_start(struct sink_worker *w);
/* From any thread: closes everything; then _free waits for the thread. */
void sink_worker_stop(struct sink_worker *w);
void sink_worker_free(struct sink_worker *w);

#endif
