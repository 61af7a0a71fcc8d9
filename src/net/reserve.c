#include "net/reserve.h"

#include <sys/eventfd.h>
#include <unistd.h>

void descriptor_reserve_fill(struct descriptor_reserve *r) {
    while (r->count < DESCRIPTOR_RESERVE) {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd < 0) {
            return;
        }
        r->fds[r->count++] = fd;
    }
}

int descriptor_reserve_use(struct descriptor_reserve *r) {
    if (r->count == 0) {
        return 0;
    }
    (void)close(r->fds[--r->count]);
    return 1;
}

void descriptor_reserve_fini(struct descriptor_reserve *r) {
    while (descriptor_reserve_use(r)) {
    }
}
