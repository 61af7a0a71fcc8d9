/* The Invoke API over loopback, with handlers in C behind it: they answer, hold, or never
 * answer, so that no process is needed. Programs behind it: tests/integration. */
#include "support/loopback.h"
#include "unit/lambda/stand_in_dynamodb.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "lambda/invoke_api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <zlib.h>

#define PATH   "/2015-03-31/functions/"
#define STREAM "/2021-11-15/functions/"

static struct loop loop;
static struct stream_hub hub;
static struct lambda *lambda;
static struct invoke_api *api;
static uint16_t port;
static char answer[65536];
static size_t answer_len;
static FILE *capture;
static int saved_stderr;
static char lines[1 << 20];

/* ---- handlers ---- */

static struct penstock_invocation *held[2000];
static size_t held_count;
static size_t calls;
static char seen[4096];

static void echo(struct penstock_invocation *i, void *state) {
    (void)state;
    struct penstock_slice body = penstock_body(i);
    struct penstock_slice method = penstock_method(i);
    struct penstock_slice path = penstock_path(i);
    struct penstock_slice header = penstock_header(i, "x-a");
    struct penstock_slice query = penstock_query_parameter(i, "q");
    calls++;
    snprintf(seen, sizeof(seen), "%.*s %.*s %.*s %.*s %.*s", (int)method.len, method.ptr,
             (int)path.len, path.ptr, (int)header.len, header.ptr ? header.ptr : "",
             (int)query.len, query.ptr ? query.ptr : "", (int)body.len,
             body.ptr ? body.ptr : "");
    const struct penstock_header_field field = {{"X-B", 3}, {"b\"", 2}};
    penstock_respond(
        i, &(struct penstock_response){
               .status = 201, .headers = &field, .header_count = 1, .body = {"{\"a\":1}", 7}});
}

static void bytes(struct penstock_invocation *i, void *state) {
    (void)state;
    penstock_respond(i,
                     &(struct penstock_response){.status = 200, .body = {"\xff\xfe\x00", 3}});
}

static void cookies(struct penstock_invocation *i, void *state) {
    (void)state;
    const struct penstock_header_field fields[] = {{{"X-A", 3}, {"1", 1}},
                                                   {{"Set-Cookie", 10}, {"a=1", 3}},
                                                   {{"Vary", 4}, {"x", 1}},
                                                   {{"set-cookie", 10}, {"b=2", 3}},
                                                   {{"vary", 4}, {"y", 1}}};
    penstock_respond(i, &(struct penstock_response){
                            .status = 200, .headers = fields, .header_count = COUNT(fields)});
}

static void talk(struct penstock_invocation *i, void *state) {
    penstock_log(i, PENSTOCK_INFO, "first");
    penstock_log(i, PENSTOCK_DEBUG, "unheard");
    for (int k = 0; state != NULL && k < 2000; k++) {
        penstock_log(i, PENSTOCK_WARN, "more");
    }
    penstock_log(i, PENSTOCK_ERROR, "last");
    penstock_respond(i, &(struct penstock_response){.status = 200});
    penstock_log(i, PENSTOCK_INFO, "late");
}

static void hold(struct penstock_invocation *i, void *state) {
    (void)state;
    held[held_count++] = i;
}

static void never(struct penstock_invocation *i, void *state) {
    (void)i;
    (void)state;
    calls++;
}

static const struct lambda_handler handlers[] = {
    {.name = "echo", .invoke = echo},
    {.name = "bytes", .invoke = bytes},
    {.name = "hold", .invoke = hold},
    {.name = "never", .invoke = never, .timeout_ms = 20},
    {.name = "cookies", .invoke = cookies},
    {.name = "talk", .invoke = talk},
    {.name = "flood", .invoke = talk, .state = &port},
};
static const struct invoke_function functions[] = {
    {.name = "echo", .handler = &handlers[0]},    {.name = "bytes", .handler = &handlers[1]},
    {.name = "hold", .handler = &handlers[2]},    {.name = "never", .handler = &handlers[3]},
    {.name = "cookies", .handler = &handlers[4]}, {.name = "talk", .handler = &handlers[5]},
    {.name = "flood", .handler = &handlers[6]},   {.name = "unmade"},
};

/* ---- fixture ---- */

static uint32_t crc(struct slice s) {
    return (uint32_t)crc32_z(0, (const unsigned char *)s.ptr, s.len);
}

