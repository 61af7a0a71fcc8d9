/* The admin listener on the main thread: /healthz (the process lives), /readyz (it can serve;
 * reasons in JSON) and /metrics. HEAD works; nothing here goes into the access log. */
#ifndef APP_ADMIN_H
#define APP_ADMIN_H

#include "server/server.h"

struct admin;

struct admin_options {
    /* Appends JSON strings, separated by commas, one per reason not to be ready. 0 when ready.
     */
    int (*not_ready)(void *arg, struct buffer *reasons);
    /* The page of metrics is wanted: admin_metrics follows, in a later turn. */
    void (*ask_metrics)(void *arg);
    void (*on_closed)(void *arg);
    void *arg;
    struct descriptor_reserve *reserve; /* to be reached when descriptors have run out */
};

/* fd: a listening socket, owned from then on. */
struct admin *admin_new(struct loop *l, struct stream_hub *hub, int fd,
                        const struct admin_options *options);
/* Answers whoever waits for it. */
void admin_metrics(struct admin *a, struct slice page);
void admin_close(struct admin *a);
void admin_free(struct admin *a);

#endif
