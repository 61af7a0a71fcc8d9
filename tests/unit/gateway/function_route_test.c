/* Routes to functions, end to end: the real server in front, the runtimes we ship behind. */
#include "unit/gateway/service.h"

#include "lambda/function.h"

#include <stdlib.h>

static struct function *functions[8];
static struct function_binding bindings[8];
static struct lambda_handler handlers[8];
static size_t function_total;
static char source[512];

/* Where the sources of this test are. */
static const char *here(void) {
    const char *slash = strrchr(__FILE__, '/');
    char folder[400];
    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - __FILE__) : 1,
             slash ? __FILE__ : ".");
    char *full = realpath(folder, NULL); /* functions run elsewhere */
    assert_non_null(full);
    snprintf(source, sizeof(source), "%s", full);
    free(full);
    return source;
}

static void add_function(const char *key, const char *program, const char *runtime,
                         const char *handler, struct function_options options) {
    static char runtimes[8][600];
    static const char *commands[8][4];
    size_t k = function_total++;
    snprintf(runtimes[k], sizeof(runtimes[k]), "%s/../../../src/lambda/runtimes/%s", here(),
             runtime);
    commands[k][0] = program;
    commands[k][1] = runtimes[k];
    commands[k][2] = handler;
    commands[k][3] = NULL;
    options.name = handler;
    options.command = commands[k];
    options.directory = here();
    options.timeout_ms = options.timeout_ms ? options.timeout_ms : 10000;
    char reason[160];
    functions[k] = function_new(&loop, &hub, &options, reason);
    assert_non_null(functions[k]);
    bindings[k] = (struct function_binding){.workers = &functions[k]};
    handlers[k] = (struct lambda_handler){
        .name = handler, .invoke = function_invoke, .state = &bindings[k]};
    add(key, &handlers[k]);
}

static int set_up(void **state) {
    (void)state;
    function_total = 0;
    service_start();
    return 0;
}

static int left;

static void on_function_closed(void *arg) {
    (void)arg;
    left--;
}

static int tear_down(void **state) {
    (void)state;
    left = (int)function_total;
    for (size_t k = 0; k < function_total; k++) {
        function_close(functions[k], on_function_closed, NULL);
    }
    while (left > 0) {
        loop_turn(&loop);
        usleep(500);
    }
    for (size_t k = 0; k < function_total; k++) {
        function_free(functions[k]);
    }
    service_stop();
    return 0;
}

#define NODE   "node", "runtime.mjs"
#define PYTHON "/usr/bin/python3", "runtime.py"
#define BASE   "handlers_under_test."

static void node(void **state) {
    (void)state;
    struct function_options o = {0};
    add_function("POST /echo/{id}", NODE, BASE "echo", o);
    add_function("GET /bare", NODE, BASE "bare", o);
    add_function("GET /broken", NODE, BASE "broken", o);
    add_function("GET /nonsense", NODE, BASE "nonsense", o);
    add_function("GET /split", NODE, BASE "split", o);
    struct client *c = talk("POST /echo/1 HTTP/1.1\r\n" H "Cookie: s=1; t=2\r\n"
                            "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi",
                            1, 0);
    expect_in(c, "HTTP/1.1 201 Created\r\n");
    expect_in(c, "\r\nX-Version: 2.0\r\n");
    expect_in(c, "\r\nX-Name: " BASE "echo\r\n");
    expect_in(c, "\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n");
    expect_in(c, "[\"/echo/1\",\"hi\",false,[\"s=1\",\"t=2\"]]");
    c = talk("GET /bare HTTP/1.1\r\n" H "\r\n", 1, 0);
    expect_in(c, "HTTP/1.1 200 OK\r\n");
    expect_in(c, "{\"hello\":\"/bare\"}");
    for (int turn = 0; turn < 2; turn++) { /* the next request is unharmed */
        c = talk("GET /broken HTTP/1.1\r\n" H "\r\n", 1, 0);
        expect_in(c, "HTTP/1.1 502 ");
        expect_in(c, "{\"message\":\"Internal server error\"}");
    }
    expect_in(talk("GET /nonsense HTTP/1.1\r\n" H "\r\n", 1, 0), "HTTP/1.1 502 ");
    c = talk("GET /split HTTP/1.1\r\n" H "\r\n", 1, 0);
    expect_in(c, "HTTP/1.1 502 ");
    assert_null(strstr(c->got, "X-B"));
}

/* Starting may take longer than a call may wait. */
static void wait_until_running(struct function *f) {
    struct function_counts counts = {0};
    while (counts.running == 0) {
        loop_turn(&loop);
        usleep(1000);
        function_count(f, &counts);
    }
}

static void node_hangs(void **state) {
    (void)state;
    struct function_options o = {.timeout_ms = 700, .warm = 1};
    add_function("GET /hang", NODE, BASE "hang", o);
    wait_until_running(functions[0]);
    struct client *c = talk("GET /hang HTTP/1.1\r\n" H "\r\n", 1, 0);
    expect_in(c, "HTTP/1.1 504 ");
    expect_in(c, "{\"message\":\"Endpoint request timed out\"}");
    add_function("GET /lost", NODE, BASE "lost", o);
    wait_until_running(functions[1]);
    expect_in(talk("GET /lost HTTP/1.1\r\n" H "\r\n", 1, 0), "HTTP/1.1 502 ");
}

