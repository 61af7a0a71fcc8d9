#include "gateway/server_timing.h"

#include "base/clock.h"

#include <stdio.h>

static void append(char text[SERVER_TIMING_MAX], size_t *len, const char *name, uint64_t ns) {
    if (ns == 0) {
        return;
    }
    uint64_t us = ns / NS_PER_US;
    int n =
        snprintf(text + *len, SERVER_TIMING_MAX - *len, "%s%s;dur=%llu.%03u", *len ? ", " : "",
                 name, (unsigned long long)(us / 1000), (unsigned)(us % 1000));
    ASSERT(n > 0 && (size_t)n < SERVER_TIMING_MAX - *len);
    *len += (size_t)n;
}

struct slice server_timing(char text[SERVER_TIMING_MAX], uint64_t total_ns,
                           const struct op_phases *phases) {
    size_t len = 0;
    append(text, &len, "total", total_ns ? total_ns : 1);
    append(text, &len, "queue", phases->queue_ns);
    append(text, &len, "sign", phases->sign_ns);
    append(text, &len, "wait", phases->wait_ns);
    return slice_of(text, len);
}
