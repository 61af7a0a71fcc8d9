/* Preloaded into a program, counts its calls of malloc, calloc and realloc in the file that
 * MALLOC_COUNT names (8 bytes, made by whoever asks): bench/footprint.sh and
 * tests/preload/test_mallocs.py read it before and after a load. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic unsigned long early; /* before the file is there */
static _Atomic unsigned long *calls = &early;

/* glibc's own names: the allocator behind the ones that are replaced here. */
extern void *__libc_malloc(size_t len);
extern void *__libc_calloc(size_t count, size_t len);
extern void *__libc_realloc(void *old, size_t len);

void *malloc(size_t len) {
    atomic_fetch_add_explicit(calls, 1, memory_order_relaxed);
    return __libc_malloc(len);
}

void *calloc(size_t count, size_t len) {
    atomic_fetch_add_explicit(calls, 1, memory_order_relaxed);
    return __libc_calloc(count, len);
}

void *realloc(void *old, size_t len) {
    atomic_fetch_add_explicit(calls, 1, memory_order_relaxed);
    return __libc_realloc(old, len);
}

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("MALLOC_COUNT");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED
                       : mmap(NULL, sizeof *calls, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)unsetenv("LD_PRELOAD"); /* what the program starts is not counted */
    if (map == MAP_FAILED) {
        _exit(9);
    }
    (void)close(fd);
    calls = map;
    atomic_fetch_add(calls, atomic_load(&early));
}
