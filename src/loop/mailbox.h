/* Messages between threads: any thread posts, the loop's thread receives, in order per sender.
 * Ownership of the message goes with it. Lock-free (an atomic stack, reversed on receipt). */
#ifndef LOOP_MAILBOX_H
#define LOOP_MAILBOX_H

#include "loop/loop.h"

struct mail {
    struct mail *next;
};

struct mailbox {
    uv_async_t async;
    struct mail *_Atomic head;
    void (*on_mail)(struct mailbox *box, struct mail *mail);
    void (*on_close)(struct mailbox *box);
};

/* An open mailbox keeps its loop running. 0, or one of base/error.h. */
int mailbox_init(struct mailbox *box, struct loop *l,
                 void (*on_mail)(struct mailbox *box, struct mail *mail));
/* From any thread, until the owner has called mailbox_close. */
void mailbox_post(struct mailbox *box, struct mail *mail);
/* What was posted before is still delivered, then on_close (may be NULL) runs: all in a later
 * turn. */
void mailbox_close(struct mailbox *box, void (*on_close)(struct mailbox *box));

#endif
