/* Happy path: a sender puts its mail on the stack and, when the stack was empty, wakes the
 * loop; the loop takes the whole stack at once and delivers it in the order of posting.
 * A closing mailbox delivers what is left from its close callback: nobody posts any more. */
#include "loop/mailbox.h"

#include <stdatomic.h>

/* The stack has the newest first. */
static struct mail *reverse(struct mail *newest) {
    struct mail *oldest = NULL;
    while (newest) {
        struct mail *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static void deliver(struct mailbox *box) {
    struct mail *mail =
        reverse(atomic_exchange_explicit(&box->head, NULL, memory_order_acquire));
    while (mail) {
        struct mail *next = mail->next; /* the receiver owns the mail */
        mail->next = NULL;
        box->on_mail(box, mail);
        mail = next;
    }
}

static void on_async(uv_async_t *handle) {
    deliver(container_of(handle, struct mailbox, async));
}

static void on_uv_close(uv_handle_t *handle) {
    struct mailbox *box = container_of(handle, struct mailbox, async);
    deliver(box);
    if (box->on_close) {
        box->on_close(box);
    }
}

int mailbox_init(struct mailbox *box, struct loop *l,
                 void (*on_mail)(struct mailbox *box, struct mail *mail)) {
    atomic_init(&box->head, NULL);
    box->on_mail = on_mail;
    box->on_close = NULL;
    return loop_error(uv_async_init(&l->uv, &box->async, on_async));
}

void mailbox_post(struct mailbox *box, struct mail *mail) {
    struct mail *head = atomic_load_explicit(&box->head, memory_order_relaxed);
    do {
        mail->next = head;
    } while (!atomic_compare_exchange_weak_explicit(
        &box->head, &head, mail, memory_order_release, memory_order_relaxed));
    if (head == NULL) {
        uv_async_send(&box->async);
    }
}

void mailbox_close(struct mailbox *box, void (*on_close)(struct mailbox *box)) {
    box->on_close = on_close;
    uv_close((uv_handle_t *)&box->async, on_uv_close);
}
