/* One thread of the load: a loop, its share of the connections, and what they count.
 *
 *            dispatch, once a turn                        stream's flush, the same turn
 *   source --take--> [schedule] --> connection_send  -->  socket
 *      ^                                  ^                  |
 *      +---- answered, failed --- ready <-+---- on_data <----+
 *
 * A closed loop sends whenever a connection has room; an open one when the schedule says so and
 * a connection has room: what is due and finds none waits in the schedule, and its latency
 * counts from when it was due. */
#ifndef BENCH_LOAD_WORKER_H
#define BENCH_LOAD_WORKER_H

#include "load_schedule.h"
#include "load_source.h"
#include "load_stats.h"
#include "net/stream.h"
#include "tls/context.h"

#include <pthread.h>
#include <stdatomic.h>

/* A connection that failed rests so long. */
#define LOAD_REST_MS 100u
/* So often each must have failed, with none ever open, before the target counts as down; a run
 * without an end of its own gives up after so many time-outs without any answer, too. */
#define LOAD_DOWN_TRIES 3u

struct load_target {
    struct net_address addresses[16];
    size_t count;
    int tls;
    const char *server_name;
    const char *ca_file;
};

struct load_plan {
    const struct load_target *target;
    unsigned threads;
    unsigned connections;
    unsigned pipeline;
    int keep_alive;
    double rate; /* 0 = closed loop */
    enum load_arrivals arrivals;
    uint64_t seed;
    uint64_t start_ns; /* sending begins */
    uint64_t begin_ns; /* counting begins */
    uint64_t end_ns;   /* sending ends; UINT64_MAX = with the source */
    uint64_t timeout_ns;
    uint64_t drain_ns; /* for what is on its way at the end */
    struct load_timeline *timeline;
};

struct load_connection;

struct load_resend {
    uint64_t id;
    uint64_t origin_ns;
};

struct load_worker {
    struct loop loop;
    struct stream_hub hub;
    struct tls_context *tls; /* NULL = plain */
    struct tls_session_cache *sessions;
    const struct load_plan *plan;
    struct load_source *source;
    struct load_recorder recorder;
    struct load_schedule schedule;
    struct load_connection **connections;
    size_t connection_count;
    size_t streams; /* between stream_init and on_close */
    struct list ready;
    struct load_resend *resends; /* requests a closing connection did not serve */
    size_t resend_count;
    uint64_t in_flight;
    struct loop_duty dispatch;
    struct deadline_queue waits; /* connects and answers */
    struct deadline_queue rests; /* of connections that failed */
    struct timer end;
    uv_poll_t pacer; /* a timerfd: libuv's timers know whole milliseconds only */
    int pacer_fd;
    int pacer_fired;
    uint64_t pacer_ns;   /* armed for; 0 = off */
    uint64_t flushed_ns; /* when the flush of this turn got to the next stream */
    uint64_t failed_connects;
    uint64_t answered_ns; /* when the last answer came; at first the start */
    int opened;           /* some connection, once */
    int exhausted;        /* nothing more will be taken */
    int stopping;         /* the loop is on its way out */
    int down;             /* gave up: the target does not answer */
    pthread_t thread;
    _Atomic int done;      /* the thread is at its end */
    uint64_t cpu_ns;       /* when it was */
    void (*on_done)(void); /* from the worker's thread */
};

/* NULL, with one line on standard error. */
struct load_worker *load_worker_new(const struct load_plan *plan, struct load_source *source,
                                    unsigned number);
MUST_CHECK int load_worker_start(struct load_worker *w);
/* From any thread: ends now, with whatever is in flight left alone. */
void load_worker_stop(struct load_worker *w);
/* Waits for the thread; then `recorder` and the flags may be read. */
void load_worker_join(struct load_worker *w);
void load_worker_free(struct load_worker *w);
/* CPU time of its thread: by its clock, or what it left when it was done. */
uint64_t load_worker_cpu_ns(const struct load_worker *w, clockid_t clock);

/* For load_connection.c. */
/* Errors of the warm-up are not counted; that of a run given up in it is. */
void load_worker_connect_failed(struct load_worker *w, uint64_t took_ns, enum load_error error,
                                const char *reason);
void load_worker_failed(struct load_worker *w);
/* A request that could leave now, had it a connection: 1 and its id. */
int load_worker_take_due(struct load_worker *w, uint64_t *id);
/* Puts it back, to be sent on another connection. */
void load_worker_resend(struct load_worker *w, uint64_t id, uint64_t origin_ns);

#endif
