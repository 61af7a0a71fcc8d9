/* What the files of the Invoke API share; nobody else includes it.
 *
 *   invoke_api.c: requests, the API's life -> invoke_call.c: calls and events
 *       -> function.c, or invoke_native.c -> invoke_call.c -> invoke_answer.c
 */
#ifndef LAMBDA_INVOKE_IMPL_H
#define LAMBDA_INVOKE_IMPL_H

#include "base/hex.h"
#include "lambda/invoke_api.h"
#include "loop/timer.h"

struct invoke_call {
    struct function_call call;
    struct invoke_api *api;
    const struct invoke_function *target;
    struct server_request *request; /* NULL: an event, or the caller has left */
    struct list_node node;          /* in api->calls */
    struct deadline retry;          /* of an event that failed */
    struct buffer log;              /* what it printed, when the tail is asked for */
    uint64_t accepted_ns;
    unsigned failures;
    bool event;
    bool streams; /* InvokeWithResponseStream */
    bool begun;   /* ... and its head has gone out */
    bool broken;  /* ... and memory was out for a part */
    char request_id[37];
    char context[BASE64_DECODED_MAX(INVOKE_CONTEXT_MAX)];
    char payload[];
};

struct invoke_api {
    struct loop *loop;
    struct server *server;
    struct invoke_options options;
    struct list calls;
    struct deadline_queue retries;
    struct buffer scratch; /* of messages in the making */
    size_t events;
    size_t event_bytes;
    bool closing;
    unsigned open_parts; /* server and queue, while closing */
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* invoke_call.c; each answers the request, now or later. */
void invoke_event(struct invoke_api *a, struct server_request *r,
                  const struct invoke_function *target, struct slice context);
void invoke_now(struct invoke_api *a, struct server_request *r,
                const struct invoke_function *target, struct slice context, bool streams);
void invoke_on_retry(struct deadline_queue *q, struct deadline *d);
/* To the function of the same name as it is now; false: there is none. */
bool invoke_retarget(struct invoke_call *ic);
/* An event that waits to be tried again never will be. */
void invoke_drop_event(struct invoke_call *ic, const char *reason);

/* invoke_native.c: as function_submit, but that done may come at once. */
MUST_CHECK int invoke_native(struct invoke_call *ic);

/* invoke_answer.c; a type is a static string */
void invoke_refuse(struct server_request *r, unsigned status, const char *type,
                   const char *message);
void invoke_refuse_throttled(struct server_request *r);
/* The whole answer, or the end of one in parts. */
void invoke_answer(struct invoke_call *ic, const struct function_result *r);
/* A part of an answer in parts. False: no more for now. */
bool invoke_answer_part(struct invoke_call *ic, struct slice bytes);

#endif
