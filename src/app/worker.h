/* A worker: a thread with its own loop, listeners, connections to DynamoDB and pipeline.
 * Workers share nothing mutable; the main thread talks to them by mail. */
#ifndef APP_WORKER_H
#define APP_WORKER_H

#include "app/config.h"
#include "app/snapshot.h"
#include "app/usage.h"
#include "aws/credentials.h"
#include "aws/endpoint.h"
#include "loop/mailbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct worker;

/* From a worker to its owner, on the worker's thread: the owner posts it to its own mailbox. */
enum worker_notice {
    WORKER_CONNECTED, /* to DynamoDB, for the first time */
    WORKER_STOPPED,
    WORKER_BAD_CREDENTIALS,
    WORKER_PREPARED,   /* an edition, by its number */
    WORKER_UNPREPARED, /* ... which could not be; the log says why */
    WORKER_SWAPPED,    /* ... which serves now */
    WORKER_RELEASED,   /* ... of which nothing is left: the mail is its plan's, and frees it */
};

/* The receiver clears `out` once it has read the rest. */
struct notice_mail {
    struct mail mail;
    atomic_bool out;
    enum worker_notice notice;
    unsigned edition;
};

struct edition_plan;

struct worker_setup {
    struct edition_plan *plan; /* of the first edition; owned from then on */
    const struct aws_endpoint *endpoint;
    unsigned index;
    size_t connections; /* this worker's share */
    void (*on_notice)(void *arg, struct notice_mail *m);
    void *arg;
};

/* What other threads may read of a worker. */
struct worker_status {
    _Atomic int pool_ready;
    _Atomic int has_credentials;
    _Atomic uint64_t turns;
};

/* Prepares everything that can fail with a reason a person must read: TLS contexts, listeners
 * (fds[i] belongs to config->listen[i]; owned from then on). NULL with a reason. */
struct worker *worker_new(const struct worker_setup *setup, const int *fds, char reason[256]);
/* Before worker_start. */
void worker_use_limits(struct worker *w, struct usage *u);
/* Starts the thread. 0 or ERR_IO. */
MUST_CHECK int worker_start(struct worker *w);
const struct worker_status *worker_status(const struct worker *w);
/* From the main thread, all asynchronous; allowed until worker_free, also after
 * WORKER_STOPPED. */
void worker_set_credentials(struct worker *w, struct credentials *c);
/* A report that comes home, or a push. */
void worker_usage(struct worker *w, struct usage_mail *m);
/* Takes the plan over; WORKER_PREPARED or _UNPREPARED follows. Then one of the other two. */
void worker_prepare(struct worker *w, struct edition_plan *plan);
/* Goes over to what is prepared: WORKER_SWAPPED follows, and WORKER_RELEASED of the one before,
 * once its last invocation has ended. */
void worker_swap(struct worker *w);
/* Forgets what is prepared, or could not be: WORKER_RELEASED follows. */
void worker_unprepare(struct worker *w);
/* Its loop turns once more. */
void worker_tick(struct worker *w);
/* Fills the snapshot in (worker, lengths, reply_to are the asker's) and mails it there. */
void worker_ask(struct worker *w, struct snapshot *snapshot);
/* Finish what is in flight, then stop: WORKER_STOPPED follows. */
void worker_drain(struct worker *w);
/* Stop now, whatever is in flight: WORKER_STOPPED follows. */
void worker_kill(struct worker *w);
/* Ends and joins the thread and frees; only after WORKER_STOPPED (or when it was never
 * started). */
void worker_free(struct worker *w);

#endif
