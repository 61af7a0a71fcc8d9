/* Preloaded into a program, fails one allocation: the first that comes from the place named by
 * the control file. A place is the phase of the scenario and the call stack, so that a run
 * reaches the same one however its threads interleave. torture.py writes the control file and
 * reads it. TORTURE_CONTROL=FILE   a struct control; without it every allocation goes through
 *   TORTURE_RECORD=FILE    every place is written there once: PHASE HASH MODULE+OFFSET... */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEPTH      12
#define SKIP       3 /* frames: of this file */
#define PLACES_MAX 65536u
#define CALLERS    256 /* of the big numbers */

struct control {
    _Atomic uint32_t phase;  /* now */
    _Atomic uint32_t fired;  /* the allocation has failed */
    _Atomic uint64_t target; /* hash of the place; 0 = none */
    _Atomic int64_t live;    /* allocations not freed */
};

static _Atomic int64_t live;
static struct control *control;
static int record_fd = -1;
static _Atomic uint64_t seen[PLACES_MAX];
static _Thread_local bool inside;
static uintptr_t crypto_begin;
static uintptr_t crypto_end;
static _Atomic uint32_t crypto_calls[3][CALLERS];

/* glibc's own names: the allocator behind the ones that are replaced here. */
extern void *__libc_malloc(size_t len);
extern void *__libc_calloc(size_t count, size_t len);
extern void *__libc_realloc(void *old, size_t len);
extern void *__libc_memalign(size_t align, size_t len);
extern void __libc_free(void *old);

static void count(int by) {
    int64_t now = atomic_fetch_add(&live, by) + by;
    if (control != NULL) {
        atomic_store(&control->live, now);
    }
}

static uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static bool first_time(uint64_t hash) {
    for (uint32_t k = (uint32_t)(hash % PLACES_MAX);; k = (k + 1) % PLACES_MAX) {
        uint64_t none = 0;
        if (atomic_compare_exchange_strong(&seen[k], &none, hash)) {
            return true;
        }
        if (none == hash) {
            return false;
        }
    }
}

static uint64_t offset_in(void *address, const char **module) {
    Dl_info info;
    if (dladdr(address, &info) == 0 || info.dli_fname == NULL) {
        *module = "?";
        return 0;
    }
    *module = info.dli_fname;
    return (uint64_t)((char *)address - (char *)info.dli_fbase);
}

static void record(uint32_t phase, uint64_t hash, void *const *frames, int depth) {
    char line[4096];
    int len = snprintf(line, sizeof line, "%u %016llx", phase, (unsigned long long)hash);
    for (int k = 0; k < depth && len < (int)sizeof line - 300; k++) {
        const char *module;
        uint64_t offset = offset_in(frames[k], &module);
        len += snprintf(line + len, 300, " %.250s+0x%llx", module, (unsigned long long)offset);
    }
    line[len] = '\n';
    if (write(record_fd, line, (size_t)len + 1) < 0) {
        _exit(9);
    }
}

static bool chosen(uint64_t hash) {
    return hash == atomic_load(&control->target) && atomic_exchange(&control->fired, 1) == 0;
}

static bool judge_crypto(uint32_t phase, void *caller) {
    uint64_t offset = (uint64_t)((uintptr_t)caller - crypto_begin);
    uint32_t nth = 1 + atomic_fetch_add(&crypto_calls[phase][mix(0, offset) % CALLERS], 1);
    if ((nth & (nth - 1)) != 0) {
        return false;
    }
    uint64_t hash = mix(mix(mix(2, phase), offset), nth);
    if (record_fd >= 0 && first_time(hash)) {
        record(phase, hash, &caller, 1);
    }
    return chosen(hash);
}

static __attribute__((noinline)) bool judge(uint32_t phase) {
    void *frames[DEPTH + SKIP];
    uint64_t hash = mix(1, phase);
    int depth = backtrace(frames, DEPTH + SKIP);
    for (int k = SKIP; k < depth; k++) {
        const char *module;
        hash = mix(hash, offset_in(frames[k], &module));
        hash = mix(hash, strlen(module));
    }
    if (record_fd >= 0 && first_time(hash)) {
        record(phase, hash, frames + SKIP, depth - SKIP);
    }
    return chosen(hash);
}

/* Whether the allocation about to be made shall fail. */
static __attribute__((noinline)) bool fails(void *caller) {
    if (control == NULL || inside) {
        return false;
    }
    uint32_t phase = atomic_load(&control->phase) % 3;
    uintptr_t at = (uintptr_t)caller;
    inside = true;
    bool crypto = at >= crypto_begin && at < crypto_end;
    bool yes = crypto ? judge_crypto(phase, caller) : judge(phase);
    inside = false;
    if (yes) {
        errno = ENOMEM;
    }
    return yes;
}

static void *counted(void *made) {
    if (made != NULL) {
        count(1);
    }
    return made;
}

void *malloc(size_t len) {
    return fails(__builtin_return_address(0)) ? NULL : counted(__libc_malloc(len));
}

void *calloc(size_t n, size_t len) {
    return fails(__builtin_return_address(0)) ? NULL : counted(__libc_calloc(n, len));
}

void *realloc(void *old, size_t len) {
    if (fails(__builtin_return_address(0))) {
        return NULL;
    }
    void *made = __libc_realloc(old, len);
    if (old == NULL) {
        return counted(made);
    }
    if (made == NULL && len == 0) {
        count(-1);
    }
    return made;
}

void *aligned_alloc(size_t align, size_t len) {
    return fails(__builtin_return_address(0)) ? NULL : counted(__libc_memalign(align, len));
}

int posix_memalign(void **out, size_t align, size_t len) {
    *out = fails(__builtin_return_address(0)) ? NULL : counted(__libc_memalign(align, len));
    return *out ? 0 : ENOMEM;
}

void free(void *old) {
    if (old != NULL) {
        count(-1);
        __libc_free(old);
    }
}

static int on_module(struct dl_phdr_info *info, size_t len, void *arg) {
    (void)len, (void)arg;
    for (int k = 0; k < info->dlpi_phnum; k++) {
        if (strstr(info->dlpi_name, "libmbedcrypto") != NULL &&
            info->dlpi_phdr[k].p_type == PT_LOAD && info->dlpi_phdr[k].p_flags & PF_X) {
            crypto_begin = info->dlpi_addr + info->dlpi_phdr[k].p_vaddr;
            crypto_end = crypto_begin + info->dlpi_phdr[k].p_memsz;
        }
    }
    return 0;
}

__attribute__((constructor)) static void start(void) {
    void *frames[2];
    const char *path = getenv("TORTURE_CONTROL");
    const char *record_path = getenv("TORTURE_RECORD");
    (void)unsetenv("LD_PRELOAD"); /* what the program starts is not under test */
    (void)dl_iterate_phdr(on_module, NULL);
    (void)backtrace(frames, 2); /* the first call loads a library */
    if (path == NULL) {
        return;
    }
    if (record_path != NULL) {
        record_fd = open(record_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *map = fd < 0 ? MAP_FAILED
                       : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        _exit(9);
    }
    (void)close(fd);
    control = map;
}
