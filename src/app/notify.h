/* What the service manager is told, and how it watches: sd_notify(3) without libsystemd, one
 * datagram a message to $NOTIFY_SOCKET. READY=1 goes out once, when the service first can
 * serve; STATUS= whenever what /readyz says changes; WATCHDOG=1 while every loop turns. Without
 * NOTIFY_SOCKET nothing is sent and no timer runs. On the main thread. */
#ifndef APP_NOTIFY_H
#define APP_NOTIFY_H

#include "base/buffer.h"
#include "loop/timer.h"

#include <sys/socket.h>
#include <sys/un.h>

struct notify_options {
    /* As of admin_options. */
    int (*not_ready)(void *arg, struct buffer *reasons);
    /* Has every loop turned since this was last asked? Sees to it that an idle one will. */
    int (*all_moved)(void *arg);
    void *arg;
};

struct notify {
    struct notify_options options;
    struct loop *loop;
    struct timer tick;
    int fd; /* -1: nobody listens */
    struct sockaddr_un to;
    socklen_t to_len;
    int ready; /* READY=1 has been sent */
    int stopping;
    uint64_t watchdog_ns; /* a quarter of what the manager allows; 0 = it does not watch */
    uint64_t pinged_ns;
    struct buffer status; /* sent last */
    struct buffer next;
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
void notify_init(struct notify *n, struct loop *l, const struct notify_options *options);
/* RELOADING=1 with MONOTONIC_USEC=, then, when it is over, READY=1; `status` says how it went.
 * As long as the service could not serve yet, nothing but the status. */
void notify_reloading(struct notify *n);
void notify_reloaded(struct notify *n, const char *status);
/* STOPPING=1, the first time. */
void notify_stopping(struct notify *n);
/* on_close as timer_close; then notify_fini. */
void notify_close(struct notify *n, void (*on_close)(struct timer *tick));
void notify_fini(struct notify *n);

#endif
