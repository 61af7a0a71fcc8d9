/* Objects of one size from growing blocks, with a LIFO free list: no malloc in the steady
 * state. A slab belongs to one worker. Acquire returns NULL at the limit and when memory is
 * out: the caller answers "busy". Freed objects are poisoned under AddressSanitizer. */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include "base/assert.h"

#include <stddef.h>

struct slab_block;

struct slab {
    const char *name;
    size_t object_len;
    size_t block_bytes; /* of the next block */
    size_t used;        /* objects handed out now */
    size_t limit;       /* objects at most; 0 = no limit of its own */
    size_t bytes;       /* of all blocks */
    void *free;
    struct slab_block *blocks;
};

void slab_init(struct slab *s, const char *name, size_t object_len, size_t limit);
/* Asserts that every object came back. */
void slab_fini(struct slab *s);
/* 0: the next acquire below the limit succeeds. ERR_NOMEM. */
MUST_CHECK int slab_reserve(struct slab *s);
/* Not zeroed. NULL: at the limit, or memory is out. */
void *slab_acquire(struct slab *s);
void slab_release(struct slab *s, void *object);

#endif
