/* Marks memory that nobody may touch, under AddressSanitizer; nothing otherwise. Shared by the
 * allocators of this folder. */
#ifndef BASE_POISON_H
#define BASE_POISON_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON_ON 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define POISON_ON 1
#endif

#ifdef POISON_ON
#include <sanitizer/asan_interface.h>
#define POISON_GAP 32u /* dead bytes after each object */

static inline void poison(const void *memory, size_t len) {
    __asan_poison_memory_region(memory, len);
}

static inline void unpoison(const void *memory, size_t len) {
    __asan_unpoison_memory_region(memory, len);
}

static inline int poisoned(const void *memory) {
    return __asan_address_is_poisoned(memory);
}
#else
#define POISON_GAP 0u

static inline void poison(const void *memory, size_t len) {
    (void)memory;
    (void)len;
}

static inline void unpoison(const void *memory, size_t len) {
    (void)memory;
    (void)len;
}

static inline int poisoned(const void *memory) {
    (void)memory;
    return 0;
}
#endif

#endif
