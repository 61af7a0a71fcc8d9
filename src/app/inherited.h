/* Listening sockets handed to us by the service manager (sd_listen_fds(3)): the kernel's queue
 * of each outlives the process, so a restart refuses nobody. */
#ifndef APP_INHERITED_H
#define APP_INHERITED_H

#include "net/address.h"

#define INHERITED_MAX 256

struct inherited {
    struct inherited_socket {
        struct net_address address;
        int taken;
    } sockets[INHERITED_MAX]; /* descriptors 3, 4, ... */
    size_t count;
};

/* Reads LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES and removes them from the environment; no
 * sockets when they are not meant for this process. ERR_INVALID with a reason when a descriptor
 * is no listening stream socket. */
MUST_CHECK int inherited_read(struct inherited *in, char reason[256]);
/* The descriptor that listens on this address, or -1. */
int inherited_take(struct inherited *in, const struct net_address *address);
/* ERR_INVALID with a reason when one was not taken: nobody would accept its connections. */
MUST_CHECK int inherited_all_taken(const struct inherited *in, char reason[256]);

#endif
