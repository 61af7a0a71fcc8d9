/* CPU and memory of a process and its descendants, from /proc. */
#ifndef BENCH_LOAD_PROCESS_H
#define BENCH_LOAD_PROCESS_H

#include "base/assert.h"

#include <stdint.h>

struct load_process {
    uint64_t cpu_ns; /* user and system, of those alive and of the children they waited for */
    uint64_t peak_bytes; /* sum of each one's own peak */
    unsigned processes;
};

/* 0, or ERR_NOT_FOUND. */
MUST_CHECK int load_process_read(unsigned pid, struct load_process *out);

#endif
