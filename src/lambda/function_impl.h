/* What function.c, slot.c, runtime_api.c and function_environment.c share;
 * nobody else includes it. */
#ifndef LAMBDA_FUNCTION_IMPL_H
#define LAMBDA_FUNCTION_IMPL_H

#include "base/arena.h"
#include "base/rng.h"
#include "base/state.h"
#include "lambda/function.h"
#include "lambda/process.h"

#define FUNCTION_GRACE_MS       2000
#define FUNCTION_TRAILER_MAX    65536 /* of a streamed response: an error with its stack */
#define FUNCTION_FAILURE_KEEP   65536 /* of a posted init/error */
#define FUNCTION_BACKOFF_MS     100   /* after a failed start; doubled up to */
#define FUNCTION_BACKOFF_MAX_MS 10000
/* Read at most this often: /proc is no disk, but not free either. */
#define FUNCTION_RESIDENT_EVERY_NS 100000000

/*  EMPTY -> STARTING -> READY -> STOPPING -> EMPTY
 *              |                    ^
 *              +--------------------+   any of them -> EMPTY when the process exits by itself
 */
enum slot_state { SLOT_EMPTY, SLOT_STARTING, SLOT_READY, SLOT_STOPPING };

struct function_slot {
    struct function *function;
    struct state_machine state;
    struct server *server;
    struct process process;
    char **environment; /* of its processes; made once */
    struct list parked; /* struct parked_next, in their requests' arenas; oldest first */
    struct list calls;  /* given to the process, not answered */
    struct deadline init;
    uint64_t started_ns;
    uint64_t init_ns;
    uint64_t served;
    uint64_t resident_read_ns;
    size_t resident;   /* highest seen */
    bool retiring;     /* gets no more calls; stopped when it has none */
    bool failure_told; /* why it fails to start is in function's failure already */
    bool server_open;
    uint16_t port;
    char last_request_id[37]; /* of the call answered last: a second answer is a wrong state */
};

/* Why a process did not come up, for who asked for it and who asks before the next try. */
struct function_failure {
    const char *type; /* "Runtime.ExitError" */
    char text[192];
    struct buffer posted; /* its init/error, which then is the answer */
};

/* A `next` that waits for a call. */
struct parked_next {
    struct list_node node;
    struct server_request *request;
};

struct function {
    struct loop *loop;
    struct function_options options;
    struct arena texts; /* what the options point to */
    struct function_slot *slots;
    struct server_parsers parsers; /* of the slots' servers */
    char output[PROCESS_LINE_MAX]; /* what a process has just printed */
    struct list queue;             /* calls waiting for a process */
    struct deadline_queue waits;   /* of the queue */
    struct deadline_queue running; /* of calls given */
    struct deadline_queue inits;
    struct timer backoff;
    uint64_t backoff_ms; /* 0: the last start went well */
    struct function_failure failure;
    bool backing_off;
    bool closing;
    size_t open_handles; /* timers and servers still to close */
    void (*on_closed)(void *arg);
    void *on_closed_arg;
    struct rng rng;
    struct function_counts counts;
};

static inline enum slot_state slot_state_of(const struct function_slot *s) {
    return (enum slot_state)state_of(&s->state);
}

/* function.c */
/* Hands queued calls to parked requests, and starts processes for what is left. */
void function_dispatch(struct function *f);
/* Takes the call off whatever holds it, then runs done. The call is its owner's again. */
void function_finish(struct function *f, struct function_call *c, struct function_result *r);
/* The process of a slot asked for work for the first time; or ended before it did. */
void function_slot_ready(struct function *f);
void function_slot_failed(struct function *f);
void function_handle_closed(struct function *f);

/* slot.c */
MUST_CHECK int function_slot_init(struct function_slot *s, struct function *f,
                                  struct stream_hub *hub, char reason[160]);
void function_slot_start(struct function_slot *s);
/* No more calls for its process; it is stopped once it has none. */
void function_slot_retire(struct function_slot *s);
void function_slot_kill(struct function_slot *s);
/* It asked for work: true when that is the first time. */
void function_slot_asked(struct function_slot *s);
void function_slot_close(struct function_slot *s);
/* Room for one more call: a parked request, and less than per_process calls. */
bool function_slot_has_room(const struct function_slot *s);
/* After a call has left: recycling, stopping. */
void function_slot_settle(struct function_slot *s);
struct function_call *function_slot_find_call(struct function_slot *s, struct slice request_id);

/* function_environment.c: NULL-terminated, malloc'ed; free with function_environment_free.
 * Ends the program when memory is out: for the start. */
char **function_environment(const struct function *f, uint16_t port);
void function_environment_free(char **environment);

#endif
