/* What worker.c, worker_close.c and worker_mail.c share; nobody else includes it. */
#ifndef APP_WORKER_IMPL_H
#define APP_WORKER_IMPL_H

#include "app/worker.h"
#include "lambda/invoke_api.h"

enum worker_stage { STAGE_SERVING, STAGE_DRAINING, STAGE_CLOSING };

struct worker {
    struct worker_setup setup;
    struct worker_status status;
    pthread_t thread;
    int started;
    int *fds;
    struct tls_context **server_tls; /* one per listen entry; NULL = plain */
    struct tls_context *client_tls;
    enum worker_stage stage;
    struct loop loop;
    struct stream_hub hub;
    struct mailbox box;
    struct loop_duty report;
    struct pool *pool;
    struct sigv4_signer *signer;
    struct dynamodb *db;
    struct lambda *lambda;
    size_t functions_open;
    int invoke_fd; /* -1: none, or it has an owner */
    struct invoke_function *invoke_functions;
    struct invoke_api *invoke;           /* NULL: off */
    void (*when_idle)(struct worker *w); /* once no invocation is in flight */
    struct meters meters;                /* of limits; see app/usage.h */
    struct usage_mail *usage_report;     /* NULL: it is on its way */
    struct mailbox *usage_box;
    struct gateway *gateway;
    struct server *server;
};

/* A function of the configuration as this worker has it; NULL: a handler in C, or it could not
 * be made. */
static inline struct function *worker_function(const struct worker *w,
                                               const struct config_function *f) {
    return f->workers ? f->workers[w->setup.index] : NULL;
}

/* worker_close.c */
/* Finishes what is in flight, then closes all. */
void worker_start_drain(struct worker *w);
/* In reverse order of building; ends with WORKER_STOPPED. */
void worker_close_all(struct worker *w);
void worker_on_mailbox_closed(struct mailbox *box);

/* worker_usage.c */
/* Each turn: tells the main thread what was admitted. */
void worker_send_usage(struct worker *w);
/* Nothing will be admitted any more. */
void worker_last_usage(struct worker *w);
void worker_on_usage(struct worker *w, struct usage_mail *m);

/* worker_mail.c */
void worker_on_mail(struct mailbox *box, struct mail *mail);
/* From the main thread: its thread ends. */
void worker_end(struct worker *w);

#endif
