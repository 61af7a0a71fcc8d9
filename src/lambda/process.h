/* A child process: its own session and process group, nothing on its standard input, what it
 * prints given out by lines.
 *
 * Happy path: process_start -> on_line ... -> (process_stop) -> on_exit. A command that cannot
 * be started ends in on_exit as well. on_exit is the last event, comes exactly once, never from
 * inside process_start, and then the memory may be reused; by then the whole group has been
 * killed, so that no grandchild is left behind. */
#ifndef LAMBDA_PROCESS_H
#define LAMBDA_PROCESS_H

#include "base/slice.h"
#include "loop/loop.h"
#include "loop/timer.h"

#define PROCESS_LINE_MAX 4096 /* longer lines are given out in pieces */

struct process;

struct process_output {
    uv_pipe_t pipe;
    struct process *process;
    char *line; /* PROCESS_LINE_MAX bytes while a line has begun and not ended, else NULL */
    size_t len; /* of it */
};

struct process_end {
    const char *reason; /* why it could not start; NULL: it ran */
    int64_t status;     /* exit status, when signal is 0 */
    int signal;
};

struct process {
    uv_process_t uv;
    struct process_output out[2]; /* standard output, standard error */
    struct timer kill;
    struct loop *loop;
    char *scratch; /* PROCESS_LINE_MAX bytes that all processes of the loop may share */
    int pid;       /* 0: not running */
    int open_handles;
    struct process_end end;
    /* stream: 1 or 2. Without the newline. */
    void (*on_line)(struct process *p, int stream, struct slice line);
    void (*on_exit)(struct process *p, const struct process_end *end);
};

/* argv and env: NULL-terminated; only used during the call. cwd may be NULL. scratch, on_line
 * and on_exit are set by the caller before. */
void process_start(struct process *p, struct loop *l, char *const *argv, char *const *env,
                   const char *cwd);
/* SIGTERM to the group, SIGKILL after grace_ms; 0: SIGKILL at once. Idempotent. */
void process_stop(struct process *p, uint64_t grace_ms);
/* Gives out the whole lines that lie in its pipes, without waiting for the loop. */
void process_read_now(struct process *p);
/* Resident bytes by /proc; 0 when it does not run. */
size_t process_resident_bytes(const struct process *p);

#endif
