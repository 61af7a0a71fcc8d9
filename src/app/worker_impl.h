/* What worker.c, worker_close.c and worker_mail.c share; nobody else includes it. */
#ifndef APP_WORKER_IMPL_H
#define APP_WORKER_IMPL_H

#include "app/edition.h"
#include "app/worker.h"
#include "lambda/invoke_api.h"

enum worker_mail_kind {
    MAIL_CREDENTIALS,
    MAIL_USAGE_REPORT,
    MAIL_USAGE_PUSH,
    MAIL_TICK,
    MAIL_ASK,
    MAIL_PREPARE,
    MAIL_SWAP,
    MAIL_UNPREPARE,
    MAIL_DRAIN,
    MAIL_KILL,
    MAIL_END,
    WORKER_MAIL_KINDS
};

struct worker_mail {
    struct mail mail;
    atomic_bool out; /* on its way; then only the worker touches it */
    void *what;      /* of its kind: a usage_mail, a snapshot, an edition_plan */
};

enum worker_stage { STAGE_SERVING, STAGE_DRAINING, STAGE_CLOSING };

struct worker {
    struct worker_setup setup;
    struct worker_status status;
    pthread_t thread;
    int started;
    int connected; /* to DynamoDB, once */
    int *fds;
    struct tls_context *client_tls;
    enum worker_stage stage;
    struct loop loop;
    struct stream_hub hub;
    struct mailbox box;
    struct worker_mail mails[WORKER_MAIL_KINDS];
    struct notice_mail notices[WORKER_RELEASED]; /* that one is the plan's */
    struct credentials *_Atomic new_credentials; /* NULL: taken */
    struct loop_duty report;
    struct pool *pool;
    struct sigv4_signer *signer;
    struct dynamodb *db;
    struct list editions;     /* struct edition, oldest first */
    struct edition *now;      /* the one that serves */
    struct edition *prepared; /* the one that may come next, or NULL */
    struct list functions;    /* struct worker_function */
    int functions_closing;
    int invoke_fd;                       /* -1: none, or it has an owner */
    struct invoke_api *invoke;           /* NULL: off */
    void (*when_idle)(struct worker *w); /* once no invocation is in flight */
    struct meters meters;                /* of limits; see app/usage.h */
    struct usage_mail *usage_report;     /* NULL: it is on its way */
    struct mailbox *usage_box;
    struct server *server;
};

/* edition.c */
void worker_function_close(struct worker_function *wf);

/* worker_close.c */
/* Finishes what is in flight, then closes all. */
void worker_start_drain(struct worker *w);
/* In reverse order of building; ends with WORKER_STOPPED. */
void worker_close_all(struct worker *w);
void worker_on_mailbox_closed(struct mailbox *box);
/* Called after each function has closed. */
void worker_function_gone(struct worker *w);

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
/* To the owner; not WORKER_RELEASED. What is still out is not said twice. */
void worker_tell(struct worker *w, enum worker_notice notice, unsigned edition);

#endif
