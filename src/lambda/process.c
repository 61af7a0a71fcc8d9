/* Happy path: uv_spawn -> on_read ... -> on_process_exit -> what is left in the pipes is read,
 * the handles are closed -> on_handle_closed for each -> the owner's on_exit. */
#include "lambda/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

/* ---- lines ---- */

static void give_line(struct process_output *o, struct slice line) {
    struct process *p = o->process;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    p->on_line(p, o == &p->out[0] ? 1 : 2, line);
}

/* Where the next bytes go: behind a line that has begun, else into what all share. */
static char *room(struct process_output *o) {
    return (o->line ? o->line : o->process->scratch) + o->len;
}

/* Keeps the beginning of a line. Without memory it is given out as one. */
static void keep_rest(struct process_output *o, struct slice rest) {
    if (o->line == NULL && (o->line = malloc(PROCESS_LINE_MAX)) == NULL) {
        give_line(o, rest);
        return;
    }
    memmove(o->line, rest.ptr, rest.len);
    o->len = rest.len;
}

/* Gives out the whole lines of what there is, or all of it when it is full or the end. */
static void give_lines(struct process_output *o, size_t count, bool end) {
    char *bytes = o->line ? o->line : o->process->scratch;
    struct slice rest = slice_of(bytes, o->len + count);
    const char *newline;
    o->len = 0;
    while (rest.len > 0 && (newline = memchr(rest.ptr, '\n', rest.len)) != NULL) {
        struct slice line = slice_of(rest.ptr, (size_t)(newline - rest.ptr));
        rest = slice_from(rest, line.len + 1);
        give_line(o, line);
    }
    if (rest.len > 0 && (end || rest.len == PROCESS_LINE_MAX)) {
        give_line(o, rest);
    } else if (rest.len > 0) {
        keep_rest(o, rest);
        return;
    }
    free(o->line);
    o->line = NULL;
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    (void)suggested;
    struct process_output *o =
        container_of((uv_pipe_t *)(void *)handle, struct process_output, pipe);
    *buf = uv_buf_init(room(o), (unsigned)(PROCESS_LINE_MAX - o->len));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf) {
    (void)buf;
    struct process_output *o =
        container_of((uv_pipe_t *)(void *)stream, struct process_output, pipe);
    if (count > 0) {
        give_lines(o, (size_t)count, false);
    } else if (count < 0) {
        uv_read_stop(stream);
    }
}

/* Bounded, as somebody may be writing still. */
static void read_pipe(struct process_output *o) {
    int fd;
    if (uv_fileno((uv_handle_t *)&o->pipe, &fd) == 0) {
        for (int turn = 0; turn < 64; turn++) {
            ssize_t count = read(fd, room(o), PROCESS_LINE_MAX - o->len);
            if (count <= 0) {
                break;
            }
            give_lines(o, (size_t)count, false);
        }
    }
}

/* The process is gone: what it wrote before lies in the pipe, and nobody else shall hold us up.
 */
static void read_rest(struct process_output *o) {
    read_pipe(o);
    give_lines(o, 0, true);
}

void process_read_now(struct process *p) {
    if (p->pid != 0) {
        read_pipe(&p->out[0]);
        read_pipe(&p->out[1]);
    }
}

/* ---- the end ---- */

static void handle_closed(struct process *p) {
    if (--p->open_handles > 0) {
        return;
    }
    struct process_end end = p->end;
    p->on_exit(p, &end);
}

static void on_process_closed(uv_handle_t *handle) {
    handle_closed(container_of((uv_process_t *)(void *)handle, struct process, uv));
}

static void on_pipe_closed(uv_handle_t *handle) {
    handle_closed(
        container_of((uv_pipe_t *)(void *)handle, struct process_output, pipe)->process);
}

static void on_kill_closed(struct timer *t) {
    handle_closed(container_of(t, struct process, kill));
}

static void close_handles(struct process *p) {
    uv_close((uv_handle_t *)&p->uv, on_process_closed);
    uv_close((uv_handle_t *)&p->out[0].pipe, on_pipe_closed);
    uv_close((uv_handle_t *)&p->out[1].pipe, on_pipe_closed);
    timer_close(&p->kill, on_kill_closed);
}

static void on_process_exit(uv_process_t *uv, int64_t status, int term_signal) {
    struct process *p = container_of(uv, struct process, uv);
    p->end.status = status;
    p->end.signal = term_signal;
    (void)kill(-p->pid, SIGKILL); /* whom it left behind */
    p->pid = 0;
    read_rest(&p->out[0]);
    read_rest(&p->out[1]);
    close_handles(p);
}

static void on_grace_over(struct timer *t) {
    struct process *p = container_of(t, struct process, kill);
    if (p->pid != 0) {
        (void)kill(-p->pid, SIGKILL);
    }
}

/* ---- the beginning ---- */

static void output_init(struct process *p, int k) {
    struct process_output *o = &p->out[k];
    o->process = p;
    o->line = NULL;
    o->len = 0;
    int error = uv_pipe_init(&p->loop->uv, &o->pipe, 0);
    ASSERT(error == 0);
}

void process_start(struct process *p, struct loop *l, char *const *argv, char *const *env,
                   const char *cwd) {
    p->loop = l;
    p->end = (struct process_end){0};
    p->open_handles = 4; /* process, two pipes, timer */
    output_init(p, 0);
    output_init(p, 1);
    timer_init(&p->kill, l, on_grace_over);
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE}};
    for (int k = 0; k < 2; k++) {
        stdio[k + 1].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
        stdio[k + 1].data.stream = (uv_stream_t *)&p->out[k].pipe;
    }
    uv_process_options_t options = {
        .exit_cb = on_process_exit,
        .file = argv[0],
        .args = (char **)(uintptr_t)argv,
        .env = (char **)(uintptr_t)env,
        .cwd = cwd,
        .flags = UV_PROCESS_DETACHED, /* a session of its own: one kill reaches them all */
        .stdio_count = 3,
        .stdio = stdio,
    };
    int error = uv_spawn(&l->uv, &p->uv, &options);
    if (error != 0) {
        p->pid = 0;
        p->end.reason = uv_strerror(error);
        close_handles(p);
        return;
    }
    p->pid = p->uv.pid;
    for (int k = 0; k < 2; k++) {
        error = uv_read_start((uv_stream_t *)&p->out[k].pipe, on_room, on_read);
        ASSERT(error == 0);
    }
}

void process_stop(struct process *p, uint64_t grace_ms) {
    if (p->pid == 0) {
        return;
    }
    (void)kill(-p->pid, grace_ms ? SIGTERM : SIGKILL);
    if (grace_ms && !timer_active(&p->kill)) {
        timer_start(&p->kill, grace_ms);
    }
}

size_t process_resident_bytes(const struct process *p) {
    char path[64];
    char text[128];
    unsigned long total;
    unsigned long resident;
    if (p->pid == 0) {
        return 0;
    }
    (void)snprintf(path, sizeof(path), "/proc/%d/statm", p->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t len = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    text[len > 0 ? len : 0] = '\0';
    return sscanf(text, "%lu %lu", &total, &resident) == 2
               ? resident * (size_t)sysconf(_SC_PAGESIZE)
               : 0;
}