static int set_up(void **state) {
    (void)state;
    held_count = calls = 0;
    capture = tmpfile();
    saved_stderr = dup(STDERR_FILENO);
    dup2(fileno(capture), STDERR_FILENO);
    log_threshold = LOG_INFO;
    memset(&fake_db, 0, sizeof(fake_db));
    assert_int_equal(loop_init(&loop), 0);
    stream_hub_init(&hub, &loop);
    lambda = lambda_new(&loop, NULL, &(struct lambda_options){0});
    const struct invoke_options options = {.functions = functions,
                                           .function_count = COUNT(functions),
                                           .lambda = lambda,
                                           .crc = crc,
                                           .region = "eu-west-1",
                                           .retry_ms = 20};
    api = invoke_api_new(&loop, &hub, listen_on_loopback(&port), &options);
    return 0;
}

static void on_closed(void *arg) {
    *(int *)arg = 1;
}

static void turn_until_closed(void) {
    int closed = 0;
    invoke_api_close(api, on_closed, &closed);
    while (!closed) {
        loop_turn(&loop);
    }
}

static int tear_down(void **state) {
    (void)state;
    if (api != NULL) {
        turn_until_closed();
        lambda_expire(lambda);
        invoke_api_free(api);
    }
    lambda_free(lambda);
    stream_hub_fini(&hub);
    loop_fini(&loop);
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    fclose(capture);
    return 0;
}

