/* Descriptors kept open for a listener that must answer even when the process has run out of
 * them: one is closed for the peer at the door, and opened again once there is room. Filled
 * first of all at the start, so that their numbers are low and below a limit lowered later. */
#ifndef NET_RESERVE_H
#define NET_RESERVE_H

#include <stddef.h>

#define DESCRIPTOR_RESERVE 8

struct descriptor_reserve { /* begins as zeros */
    int fds[DESCRIPTOR_RESERVE];
    size_t count;
};

/* Opens what is missing, as far as there is room. */
void descriptor_reserve_fill(struct descriptor_reserve *r);
/* Closes one, so that there is room for another; 0 when none is left. */
int descriptor_reserve_use(struct descriptor_reserve *r);
/* Closes all. */
void descriptor_reserve_fini(struct descriptor_reserve *r);

#endif
