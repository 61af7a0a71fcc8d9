/* Gateway, lambda and the real server over loopback: raw requests of a client in a thread of
 * its own; only DynamoDB is a stand-in. */
#include "unit/lambda/stand_in_dynamodb.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/gateway.h"
#include "lambda/invocation.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

static struct loop loop;
static struct stream_hub hub;
static struct lambda *lambda;
static struct gateway *gateway;
static struct gateway_routes *routes;
static struct server *server;
static struct gateway_stage stage = {.name = "$default"};
static uint16_t port;
static int closed;

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

/* ---- the service ---- */

static void add(const char *key, struct lambda_handler *handler) {
    char reason[160];
    assert_int_equal(gateway_routes_add(routes, slice_cstr(key), handler, reason), 0);
}

static int listen_on_loopback(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    port = ntohs(a.sin_port);
    return fd;
}

static int set_up(void **state) {
    (void)state;
    memset(&fake_db, 0, sizeof(fake_db));
    routes = gateway_routes_new();
    add("POST /music/{id}", &putter);
    add("GET /music/{id}", &putter);
    add("ANY /echo", &echoer);
    add("GET /split", &splitter);
    add("GET /never", &sleeper);
    assert_int_equal(loop_init(&loop), 0);
    stream_hub_init(&hub, &loop);
    lambda = lambda_new(&loop, NULL, &(struct lambda_options){.stage = stage.name});
    gateway = gateway_new(&loop, lambda,
                          &(struct gateway_options){.routes = routes, .stage = &stage});
    server = server_new(&loop, &hub, &server_options_default, &gateway_server_events, gateway);
    assert_non_null(server);
    assert_int_equal(server_listen(server, listen_on_loopback(), NULL), 0);
    return 0;
}

static void on_closed(void *arg) {
    (void)arg;
    closed = 1;
}

static int tear_down(void **state) {
    (void)state;
    closed = 0;
    server_close(server, on_closed, NULL);
    while (!closed) {
        loop_turn(&loop);
    }
    server_free(server);
    gateway_free(gateway);
    assert_int_equal(lambda_in_flight(lambda), 0);
    lambda_free(lambda);
    stream_hub_fini(&hub);
    loop_fini(&loop);
    gateway_routes_free(routes);
    return 0;
}

/* ---- the client ---- */

struct client {
    const char *send;
    size_t expect; /* bytes "HTTP/1.1 " to wait for; 0: close at once */
    char got[65536];
    size_t len;
    atomic_bool done;
};

static size_t count_answers(const char *text) {
    size_t count = 0;
    while ((text = strstr(text, "HTTP/1.1 ")) != NULL) {
        count++;
        text++;
    }
    return count;
}

static void *client_main(void *arg) {
    struct client *c = arg;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {.tv_usec = 300000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    size_t len = strlen(c->send);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
        write(fd, c->send, len) == (ssize_t)len && c->expect > 0) {
        ssize_t n;
        for (int tries = 0; tries < 10;) {
            n = read(fd, c->got + c->len, sizeof(c->got) - 1 - c->len);
            if (n == 0) {
                break;
            }
            tries += n < 0;
            c->len += n > 0 ? (size_t)n : 0;
            c->got[c->len] = '\0';
            /* Heads may come before their bodies: one more quiet wait ends it. */
            if (n < 0 && count_answers(c->got) >= c->expect) {
                break;
            }
        }
    }
    if (c->expect == 0) { /* gone without a word */
        usleep(50000);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    }
    close(fd);
    atomic_store(&c->done, true);
    return NULL;
}

/* Turns the loop until the client is done; `settle` ops as soon as so many wait. */
static struct client *talk(const char *send, size_t expect, size_t settle) {
    static struct client c;
    memset(&c, 0, sizeof(c));
    c.send = send;
    c.expect = expect;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, client_main, &c), 0);
    while (!atomic_load(&c.done)) {
        loop_turn(&loop);
        if (settle > 0 && fake_db.count == settle) {
            for (; settle > 0; settle--) {
                fake_settle(OUTCOME_OK);
            }
        }
        usleep(200);
    }
    pthread_join(thread, NULL);
    return &c;
}

static void expect_in(const struct client *c, const char *part) {
    if (strstr(c->got, part) == NULL) {
        fail_msg("%s is not in\n%s", part, c->got);
    }
}

#define H "Host: x\r\n"

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
    assert_int_equal(counts.abandoned, 1);
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
