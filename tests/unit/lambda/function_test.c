/* Functions: real processes against the Runtime API over loopback, well-behaved and not. */
#include "function_fixture.h"

/* ---- well-behaved ---- */

static void serves(void **state) {
    (void)state;
    start((struct function_options){0});
    assert_int_equal(counts().starting, 0); /* on demand */
    struct test_call *t = call("{\"n\":1}");
    assert_int_equal(t->outcome, FUNCTION_OK);
    assert_non_null(strstr(t->payload, "{\"echo\": {\"n\": 1}"));
    assert_non_null(strstr(t->payload, t->request_id));
    int pid = pid_of(t);
    t = call("{\"n\":2}");
    assert_int_equal(pid_of(t), pid); /* kept warm */
    assert_int_equal(counts().started, 1);
    expect_logged("\"message\":\"START\"");
    expect_logged("REPORT Duration: ");
    expect_logged("Init Duration: ");
}

static void headers_of_next(void **state) {
    (void)state;
    start((struct function_options){.region = "eu-west-1", .account_id = "123456789012"});
    static struct test_call t;
    memset(&t, 0, sizeof(t));
    struct test_call *plain = call("{\"do\":\"headers\"}");
    assert_non_null(strstr(plain->payload, "\"Lambda-Runtime-Trace-Id\": \"Root=1-"));
    assert_non_null(
        strstr(plain->payload, "\"arn:aws:lambda:eu-west-1:123456789012:function:score\""));
    const char *deadline = strstr(plain->payload, "\"Lambda-Runtime-Deadline-Ms\": \"");
    assert_non_null(deadline);
    uint64_t ms = strtoull(deadline + 31, NULL, 10);
    assert_true(ms > clock_wall_ms() && ms <= clock_wall_ms() + 3000);
    t.call.trace_id = SLICE("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1");
    t.call.payload = SLICE("{\"do\":\"headers\"}");
    snprintf(t.request_id, sizeof(t.request_id), "00000000-0000-4000-8000-00000000abcd");
    t.call.request_id = t.request_id;
    t.call.done = on_done;
    assert_int_equal(function_submit(function, &t.call), 0);
    wait_for(&t, 1);
    assert_non_null(
        strstr(t.payload, "\"Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1;Parent="));
}

static void environment(void **state) {
    (void)state;
    static const char *const mine[] = {"MODEL=small", "AWS_LAMBDA_FUNCTION_NAME=forged", NULL};
    setenv("PENSTOCK_SECRET", "hidden", 1);
    start((struct function_options){.environment = mine, .memory_mb = 256, .warm = 1});
    struct test_call *t = call("{\"do\":\"environment\"}");
    static const char *const parts[] = {
        "\"MODEL\": \"small\"",
        "\"AWS_LAMBDA_FUNCTION_NAME\": \"score\"",
        "\"AWS_LAMBDA_FUNCTION_VERSION\": \"$LATEST\"",
        "\"AWS_LAMBDA_FUNCTION_MEMORY_SIZE\": \"256\"",
        "\"AWS_LAMBDA_RUNTIME_API\": \"127.0.0.1:",
        "\"AWS_LAMBDA_INITIALIZATION_TYPE\": \"provisioned-concurrency\"",
        "\"AWS_LAMBDA_LOG_GROUP_NAME\": \"/aws/lambda/score\"",
        "/[$LATEST]",
        "\"AWS_REGION\": \"us-east-1\"",
        "\"TZ\": \":UTC\"",
        "\"PATH\": ",
    };
    for (size_t k = 0; k < COUNT(parts); k++) {
        if (strstr(t->payload, parts[k]) == NULL) {
            fail_msg("%s is not in %s", parts[k], t->payload);
        }
    }
    assert_null(strstr(t->payload, "forged"));
    assert_null(strstr(t->payload, "PENSTOCK_SECRET"));
    assert_null(strstr(t->payload, "MAX_CONCURRENCY"));
}

static void expect_directory(const struct test_call *t, const char *name, const char *path) {
    char expected[600];
    snprintf(expected, sizeof(expected), "\"%s\": \"%s\"", name, path);
    if (strstr(t->payload, expected) == NULL) {
        fail_msg("%s is not in %s", expected, t->payload);
    }
}