static void node_is_not_there(void **state) {
    (void)state;
    struct function_options o = {0};
    add_function("GET /none", NODE, BASE "none", o);
    expect_in(talk("GET /none HTTP/1.1\r\n" H "\r\n", 1, 0), "HTTP/1.1 502 ");
}

static void python(void **state) {
    (void)state;
    struct function_options o = {.payload_format = 1};
    add_function("ANY /echo/{proxy+}", PYTHON, BASE "echo", o);
    add_function("GET /broken", PYTHON, BASE "broken", o);
    add_function("GET /gone", PYTHON, BASE "gone", o);
    add_function("GET /none", PYTHON, BASE "none", o);
    struct client *c =
        talk("PUT /echo/a/b HTTP/1.1\r\n" H "X-Tag: 1\r\nX-Tag: 2\r\n\r\n", 1, 0);
    expect_in(c, "HTTP/1.1 200 OK\r\n");
    expect_in(c, "Content-Type: text/plain\r\n");
    expect_in(c, "\r\nX-Tag: 1\r\nX-Tag: 2\r\n");
    expect_in(c, "\r\n\r\n1.0 /echo/a/b " BASE "echo");
    expect_in(talk("GET /broken HTTP/1.1\r\n" H "\r\n", 1, 0), "HTTP/1.1 502 ");
    expect_in(talk("GET /gone HTTP/1.1\r\n" H "\r\n", 1, 0), "HTTP/1.1 502 ");
    expect_in(talk("GET /none HTTP/1.1\r\n" H "\r\n", 1, 0), "HTTP/1.1 502 ");
}

/* Several at a time in one process, by threads in Python, by promises in Node. */
static void concurrent(void **state) {
    (void)state;
    struct function_options o = {.per_process = 4};
    add_function("ANY /node", NODE, BASE "bare", o);
    o.payload_format = 1;
    add_function("ANY /python", PYTHON, BASE "echo", o);
    expect_in(talk("GET /node HTTP/1.1\r\n" H "\r\n"
                   "GET /python HTTP/1.1\r\n" H "\r\n"
                   "GET /node HTTP/1.1\r\n" H "\r\n"
                   "GET /python HTTP/1.1\r\n" H "\r\n",
                   4, 0),
              "1.0 /python");
    struct function_counts counts;
    function_count(functions[0], &counts);
    assert_int_equal(counts.done, 2);
    assert_int_equal(counts.started, 1);
}

/* The wait for a process: one that starts, one that is busy, none in time. */
static void timing_of_the_queue(void **state) {
    (void)state;
    struct function_options o = {.timeout_ms = 1500, .warm = 1};
    add_function("GET /bare", NODE, BASE "bare", (struct function_options){0});
    add_function("GET /streamed", NODE, BASE "streamed", (struct function_options){0});
    add_function("GET /hang", NODE, BASE "hang", o);
    bindings[1].stream = true;
    for (size_t k = 0; k < 3; k++) {
        handlers[k].server_timing = 1;
    }
    static const char *const asked[] = {
        "GET /bare HTTP/1.1\r\n" H "\r\nGET /bare HTTP/1.1\r\n" H "\r\n",
        "GET /streamed HTTP/1.1\r\n" H "\r\nGET /streamed HTTP/1.1\r\n" H "\r\n",
        "GET /hang HTTP/1.1\r\n" H "\r\nGET /hang HTTP/1.1\r\n" H "\r\n"};
    wait_until_running(functions[2]);
    for (size_t k = 0; k < COUNT(asked); k++) {
        struct client *c = talk(asked[k], 2, 0);
        const char *second = strstr(strstr(c->got, "HTTP/1.1 ") + 1, "HTTP/1.1 ");
        const char *timing = strstr(second, "\r\nServer-Timing: total;dur=");
        assert_non_null(timing);
        const char *queue = strstr(timing, ", queue;dur=");
        const char *wait = strstr(timing, ", wait;dur=");
        assert_non_null(queue);
        assert_true(strtod(queue + 12, NULL) > 0);
        assert_true(k == 2 || (wait != NULL && strtod(wait + 11, NULL) > 0));
    }
}

static void queue_full(void **state) {
    (void)state;
    struct function_options o = {.queue_max = 1, .timeout_ms = 1500};
    add_function("GET /hang", NODE, BASE "hang", o);
    struct client *c = talk("GET /hang HTTP/1.1\r\n" H "\r\n"
                            "GET /hang HTTP/1.1\r\n" H "\r\n",
                            2, 0);
    const char *second = strstr(c->got, "HTTP/1.1 429 ");
    assert_non_null(second);
    assert_true(strstr(c->got, "HTTP/1.1 504 ") < second);
    expect_in(c, "\r\nRetry-After: 1\r\n");
    expect_in(c, "{\"message\":\"Too Many Requests\"}");
}

int main(void) {
    log_threshold = LOG_OFF;
    signal(SIGPIPE, SIG_IGN);
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(node),       T(node_hangs),          T(node_is_not_there), T(python),
        T(concurrent), T(timing_of_the_queue), T(queue_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
