/* A certificate the sink makes for itself at every start: P-256, for localhost, 127.0.0.1 and
 * ::1, signed by its own key, so that the file is both the certificate and what to trust. */
#ifndef BENCH_SINK_CERTIFICATE_H
#define BENCH_SINK_CERTIFICATE_H

#include "base/assert.h"

#include <stdint.h>

#define SINK_PATH_MAX 32

struct sink_certificate {
    char certificate[SINK_PATH_MAX]; /* paths of files in memory that nobody else sees */
    char key[SINK_PATH_MAX];
    int certificate_fd;
    int key_fd;
};

/* `out` (may be NULL): a file for the certificate. 0, ERR_TLS or ERR_IO with errno set. */
MUST_CHECK int sink_certificate_make(struct sink_certificate *c, uint64_t now_s,
                                     const char *out);
void sink_certificate_fini(struct sink_certificate *c);

#endif