/* Absolute, however the configuration spells them. */
static void environment_names_directories(void **state) {
    (void)state;
    char *program = realpath(find_script("function_runtime.py"), NULL);
    char *root = realpath(".", NULL);
    const char *command[] = {"/usr/bin/python3", program, "serve", NULL};
    start((struct function_options){0});
    struct test_call *t = call("{\"do\":\"environment\"}");
    expect_directory(t, "LAMBDA_TASK_ROOT", root);
    expect_directory(t, "LAMBDA_RUNTIME_DIR", root);
    close_function();
    assert_int_equal(chdir(".."), 0);
    start((struct function_options){.command = command, .directory = strrchr(root, '/') + 1});
    t = call("{\"do\":\"environment\"}");
    assert_int_equal(chdir(root), 0);
    expect_directory(t, "LAMBDA_TASK_ROOT", root);
    free(program);
    free(root);
}

enum { PARALLEL = 100 };
static struct test_call calls[PARALLEL];
static char events[PARALLEL][64];

static void many_at_once(struct function_options options) {
    options.timeout_ms = 15000;
    start(options);
    for (int k = 0; k < PARALLEL; k++) {
        snprintf(events[k], sizeof(events[k]), "{\"number\":%d}", k);
        assert_int_equal(submit(&calls[k], events[k]), 0);
    }
    wait_for(calls, PARALLEL);
    for (int k = 0; k < PARALLEL; k++) { /* no answer is another's */
        char mine[64];
        snprintf(mine, sizeof(mine), "{\"echo\": {\"number\": %d}", k);
        assert_int_equal(calls[k].outcome, FUNCTION_OK);
        assert_non_null(strstr(calls[k].payload, mine));
        assert_non_null(strstr(calls[k].payload, calls[k].request_id));
    }
}

static void hundred_in_parallel(void **state) {
    (void)state;
    many_at_once((struct function_options){.processes = 4});
    assert_int_equal(counts().started, 4);
}

static void hundred_in_one_process(void **state) {
    (void)state;
    many_at_once((struct function_options){.processes = 1, .per_process = 8});
    assert_int_equal(counts().started, 1);
}

static void kept_warm(void **state) {
    (void)state;
    start((struct function_options){.processes = 3, .warm = 2});
    assert_int_equal(counts().starting, 2);
    for (int turn = 0; turn < 100 && counts().running < 2; turn++) {
        run_ms(20);
    }
    assert_int_equal(counts().running, 2);
    struct test_call *t = call("{\"do\":\"exit\"}");
    assert_int_equal(t->outcome, FUNCTION_EXITED);
    for (int turn = 0; turn < 100 && counts().running < 2; turn++) {
        run_ms(20);
    }
    assert_int_equal(counts().running, 2); /* replaced without being asked */
}

static void recycled(void **state) {
    (void)state;
    start((struct function_options){.recycle_calls = 2});
    int first = pid_of(call("{}"));
    assert_int_equal(pid_of(call("{}")), first);
    struct test_call *t = call("{}");
    assert_int_equal(t->outcome, FUNCTION_OK);
    assert_int_not_equal(pid_of(t), first);
}

static void recycled_by_size(void **state) {
    (void)state;
    start((struct function_options){.resident_max = 1 << 20}); /* Python is larger */
    int first = pid_of(call("{}"));
    struct test_call *t = call("{}");
    assert_int_equal(t->outcome, FUNCTION_OK);
    assert_int_not_equal(pid_of(t), first);
}

static void streams(void **state) {
    (void)state;
    start((struct function_options){0});
    struct test_call *t = call("{\"do\":\"stream\"}");
    assert_int_equal(t->outcome, FUNCTION_OK);
    assert_true(t->streaming);
    assert_string_equal(t->payload, "streamed");
}

/* A new connection for every request, as curl makes them. */
static void shell_with_curl(void **state) {
    (void)state;
    static const char *command[3];
    command[0] = "sh";
    command[1] = find_script("function_bootstrap.sh");
    start((struct function_options){.command = command});
    for (int k = 0; k < 3; k++) {
        struct test_call *t = call("{\"n\":1}");
        assert_int_equal(t->outcome, FUNCTION_OK);
        assert_string_equal(t->payload, "{\"echo\":{\"n\":1}}");
    }
}

/* ---- badly behaved ---- */

static void function_error(void **state) {
    (void)state;
    start((struct function_options){0});
    struct test_call *t = call("{\"do\":\"error\"}");
    assert_int_equal(t->outcome, FUNCTION_ERROR);
    assert_string_equal(t->error_type, "Function.Broken");
    assert_non_null(strstr(t->payload, "it broke"));
    expect_logged("\"[202, \\\"{\\\\\\\"status\\\\\\\":\\\\\\\"OK\\\\\\\"}\\\\n\\\"]\"");
    assert_int_equal(call("{}")->outcome, FUNCTION_OK); /* the next one is unharmed */
    assert_int_equal(counts().started, 1);
}

