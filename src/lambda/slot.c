/* A slot: one process at a time, its Runtime API server, and the calls it has.
 *
 * The server lives as long as the function, so that a new process finds the same port; the
 * process comes and goes. */
#include "lambda/function_log.h"
#include "lambda/runtime.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct state_def slot_states[] = {
    [SLOT_EMPTY] = {"empty", STATE_BIT(SLOT_STARTING)},
    [SLOT_STARTING] = {"starting", STATE_BIT(SLOT_READY) | STATE_BIT(SLOT_STOPPING) |
                                       STATE_BIT(SLOT_EMPTY)},
    [SLOT_READY] = {"ready", STATE_BIT(SLOT_STOPPING) | STATE_BIT(SLOT_EMPTY)},
    [SLOT_STOPPING] = {"stopping", STATE_BIT(SLOT_EMPTY)},
};

/* ---- the port ---- */

/* A listening socket on a free port of 127.0.0.1; its number in *port. -1 with errno. */
static int open_port(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 &&
        (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 64) != 0 ||
         getsockname(fd, (struct sockaddr *)&address, &len) != 0)) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

/* Lambda-Runtime-Function-XRay-Error-Cause alone may have 1 MiB. */
#define API_HEAD_BYTES (1048576 + 16384)

/* Nobody but our own child talks to it, and `next` may wait for hours. */
static struct server_options api_options(struct function *f) {
    struct server_options o = server_options_default;
    o.connections = 2 * f->options.per_process + 8;
    o.pipeline_depth = 1;
    o.idle_timeout_ms = 0;
    o.linger_bytes = FUNCTION_LINGER_BYTES;
    o.linger_ms = FUNCTION_LINGER_MS;
    o.parsers = &f->parsers;
    o.http.head_bytes = API_HEAD_BYTES;
    o.http.body_bytes = FUNCTION_PAYLOAD_MAX;
    o.http.trailer_bytes = FUNCTION_TRAILER_MAX;
    o.request_bytes = (size_t)FUNCTION_PAYLOAD_MAX * 4 * (f->options.per_process + 1);
    return o;
}

int function_slot_init(struct function_slot *s, struct function *f, struct stream_hub *hub,
                       char reason[160]) {
    s->function = f;
    state_init(&s->state, "slot", slot_states, SLOT_EMPTY);
    list_init(&s->parked);
    list_init(&s->calls);
    struct server_options options = api_options(f);
    NEED_MEMORY((s->server = server_new(f->loop, hub, &options, &runtime_api_events, s)) !=
                NULL);
    s->server_open = true;
    int fd = open_port(&s->port);
    if (fd < 0) {
        (void)snprintf(reason, 160, "function %s: no port for the Runtime API: %s",
                       f->options.name, strerror(errno));
        return ERR_IO;
    }
    s->environment = function_environment(f, s->port);
    return server_listen(s->server, fd, NULL);
}

/* ---- the process ---- */

static void on_line(struct process *p, int stream, struct slice line) {
    function_log_output(container_of(p, struct function_slot, process), stream, line);
}

static void fail_calls(struct function_slot *s, const char *text) {
    while (!list_empty(&s->calls)) {
        struct function_call *c = container_of(s->calls.first, struct function_call, node);
        struct function_result r = {.outcome = FUNCTION_EXITED,
                                    .error_type = SLICE("Runtime.ExitError"),
                                    .error_text = text};
        log_event(LOG_ERROR, "function_exited_in_call",
                  log_str("function", s->function->options.name),
                  log_str("request_id", c->request_id), log_str("message", text ? text : ""));
        function_finish(s->function, c, &r);
    }
}

/* Words as of "fork/exec /var/task/bootstrap: no such file or directory". */
static void keep_failure(struct function_slot *s, const struct process_end *end,
                         const char *text) {
    struct function_failure *failure = &s->function->failure;
    if (s->failure_told) {
        return;
    }
    buffer_fini(&failure->posted);
    failure->type = end->reason ? "Runtime.InvalidEntrypoint" : "Runtime.ExitError";
    if (end->reason) {
        (void)snprintf(failure->text, sizeof(failure->text), "fork/exec %.120s: %s",
                       s->function->options.command[0], end->reason);
    } else {
        (void)snprintf(failure->text, sizeof(failure->text), "%s", text ? text : "");
    }
}

static void on_exit_(struct process *p, const struct process_end *end) {
    struct function_slot *s = container_of(p, struct function_slot, process);
    struct function *f = s->function;
    enum slot_state was = slot_state_of(s);
    bool expected = s->retiring || was == SLOT_STOPPING;
    char text[FUNCTION_EXIT_TEXT];
    const char *how = function_exit_text(end, text);
    f->counts.exits++;
    log_event(expected ? LOG_INFO : LOG_ERROR, "function_exit",
              log_str("function", f->options.name), log_i64("pid", p->uv.pid),
              log_str("reason", end->reason ? end->reason : ""), log_i64("status", end->status),
              log_i64("signal", end->signal), log_u64("served", s->served));
    deadline_disarm(&s->init);
    runtime_api_drop_parked(s);
    bool never_ready = s->init_ns == 0;
    state_move(&s->state, SLOT_EMPTY);
    s->retiring = false;
    fail_calls(s, how);
    if (f->closing) {
        function_handle_closed(f);
        return;
    }
    if (never_ready) {
        keep_failure(s, end, how);
        function_slot_failed(f);
    }
    function_dispatch(f);
}

