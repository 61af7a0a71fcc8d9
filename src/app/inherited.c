#include "app/inherited.h"

#include "base/error.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

static int socket_option(int fd, int name) {
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

/* An inherited descriptor is open-on-exec and may block: both end here, before any function's
 * process is started. */
static int adopt(int fd, struct net_address *address) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return ERR_INVALID;
    }
    if (socket_option(fd, SO_TYPE) != SOCK_STREAM || socket_option(fd, SO_ACCEPTCONN) != 1) {
        return ERR_INVALID;
    }
    address->len = sizeof address->sa;
    return getsockname(fd, (struct sockaddr *)&address->sa, &address->len) == 0 ? 0
                                                                                : ERR_INVALID;
}

static struct slice nth_name(const char *names, size_t index) {
    struct slice rest = slice_cstr(names);
    struct slice name = slice_split(rest, ':', &rest);
    while (index-- > 0) {
        name = slice_split(rest, ':', &rest);
    }
    return name;
}

static int meant_for_us(const char *pid) {
    uint64_t number;
    return pid && slice_to_u64(slice_cstr(pid), &number) == 0 && number == (uint64_t)getpid();
}

static int read_sockets(struct inherited *in, const char *fds, const char *names,
                        char reason[256]) {
    uint64_t count;
    if (slice_to_u64(slice_cstr(fds), &count) != 0 || count > INHERITED_MAX) {
        (void)snprintf(reason, 256, "not a number up to %d", INHERITED_MAX);
        return ERR_INVALID;
    }
    for (size_t i = 0; i < count; i++) {
        memset(&in->sockets[i], 0, sizeof in->sockets[i]);
        if (adopt(FIRST_FD + (int)i, &in->sockets[i].address) != 0) {
            (void)snprintf(reason, 256,
                           "descriptor %zu (" SLICE_FMT ") is not a listening stream socket",
                           FIRST_FD + i, SLICE_ARG(nth_name(names, i)));
            return ERR_INVALID;
        }
    }
    in->count = count;
    return 0;
}

int inherited_read(struct inherited *in, char reason[256]) {
    const char *pid = getenv("LISTEN_PID");
    const char *fds = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    int error = 0;
    in->count = 0;
    if (fds && meant_for_us(pid)) {
        error = read_sockets(in, fds, names ? names : "", reason);
    }
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    return error;
}

int inherited_take(struct inherited *in, const struct net_address *address) {
    char wanted[NET_ADDRESS_TEXT_MAX];
    char text[NET_ADDRESS_TEXT_MAX];
    net_address_format(address, wanted);
    for (size_t i = 0; i < in->count; i++) {
        net_address_format(&in->sockets[i].address, text);
        if (!in->sockets[i].taken && strcmp(text, wanted) == 0) {
            in->sockets[i].taken = 1;
            return FIRST_FD + (int)i;
        }
    }
    return -1;
}

int inherited_all_taken(const struct inherited *in, char reason[256]) {
    char text[NET_ADDRESS_TEXT_MAX];
    for (size_t i = 0; i < in->count; i++) {
        if (!in->sockets[i].taken) {
            net_address_format(&in->sockets[i].address, text);
            (void)snprintf(reason, 256,
                           "descriptor %zu listens on %s, which is not under `listen:`",
                           FIRST_FD + i, text);
            return ERR_INVALID;
        }
    }
    return 0;
}