static void exits_in_a_call(void **state) {
    (void)state;
    start((struct function_options){0});
    struct test_call *t = call("{\"do\":\"exit\"}");
    assert_int_equal(t->outcome, FUNCTION_EXITED);
    assert_string_equal(t->error_type, "Runtime.ExitError");
    assert_string_equal(t->error_text, "Runtime exited with error: exit status 3");
    expect_logged("last words");
    expect_logged("\"status\":3");
    expect_logged("\"message\":\"Runtime exited with error: exit status 3\"");
    expect_logged("\"outcome\":\"function_exited\",\"message\":\"END\"");
    assert_non_null(strstr(t->report, "\tMax Memory Used: "));
    assert_int_equal(call("{}")->outcome, FUNCTION_OK);
    assert_int_equal(counts().started, 2);
}

/* Lines come whole whatever pieces they are written in; one over 4096 bytes in two. */
static void prints_in_pieces(void **state) {
    (void)state;
    static char event[6000];
    char line[5001];
    memset(line, 'x', 5000);
    line[5000] = '\0';
    snprintf(event, sizeof(event),
             "{\"do\":\"print\",\"pieces\":[\"be\",\"gun\\nand \",\"ended\\r\\n\\n\",\"%s\\n\","
             "\"no newline\"]}",
             line);
    start((struct function_options){0});
    assert_int_equal(call(event)->outcome, FUNCTION_EXITED);
    expect_logged("\"message\":\"begun\"");
    expect_logged("\"message\":\"and ended\"");
    expect_logged("\"message\":\"\"");
    expect_logged("\"message\":\"no newline\"");
    line[5000 - 4096] = '\0';
    expect_logged(strcat(strcat(strcpy(event, "\"message\":\""), line), "\""));
}

static void exits_by_a_signal(void **state) {
    (void)state;
    start((struct function_options){0});
    struct test_call *t = call("{\"do\":\"exit\",\"signal\":9}");
    assert_int_equal(t->outcome, FUNCTION_EXITED);
    assert_string_equal(t->error_text, "Runtime exited with error: signal: killed");
    t = call("{\"do\":\"exit\",\"signal\":11}");
    assert_string_equal(t->error_text, "Runtime exited with error: signal: segmentation fault");
    t = call("{\"do\":\"exit\",\"status\":0}");
    assert_int_equal(t->outcome, FUNCTION_EXITED);
    assert_string_equal(t->error_text, ""); /* "without providing a reason" */
    assert_int_equal(call("{}")->outcome, FUNCTION_OK);
}

/* A zombie that nobody has reaped yet does not count. */
static bool alive(int pid) {
    char path[64];
    char text[256];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    const char *name_end = strrchr(text, ')');
    return name_end != NULL && name_end[1] != '\0' && name_end[2] != 'Z';
}

static void times_out(void **state) {
    (void)state;
    start((struct function_options){.timeout_ms = 300, .processes = 2});
    int pid = pid_of(call("{}"));
    struct test_call *t = call("{\"do\":\"sleep\",\"seconds\":60}");
    assert_int_equal(t->outcome, FUNCTION_TIMEOUT);
    assert_string_equal(t->error_text, "Task timed out after 0.30 seconds");
    expect_logged("Task timed out after 0.30 seconds");
    expect_logged("\"outcome\":\"function_timeout\",\"message\":\"END\"");
    assert_int_equal(counts().timeouts, 1);
    run_ms(200);
    assert_false(alive(pid)); /* killed */
    assert_int_equal(call("{}")->outcome, FUNCTION_OK);
}

/* Of two calls in one process the slow one times out, the other is unharmed. */
static void times_out_beside_another(void **state) {
    (void)state;
    start((struct function_options){.timeout_ms = 600, .per_process = 2});
    assert_int_equal(call("{}")->outcome, FUNCTION_OK);
    assert_int_equal(submit(&calls[0], "{\"do\":\"sleep\",\"seconds\":60}"), 0);
    run_ms(300);
    assert_int_equal(submit(&calls[1], "{\"do\":\"sleep\",\"seconds\":0.5}"), 0);
    wait_for(calls, 2);
    assert_int_equal(calls[0].outcome, FUNCTION_TIMEOUT);
    assert_int_equal(calls[1].outcome, FUNCTION_OK);
    for (int turn = 0; turn < 200 && counts().exits == 0; turn++) {
        run_ms(20);
    }
    assert_int_equal(counts().exits, 1); /* let go once it had no call */
}

