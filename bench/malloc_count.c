/* Preloaded into a program, counts its calls of malloc, calloc and realloc, and on SIGUSR2
 * writes the count so far to standard error: what bench/footprint.sh asks before and after a
 * load. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static _Atomic unsigned long calls;

/* glibc's own names: the allocator behind the ones that are replaced here. */
extern void *__libc_malloc(size_t len);
extern void *__libc_calloc(size_t count, size_t len);
extern void *__libc_realloc(void *old, size_t len);

void *malloc(size_t len) {
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    return __libc_malloc(len);
}

void *calloc(size_t count, size_t len) {
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    return __libc_calloc(count, len);
}

void *realloc(void *old, size_t len) {
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    return __libc_realloc(old, len);
}

static void on_signal(int number) {
    char line[64];
    (void)number;
    int len = snprintf(line, sizeof line, "MALLOCS %lu\n", atomic_load(&calls));
    if (write(STDERR_FILENO, line, (size_t)len) < 0) {
        _exit(1);
    }
}

__attribute__((constructor)) static void start(void) {
    (void)signal(SIGUSR2, on_signal);
}
