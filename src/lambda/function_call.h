/* A call: one payload on its way to a process of a function, and its result on the way back.
 *
 * A response comes whole, or streamed (Lambda-Runtime-Function-Response-Mode: streaming, facts:
 * aws 2.1). A streamed one goes to `part` as it comes, where the caller has one, and is else
 * kept whole; either way `done` ends the call. When parts were given and the outcome is not
 * FUNCTION_OK, the response broke off in the middle. */
#ifndef LAMBDA_FUNCTION_CALL_H
#define LAMBDA_FUNCTION_CALL_H

#include "base/assert.h"
#include "base/buffer.h"
#include "base/list.h"
#include "loop/timer.h"

#define FUNCTION_PAYLOAD_MAX 6291556   /* 6 MiB and 100 bytes, as Lambda's */
#define FUNCTION_STREAM_MAX  209715200 /* the same of a response in parts */
/* Of a body over its limit so much is read still, to nowhere: many a client listens to the
 * refusal only once it has sent all. */
#define FUNCTION_LINGER_BYTES 67108864
#define FUNCTION_LINGER_MS    10000

enum function_outcome {
    FUNCTION_OK,
    FUNCTION_ERROR,       /* it says itself that it failed: payload is its error */
    FUNCTION_EXITED,      /* the process ended during the call */
    FUNCTION_TIMEOUT,     /* timeout_ms of running: the process is killed */
    FUNCTION_INIT_FAILED, /* it cannot be started, or never asks for work */
    FUNCTION_TOO_LARGE,   /* a response over FUNCTION_PAYLOAD_MAX, or stream_max */
    FUNCTION_THROTTLED,   /* no process was free in time */
    FUNCTION_BAD_RESPONSE,
};
const char *function_outcome_name(enum function_outcome o);

struct function_result { /* valid during the call of `done` only */
    enum function_outcome outcome;
    struct slice payload;
    struct slice content_type; /* as the runtime sent it */
    struct slice error_type;   /* "Runtime.ExitError", or empty */
    const char *error_text;    /* "Runtime exited with error: exit status 1"; NULL: none */
    const char *report;        /* what REPORT says; NULL: no process had it */
    bool streaming;            /* Lambda-Runtime-Function-Response-Mode: streaming */
    bool in_parts;             /* ... and `part` got it: payload is empty but for an error */
    uint64_t duration_ns;
};

/* Embedded in its owner. Zero it, then fill in the first block. */
struct function_call {
    struct slice payload; /* the event; valid until it is given to a process or done */
    const char *request_id;
    struct slice trace_id;       /* X-Amzn-Trace-Id; empty = one is made */
    struct slice client_context; /* JSON; empty = none. Valid as long as payload */
    void (*done)(struct function_call *c, const struct function_result *r);
    /* May be NULL. `bytes` (never none) are valid during the call. False: the process is not
     * read from until function_call_resume. */
    bool (*part)(struct function_call *c, struct slice content_type, struct slice bytes);
    struct buffer *log; /* gets what its process prints meanwhile; NULL = not wanted */

    struct list_node node; /* in function's queue, or the slot's calls */
    struct deadline deadline;
    struct function_slot *slot;
    struct runtime_response *response; /* while one is arriving in parts */
    uint64_t given_ns;
};

/* After `part` said false, or when nobody waits for the parts any more. */
void function_call_resume(struct function_call *c);

#endif