static void waits_too_long(void **state) {
    (void)state;
    start((struct function_options){.timeout_ms = 2000});
    assert_int_equal(call("{}")->outcome, FUNCTION_OK);
    assert_int_equal(submit(&calls[0], "{\"do\":\"sleep\",\"seconds\":1.5}"), 0);
    assert_int_equal(submit(&calls[1], "{\"do\":\"sleep\",\"seconds\":1.5}"), 0);
    assert_int_equal(submit(&calls[2], "{\"do\":\"sleep\",\"seconds\":1.5}"), 0);
    wait_for(calls, 3);
    assert_int_equal(calls[0].outcome, FUNCTION_OK);
    assert_int_equal(calls[1].outcome, FUNCTION_OK);
    assert_int_equal(calls[2].outcome, FUNCTION_THROTTLED);
    assert_int_equal(counts().throttled, 1);
}

/* For whom a process is starting waits for it, and has all its time then; who stands behind
 * waits as long as for any other. */
static void starts_longer_than_calls_wait(void **state) {
    (void)state;
    start_with((struct function_options){.timeout_ms = 700, .per_process = 2}, "slow", "1.6");
    for (int k = 0; k < 3; k++) {
        assert_int_equal(submit(&calls[k], "{\"do\":\"sleep\",\"seconds\":0.1}"), 0);
    }
    wait_for(calls, 3);
    assert_int_equal(calls[0].outcome, FUNCTION_OK);
    assert_int_equal(calls[1].outcome, FUNCTION_OK);
    assert_int_equal(calls[2].outcome, FUNCTION_THROTTLED);
    assert_int_equal(counts().throttled, 1);
}

/* One that never comes is bounded by the limit of the start, not by that of the call. */
static void starts_never_for_who_waits(void **state) {
    (void)state;
    start_with((struct function_options){.timeout_ms = 200, .init_timeout_ms = 900}, "never",
               NULL);
    assert_int_equal(call("{}")->outcome, FUNCTION_INIT_FAILED);
    assert_int_equal(counts().throttled, 0);
}

static void queue_is_bounded(void **state) {
    (void)state;
    start((struct function_options){.queue_max = 2});
    assert_int_equal(submit(&calls[0], "{}"), 0);
    assert_int_equal(submit(&calls[1], "{}"), 0);
    assert_int_equal(submit(&calls[2], "{}"), ERR_BUSY);
    wait_for(calls, 2);
}

static void event_too_large(void **state) {
    (void)state;
    start((struct function_options){0});
    static char large[FUNCTION_PAYLOAD_MAX + 2];
    memset(large, ' ', FUNCTION_PAYLOAD_MAX + 1);
    assert_int_equal(submit(&calls[0], large), ERR_LIMIT);
    memcpy(large, "{}", 2);
    large[FUNCTION_PAYLOAD_MAX] = '\0';
    assert_int_equal(submit(&calls[0], large), 0);
    wait_for(calls, 1);
    assert_int_equal(calls[0].outcome, FUNCTION_OK);
}

