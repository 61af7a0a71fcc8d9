/* Bump allocation that ends all at once: the memory of one invocation, one configuration.
 * The first chunk may be given by the owner (embedded in a slab object), so the usual request
 * costs no malloc. Memory of a finished arena is poisoned under AddressSanitizer. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/assert.h"
#include "base/slice.h"

struct arena_chunk;

struct arena {
    char *next;
    char *end;
    struct arena_chunk *chunks; /* malloc'ed ones, newest first */
    void *first;                /* the owner's first chunk, or NULL */
    size_t first_len;
    size_t total; /* bytes handed out */
    size_t limit; /* arena_alloc returns NULL beyond this */
    bool needed;  /* never NULL: see base/memory.h */
};

/* `first` may be NULL with first_len 0. `limit` bounds the total in bytes. */
void arena_init(struct arena *a, void *first, size_t first_len, size_t limit);
/* For what the program cannot be without: nothing here returns NULL. */
void arena_init_needed(struct arena *a);
/* Frees every chunk but the first; the arena can be used again. */
void arena_reset(struct arena *a);
/* The end of an arena whose first chunk outlives it (on the stack): frees the rest and gives
 * the first chunk back unpoisoned. A first chunk that comes from a slab or malloc and goes back
 * there needs arena_reset only. */
void arena_fini(struct arena *a);
/* 16-byte aligned, not zeroed. NULL beyond the limit or out of memory. */
void *arena_alloc(struct arena *a, size_t len);
void *arena_zalloc(struct arena *a, size_t len);
/* Copies; the result has ptr NULL and len 0 when there was no memory and s.len was not 0. */
struct slice arena_copy(struct arena *a, struct slice s);
/* NUL-terminated copy, or NULL. */
char *arena_cstr(struct arena *a, struct slice s);
/* printf into the arena: a NUL-terminated string, or NULL. */
char *arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
