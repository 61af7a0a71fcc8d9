/* A function on a loop that the test turns by hand: real processes against the Runtime API over
 * loopback. The log is captured, as what a runtime was told by the API is printed by it and
 * logged by us. */
#ifndef UNIT_LAMBDA_FUNCTION_FIXTURE_H
#define UNIT_LAMBDA_FUNCTION_FIXTURE_H

#include "support/unit.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "lambda/function.h"

#include <stdio.h>
#include <stdlib.h>

static struct loop loop;
static struct stream_hub hub;
static struct function *function;
static FILE *capture;
static int saved_stderr;
static char lines[1 << 20];
static char script[512];

/* ---- fixture ---- */

static inline int set_up(void **state) {
    (void)state;
    fflush(stderr);
    capture = tmpfile();
    saved_stderr = dup(STDERR_FILENO);
    dup2(fileno(capture), STDERR_FILENO);
    log_threshold = LOG_INFO;
    function = NULL;
    int error = loop_init(&loop);
    stream_hub_init(&hub, &loop);
    return error;
}

static inline void on_closed(void *arg) {
    *(int *)arg = 1;
}

static inline void close_function(void) {
    int closed = 0;
    if (function == NULL) {
        return;
    }
    function_close(function, on_closed, &closed);
    uint64_t end = clock_monotonic_ns() + 10 * NS_PER_S;
    while (!closed && clock_monotonic_ns() < end) {
        loop_turn(&loop);
        usleep(500);
    }
    assert_true(closed);
    function_free(function);
    function = NULL;
}

static inline int tear_down(void **state) {
    (void)state;
    close_function();
    stream_hub_fini(&hub);
    loop_fini(&loop);
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    fclose(capture);
    return 0;
}

static inline const char *read_log(void) {
    rewind(capture);
    lines[fread(lines, 1, sizeof(lines) - 1, capture)] = '\0';
    fseek(capture, 0, SEEK_END);
    return lines;
}

static inline bool logged(const char *text) {
    return strstr(read_log(), text) != NULL;
}

static inline void expect_logged(const char *text) {
    for (int turn = 0; turn < 2000 && !logged(text); turn++) {
        loop_turn(&loop);
        usleep(1000);
    }
    if (!logged(text)) {
        dup2(saved_stderr, STDERR_FILENO);
        fail_msg("%s is not in\n%s", text, lines);
    }
}

static inline const char *find_script(const char *name) {
    const char *slash = strrchr(__FILE__, '/');
    snprintf(script, sizeof(script), "%.*s/%s", slash ? (int)(slash - __FILE__) : 1,
             slash ? __FILE__ : ".", name);
    return script;
}

static inline void start_with(struct function_options options, const char *mode,
                              const char *more) {
    static const char *command[6];
    if (options.command == NULL) {
        command[0] = "/usr/bin/python3";
        command[1] = find_script("function_runtime.py");
        command[2] = mode;
        command[3] = more;
        options.command = command;
    }
    options.name = "score";
    char reason[160];
    function = function_new(&loop, &hub, &options, reason);
    assert_non_null(function);
}

static inline void start(struct function_options options) {
    start_with(options, "serve", NULL);
}

/* ---- calls ---- */

struct test_call {
    struct function_call call;
    char request_id[37];
    int done;
    enum function_outcome outcome;
    char payload[4096];
    size_t payload_len;
    char error_type[64];
    char error_text[200];
    char report[200];
    bool streaming;
};

static inline void on_done(struct function_call *c, const struct function_result *r) {
    struct test_call *t = container_of(c, struct test_call, call);
    t->done++;
    t->outcome = r->outcome;
    t->streaming = r->streaming;
    t->payload_len = r->payload.len;
    snprintf(t->payload, sizeof(t->payload), SLICE_FMT, SLICE_ARG(r->payload));
    snprintf(t->error_type, sizeof(t->error_type), SLICE_FMT, SLICE_ARG(r->error_type));
    snprintf(t->error_text, sizeof(t->error_text), "%s", r->error_text ? r->error_text : "");
    snprintf(t->report, sizeof(t->report), "%s", r->report ? r->report : "");
}

static inline int submit(struct test_call *t, const char *event) {
    static unsigned next_id;
    memset(t, 0, sizeof(*t));
    snprintf(t->request_id, sizeof(t->request_id), "00000000-0000-4000-8000-%012u", ++next_id);
    t->call.payload = slice_cstr(event);
    t->call.request_id = t->request_id;
    t->call.done = on_done;
    int error = function_submit(function, &t->call);
    assert_int_equal(t->done, 0); /* never from inside */
    return error;
}

static inline void wait_for(struct test_call *calls, size_t count) {
    uint64_t end = clock_monotonic_ns() + 20 * NS_PER_S;
    for (size_t k = 0; k < count; k++) {
        while (!calls[k].done && clock_monotonic_ns() < end) {
            loop_turn(&loop);
            usleep(300);
        }
        if (calls[k].done != 1) {
            dup2(saved_stderr, STDERR_FILENO);
            fail_msg("call %zu is done %d times\n%s", k, calls[k].done, read_log());
        }
    }
}

static inline struct test_call *call(const char *event) {
    static struct test_call t;
    assert_int_equal(submit(&t, event), 0);
    wait_for(&t, 1);
    return &t;
}

static inline struct function_counts counts(void) {
    struct function_counts c;
    function_count(function, &c);
    return c;
}

static inline void run_ms(uint64_t ms) {
    uint64_t end = clock_monotonic_ns() + ms * NS_PER_MS;
    while (clock_monotonic_ns() < end) {
        loop_turn(&loop);
        usleep(500);
    }
}

static inline int pid_of(const struct test_call *t) {
    const char *at = strstr(t->payload, "\"pid\": ");
    return at ? atoi(at + 7) : 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
