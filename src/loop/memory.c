#include "loop/memory.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>
#include <uv.h>

static void *need_malloc(size_t len) {
    void *made = malloc(len);
    if (made == NULL) {
        memory_spend_reserve();
        made = malloc(len);
    }
    return made;
}

static void *need_calloc(size_t count, size_t len) {
    void *made = calloc(count, len);
    if (made == NULL) {
        memory_spend_reserve();
        made = calloc(count, len);
    }
    return made;
}

static void replace_allocator(void) {
    int error = uv_replace_allocator(need_malloc, memory_grow, need_calloc, free);
    ASSERT(error == 0);
}

void loop_memory_init(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    ASSERT(pthread_once(&once, replace_allocator) == 0);
}
