/* A listening socket of one worker. TCP listeners use SO_REUSEPORT, so every worker has its
 * own. A unix socket, or a descriptor inherited from systemd, is shared by the workers instead:
 * the owner opens it once (listener_open_fd) and each worker listens on a dup of it.
 *
 * Accept is bounded: while `paused` nothing is accepted and extra peers wait in the backlog
 * (facts: libuv accepts until EAGAIN, and EMFILE makes it spin, so the cap must come first). */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "loop/loop.h"
#include "loop/timer.h"
#include "net/address.h"
#include "net/reserve.h"

/* Accepted per readiness at most, so that a flood of connects cannot hold the turn. */
#define LISTENER_ACCEPTS_PER_TURN 64
/* How long accepting rests after EMFILE and its kind. */
#define LISTENER_REST_MS 100

struct listener {
    uv_poll_t poll;    /* our own accept4 loop, bounded per readiness */
    struct timer rest; /* runs while the process is out of descriptors or memory */
    struct loop *loop;
    int fd;
    int paused;
    int closing;
    int open_handles;                   /* poll, rest: on_close follows the last */
    struct descriptor_reserve *reserve; /* NULL: none; see listener_use_reserve */
    uint64_t accepted;
    uint64_t rests; /* how often accepting had to rest: an alarm for the metrics */
    uint64_t rest_logged_ns;
    /* Takes ownership of fd (non-blocking, close-on-exec). */
    void (*on_accept)(struct listener *l, int fd);
    void (*on_close)(struct listener *l);
    void *owner;
};

/* Opens, binds and listens; the descriptor in *fd. A stale unix socket file nobody listens on
 * is replaced. 0 or an error code, with the errno text in reason. */
MUST_CHECK int listener_open_fd(const struct net_address *address, int backlog, int reuse_port,
                                int *fd, char reason[128]);
/* Starts accepting on fd, which it owns from then on (also when it fails: then it is closed and
 * there is nothing to close). Accepted TCP sockets have TCP_NODELAY and keep-alive set. */
MUST_CHECK int listener_start(struct listener *l, struct loop *loop, int fd,
                              void (*on_accept)(struct listener *l, int fd), void *owner);
/* From now on a peer is accepted with a descriptor of `r` when the process has run out; the
 * owner fills `r` again after a connection has closed. `r` must outlive the listener. */
void listener_use_reserve(struct listener *l, struct descriptor_reserve *r);
void listener_pause(struct listener *l);
void listener_resume(struct listener *l);
/* Accepts what waits in the backlog now, also while paused: before closing a door that peers
 * have already knocked at. on_accept is called from inside. */
void listener_drain(struct listener *l);
/* on_close (may be NULL) runs in a later turn. The unix socket file stays. */
void listener_close(struct listener *l, void (*on_close)(struct listener *l));

#endif
