#include "base/memory.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *_Atomic reserve;

bool memory_keep_reserve(void) {
    if (atomic_load(&reserve) != NULL) {
        return true;
    }
    void *none = NULL;
    void *made = malloc(MEMORY_RESERVE_BYTES);
    if (made != NULL && !atomic_compare_exchange_strong(&reserve, &none, made)) {
        free(made); /* another thread was faster */
    }
    return made != NULL;
}

void memory_spend_reserve(void) {
    free(atomic_exchange(&reserve, NULL));
}

_Noreturn void memory_is_out(const char *expression, const char *file, int line) {
    (void)fprintf(stderr, "penstock: out of memory or descriptors (%s:%d: %s)\n", file, line,
                  expression);
    _exit(1);
}

void *memory_grow(void *old, size_t len) {
    void *grown;
    NEED_MEMORY((grown = realloc(old, len)) != NULL);
    return grown;
}
