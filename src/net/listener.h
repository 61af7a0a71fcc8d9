/* A listening socket of one worker. TCP listeners use SO_REUSEPORT, so every worker has its
 * own. A unix socket, or a descriptor inherited from systemd, is shared by the workers instead:
 * the owner opens it once (listener_open_fd) and each worker listens on a dup of it.
 *
 * Accept is bounded: while `paused` nothing is accepted and extra peers wait in the backlog
 * (facts: libuv accepts until EAGAIN, and EMFILE makes it spin, so the cap must come first). */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "loop/loop.h"
#include "net/address.h"

struct listener {
    uv_poll_t poll; /* our own accept4 loop, bounded per readiness */
    struct loop *loop;
    int fd;
    int paused;
    int closing;
    /* Takes ownership of fd (non-blocking, close-on-exec). */
    void (*on_accept)(struct listener *l, int fd);
    void (*on_close)(struct listener *l);
    void *owner;
};

/* Opens, binds and listens; the descriptor in *fd. A stale unix socket file nobody listens on
 * is replaced. 0 or an error code, with the errno text in reason. */
MUST_CHECK int listener_open_fd(const struct net_address *address, int backlog, int reuse_port,
                                int *fd, char reason[128]);
/* Starts accepting on fd, which it owns from then on. */
MUST_CHECK int listener_start(struct listener *l, struct loop *loop, int fd,
                              void (*on_accept)(struct listener *l, int fd), void *owner);
void listener_pause(struct listener *l);
void listener_resume(struct listener *l);
void listener_close(struct listener *l, void (*on_close)(struct listener *l));

#endif
