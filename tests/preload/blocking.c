/* Preloaded into a program, looks at every system call of its loop threads and reports those
 * that may block: nothing but the loop's own wait may (promise 4 of the design).
 * BLOCKING_REPORT names the file of the report: "watching" for each loop thread, "BLOCKING call
 * details" and the call stack once for each place that was caught.
 *
 * A loop thread is one that has waited in epoll, the main thread excepted: its loop may read
 * files. From then on the kernel hands each of its system calls to on_syscall (Syscall User
 * Dispatch, Linux 5.11, x86-64), those inside libc included; it is judged, made, and its result
 * put where the caller expects it. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define DISPATCH_OFF 0  /* SYSCALL_DISPATCH_FILTER_ALLOW */
#define DISPATCH_ON  1  /* SYSCALL_DISPATCH_FILTER_BLOCK */
#define SET_DISPATCH 59 /* PR_SET_SYSCALL_USER_DISPATCH */
#define SA_RESTORER  0x04000000u
#define DEPTH        24
#define PLACES_MAX   1024u
#define LOCK_MAX_NS  500000000 /* a lock somebody holds for a moment, on a busy machine */

/* A system call from between these is not handed over; the second is how a signal handler
 * returns, in the bytes that an unwinder knows. */
long blocking_call(long number, long a, long b, long c, long d, long e, long f);
void blocking_restore(void);
extern char blocking_begin[], blocking_end[];
__asm__(".text\n"
        ".globl blocking_begin, blocking_call, blocking_restore, blocking_end\n"
        ".hidden blocking_begin, blocking_call, blocking_restore, blocking_end\n"
        "blocking_begin:\n"
        "blocking_call:\n"
        "mov %rdi, %rax\n mov %rsi, %rdi\n mov %rdx, %rsi\n mov %rcx, %rdx\n"
        "mov %r8, %r10\n mov %r9, %r8\n mov 8(%rsp), %r9\n syscall\n ret\n"
        "nop\n"
        "blocking_restore:\n"
        ".byte 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05\n"
        "nop\n" /* the kernel looks at the address behind the call */
        "blocking_end:\n");

enum rule {
    RULE_NEVER,
    RULE_PATH,     /* never, and the first argument is a path */
    RULE_PATH_AT,  /* the second is; an empty one means the descriptor itself */
    RULE_FD,       /* on a descriptor with O_NONBLOCK */
    RULE_FLAGS_3,  /* ... or MSG_DONTWAIT in the third argument */
    RULE_FLAGS_4,  /* ... or in the fourth */
    RULE_POLL,     /* with a timeout of 0 */
    RULE_TIMESPEC, /* the same, at the third argument */
    RULE_SELECT,   /* at the fifth */
    RULE_WAIT,     /* with WNOHANG in the third */
    RULE_WAITID,   /* in the fourth */
    RULE_FCNTL,    /* but for a lock */
    RULE_FUTEX,    /* not for long */
};

struct call {
    long number;
    const char *name;
    enum rule rule;
};

