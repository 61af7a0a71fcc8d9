/* Where a thread's requests come from and where the answers go: the load itself, or the reading
 * back. Used by one thread only. */
#ifndef BENCH_LOAD_SOURCE_H
#define BENCH_LOAD_SOURCE_H

#include "http/message.h"

struct load_source {
    enum http_method method;
    int reads; /* bodies of answers; else `answered` gets none */
    /* The next request: 1 and its id, or 0 when there is none left. `counts`: it is not of the
     * warm-up. */
    int (*take)(struct load_source *s, int counts, uint64_t *id);
    /* Room that `write` needs at most; the request's bytes, which are counted. */
    size_t (*bound)(struct load_source *s, uint64_t id);
    size_t (*write)(struct load_source *s, uint64_t id, char *out);
    /* Each taken id ends in one of these, once. */
    void (*answered)(struct load_source *s, uint64_t id, const struct http_response *r);
    void (*failed)(struct load_source *s, uint64_t id);
};

#endif
