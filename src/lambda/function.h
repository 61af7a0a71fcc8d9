/* A function: programs that speak the Lambda Runtime API (2018-06-01), started, kept warm, fed
 * with calls, and replaced when they fail.
 *
 * Vocabulary: a *slot* is a place for one process, with a Runtime API server on a loopback port
 * of its own (that is how we know who is asking); a *call* is one payload on its way to a
 * process and its result on the way back. A slot *parks* a request for work (`next`) until
 * there is a call.
 *
 * Happy path: function_call -> (queue) -> a parked `next` is answered with the payload -> the
 * process posts the response -> done(FUNCTION_OK). Failure modes are the other outcomes.
 *
 * Concurrency: `processes` at a time, each with `per_process` calls at a time. More calls wait,
 * at most `queue_max` of them and at most timeout_ms each, or as long as the process that is
 * starting for it may take; the running time is counted from the moment a process got the call,
 * so a cold start costs the caller time but not the function its time. */
#ifndef LAMBDA_FUNCTION_H
#define LAMBDA_FUNCTION_H

#include "base/buckets.h"
#include "lambda/function_call.h"
#include "lambda/invocation.h"

struct function_options { /* copied with all it points to */
    const char *name;
    const char *const *command;     /* argv, NULL-terminated */
    const char *const *environment; /* "NAME=value", NULL-terminated; NULL = none */
    const char *directory;          /* to run in; NULL = ours */
    const char *region;             /* NULL = "us-east-1" */
    const char *account_id;         /* NULL = "000000000000" */
    unsigned payload_format;        /* 1 or 2; 0 = 2 */
    size_t processes;               /* on this worker; 0 = 1 */
    size_t per_process;             /* AWS_LAMBDA_MAX_CONCURRENCY; 0 = 1 */
    size_t warm;                    /* processes kept ready; 0 = started on demand */
    size_t queue_max;               /* calls waiting: 429 beyond; 0 = 1000 */
    uint64_t timeout_ms;            /* 0 = 3000 */
    uint64_t init_timeout_ms;       /* from start to the first `next`; 0 = 10000 */
    uint64_t recycle_calls;         /* a process is replaced after so many; 0 = never */
    size_t resident_max;            /* or when it has grown beyond so many bytes; 0 = never */
    size_t stream_max;              /* of a response in parts, bytes; 0 = 209715200 */
    size_t memory_mb;               /* what AWS_LAMBDA_FUNCTION_MEMORY_SIZE says; 0 = 128 */
};

struct function;

/* Starts what is to be kept warm. Aborts when memory is out; NULL when no loopback port can be
 * had, with a reason. The hub is the worker's. */
struct function *function_new(struct loop *l, struct stream_hub *hub,
                              const struct function_options *options, char reason[160]);
/* 0: done follows exactly once, in a later turn. ERR_BUSY: the queue is full. ERR_REFUSED: its
 * processes do not start, and the next try is not due. ERR_LIMIT: payload over the maximum. */
MUST_CHECK int function_submit(struct function *f, struct function_call *c);
/* What a call that is refused with ERR_REFUSED is told. */
void function_tell_failure(const struct function *f, struct function_result *r);
/* Calls left are done with FUNCTION_EXITED; processes get SIGTERM, 2 s later SIGKILL. on_closed
 * runs once no process is left; then function_free. */
void function_close(struct function *f, void (*on_closed)(void *arg), void *arg);
void function_free(struct function *f);
uint64_t function_timeout_ms(const struct function *f);
/* Calls given or waiting. */
size_t function_in_flight(const struct function *f);
unsigned function_payload_format(const struct function *f); /* 1 or 2 */

/* The state of function_invoke: a route's. One function per worker, each set by its worker
 * before it serves (NULL: it could not be made, and is answered 502). */
struct function_binding {
    struct function *const *workers;
    unsigned payload_format; /* 1 or 2; 0 = the function's */
    bool stream;             /* a streamed response goes on as it comes, else it is kept */
};
/* A penstock_invoke_fn: hands the event to the function, answers with what it says. Past the
 * invocation's deadline the function goes on, by its own limits, and what it says is dropped.
 */
void function_invoke(struct penstock_invocation *i, void *binding);

struct function_counts {
    size_t running, starting, calls, queued;
    uint64_t started, init_failures, exits, timeouts, throttled, done;
    uint64_t outcomes[FUNCTION_BAD_RESPONSE + 1]; /* of the calls that are done */
    struct buckets duration_ns; /* by buckets_wait_ns, of calls that a process got */
};
void function_count(const struct function *f, struct function_counts *out);

#endif
