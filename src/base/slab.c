#include "base/slab.h"

#include "base/error.h"
#include "base/poison.h"

#include <stdint.h>
#include <stdlib.h>

/* Blocks double from the first to the largest: a slab of a few objects stays small. */
#define SLAB_FIRST_BYTES   4096u
#define SLAB_LARGEST_BYTES 65536u
#define SLAB_ALIGN         16u

struct slab_block {
    struct slab_block *next;
    size_t count; /* objects */
    _Alignas(SLAB_ALIGN) char objects[];
};

/* A free object holds the link to the next free one in its first bytes. */
struct free_object {
    struct free_object *next;
};

static size_t stride(const struct slab *s) {
    return s->object_len + POISON_GAP;
}

void slab_init(struct slab *s, const char *name, size_t object_len, size_t limit) {
    ASSERT(object_len > 0 && object_len <= SIZE_MAX / 4);
    *s = (struct slab){.name = name, .limit = limit};
    s->object_len = (object_len + SLAB_ALIGN - 1) & ~(size_t)(SLAB_ALIGN - 1);
    s->block_bytes = SLAB_FIRST_BYTES;
}

void slab_fini(struct slab *s) {
    ASSERT(s->used == 0);
    for (struct slab_block *block = s->blocks, *next; block; block = next) {
        next = block->next;
        unpoison(block->objects, block->count * stride(s));
        free(block);
    }
    s->blocks = NULL;
    s->free = NULL;
    s->bytes = 0;
}

/* Linked so that objects are handed out in the order of their addresses. */
static int add_block(struct slab *s) {
    size_t fit = (s->block_bytes - sizeof(struct slab_block)) / stride(s);
    size_t count = fit ? fit : 1;
    size_t bytes = count * stride(s);
    struct slab_block *block = malloc(sizeof *block + bytes);
    if (block == NULL) {
        return ERR_NOMEM;
    }
    s->bytes += sizeof *block + bytes;
    s->block_bytes *= s->block_bytes < SLAB_LARGEST_BYTES ? 2 : 1;
    block->next = s->blocks;
    block->count = count;
    s->blocks = block;
    for (size_t i = count; i-- > 0;) {
        struct free_object *object = (void *)(block->objects + i * stride(s));
        object->next = s->free;
        s->free = object;
    }
    poison(block->objects, bytes);
    return 0;
}

int slab_reserve(struct slab *s) {
    return s->free ? 0 : add_block(s);
}

void *slab_acquire(struct slab *s) {
    if (s->limit && s->used >= s->limit) {
        return NULL;
    }
    if (slab_reserve(s) != 0) {
        return NULL;
    }
    struct free_object *object = s->free;
    unpoison(object, s->object_len);
    s->free = object->next;
    s->used++;
    return object;
}

void slab_release(struct slab *s, void *object) {
    ASSERT(object != NULL && s->used > 0);
    ASSERT(!poisoned(object)); /* released twice */
    struct free_object *freed = object;
    freed->next = s->free;
    s->free = freed;
    s->used--;
    poison(freed, s->object_len);
}
