/* The Lambda Invoke API, as the AWS SDKs and `aws lambda invoke` speak it: on a listener of its
 * own, for the functions of one worker, programs and handlers in C alike.
 *
 *   POST /2015-03-31/functions/NAME/invocations
 *   POST /2021-11-15/functions/NAME/response-streaming-invocations
 *
 * Invocation types RequestResponse, Event (202 at once; queued, tried again twice) and DryRun;
 * X-Amz-Log-Type: Tail; X-Amz-Client-Context. A handler in C gets an event of API Gateway
 * (payload format 1.0 or 2.0) as the request it tells of, and its answer has that format; any
 * other JSON is the body of POST /. There is no authentication: a signature is not looked at,
 * so the listener belongs on loopback. */
#ifndef LAMBDA_INVOKE_API_H
#define LAMBDA_INVOKE_API_H

#include "lambda/event_stream.h"
#include "lambda/function.h"

#define INVOKE_EVENTS_MAX      1000 /* Event invocations held: 429 beyond */
#define INVOKE_EVENT_BYTES_MAX 67108864
#define INVOKE_EVENT_RETRIES   2
#define INVOKE_EVENT_RETRY_MS  1000
#define INVOKE_CONTEXT_MAX     3583 /* of X-Amz-Client-Context, as Lambda's */
#define INVOKE_EVENT_AGE_MAX_NS                                                                \
    (6ull * 3600 * 1000000000) /* throttled ones are tried so long */

struct invoke_function {
    const char *name;
    struct function *function;            /* NULL: it could not be made */
    const struct lambda_handler *handler; /* of a handler in C, instead */
};

struct invoke_options { /* what it points to must outlive the API */
    const struct invoke_function *functions;
    size_t function_count;
    struct lambda *lambda; /* runs the handlers in C; NULL: there are none */
    event_stream_crc_fn crc;
    const char *region; /* of the ARNs; NULL = "us-east-1" */
    uint64_t retry_ms;  /* between tries of an Event; 0 = INVOKE_EVENT_RETRY_MS */
};

struct invoke_api;

/* fd: a listening socket, owned from then on. A function is closed after invoke_api_close, and
 * before invoke_api_free. */
struct invoke_api *invoke_api_new(struct loop *l, struct stream_hub *hub, int fd,
                                  const struct invoke_options *options);
/* A reload: for calls and tries of events from now on; calls that run stay with what they have.
 * Events for a function that is gone are dropped, and logged. */
void invoke_api_set_functions(struct invoke_api *a, const struct invoke_function *functions,
                              size_t count, struct lambda *lambda);
/* Whether a call that runs has one of these. */
int invoke_api_uses(const struct invoke_api *a, const struct invoke_function *functions,
                    size_t count);
/* Calls running and events not done yet. */
size_t invoke_api_in_flight(const struct invoke_api *a);
/* Takes no more. What is in flight goes on. */
void invoke_api_drain(struct invoke_api *a);
/* Events that still wait to be tried again are dropped, and logged. on_closed runs once; then
 * the functions may be closed. */
void invoke_api_close(struct invoke_api *a, void (*on_closed)(void *arg), void *arg);
/* Asserts that nothing is in flight. */
void invoke_api_free(struct invoke_api *a);

#endif
