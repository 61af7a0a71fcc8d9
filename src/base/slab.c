#include "base/slab.h"

#include "base/poison.h"

#include <stdint.h>
#include <stdlib.h>

#define SLAB_BLOCK_BYTES 65536u
#define SLAB_ALIGN       16u

struct slab_block {
    struct slab_block *next;
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
    s->per_block = (SLAB_BLOCK_BYTES - sizeof(struct slab_block)) / stride(s);
    if (s->per_block == 0) {
        s->per_block = 1;
    }
}

void slab_fini(struct slab *s) {
    ASSERT(s->used == 0);
    for (struct slab_block *block = s->blocks, *next; block; block = next) {
        next = block->next;
        unpoison(block->objects, s->per_block * stride(s));
        free(block);
    }
    s->blocks = NULL;
    s->free = NULL;
}

/* Linked so that objects are handed out in the order of their addresses. */
static void add_block(struct slab *s) {
    size_t bytes = s->per_block * stride(s);
    struct slab_block *block = malloc(sizeof *block + bytes);
    ASSERT(block != NULL);
    block->next = s->blocks;
    s->blocks = block;
    for (size_t i = s->per_block; i-- > 0;) {
        struct free_object *object = (void *)(block->objects + i * stride(s));
        object->next = s->free;
        s->free = object;
    }
    poison(block->objects, bytes);
}

void *slab_acquire(struct slab *s) {
    if (s->limit && s->used >= s->limit) {
        return NULL;
    }
    if (!s->free) {
        add_block(s);
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
