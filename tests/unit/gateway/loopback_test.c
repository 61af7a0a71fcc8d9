/* Gateway, lambda and the real server over loopback. */
#include "unit/gateway/service.h"

/* ---- handlers ---- */

static void on_put(struct penstock_invocation *i, void *arg,
                   const struct penstock_result *result) {
    (void)arg;
    if (result->outcome != PENSTOCK_OK) {
        penstock_respond_outcome(i, result);
        return;
    }
    struct penstock_slice body = penstock_path_parameter(i, "id");
    penstock_respond(i, &(struct penstock_response){.status = 201, .body = body});
}

static void put(struct penstock_invocation *i, void *state) {
    (void)state;
    struct penstock_request r = {.operation = PENSTOCK_PUT_ITEM,
                                 .table = "Music",
                                 .item = penstock_path_parameter(i, "id")};
    if (penstock_dynamodb(i, &r, on_put, NULL) != 0) {
        penstock_respond_message(i, 503, "Service Unavailable", "busy");
    }
}

static void echo(struct penstock_invocation *i, void *state) {
    (void)state;
    const struct penstock_header_field field = {{"X-Method", 8}, penstock_method(i)};
    penstock_respond(i, &(struct penstock_response){.status = 200,
                                                    .content_type = {"text/plain", 10},
                                                    .headers = &field,
                                                    .header_count = 1,
                                                    .body = penstock_body(i)});
}

static void split_header(struct penstock_invocation *i, void *state) {
    (void)state;
    const struct penstock_header_field field = {{"X-A", 3}, {"a\r\nX-B: b", 9}};
    penstock_respond(
        i, &(struct penstock_response){.status = 200, .headers = &field, .header_count = 1});
}

static void never(struct penstock_invocation *i, void *state) {
    (void)i;
    (void)state;
}

static struct lambda_handler putter = {.name = "put", .invoke = put, .writes = 1};
static struct lambda_handler echoer = {.name = "echo", .invoke = echo, .body_bytes = 2000};
static struct lambda_handler splitter = {.name = "split", .invoke = split_header};
static struct lambda_handler sleeper = {.name = "never", .invoke = never, .timeout_ms = 50};

static int set_up(void **state) {
    (void)state;
    service_start();
    add("POST /music/{id}", &putter);
    add("GET /music/{id}", &putter);
    add("ANY /echo", &echoer);
    add("GET /split", &splitter);
    add("GET /never", &sleeper);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    service_stop();
    return 0;
}

/* ---- tests ---- */

static void stored(void **state) {
    (void)state;
    struct client *c = talk("POST /music/one HTTP/1.1\r\n" H "\r\n", 1, 1);
    expect_in(c, "HTTP/1.1 201 Created\r\n");
    expect_in(c, "\r\nContent-Type: application/json\r\n");
    expect_in(c, "x-amzn-requestid: ");
    expect_in(c, "\r\n\r\none");
}

static void refusals(void **state) {
    (void)state;
    expect_in(talk("GET /none HTTP/1.1\r\n" H "\r\n", 1, 0), "{\"message\":\"Not Found\"}");
    struct client *c = talk("DELETE /music/1 HTTP/1.1\r\n" H "\r\n", 1, 0);
    expect_in(c, "HTTP/1.1 405 ");
    expect_in(c, "\r\nAllow: GET, POST\r\n");
    expect_in(c, "{\"message\":\"Method Not Allowed\"}");
    expect_in(talk("GET /a/../b HTTP/1.1\r\n" H "\r\n", 1, 0), "HTTP/1.1 400 ");
    c = talk("GET /split HTTP/1.1\r\n" H "\r\n", 1, 0);
    expect_in(c, "HTTP/1.1 502 ");
    assert_null(strstr(c->got, "X-B"));
    c = talk("GET /never HTTP/1.1\r\n" H "\r\n", 1, 0);
    expect_in(c, "HTTP/1.1 504 ");
    expect_in(c, "{\"message\":\"Endpoint request timed out\"}");
    expect_in(talk("POST /echo HTTP/1.1\r\n" H "Content-Length: 2001\r\n\r\n", 1, 0),
              "HTTP/1.1 413 "); /* the route's own limit */
}

static void full_before_the_body(void **state) {
    (void)state;
    fake_db.busy = 1;
    struct client *c =
        talk("POST /music/1 HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\n", 1, 0);
    expect_in(c, "HTTP/1.1 503 ");
    expect_in(c, "Retry-After: ");
    expect_in(c, "{\"message\":\"Service Unavailable\"}");
    assert_int_equal(fake_db.count, 0);
    struct gateway_counts counts;
    gateway_count(gateway, &counts);
    assert_int_equal(counts.refused_early, 1);
}

static void bodies_and_methods(void **state) {
    (void)state;
    struct client *c = talk("PUT /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                            "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
                            1, 0);
    expect_in(c, "\r\nX-Method: PUT\r\n");
    expect_in(c, "\r\n\r\nhello world");
    c = talk("HEAD /echo HTTP/1.1\r\n" H "\r\n", 1, 0);
    expect_in(c, "HTTP/1.1 200 OK\r\n");
    expect_in(c, "\r\nX-Method: HEAD\r\n");
}

/* Pipelined requests are answered in order, whatever order they end in. */
static void pipelined(void **state) {
    (void)state;
    struct client *c = talk("POST /music/aaa HTTP/1.1\r\n" H "\r\n"
                            "GET /none HTTP/1.1\r\n" H "\r\n"
                            "POST /music/bbb HTTP/1.1\r\n" H "\r\n",
                            3, 2);
    const char *first = strstr(c->got, "\r\n\r\naaa");
    const char *second = strstr(c->got, "Not Found\"}");
    const char *third = strstr(c->got, "\r\n\r\nbbb");
    assert_true(first && second && third && first < second && second < third);
}

/* The client resets the connection: its write is settled all the same, and nobody is answered.
 */
static void client_leaves(void **state) {
    (void)state;
    (void)talk("POST /music/gone HTTP/1.1\r\n" H "\r\n", 0, 0);
    for (int turn = 0; turn < 200 && fake_db.count == 0; turn++) {
        loop_turn(&loop);
        usleep(200);
    }
    assert_int_equal(fake_db.count, 1);
    for (int turn = 0; turn < 50; turn++) {
        loop_turn(&loop);
        usleep(1000);
    }
    struct gateway_counts counts;
    gateway_count(gateway, &counts);
    assert_int_equal(counts.client_left, 1);
    assert_int_equal(lambda_in_flight(lambda), 1);
    fake_settle(OUTCOME_OK);
    assert_int_equal(lambda_in_flight(lambda), 0);
}

int main(void) {
    log_threshold = LOG_OFF;
    signal(SIGPIPE, SIG_IGN);
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(stored),    T(refusals),      T(full_before_the_body), T(bodies_and_methods),
        T(pipelined), T(client_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