#define CALL(name, rule)                                                                       \
    { SYS_##name, #name, RULE_##rule }

static const struct call calls[] = {
    CALL(open, PATH),
    CALL(creat, PATH),
    CALL(stat, PATH),
    CALL(lstat, PATH),
    CALL(access, PATH),
    CALL(readlink, PATH),
    CALL(mkdir, PATH),
    CALL(rmdir, PATH),
    CALL(unlink, PATH),
    CALL(rename, PATH),
    CALL(truncate, PATH),
    CALL(openat, PATH_AT),
    CALL(openat2, PATH_AT),
    CALL(newfstatat, PATH_AT),
    CALL(statx, PATH_AT),
    CALL(faccessat, PATH_AT),
    CALL(faccessat2, PATH_AT),
    CALL(readlinkat, PATH_AT),
    CALL(unlinkat, PATH_AT),
    CALL(renameat, PATH_AT),
    CALL(renameat2, PATH_AT),
    CALL(fsync, NEVER),
    CALL(fdatasync, NEVER),
    CALL(sync, NEVER),
    CALL(syncfs, NEVER),
    CALL(flock, NEVER),
    CALL(getdents64, NEVER),
    CALL(nanosleep, NEVER),
    CALL(clock_nanosleep, NEVER),
    CALL(pause, NEVER),
    CALL(rt_sigsuspend, NEVER),
    CALL(rt_sigtimedwait, NEVER),
    CALL(read, FD),
    CALL(readv, FD),
    CALL(pread64, FD),
    CALL(preadv, FD),
    CALL(write, FD),
    CALL(writev, FD),
    CALL(pwrite64, FD),
    CALL(pwritev, FD),
    CALL(connect, FD),
    CALL(accept, FD),
    CALL(accept4, FD),
    CALL(recvmsg, FLAGS_3),
    CALL(sendmsg, FLAGS_3),
    CALL(recvfrom, FLAGS_4),
    CALL(sendto, FLAGS_4),
    CALL(sendmmsg, FLAGS_4),
    CALL(recvmmsg, FLAGS_4),
    CALL(poll, POLL),
    CALL(ppoll, TIMESPEC),
    CALL(select, SELECT),
    CALL(pselect6, SELECT),
    CALL(wait4, WAIT),
    CALL(waitid, WAITID),
    CALL(fcntl, FCNTL),
    CALL(futex, FUTEX),
};

static _Thread_local char dispatch __attribute__((tls_model("initial-exec")));
static _Thread_local bool watched __attribute__((tls_model("initial-exec")));
static _Atomic uint64_t seen[PLACES_MAX];
static int report_fd = -1;

/* ---- judging ---- */

static const struct call *find_call(long number) {
    for (size_t k = 0; k < sizeof calls / sizeof calls[0]; k++) {
        if (calls[k].number == number) {
            return &calls[k];
        }
    }
    return NULL;
}

/* Answered from the kernel's memory. */
static bool is_memory(const char *path) {
    return strncmp(path, "/proc/", 6) == 0 || strcmp(path, "/dev/null") == 0;
}

static bool may_wait(long fd) {
    struct statfs fs;
    int flags = fcntl((int)fd, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK) == 0 &&
           (fstatfs((int)fd, &fs) != 0 || fs.f_type != PROC_SUPER_MAGIC);
}

static bool is_zero(long time) { /* two words: seconds and the rest */
    const long *t = (const long *)time;
    return t != NULL && t[0] == 0 && t[1] == 0;
}

static bool may_block(enum rule rule, const long a[6]) {
    switch (rule) {
    case RULE_NEVER:
        return true;
    case RULE_PATH:
        return !is_memory((const char *)a[0]);
    case RULE_PATH_AT:
        return a[1] != 0 && *(const char *)a[1] != '\0' && !is_memory((const char *)a[1]);
    case RULE_FD:
        return may_wait(a[0]);
    case RULE_FLAGS_3:
        return (a[2] & MSG_DONTWAIT) == 0 && may_wait(a[0]);
    case RULE_FLAGS_4:
        return (a[3] & MSG_DONTWAIT) == 0 && may_wait(a[0]);
    case RULE_POLL:
        return (int)a[2] != 0;
    case RULE_TIMESPEC:
        return !is_zero(a[2]);
    case RULE_SELECT:
        return !is_zero(a[4]);
    case RULE_WAIT:
        return (a[2] & WNOHANG) == 0;
    case RULE_WAITID:
        return (a[3] & WNOHANG) == 0;
    case RULE_FCNTL:
        return a[1] == F_SETLKW || a[1] == F_OFD_SETLKW;
    case RULE_FUTEX:
        return false; /* by its time, afterwards */
    }
    return true;
}

static uint64_t now_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- reporting ---- */

static bool first_time(void *const *frames, int depth) {
    uint64_t hash = 1;
    for (int k = 0; k < depth; k++) {
        hash = (hash ^ (uint64_t)(uintptr_t)frames[k]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
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

static void write_report(const char *text, int len) {
    if (write(report_fd, text, (size_t)len) != len) {
        _exit(9);
    }
}

static void report(const struct call *c, const long a[6], uint64_t ns) {
    void *frames[DEPTH];
    char text[8192];
    const char *path = c->rule == RULE_PATH      ? (const char *)a[0]
                       : c->rule == RULE_PATH_AT ? (const char *)a[1]
                                                 : "";
    int depth = backtrace(frames, DEPTH);
    if (!first_time(frames, depth)) {
        return;
    }
    int len = snprintf(text, sizeof text, "BLOCKING %s %.200s (%ld, %ld, %ld) %llu us\n",
                       c->name, path, a[0], a[1], a[2], (unsigned long long)ns / 1000);
    for (int k = 0; k < depth; k++) {
        Dl_info info = {0};
        bool known = dladdr(frames[k], &info) != 0 && info.dli_fname != NULL;
        len += snprintf(text + len, sizeof text - (size_t)len, "    %.200s %.80s\n",
                        known ? info.dli_fname : "?",
                        known && info.dli_sname ? info.dli_sname : "");
    }
    write_report(text, len);
}

/* ---- system calls ---- */

/* The mask that counts is the one the handler returns to. */
static long set_mask(ucontext_t *u, const long a[6]) {
    uint64_t old, set;
    memcpy(&old, &u->uc_sigmask, sizeof old);
    if (a[1] != 0) {
        memcpy(&set, (const void *)a[1], sizeof set);
        uint64_t mask = a[0] == SIG_BLOCK ? old | set : a[0] == SIG_UNBLOCK ? old & ~set : set;
        mask &= ~(1ull << (SIGSYS - 1)); /* blocked, it would end the program */
        memcpy(&u->uc_sigmask, &mask, sizeof mask);
    }
    if (a[2] != 0) {
        memcpy((void *)a[2], &old, sizeof old);
    }
    return 0;
}

static long judge(long number, const long a[6]) {
    const struct call *c = find_call(number);
    bool blocks = c != NULL && may_block(c->rule, a);
    uint64_t began = now_ns();
    long result = blocking_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    uint64_t ns = now_ns() - began;
    if (blocks || (c != NULL && c->rule == RULE_FUTEX && ns > LOCK_MAX_NS)) {
        report(c, a, ns);
    }
    return result;
}

/* Out of another signal's handler, whose frame is where the stack was: this one's is forgotten.
 */
static _Noreturn void leave_handler(const greg_t *r) {
    dispatch = DISPATCH_ON;
    __asm__ volatile("mov %0, %%rsp\n jmp blocking_restore" : : "r"(r[REG_RSP]));
    __builtin_unreachable();
}

static void on_syscall(int signal, siginfo_t *info, void *context) {
    ucontext_t *u = context;
    greg_t *r = u->uc_mcontext.gregs;
    long number = info->si_syscall;
    const long a[6] = {(long)r[REG_RDI], (long)r[REG_RSI], (long)r[REG_RDX],
                       (long)r[REG_R10], (long)r[REG_R8],  (long)r[REG_R9]};
    int kept = errno;
    (void)signal;
    if (number == SYS_rt_sigreturn) {
        leave_handler(r);
    }
    dispatch = DISPATCH_OFF;
    r[REG_RAX] = number == SYS_rt_sigprocmask ? set_mask(u, a) : judge(number, a);
    errno = kept;
    dispatch = DISPATCH_ON;
}

/* ---- the threads that are watched ---- */

static void watch_this(void) {
    char line[64];
    if (watched || report_fd < 0 || syscall(SYS_gettid) == getpid()) {
        return;
    }
    watched = true;
    if (prctl(SET_DISPATCH, 1, blocking_begin, blocking_end - blocking_begin, &dispatch) != 0) {
        _exit(9);
    }
    write_report(line, snprintf(line, sizeof line, "watching %ld\n", syscall(SYS_gettid)));
    dispatch = DISPATCH_ON;
}

int epoll_pwait(int fd, struct epoll_event *events, int max, int timeout, const sigset_t *set) {
    watch_this();
    long n = blocking_call(SYS_epoll_pwait, fd, (long)events, max, timeout, (long)set, 8);
    if (n < 0) {
        errno = (int)-n;
    }
    return n < 0 ? -1 : (int)n;
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout) {
    return epoll_pwait(fd, events, max, timeout, NULL);
}

/* No handler may block SIGSYS: its own system calls are handed over, too. */
int sigaction(int number, const struct sigaction *action, struct sigaction *old) {
    int (*real)(int, const struct sigaction *, struct sigaction *) =
        (int (*)(int, const struct sigaction *, struct sigaction *))dlsym(RTLD_NEXT,
                                                                          "sigaction");
    struct sigaction own;
    if (action == NULL) {
        return real(number, NULL, old);
    }
    own = *action;
    sigdelset(&own.sa_mask, SIGSYS);
    return real(number, &own, old);
}

/* The child's first steps are not the loop's. */
pid_t fork(void) {
    pid_t (*real)(void) = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
    char before = dispatch;
    dispatch = DISPATCH_OFF;
    pid_t pid = real();
    if (pid != 0) {
        dispatch = before;
    }
    return pid;
}

struct kernel_action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("BLOCKING_REPORT");
    void *frames[2];
    struct kernel_action action = {on_syscall, SA_SIGINFO | SA_NODEFER | SA_RESTORER,
                                   blocking_restore, 0};
    (void)unsetenv("LD_PRELOAD"); /* what the program starts is not under test */
    (void)backtrace(frames, 2);   /* the first call loads a library */
    if (path == NULL) {
        return;
    }
    report_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (report_fd < 0 || syscall(SYS_rt_sigaction, SIGSYS, &action, NULL, 8) != 0) {
        _exit(9);
    }
}
