/* Work that blocks (files, child processes), on a thread that lives for it alone. */
#ifndef AWS_HELPER_H
#define AWS_HELPER_H

#include "loop/mailbox.h"

struct helper_job { /* embedded in its owner, which keeps it until done */
    struct mail mail;
    struct mailbox *box;
    void (*work)(struct helper_job *job); /* on the helper's thread */
    void (*done)(struct helper_job *job); /* on the loop's, in a later turn, exactly once */
};

/* The mailbox's on_mail must be helper_on_mail. */
void helper_start(struct helper_job *job, struct mailbox *box);
/* At the program's start: the work is done at once, on this thread. */
void helper_start_here(struct helper_job *job, struct mailbox *box);
void helper_on_mail(struct mailbox *box, struct mail *mail);

#endif
