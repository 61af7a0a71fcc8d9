/* After the run: reads acknowledged items back and says what is lost or wrong.
 *
 * Requests are made again from their numbers. Those that lead to the same path are one item,
 * which may hold what any of them wrote, acknowledged or not: which came last is not known. An
 * item is good when its JSON covers the JSON that was sent (a service may add attributes), or,
 * where no JSON was sent, when it is the same bytes. */
#ifndef BENCH_LOAD_VERIFY_H
#define BENCH_LOAD_VERIFY_H

#include "load_run.h"

#define LOAD_VERIFY_SHOWN 5

struct load_verify_result {
    uint64_t acknowledged; /* requests of the run */
    uint64_t checked;      /* items */
    uint64_t good;
    uint64_t lost;                      /* 404 */
    uint64_t wrong;                     /* 200 with something else */
    uint64_t unreadable;                /* any other answer, or none */
    char shown[LOAD_VERIFY_SHOWN][160]; /* the first paths that are not good, and why */
    unsigned shown_count;
};

/* 0; or an error and one line. */
MUST_CHECK int load_verify(const struct load_run *run, struct load_verify_result *out);
int load_verify_failed(const struct load_verify_result *v);

#endif
