/* An edition: what one worker makes of one configuration - handlers, stage variables, routes,
 * functions, certificates, everything that hangs on the gateway. It is immutable and replaced
 * as a whole.
 *
 * Happy path: the main thread makes a plan (edition_plan_new: all that reads files) -> mail ->
 * edition_new on the worker -> edition_use at a turn's boundary: requests from now on are its
 * own, those in flight stay with the edition they began with -> a later one is used ->
 * editions_sweep finds it without a request or an invocation -> freed, WORKER_RELEASED.
 * Functions that have not changed are shared by editions, and closed when the last one that has
 * them is freed and their last call has ended.
 * Failure modes: a function that gets no port ends a preparation (not the start: there it is
 * answered 502); a prepared edition that is not wanted is retired unused. */
#ifndef APP_EDITION_H
#define APP_EDITION_H

#include "app/worker.h"
#include "gateway/gateway.h"
#include "lambda/invoke_api.h"

struct edition_plan {
    const struct config *config;
    unsigned number;                 /* 1, 2, ... */
    struct tls_context **listen_tls; /* one per listen entry; NULL = plain */
    struct notice_mail released;     /* brings it home */
};

/* On the main thread. NULL, with errors, when a certificate cannot be used. */
struct edition_plan *edition_plan_new(const struct config *c, unsigned number,
                                      struct config_errors *errors);
/* What is left of it after WORKER_RELEASED, too. */
void edition_plan_free(struct edition_plan *p);

struct edition {
    struct list_node node; /* in worker->editions, oldest first */
    struct worker *worker;
    struct edition_plan *plan;
    const struct config *config;
    struct lambda *lambda;
    struct gateway *gateway;
    struct invoke_function *invoke_functions;
    size_t invoke_count;
};

/* A function of a worker, in one edition or more. */
struct worker_function {
    struct list_node node; /* in worker->functions */
    struct worker *worker;
    struct function *function;
    unsigned editions;
    int closing;
};

/* All on the worker's thread. edition_new takes the plan over; *missing counts the functions
 * that could not be made. */
struct edition *edition_new(struct worker *w, struct edition_plan *plan, size_t *missing);
/* From now on; the counts of the one before go on in it. */
void edition_use(struct edition *e);
/* Frees what is retired and idle. Cheap when there is nothing. */
void editions_sweep(struct worker *w);
size_t editions_in_flight(const struct worker *w); /* invocations */
/* At the end of the worker, whatever they have. */
void editions_free(struct worker *w);

#endif
