/* credential_process: a command of the profile whose standard output is the credentials as
 * JSON. It runs on the helper thread, in a process group of its own, for a minute at most; what
 * is left of the group then is killed. Its standard error is ours: it may tell its user
 * something. */
#include "aws/cred_fetch.h"
#include "aws/environment.h"
#include "aws/json_scan.h"
#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_S    60
#define SLICE_MS   50 /* how often a cancel is looked for */
#define OUTPUT_MAX 65536

extern char **environ;

static int spawn(const char *command, int out, pid_t *pid) {
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    int e = posix_spawn(pid, "/bin/sh", &actions, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return e;
}

/* What one read gives: 1 more may come, 0 the end, or an error. */
static int read_some(int fd, struct buffer *out) {
    if (out->len > OUTPUT_MAX) {
        return ERR_LIMIT;
    }
    if (buffer_reserve(out, 4096) != 0) {
        return ERR_NOMEM;
    }
    ssize_t n = read(fd, buffer_tail(out), buffer_room(out));
    if (n < 0) {
        return errno == EINTR ? 1 : ERR_IO;
    }
    buffer_grow(out, (size_t)n);
    return n > 0;
}

static int read_output(struct cred_fetch *f, int fd, uint64_t until_ns) {
    int more = 1;
    while (more == 1) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (atomic_load(&f->canceled)) {
            return ERR_CANCELED;
        }
        if (clock_monotonic_ns() >= until_ns) {
            return ERR_TIMEOUT;
        }
        if (poll(&p, 1, SLICE_MS) > 0) {
            more = read_some(fd, &f->text);
        }
    }
    return more;
}

/* Its exit, waited for as long as there is time; then it is killed. */
static int reap(struct cred_fetch *f, pid_t pid, uint64_t until_ns, int *status) {
    int e = 0;
    pid_t ended;
    while ((ended = waitpid(pid, status, WNOHANG)) == 0 && !e) {
        e = clock_monotonic_ns() >= until_ns ? ERR_TIMEOUT : 0;
        e = atomic_load(&f->canceled) ? ERR_CANCELED : e;
        usleep(1000);
    }
    kill(-pid, SIGKILL); /* its children, too */
    if (ended == 0) {
        while (waitpid(pid, status, 0) < 0 && errno == EINTR) {
        }
    }
    return e;
}

static int judge(struct cred_fetch *f, int e, int status) {
    const char *source = f->plan.source;
    if (e == ERR_TIMEOUT) {
        snprintf(f->why, sizeof(f->why), "%s: credential_process ran over %d s", source,
                 LIMIT_S);
    } else if (e) {
        snprintf(f->why, sizeof(f->why), "%s: output of credential_process: %s", source,
                 error_text(e));
    } else if (WIFSIGNALED(status)) {
        snprintf(f->why, sizeof(f->why), "%s: credential_process was ended by signal %d",
                 source, WTERMSIG(status));
        e = ERR_IO;
    } else if (WEXITSTATUS(status) != 0) {
        snprintf(f->why, sizeof(f->why), "%s: credential_process ended with status %d", source,
                 WEXITSTATUS(status));
        e = ERR_IO;
    }
    return e;
}

static void run(struct helper_job *job) {
    struct cred_fetch *f = container_of(job, struct cred_fetch, job);
    uint64_t until_ns = clock_monotonic_ns() + LIMIT_S * NS_PER_S;
    int fd[2], status = 0;
    pid_t pid;
    aws_wipe_buffer(&f->text);
    if (pipe2(fd, O_CLOEXEC) != 0) {
        snprintf(f->why, sizeof(f->why), "%s: %s", f->plan.source, strerror(errno));
        f->job_error = ERR_IO;
        return;
    }
    int number = spawn(f->plan.command, fd[1], &pid);
    close(fd[1]);
    if (number != 0) {
        snprintf(f->why, sizeof(f->why), "%s: /bin/sh: %s", f->plan.source, strerror(number));
        f->job_error = ERR_IO;
    } else {
        int e = read_output(f, fd[0], until_ns);
        int late = reap(f, pid, e ? 0 : until_ns, &status);
        f->job_error = judge(f, e ? e : late, status);
    }
    close(fd[0]);
}

static void on_ended(struct helper_job *job) {
    struct cred_fetch *f = container_of(job, struct cred_fetch, job);
    struct slice text = buffer_slice(&f->text);
    if (f->job_error) {
        cred_fetch_got(f, NULL);
        return;
    }
    if (!slice_eq(json_scan_member(text, SLICE("Version")), SLICE("1"))) {
        cred_fetch_fail(f, "%s: credential_process printed no JSON with \"Version\": 1",
                        f->plan.source);
        return;
    }
    cred_fetch_got(f, cred_from_json(text, "SessionToken", f->plan.source, f->why));
}

void cred_process_run(struct cred_fetch *f) {
    f->job.work = run;
    f->job.done = on_ended;
    helper_start(&f->job, f->box);
}
