/* The hot paths that bench/regress.sh counts the instructions of, each through its real module.
 * `start` (may be NULL) makes what the path needs, which lives until exit; `run` takes n
 * requests over it. */
#ifndef BENCH_REGRESS_H
#define BENCH_REGRESS_H

#include "base/slice.h"
#include "model/table.h"
#include "server/server.h"

#define REGRESS_BODIES 100 /* different items; more than are ever in flight */

struct regress_path {
    const char *name;
    void (*start)(void);
    void (*run)(unsigned n);
};

/* What the paths share: a table, plain JSON items of 250 bytes with different keys, the POST
 * that carries the first of them, and an answer to it. */
extern struct model_table regress_table;
struct slice regress_body(unsigned i);
struct slice regress_post(void);
extern const struct slice regress_answer;

/* regress_pipeline.c: submit, batch, write, read the answer, settle; per op. */
void coalesce_start(void);
void coalesce_run(unsigned n);
void single_start(void);
void single_run(unsigned n);

struct dynamodb;
/* A pipeline of ops that leave alone; and what has been submitted to it leaves and is answered.
 */
struct dynamodb *regress_dynamodb(void);
void regress_dynamodb_answer(void);

/* regress_server.c: a POST over a socket, through server/ and net/, answered at once. */
void serve_start(void);
void serve_run(unsigned n);

/* A server on a loop that is turned by hand, its one client a plain socket of this thread. */
struct regress_front {
    struct loop loop;
    struct stream_hub hub;
    int client;
};
void regress_front_init(struct regress_front *f);
void regress_front_open(struct regress_front *f, const struct server_events *events,
                        void *owner);
/* Every POST gets its 201 before the next one leaves. `upstream` (may be NULL) runs after each
 * turn. */
void regress_front_run(struct regress_front *f, struct slice post, unsigned n,
                       void (*upstream)(void));

/* regress_request.c: a whole request: head, route, API key, throttles, put_item, the pipeline,
 * and back. */
void request_start(void);
void request_run(unsigned n);

#endif
