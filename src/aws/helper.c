#include "aws/helper.h"

#include <pthread.h>
#include <signal.h>

#define STACK_BYTES 262144

static void *run(void *arg) {
    struct helper_job *job = arg;
    job->work(job);
    mailbox_post(job->box, &job->mail);
    return NULL;
}

/* Signals are the main thread's business. */
static int start_thread(struct helper_job *job) {
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(&thread, &attr, run, job);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return e;
}

void helper_start(struct helper_job *job, struct mailbox *box) {
    job->box = box;
    if (start_thread(job) != 0) {
        run(job); /* UNTESTED: no thread to be had; late is better than never */
    }
}

void helper_start_here(struct helper_job *job, struct mailbox *box) {
    job->box = box;
    run(job);
}

void helper_on_mail(struct mailbox *box, struct mail *mail) {
    struct helper_job *job = container_of(mail, struct helper_job, mail);
    (void)box;
    job->done(job);
}
