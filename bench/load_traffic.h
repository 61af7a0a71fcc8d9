/* The load of one thread: which requests it makes, and which of them were acknowledged. Thread
 * t of n makes the requests t, t + n, t + 2n ... from `base` on. */
#ifndef BENCH_LOAD_TRAFFIC_H
#define BENCH_LOAD_TRAFFIC_H

#include "load_request.h"
#include "load_source.h"

struct load_traffic {
    struct load_source source;
    const struct load_request *request;
    uint64_t base;
    uint64_t first;
    uint64_t step;
    uint64_t taken;
    uint64_t counted; /* of them, those after the warm-up */
    uint64_t limit;   /* of those */
    int remembers;
    uint8_t *acknowledged; /* a bit each */
    size_t room;           /* its bytes */
};

/* `count`: over all threads, the warm-up not counted; 0 = no limit. */
void load_traffic_init(struct load_traffic *t, const struct load_request *request,
                       enum http_method method, unsigned thread, unsigned threads,
                       uint64_t base, uint64_t count, int remembers);
void load_traffic_fini(struct load_traffic *t);
/* The k-th request's number, and whether it was acknowledged. */
uint64_t load_traffic_seq(const struct load_traffic *t, uint64_t k);
int load_traffic_acknowledged(const struct load_traffic *t, uint64_t k);

#endif