void function_slot_start(struct function_slot *s) {
    struct function *f = s->function;
    state_move(&s->state, SLOT_STARTING);
    s->started_ns = loop_now_ns(f->loop);
    s->init_ns = 0;
    s->served = 0;
    s->resident = 0;
    s->resident_read_ns = 0;
    s->retiring = false;
    s->failure_told = false;
    s->last_request_id[0] = '\0';
    s->process.scratch = f->output;
    s->process.on_line = on_line;
    s->process.on_exit = on_exit_;
    process_start(&s->process, f->loop, (char *const *)(uintptr_t)f->options.command,
                  s->environment, f->options.directory);
    deadline_arm(&f->inits, &s->init);
    log_event(LOG_INFO, "function_start", log_str("function", f->options.name),
              log_i64("pid", s->process.pid), log_u64("port", s->port));
}

void function_slot_kill(struct function_slot *s) {
    enum slot_state state = slot_state_of(s);
    if (state == SLOT_STARTING || state == SLOT_READY) {
        state_move(&s->state, SLOT_STOPPING);
        deadline_disarm(&s->init);
    }
    s->retiring = true;
    process_stop(&s->process, 0);
}

static void stop_gently(struct function_slot *s) {
    state_move(&s->state, SLOT_STOPPING);
    deadline_disarm(&s->init);
    process_stop(&s->process, FUNCTION_GRACE_MS);
}

void function_slot_retire(struct function_slot *s) {
    s->retiring = true;
    if (list_empty(&s->calls) && slot_state_of(s) == SLOT_READY) {
        stop_gently(s);
    }
}

void function_slot_asked(struct function_slot *s) {
    struct function *f = s->function;
    if (slot_state_of(s) != SLOT_STARTING) {
        return;
    }
    deadline_disarm(&s->init);
    state_move(&s->state, SLOT_READY);
    uint64_t now = loop_now_ns(f->loop);
    s->init_ns = now > s->started_ns ? now - s->started_ns : 1;
    log_event(LOG_INFO, "function_ready", log_str("function", f->options.name),
              log_i64("pid", s->process.pid), log_u64("init_ms", s->init_ns / NS_PER_MS));
    function_slot_ready(f);
}

/* ---- calls ---- */

bool function_slot_has_room(const struct function_slot *s) {
    return slot_state_of(s) == SLOT_READY && !s->retiring && s->process.pid != 0 &&
           !list_empty(&s->parked) && s->calls.count < s->function->options.per_process;
}

struct function_call *function_slot_find_call(struct function_slot *s,
                                              struct slice request_id) {
    LIST_FOR_EACH (n, &s->calls) {
        struct function_call *c = container_of(n, struct function_call, node);
        if (slice_eq(slice_cstr(c->request_id), request_id)) {
            return c;
        }
    }
    return NULL;
}

static bool outgrown(struct function_slot *s) {
    const struct function_options *o = &s->function->options;
    uint64_t now = loop_now_ns(s->function->loop);
    if (now - s->resident_read_ns >= FUNCTION_RESIDENT_EVERY_NS) {
        size_t resident = process_resident_bytes(&s->process);
        s->resident = resident > s->resident ? resident : s->resident;
        s->resident_read_ns = now;
    }
    return o->resident_max > 0 && s->resident > o->resident_max;
}

void function_slot_settle(struct function_slot *s) {
    const struct function_options *o = &s->function->options;
    if (slot_state_of(s) != SLOT_READY) {
        return;
    }
    bool recycle = o->recycle_calls > 0 && s->served >= o->recycle_calls;
    if (s->retiring || recycle || outgrown(s)) {
        function_slot_retire(s);
    }
}

/* ---- the end ---- */

static void on_server_closed(void *arg) {
    struct function_slot *s = arg;
    server_free(s->server);
    s->server = NULL;
    function_handle_closed(s->function);
}

void function_slot_close(struct function_slot *s) {
    struct function *f = s->function;
    enum slot_state state = slot_state_of(s);
    runtime_api_drop_parked(s);
    s->retiring = true;
    if (state == SLOT_STARTING || state == SLOT_READY) {
        stop_gently(s);
    }
    if (state != SLOT_EMPTY) {
        f->open_handles++; /* on_exit_ counts it off */
    }
    if (s->server_open) {
        s->server_open = false;
        f->open_handles++;
        server_close(s->server, on_server_closed, s);
    }
}
