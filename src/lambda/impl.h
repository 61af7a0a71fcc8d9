/* What the files of lambda/ share; nobody else includes it. */
#ifndef LAMBDA_IMPL_H
#define LAMBDA_IMPL_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "base/slab.h"
#include "base/state.h"
#include "lambda/invocation.h"

#define LAMBDA_INVOCATIONS    16384
#define LAMBDA_MEMORY_BYTES   33554432
#define LAMBDA_FIRST_CHUNK    4096 /* of each invocation's arena; the usual one needs no more */
#define LAMBDA_SCRATCH_KEEP   65536 /* of the worker's buffer for JSON in the making */
#define LAMBDA_WORK_QUEUE_MAX 1024  /* penstock_work calls waiting, per worker */
/* Given to libuv's pool at a time, per worker: its threads resolve names, too, and a name must
 * not wait behind a whole queue. */
#define LAMBDA_WORK_RUNNING_MAX 4

/*            +--> COMPLETED (penstock_respond)
 *  RUNNING --|        ^
 *            +--> EXPIRED (deadline; answered 504)
 */
enum invocation_state { INVOCATION_RUNNING, INVOCATION_EXPIRED, INVOCATION_COMPLETED };

struct penstock_invocation {
    struct list_node node; /* in lambda->live, or lambda->forgotten */
    struct lambda *lambda;
    const struct lambda_handler *handler;
    struct server_request *request;   /* NULL: answered, or the client has left */
    const struct lambda_event *event; /* in the request's arena: NULL with it */
    struct state_machine state;
    unsigned entered; /* handler calls on the stack */
    unsigned ops;
    unsigned works;
    unsigned writes;  /* of the ops: writes in flight */
    unsigned written; /* a write happened, or may have */
    struct deadline deadline;
    uint64_t deadline_ns;
    uint64_t epoch_ms; /* when it began, wall clock */
    char request_id[37];
    struct slice body;          /* the copy, once asked for */
    void (*on_room)(void *arg); /* of an answer in parts; also when the client has left */
    void *on_room_arg;
    struct arena arena;
    _Alignas(16) char first[LAMBDA_FIRST_CHUNK];
};

/* One queue per length of timeout: few, as there are few handlers. */
struct lambda_timeout {
    struct deadline_queue queue;
    uint64_t ms;
    struct lambda_timeout *next;
};

struct lambda {
    struct loop *loop;
    struct dynamodb *db;
    struct lambda_options options;
    struct slab invocations;
    struct slab ops;
    struct slab works;
    struct list live;
    struct list forgotten; /* expired, nothing outstanding, never completed: oldest first */
    size_t forgotten_bytes;
    struct list work_queue;
    size_t work_running;
    struct lambda_timeout *timeouts;
    struct buffer scratch;
    struct lambda_counts counts;
};

static inline struct slice slice_in(struct penstock_slice s) {
    return slice_of(s.ptr, s.len);
}

static inline struct penstock_slice slice_out(struct slice s) {
    return (struct penstock_slice){s.ptr, s.len};
}

/* event.c: what the accessors and the event JSON share. */
struct slice event_method(const struct http_request *http);
struct slice event_resource_path(struct slice route_key); /* "POST /music" -> "/music" */
struct slice event_domain(struct slice host);             /* without the port */
struct slice event_protocol(const struct http_request *http);
struct slice event_stage(const struct penstock_invocation *i);
const struct url_pair *event_stage_variables(const struct penstock_invocation *i,
                                             size_t *count);

/* Around every call into a handler: the invocation outlives the call whatever it does. After
 * invocation_leave the invocation may be gone. */
void invocation_enter(struct penstock_invocation *i);
void invocation_leave(struct penstock_invocation *i);
/* Asks the gate; after it the invocation may be gone. */
void invocation_maybe_free(struct penstock_invocation *i);

/* ops.c and work.c: their slabs */
void ops_init(struct lambda *l);
void work_init(struct lambda *l);

#endif