static size_t logged(const char *text) {
    size_t count = 0;
    rewind(capture);
    lines[fread(lines, 1, sizeof(lines) - 1, capture)] = '\0';
    fseek(capture, 0, SEEK_END);
    for (const char *at = lines; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    return count;
}

static void give_up(const char *what) {
    dup2(saved_stderr, STDERR_FILENO);
    fail_msg("%s\n%s\n%s", what, answer, lines);
}

static void expect(const char *text) {
    if (memmem(answer, answer_len, text, strlen(text)) == NULL) {
        give_up(text);
    }
}

#define TURN_UNTIL(condition)                                                                  \
    do {                                                                                       \
        uint64_t end_ = clock_monotonic_ns() + 20 * NS_PER_S;                                  \
        while (!(condition)) {                                                                 \
            if (clock_monotonic_ns() > end_) {                                                 \
                give_up("never: " #condition);                                                 \
            }                                                                                  \
            loop_turn(&loop);                                                                  \
            usleep(100);                                                                       \
        }                                                                                      \
    } while (0)

/* ---- the client ---- */

static int dial(void) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void send_request(int fd, const char *path, const char *headers, struct slice body) {
    char head[8192];
    int len = snprintf(head, sizeof(head),
                       "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s"
                       "Content-Length: %zu\r\n\r\n",
                       path, headers, body.len);
    assert_int_equal(send(fd, head, (size_t)len, MSG_NOSIGNAL), len);
    while (body.len > 0) {
        ssize_t n = send(fd, body.ptr, body.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) {
            return; /* refused before it was read */
        }
        body = slice_from(body, n > 0 ? (size_t)n : 0);
        loop_turn(&loop);
    }
}

/* 0 at the end, with all of it in `answer`. */
static int receive(int fd) {
    ssize_t n;
    while ((n = recv(fd, answer + answer_len, sizeof(answer) - 1 - answer_len, MSG_DONTWAIT)) >
           0) {
        answer_len += (size_t)n;
    }
    answer[answer_len] = '\0';
    return n < 0 && errno == EAGAIN ? -1 : 0;
}

static void ask(const char *path, const char *headers, struct slice body) {
    int fd = dial();
    answer_len = 0;
    send_request(fd, path, headers, body);
    TURN_UNTIL(receive(fd) == 0);
    close(fd);
}

static void post(const char *path, const char *headers, const char *body) {
    ask(path, headers, slice_cstr(body));
}

static void is(unsigned status) {
    char line[32];
    snprintf(line, sizeof(line), "HTTP/1.1 %u ", status);
    if (strncmp(answer, line, strlen(line)) != 0) {
        give_up(line);
    }
}

/* ---- whole answers ---- */

static void runs_a_handler(void **state) {
    (void)state;
    post(PATH "echo/invocations", "", "{\"any\":\"event\"}");
    is(200);
    assert_string_equal(seen, "POST /   {\"any\":\"event\"}");
    expect("X-Amz-Executed-Version: $LATEST\r\n");
    expect("{\"statusCode\":201,\"headers\":{\"content-type\":\"application/json\","
           "\"X-B\":\"b\\\"\"},\"body\":\"{\\\"a\\\":1}\",\"isBase64Encoded\":false}");
    assert_null(strstr(answer, "X-Amz-Function-Error"));
    post(PATH "echo/invocations", "",
         "{\"version\":\"2.0\",\"rawPath\":\"/a/b\",\"headers\":{\"X-A\":\"1\"},"
         "\"queryStringParameters\":{\"q\":\"z\"},\"body\":\"aGk=\",\"isBase64Encoded\":true,"
         "\"requestContext\":{\"http\":{\"method\":\"PUT\"}}}");
    is(200);
    assert_string_equal(seen, "PUT /a/b 1 z hi");
    post(PATH "echo/invocations", "",
         "{\"version\":\"1.0\",\"path\":\"/c\",\"httpMethod\":\"GET\",\"body\":null,"
         "\"headers\":null,\"queryStringParameters\":null}");
    assert_string_equal(seen, "GET /c   ");
    post(PATH "bytes/invocations", "", "");
    expect("\"body\":\"//4A\",\"isBase64Encoded\":true}");
    post(PATH "echo/invocations", "",
         "{\"rawPath\":\"/\",\"body\":\"?\",\"isBase64Encoded\":true,"
         "\"requestContext\":{\"http\":{\"method\":\"PUT\"}}}");
    expect("X-Amz-Function-Error: Unhandled");
    expect("its body is not base64");
}

/* In the format of the event. */
static void answers_with_cookies(void **state) {
    (void)state;
    post(PATH "cookies/invocations", "", "{}");
    expect("{\"statusCode\":200,\"headers\":{\"X-A\":\"1\",\"Vary\":\"x,y\"},"
           "\"cookies\":[\"a=1\",\"b=2\"],\"body\":\"\",\"isBase64Encoded\":false}");
    post(PATH "cookies/invocations", "",
         "{\"version\":\"1.0\",\"path\":\"/c\",\"httpMethod\":\"GET\"}");
    expect("{\"statusCode\":200,\"headers\":{\"X-A\":\"1\"},"
           "\"multiValueHeaders\":{\"Set-Cookie\":[\"a=1\",\"b=2\"],\"Vary\":[\"x\",\"y\"]},"
           "\"body\":\"\",\"isBase64Encoded\":false}");
}

static void names_and_qualifiers(void **state) {
    (void)state;
    static const char *const good[] = {
        "echo/invocations",
        "echo:$LATEST/invocations",
        "echo%3A%24LATEST/invocations",
        "000000000000:function:echo/invocations",
        "arn:aws:lambda:eu-west-1:000000000000:function:echo:$LATEST/invocations",
        "echo/invocations?Qualifier=%24LATEST"};
    for (size_t k = 0; k < COUNT(good); k++) {
        char path[200];
        snprintf(path, sizeof(path), PATH "%s", good[k]);
        post(path, "", "{}");
        is(200);
    }
    static const struct {
        const char *path, *words;
    } bad[] = {{PATH "nobody/invocations", "function:nobody\""},
               {PATH "echo:12/invocations", "function:echo:12\""},
               {PATH "echo/invocations?Qualifier=live", "function:echo:live\""}};
    for (size_t k = 0; k < COUNT(bad); k++) {
        post(bad[k].path, "", "{}");
        is(404);
        expect("X-Amzn-ErrorType: ResourceNotFoundException\r\n");
        expect("\"Message\":\"Function not found: arn:aws:lambda:eu-west-1:000000000000:");
        expect(bad[k].words);
    }
    assert_int_equal(calls, COUNT(good));
    static const char *const odd[] = {"/", PATH, PATH "echo", "/x/invocations",
                                      STREAM "echo/invocations"};
    for (size_t k = 0; k < COUNT(odd); k++) {
        post(odd[k], "", "{}");
        is(404);
        expect("UnknownOperationException");
    }
}

static void a_function_that_fails_is_200(void **state) {
    (void)state;
    post(PATH "never/invocations", "X-Amz-Log-Type: Tail\r\n", "{}");
    is(200);
    expect("X-Amz-Function-Error: Unhandled\r\n");
    expect("X-Amz-Log-Result: ");
    expect("{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"RequestId: ");
    expect("Error: Task timed out after 0.02 seconds\"}");
    post(PATH "unmade/invocations", "", "{}");
    is(200);
    expect("{\"errorType\":\"Runtime.ExitError\"");
}

static void dry_run(void **state) {
    (void)state;
    post(PATH "echo/invocations", "X-Amz-Invocation-Type: DryRun\r\n", "{}");
    is(204);
    post(PATH "nobody/invocations", "X-Amz-Invocation-Type: DryRun\r\n", "{}");
    is(404);
    assert_int_equal(calls, 0);
}

static const char *tail_of(const char *path) {
    static unsigned char text[8192];
    size_t len;
    post(path, "X-Amz-Log-Type: Tail\r\n", "{}");
    const char *at = strstr(answer, "X-Amz-Log-Result: ");
    assert_non_null(at);
    at += strlen("X-Amz-Log-Result: ");
    assert_int_equal(base64_decode(slice_of(at, (size_t)(strstr(at, "\r\n") - at)), text, &len),
                     0);
    text[len] = '\0';
    return (char *)text;
}

static void log_tail(void **state) {
    (void)state;
    const char *text = tail_of(PATH "echo/invocations");
    assert_int_equal(strncmp(text, "START RequestId: ", 17), 0);
    assert_non_null(strstr(text, "\nEND RequestId: "));
    assert_non_null(strstr(text, "\tDuration: "));
    post(PATH "echo/invocations", "X-Amz-Log-Type: None\r\n", "{}");
    assert_null(strstr(answer, "X-Amz-Log-Result"));
}

/* What a handler in C logs is its part of the tail, as what a program prints is. */
static void log_tail_of_a_handler(void **state) {
    (void)state;
    const char *text = tail_of(PATH "talk/invocations");
    assert_non_null(strstr(text, " Version: $LATEST\nfirst\nlast\nEND RequestId: "));
    assert_null(strstr(text, "late"));
    text = tail_of(PATH "flood/invocations");
    assert_int_equal(strlen(text), 4096);
    assert_non_null(strstr(text, "\nmore\nmore\nlast\nEND RequestId: "));
    assert_null(strstr(text, "first"));
    post(PATH "talk/invocations", "", "{}");
    is(200);
}

static void refusals(void **state) {
    (void)state;
    static const struct {
        const char *headers, *body;
        unsigned status;
        const char *type;
    } cases[] = {
        {"X-Amz-Invocation-Type: Later\r\n", "{}", 400, "InvalidParameterValueException"},
        {"", "{", 400, "InvalidRequestContentException"},
        {"", "{} x", 400, "InvalidRequestContentException"},
        {"X-Amz-Client-Context: ?\r\n", "{}", 400, "InvalidRequestContentException"},
        {"X-Amz-Client-Context: WzFd\r\n", "{}", 400, "InvalidRequestContentException"},
    };
    for (size_t k = 0; k < COUNT(cases); k++) {
        post(PATH "echo/invocations", cases[k].headers, cases[k].body);
        is(cases[k].status);
        expect(cases[k].type);
        expect("{\"Type\":\"User\",\"Message\":\"");
    }
    assert_int_equal(calls, 0);
    post(PATH "echo/invocations", "X-Amz-Client-Context: e30=\r\n", "\"text\"");
    is(200); /* any JSON is an event */
}

static void sizes(void **state) {
    (void)state;
    static const struct {
        size_t len;
        const char *headers;
        unsigned status;
    } cases[] = {
        {6291456, "", 200},
        {6291457, "", 413},
        {1048576, "X-Amz-Invocation-Type: Event\r\n", 202},
        {1048577, "X-Amz-Invocation-Type: Event\r\n", 413},
    };
    char *text = malloc(6291457);
    assert_non_null(text);
    for (size_t k = 0; k < COUNT(cases); k++) {
        memset(text, 'x', cases[k].len);
        text[0] = text[cases[k].len - 1] = '"';
        ask(PATH "bytes/invocations", cases[k].headers, slice_of(text, cases[k].len));
        is(cases[k].status);
        if (cases[k].status == 413) {
            expect("RequestTooLargeException");
        }
    }
    free(text);
}

static void callers_that_leave(void **state) {
    (void)state;
    int fd = dial();
    send_request(fd, PATH "hold/invocations", "", SLICE("{}"));
    TURN_UNTIL(held_count == 1);
    close(fd);
    for (int k = 0; k < 20; k++) {
        loop_turn(&loop);
    }
    assert_int_equal(invoke_api_in_flight(api), 1); /* it runs on */
    penstock_respond(held[0], &(struct penstock_response){.status = 200});
    TURN_UNTIL(invoke_api_in_flight(api) == 0);
}

/* ---- events ---- */

#define EVENT "X-Amz-Invocation-Type: Event\r\n"

static void events_are_answered_first(void **state) {
    (void)state;
    post(PATH "hold/invocations", EVENT, "{}");
    is(202);
    assert_int_equal(held_count, 1);
    assert_int_equal(invoke_api_in_flight(api), 1);
    penstock_respond(held[0], &(struct penstock_response){.status = 500});
    TURN_UNTIL(invoke_api_in_flight(api) == 0); /* an answer is an answer */
    assert_int_equal(logged("invoke_event_dropped"), 0);
}

static void events_are_tried_three_times(void **state) {
    (void)state;
    post(PATH "never/invocations", EVENT, "{}");
    is(202);
    TURN_UNTIL(invoke_api_in_flight(api) == 0);
    assert_int_equal(calls, 3);
    assert_int_equal(logged("invoke_event_dropped"), 1);
    assert_int_equal(logged("\"attempts\":3"), 1);
    post(PATH "unmade/invocations", EVENT, "{}");
    is(202);
    TURN_UNTIL(invoke_api_in_flight(api) == 0);
    assert_int_equal(logged("invoke_event_dropped"), 2);
}

static void events_are_bounded(void **state) {
    (void)state;
    for (size_t k = 0; k < INVOKE_EVENTS_MAX; k++) {
        post(PATH "hold/invocations", EVENT, "{}");
        is(202);
    }
    post(PATH "hold/invocations", EVENT, "{}");
    is(429);
    expect("X-Amzn-ErrorType: TooManyRequestsException\r\n");
    expect("Retry-After: 1\r\n");
    expect("\"Reason\":\"ReservedFunctionConcurrentInvocationLimitExceeded\"");
    post(PATH "echo/invocations", "", "{}");
    is(200); /* who waits is served */
    for (size_t k = 0; k < held_count; k++) {
        penstock_respond(held[k], &(struct penstock_response){.status = 200});
    }
    assert_int_equal(invoke_api_in_flight(api), 0);
    post(PATH "bytes/invocations", EVENT, "{}");
    is(202);
}

static void the_end_drops_events_and_says_so(void **state) {
    (void)state;
    post(PATH "hold/invocations", EVENT, "{}");
    post(PATH "unmade/invocations", EVENT, "{}"); /* waits to be tried again */
    assert_int_equal(invoke_api_in_flight(api), 2);
    turn_until_closed();
    assert_int_equal(logged("\"reason\":\"closing\""), 1);
    lambda_expire(lambda);
    assert_int_equal(logged("\"reason\":\"closing\""), 2);
    assert_int_equal(invoke_api_in_flight(api), 0);
    invoke_api_free(api);
    api = NULL;
}

/* ---- InvokeWithResponseStream ---- */

static size_t u32(const char *at) {
    const unsigned char *b = (const unsigned char *)at;
    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
}

static void streamed(void **state) {
    (void)state;
    post(STREAM "bytes/response-streaming-invocations", "", "{}");
    is(200);
    expect("Content-Type: application/vnd.amazon.eventstream\r\n");
    expect("X-Amz-Executed-Version: $LATEST\r\n");
    expect(":event-type\x07");
    const char *at = memmem(answer, answer_len, "\r\n\r\n", 4);
    assert_non_null(at);
    at = memchr(at + 4, '\n', 20) + 1; /* past the size of the chunk */
    size_t total = u32(at);
    assert_int_equal(crc(slice_of(at, 8)), u32(at + 8));
    assert_int_equal(crc(slice_of(at, total - 4)), u32(at + total - 4));
    size_t headers = u32(at + 4);
    assert_int_equal(strncmp(at + 12 + headers, "{\"statusCode\":200", 17), 0);
    expect("InvokeComplete");
    post(STREAM "never/response-streaming-invocations", "X-Amz-Log-Type: Tail\r\n", "{}");
    is(200);
    expect("{\"ErrorCode\":\"Unhandled\",\"ErrorDetails\":\"{\\\"errorType\\\":\\\"Sandbox."
           "Timedout");
    expect("\"LogResult\":\"");
    post(STREAM "echo/response-streaming-invocations", EVENT, "{}");
    is(400);
    post(STREAM "nobody/response-streaming-invocations", "", "{}");
    is(404);
    post(STREAM "echo/response-streaming-invocations", "X-Amz-Invocation-Type: DryRun\r\n",
         "{}");
    is(204);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(runs_a_handler),
        T(answers_with_cookies),
        T(names_and_qualifiers),
        T(a_function_that_fails_is_200),
        T(dry_run),
        T(log_tail),
        T(log_tail_of_a_handler),
        T(refusals),
        T(sizes),
        T(callers_that_leave),
        T(events_are_answered_first),
        T(events_are_tried_three_times),
        T(events_are_bounded),
        T(the_end_drops_events_and_says_so),
        T(streamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