static void wrong_answers(void **state) {
    (void)state;
    static const struct {
        const char *event;
        enum function_outcome outcome;
        const char *told;
    } cases[] = {
        {"{\"do\":\"wrong_id\"}", FUNCTION_OK, "[400, "},
        {"{\"do\":\"wrong_id\"}", FUNCTION_OK, "InvalidRequestID"},
        {"{\"do\":\"twice\"}", FUNCTION_OK, "]: 403"},
        {"{\"do\":\"next_again\"}", FUNCTION_OK, "InvalidStateTransition"},
        {"{\"do\":\"init_error_late\"}", FUNCTION_OK, "RuntimeInitErrorState"},
        {"{\"do\":\"unknown_path\"}", FUNCTION_OK, "[404, "},
        {"{\"do\":\"bad_mode\"}", FUNCTION_BAD_RESPONSE, "InvalidFunctionResponseMode"},
        {"{\"do\":\"big\",\"bytes\":6291556}", FUNCTION_OK, NULL},
        {"{\"do\":\"big\",\"bytes\":6291557}", FUNCTION_TOO_LARGE,
         "Exceeded maximum allowed payload size (6291556 bytes)."},
        {"{\"do\":\"big\",\"bytes\":30000000}", FUNCTION_TOO_LARGE, "RequestEntityTooLarge"},
        {"{\"do\":\"huge\"}", FUNCTION_TOO_LARGE, "HTTP/1.1 413 "},
        {"{\"do\":\"huge\"}", FUNCTION_TOO_LARGE,
         "{\\\"errorMessage\\\":\\\"Exceeded maximum allowed payload size (6291556 bytes).\\\","
         "\\\"errorType\\\":\\\"RequestEntityTooLarge\\\"}"},
        {"{\"do\":\"huge\",\"to\":\"error\"}", FUNCTION_TOO_LARGE, NULL},
        {"{\"do\":\"chunked\",\"to\":\"response\",\"bytes\":6291456}", FUNCTION_OK, "[202, "},
        {"{\"do\":\"chunked\",\"to\":\"response\",\"bytes\":30000000}", FUNCTION_TOO_LARGE,
         NULL},
        {"{\"do\":\"chunked\",\"to\":\"error\",\"bytes\":1000000}", FUNCTION_ERROR, NULL},
        {"{\"do\":\"chunked\",\"to\":\"error\",\"bytes\":30000000}", FUNCTION_TOO_LARGE, NULL},
        {"{\"do\":\"truncated\",\"to\":\"response\"}", FUNCTION_BAD_RESPONSE, NULL},
        {"{\"do\":\"truncated\",\"to\":\"error\"}", FUNCTION_BAD_RESPONSE, NULL},
    };
    start((struct function_options){.timeout_ms = 8000});
    for (size_t k = 0; k < COUNT(cases); k++) {
        struct test_call *t = call(cases[k].event);
        if (t->outcome != cases[k].outcome) {
            fail_msg("%s: %s", cases[k].event, function_outcome_name(t->outcome));
        }
        if (cases[k].told != NULL && strstr(cases[k].told, "]: ") == NULL) {
            expect_logged(cases[k].told);
        }
    }
    /* A second answer: the first was accepted, the second not, and nobody else noticed. */
    expect_logged("OK\\\\\\\"}\\\\n\\\"], 403, ");
    expect_logged("\"error_type\":\"Runtime.TruncatedHTTPRequest\"");
    assert_int_equal(counts().started, 1);
    assert_int_equal(call("{}")->outcome, FUNCTION_OK);
}

static void cannot_start(void **state) {
    (void)state;
    static const char *const command[] = {"/nowhere/program", NULL};
    start((struct function_options){.command = command});
    struct test_call *t = call("{}");
    assert_int_equal(t->outcome, FUNCTION_INIT_FAILED);
    assert_string_equal(t->error_type, "Runtime.InvalidEntrypoint");
    assert_string_equal(t->error_text, "fork/exec /nowhere/program: no such file or directory");
    expect_logged("no such file or directory");
    /* While the next try is not due, nobody waits for it. */
    assert_int_equal(submit(&calls[0], "{}"), ERR_REFUSED);
    run_ms(150);
    assert_int_equal(call("{}")->outcome, FUNCTION_INIT_FAILED);
    assert_int_equal(counts().init_failures, 2);
}

static void exits_at_once(void **state) {
    (void)state;
    start_with((struct function_options){0}, "exit", NULL);
    struct test_call *t = call("{}");
    assert_int_equal(t->outcome, FUNCTION_INIT_FAILED);
    assert_string_equal(t->error_text, "Runtime exited with error: exit status 7");
    expect_logged("no luck");
    expect_logged("\"status\":7");
}

/* Kept warm, but it never starts: tried again less and less often. */
static void crash_loop_is_backed_off(void **state) {
    (void)state;
    static const char *const command[] = {"/bin/false", NULL};
    start((struct function_options){.command = command, .warm = 1});
    run_ms(1000); /* 0, 100, 300, 700 ms */
    assert_in_range(counts().init_failures, 3, 5);
}

static void starts_at_last(void **state) {
    (void)state;
    char path[] = "/tmp/penstock_flaky_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    start_with((struct function_options){.warm = 1}, "flaky", path);
    for (int turn = 0; turn < 1000 && counts().running == 0; turn++) {
        run_ms(20);
    }
    assert_int_equal(counts().running, 1);
    assert_int_equal(counts().init_failures, 1);
    unlink(path);
}

static void never_asks(void **state) {
    (void)state;
    start_with((struct function_options){.init_timeout_ms = 300}, "never", NULL);
    struct test_call *t = call("{}");
    assert_int_equal(t->outcome, FUNCTION_INIT_FAILED);
    assert_string_equal(t->error_type, "Sandbox.Timedout");
    assert_string_equal(t->error_text, "Init timed out after 0.30 seconds");
    expect_logged("function_init_timeout");
    expect_logged("\"signal\":9");
}

