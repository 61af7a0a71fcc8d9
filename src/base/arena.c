#include "base/arena.h"

#include "base/poison.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_ALIGN 16u
#define ARENA_CHUNK 8192u /* payload of an ordinary chunk */

struct arena_chunk {
    struct arena_chunk *next;
    size_t len;
    _Alignas(ARENA_ALIGN) char bytes[];
};

static size_t round_up(size_t n) {
    return (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
}

/* Bump allocation goes on in the owner's first chunk. */
static void rewind_to_first(struct arena *a) {
    uintptr_t begin = round_up((uintptr_t)a->first);
    uintptr_t end = (uintptr_t)a->first + a->first_len;
    if (a->first == NULL || begin >= end) {
        a->next = a->end = NULL;
        return;
    }
    a->next = (char *)a->first + (begin - (uintptr_t)a->first);
    a->end = (char *)a->first + a->first_len;
    poison(a->next, (size_t)(a->end - a->next));
}

void arena_init(struct arena *a, void *first, size_t first_len, size_t limit) {
    *a = (struct arena){.first = first, .first_len = first_len, .limit = limit};
    rewind_to_first(a);
}

void arena_init_needed(struct arena *a) {
    arena_init(a, NULL, 0, SIZE_MAX);
    a->needed = true;
}

void arena_reset(struct arena *a) {
    for (struct arena_chunk *chunk = a->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        unpoison(chunk->bytes, chunk->len);
        free(chunk);
    }
    a->chunks = NULL;
    a->total = 0;
    rewind_to_first(a);
}

void arena_fini(struct arena *a) {
    arena_reset(a);
    unpoison(a->first, a->first_len);
    a->next = a->end = NULL;
    a->first = NULL;
    a->first_len = 0;
}

static struct arena_chunk *add_chunk(struct arena *a, size_t len) {
    struct arena_chunk *chunk = malloc(sizeof *chunk + len);
    if (chunk == NULL && a->needed) {
        NEED_MEMORY((chunk = malloc(sizeof *chunk + len)) != NULL);
    }
    if (chunk) {
        chunk->next = a->chunks;
        chunk->len = len;
        a->chunks = chunk;
    }
    return chunk;
}

/* What is left of the current chunk stays in use when the piece is large enough for a chunk of
 * its own. */
static void *alloc_slow(struct arena *a, size_t size) {
    size_t room = (size_t)(a->end - a->next);
    if (size > ARENA_CHUNK / 2 || (size > ARENA_CHUNK / 8 && room > ARENA_CHUNK / 2)) {
        struct arena_chunk *own = add_chunk(a, size);
        return own ? own->bytes : NULL;
    }
    struct arena_chunk *chunk = add_chunk(a, ARENA_CHUNK);
    if (!chunk) {
        return NULL;
    }
    a->next = chunk->bytes + size;
    a->end = chunk->bytes + ARENA_CHUNK;
    poison(a->next, ARENA_CHUNK - size);
    return chunk->bytes;
}

void *arena_alloc(struct arena *a, size_t len) {
    if (len > a->limit - a->total) {
        return NULL;
    }
    size_t size = round_up(len ? len : 1);
    if (size < len) {
        return NULL;
    }
    void *memory;
    if (size <= (size_t)(a->end - a->next)) {
        memory = a->next;
        a->next += size;
        unpoison(memory, len);
    } else {
        memory = alloc_slow(a, size);
    }
    if (memory) {
        a->total += len;
    }
    return memory;
}

void *arena_zalloc(struct arena *a, size_t len) {
    void *memory = arena_alloc(a, len);
    return memory ? memset(memory, 0, len) : NULL;
}

struct slice arena_copy(struct arena *a, struct slice s) {
    if (s.len == 0) {
        return slice_of(s.ptr ? "" : NULL, 0); /* absent stays absent */
    }
    char *copy = arena_alloc(a, s.len);
    if (!copy) {
        return SLICE_EMPTY;
    }
    memcpy(copy, s.ptr, s.len);
    return slice_of(copy, s.len);
}

char *arena_cstr(struct arena *a, struct slice s) {
    if (s.len == SIZE_MAX) {
        return NULL;
    }
    char *copy = arena_alloc(a, s.len + 1);
    if (copy) {
        if (s.len) {
            memcpy(copy, s.ptr, s.len);
        }
        copy[s.len] = '\0';
    }
    return copy;
}

char *arena_printf(struct arena *a, const char *format, ...) {
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    char *text = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1);
    if (text) {
        vsnprintf(text, (size_t)len + 1, format, again);
    }
    va_end(again);
    va_end(args);
    return text;
}
