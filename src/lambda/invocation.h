/* Invocations: the event and context a handler sees (penstock/handler.h is implemented here),
 * from lambda_invoke to the one completion.
 *
 * Happy path: lambda_invoke -> handler -> penstock_dynamodb ... -> penstock_respond ->
 * server_respond. Failure modes: the handler answers nonsense (502), never (504 at its
 * deadline), twice or late (ignored, logged); the client leaves (lambda_abandon: the work goes
 * on, the answer is dropped); the bound is reached (503, the handler never runs).
 *
 * Lifetime: an invocation is a slab object with an arena of its own, freed by its gate once it
 * is completed, no op or work is outstanding and the handler is not on the stack. The request
 * and its arena end earlier, with the answer or when the client leaves; so whatever an accessor
 * gives out is copied into the invocation's arena first and stays valid until the gate, and an
 * accessor asked after the request has ended answers "absent". Request id, function name,
 * remaining time, log and memory stay. An invocation whose handler let the deadline pass is
 * kept, with its memory, among the last LAMBDA_FORGOTTEN_MAX such, so that a late completion is
 * noticed. */
#ifndef LAMBDA_INVOCATION_H
#define LAMBDA_INVOCATION_H

#include "dynamodb/dynamodb.h"
#include "http/url.h"
#include "loop/timer.h"
#include "penstock/handler.h"
#include "server/server.h"

#define LAMBDA_TIMEOUT_MS      29000 /* of a handler without its own */
#define LAMBDA_FORGOTTEN_MAX   256
#define LAMBDA_FORGOTTEN_BYTES 67108864

struct lambda;

/* A handler bound to its state. Immutable, shared by the workers. */
struct lambda_handler {
    const char *name; /* function name in context and logs */
    penstock_invoke_fn invoke;
    void *state;
    uint64_t timeout_ms; /* 0 = 29000 */
    size_t body_bytes;   /* this route's body limit; 0 = the server's */
    int writes;          /* it needs the pipeline: refused early while that is full */
    int server_timing;   /* answers say where the time went */
};

struct lambda_options {
    size_t invocations;  /* at a time on this worker: 503 beyond; 0 = 16384 */
    size_t memory_bytes; /* penstock_alloc per invocation; 0 = 33554432 */
    const struct url_pair *stage_variables;
    size_t stage_variable_count;
    const char *stage;             /* "$default" or the name; NULL = "$default" */
    const char *account_id;        /* $context.accountId; NULL = "000000000000" */
    const char *api_id;            /* $context.apiId; NULL = "penstock" */
    uint64_t dynamodb_deadline_ms; /* the pipeline's own deadline_ms; 0 = its default */
    unsigned worker;               /* which of the per-worker states a native handler gets */
};

/* Aborts when memory is out. Options are copied; what they point to must outlive it. */
struct lambda *lambda_new(struct loop *l, struct dynamodb *db,
                          const struct lambda_options *options);
/* Asserts that no invocation is in flight. The loop must make one more turn. */
void lambda_free(struct lambda *l);
/* Invocations not completed, or with ops or work outstanding; without the forgotten ones. */
size_t lambda_in_flight(const struct lambda *l);
/* Cheap: lambda_invoke would answer 503 at once, or the handler's first write would be busy. */
int lambda_busy(const struct lambda *l, const struct lambda_handler *handler);
unsigned lambda_worker(const struct lambda *l);
/* The end: what has not completed yet has its deadline now. What works on a thread stays in
 * flight until it returns. */
void lambda_expire(struct lambda *l);

struct lambda_counts {
    size_t in_flight, forgotten, work_queued, work_running;
    uint64_t invocations, refused, timeouts, abandoned;
    uint64_t bad_answers, completed_twice, completed_late;
    size_t slab_bytes; /* of invocations */
};
void lambda_count(const struct lambda *l, struct lambda_counts *out);
/* A new lambda takes the place of an old one: what was counted goes on in it. Once more before
 * the old one is freed. */
void lambda_succeed(struct lambda *to, struct lambda *from);

/* In the request's arena, as is all it points to. request->owner_data points to it from
 * lambda_invoke on, also when the answer goes out (for the access log). */
struct lambda_event {
    struct slice route_key;
    struct slice path;     /* decoded, without the stage */
    struct slice raw_path; /* as sent, with the stage */
    struct slice raw_query;
    struct slice api_key_id; /* the name of the caller's API key; empty: none was asked for */
    struct slice trace_root; /* "1-8 digits-24 digits" of X-Amzn-Trace-Id */
    const struct url_pair *path_parameters;
    size_t path_parameter_count;
    const struct url_pair *query_parameters;
    size_t query_parameter_count;
    /* Of an event that is invoked by name and says so; 0 and empty: now, and lambda's own. */
    uint64_t epoch_ms;
    struct slice stage;
    const struct url_pair *stage_variables;
    size_t stage_variable_count;
    struct penstock_invocation *invocation; /* lambda's own; NULL once answered */
    /* Set by lambda_invoke and what follows: for the access log and Server-Timing. */
    const struct lambda_handler *handler; /* NULL: none was asked */
    uint64_t invoked_ns;
    struct op_phases phases; /* of the op that took longest, or of the function's call */
    /* Gets the answer in place of server_respond, for a request that is no server's; NULL. */
    void (*on_answer)(struct server_request *r, const struct server_answer *answer);
    struct buffer *log; /* gets what the handler logs until it answers; NULL: not wanted */
};

/* Runs the handler; it will answer the request through server_respond, exactly once, or drop
 * the answer when lambda_abandon came first. At the bound the request is answered 503 here. */
void lambda_invoke(struct lambda *l, const struct lambda_handler *handler,
                   struct server_request *request, struct lambda_event *event);
/* The client has left: the work goes on, the answer is dropped. From on_abandon. */
void lambda_abandon(struct server_request *request);
/* There is room for more of an answer in parts. From on_room. */
void lambda_room(struct server_request *request);

#endif
