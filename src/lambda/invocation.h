/* Invocations: the event and context a handler sees (penstock/handler.h is implemented here),
 * from lambda_invoke to the one completion.
 *
 * Lifetime: a slab object with the request's arena; freed by its gate once it is completed, the
 * answer is given (or the client has gone), and no op or work is outstanding. */
#ifndef LAMBDA_INVOCATION_H
#define LAMBDA_INVOCATION_H

#include "dynamodb/dynamodb.h"
#include "http/url.h"
#include "loop/timer.h"
#include "penstock/handler.h"
#include "server/server.h"

struct lambda;

/* A handler bound to its state on this worker. */
struct lambda_handler {
    const char *name; /* function name in context and logs */
    penstock_invoke_fn invoke;
    void *state;         /* shared by the workers, immutable */
    uint64_t timeout_ms; /* 29000 */
    size_t body_bytes;   /* this route's body limit; 0 = the server's */
};

struct lambda_options {
    size_t invocations;  /* at a time on this worker: 503 beyond; 16384 */
    size_t memory_bytes; /* penstock_alloc per invocation; 33554432 */
    const struct url_pair *stage_variables;
    size_t stage_variable_count;
    const char *stage; /* "$default" or the name */
};

/* Aborts when memory is out. */
struct lambda *lambda_new(struct loop *l, struct dynamodb *db,
                          const struct lambda_options *options);
void lambda_free(struct lambda *l); /* asserts that no invocation is left */
size_t lambda_in_flight(const struct lambda *l);

struct lambda_event { /* borrowed from the request's arena */
    struct slice route_key;
    struct slice path;     /* decoded, without the stage */
    struct slice raw_path; /* as sent, with the stage */
    struct slice raw_query;
    const struct url_pair *path_parameters;
    size_t path_parameter_count;
};

/* Runs the handler; it will answer the request through server_respond, exactly once, or drop
 * the answer when lambda_abandon came first. At the bound the request is answered 503 here. */
void lambda_invoke(struct lambda *l, const struct lambda_handler *handler,
                   struct server_request *request, const struct lambda_event *event);
/* The client has left: the work goes on, the answer is dropped. From on_abandon. */
void lambda_abandon(struct server_request *request);

#endif