static void says_init_error(void **state) {
    (void)state;
    start_with((struct function_options){0}, "init_error", NULL);
    struct test_call *t = call("{}");
    assert_int_equal(t->outcome, FUNCTION_INIT_FAILED);
    assert_non_null(strstr(t->payload, "\"errorType\": \"No\"")); /* as posted */
    expect_logged("Runtime.NoSuchHandler");
}

/* Its grandchild keeps the pipes open; it is killed with the group. */
static void grandchildren(void **state) {
    (void)state;
    start((struct function_options){.timeout_ms = 5000});
    uint64_t begin = clock_monotonic_ns();
    assert_int_equal(call("{\"do\":\"spawn\"}")->outcome, FUNCTION_EXITED);
    assert_true(clock_monotonic_ns() - begin < 4 * NS_PER_S);
    expect_logged("\"grandchild ");
    int pid = atoi(strstr(lines, "\"grandchild ") + 12);
    assert_true(pid > 1);
    for (int turn = 0; turn < 100 && alive(pid); turn++) {
        run_ms(10);
    }
    assert_false(alive(pid));
}

/* It dies while it waits for work. */
static void dies_idle(void **state) {
    (void)state;
    start((struct function_options){0});
    int pid = pid_of(call("{}"));
    run_ms(50);
    assert_true(pid > 1); /* 0 would be us */
    assert_int_equal(kill(pid, SIGKILL), 0);
    run_ms(100);
    struct test_call *t = call("{}");
    assert_int_equal(t->outcome, FUNCTION_OK);
    assert_int_not_equal(pid_of(t), pid);
}

/* Requests for work that were given up take no call with them. */
static void stale_requests(void **state) {
    (void)state;
    start((struct function_options){0});
    assert_int_equal(call("{\"do\":\"stale_next\"}")->outcome, FUNCTION_OK);
    run_ms(100);
    assert_int_equal(call("{}")->outcome, FUNCTION_OK);
    assert_int_equal(counts().started, 1);
}

static void closes_with_calls(void **state) {
    (void)state;
    start((struct function_options){0});
    int pid = pid_of(call("{}"));
    assert_int_equal(submit(&calls[0], "{\"do\":\"sleep\",\"seconds\":60}"), 0);
    assert_int_equal(submit(&calls[1], "{}"), 0);
    run_ms(100);
    close_function();
    assert_int_equal(calls[0].outcome, FUNCTION_EXITED);
    assert_int_equal(calls[1].outcome, FUNCTION_EXITED);
    assert_int_equal(calls[0].done + calls[1].done, 2);
    assert_false(alive(pid));
}

/* Closing at any moment of its life leaves nothing behind. */
static void closes_at_any_turn(void **state) {
    (void)state;
    for (int turns = 0; turns < 300; turns += turns < 20 ? 1 : 40) {
        start((struct function_options){.processes = 2, .warm = 1});
        assert_int_equal(submit(&calls[0], "{\"n\":1}"), 0);
        assert_int_equal(submit(&calls[1], "{\"do\":\"exit\"}"), 0);
        for (int k = 0; k < turns; k++) {
            loop_turn(&loop);
            usleep(500);
        }
        close_function();
        assert_int_equal(calls[0].done, 1);
        assert_int_equal(calls[1].done, 1);
    }
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        T(serves),
        T(headers_of_next),
        T(environment),
        T(environment_names_directories),
        T(hundred_in_parallel),
        T(hundred_in_one_process),
        T(kept_warm),
        T(recycled),
        T(recycled_by_size),
        T(streams),
        T(shell_with_curl),
        T(function_error),
        T(exits_in_a_call),
        T(exits_by_a_signal),
        T(prints_in_pieces),
        T(times_out),
        T(times_out_beside_another),
        T(waits_too_long),
        T(starts_longer_than_calls_wait),
        T(starts_never_for_who_waits),
        T(queue_is_bounded),
        T(event_too_large),
        T(wrong_answers),
        T(cannot_start),
        T(exits_at_once),
        T(crash_loop_is_backed_off),
        T(starts_at_last),
        T(never_asks),
        T(says_init_error),
        T(grandchildren),
        T(dies_idle),
        T(stale_requests),
        T(closes_with_calls),
        T(closes_at_any_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
