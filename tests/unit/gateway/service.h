/* Gateway, lambda and the real server over loopback, and a client of raw requests in a thread
 * of its own; only DynamoDB is a stand-in. One test program includes it once. */
#ifndef UNIT_GATEWAY_SERVICE_H
#define UNIT_GATEWAY_SERVICE_H

#include "support/loopback.h"
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

/* ---- the service ---- */

static void add(const char *key, struct lambda_handler *handler) {
    char reason[160];
    assert_int_equal(gateway_routes_add(routes, slice_cstr(key), handler, reason), 0);
}

static void service_start(void) {
    memset(&fake_db, 0, sizeof(fake_db));
    routes = gateway_routes_new();
    assert_int_equal(loop_init(&loop), 0);
    stream_hub_init(&hub, &loop);
    lambda = lambda_new(&loop, NULL, &(struct lambda_options){.stage = stage.name});
    gateway = gateway_new(&loop, lambda,
                          &(struct gateway_options){.routes = routes, .stage = &stage});
    server = server_new(&loop, &hub, &server_options_default, &gateway_server_events, gateway);
    assert_non_null(server);
    assert_int_equal(server_listen(server, listen_on_loopback(&port), NULL), 0);
}

static void on_closed(void *arg) {
    (void)arg;
    closed = 1;
}

static void service_stop(void) {
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
        for (int tries = 0; tries < 40;) {
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

#endif
