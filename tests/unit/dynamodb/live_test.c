/* The pipeline on a real loop, pool and signer, against an endpoint over plain HTTP that lies,
 * breaks off and stalls as its seed says (a thread per connection, blocking sockets). Then what
 * the callers were told is held against the endpoint's record.
 * PENSTOCK_SEED=n replays one seed's script; threads make no two runs quite alike. */
#include "aws/crc32.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "dynamodb/pipeline.h"
#include "loop/timer.h"
#include "model/json_cursor.h"
#include "support/unit.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define KEYS      64
#define OPS_MAX   40000
#define HEAD_MAX  4096
#define BODY_MAX  (1 << 20)
#define CONNS_MAX 4096

struct odds { /* in thousandths */
    unsigned throttle, unprocessed, server, crc, reset_before, reset_after, cut, stall,
        close_idle;
};

struct endpoint {
    int listener;
    uint16_t port;
    pthread_t acceptor;
    pthread_mutex_t lock; /* guards all below */
    struct rng rng;
    struct odds odds;
    pthread_t threads[CONNS_MAX];
    int fds[CONNS_MAX];
    size_t conns;
    int stopping;
    unsigned last[KEYS]; /* id applied last, per key */
    int out_of_order;
    unsigned short *applied; /* how often, per id */
    size_t requests, ops, late;
};

static struct endpoint *the_endpoint;

static int odds(struct endpoint *e, unsigned thousandths) {
    return rng_below(&e->rng, 1000) < thousandths;
}

/* ---- one connection ---- */

static int read_all(int fd, char *to, size_t len) {
    while (len) {
        ssize_t n = recv(fd, to, len, 0);
        if (n <= 0) {
            return -1;
        }
        to += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Reads byte by byte to the end of the head: slow, but it never reads too far. */
static int read_request(int fd, char *head, char *body, size_t *body_len) {
    size_t len = 0;
    do {
        if (len == HEAD_MAX - 1 || read_all(fd, head + len, 1) != 0) {
            return -1;
        }
        head[++len] = 0;
    } while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0);
    const char *field = strcasestr(head, "\r\ncontent-length:");
    ASSERT(field && strcasestr(head, "\r\nauthorization: AWS4-HMAC-SHA256 "));
    *body_len = (size_t)atol(field + 17);
    ASSERT(*body_len < BODY_MAX);
    return read_all(fd, body, *body_len);
}

static void apply(struct endpoint *e, struct slice item) {
    struct slice k = json_member(json_member(item, SLICE("k")), SLICE("S"));
    struct slice v = json_member(json_member(item, SLICE("v")), SLICE("N"));
    uint64_t key, id;
    ASSERT(slice_to_u64(slice_of(k.ptr + 1, k.len - 2), &key) == 0 && key < KEYS);
    ASSERT(slice_to_u64(slice_of(v.ptr + 1, v.len - 2), &id) == 0 && id < OPS_MAX);
    e->out_of_order += id < e->last[key];
    e->last[key] = (unsigned)id;
    e->applied[id]++;
    e->ops++;
}

/* Applies what is not handed back; the body of the answer into `out`. */
static void serve_batch(struct endpoint *e, struct slice body, struct buffer *out) {
    struct json_cursor tables, requests;
    struct slice table, name, value, request;
    int some = odds(e, e->odds.unprocessed), any = 0;
    int error = buffer_printf(out, "{\"UnprocessedItems\":{");
    ASSERT(json_cursor_open(&tables, json_member(body, SLICE("RequestItems"))) == 0);
    ASSERT(json_cursor_next(&tables, &table, &value) == 0);
    ASSERT(json_cursor_open(&requests, value) == 0);
    while (json_cursor_next(&requests, &name, &request) == 0) {
        if (some && rng_below(&e->rng, 2)) {
            error |= any ? buffer_printf(out, ",")
                         : buffer_printf(out, "\"" SLICE_FMT "\":[", SLICE_ARG(table));
            error |= buffer_append_slice(out, request);
            any = 1;
        } else {
            apply(e, json_member(json_member(request, SLICE("PutRequest")), SLICE("Item")));
        }
    }
    error |= buffer_printf(out, any ? "]}}" : "}}");
    ASSERT(error == 0);
}

static void serve(struct endpoint *e, const char *head, struct slice body, unsigned *status,
                  struct buffer *out) {
    const char *target = strcasestr(head, "\r\nx-amz-target: DynamoDB_20120810.");
    ASSERT(target);
    target += strlen("\r\nx-amz-target: DynamoDB_20120810.");
    e->requests++;
    *status = 200;
    const char *error = NULL;
    if (odds(e, e->odds.throttle)) {
        *status = 400;
        error =
            "{\"__type\":\"a#ProvisionedThroughputExceededException\",\"message\":\"slow\"}";
    } else if (strncmp(target, "BatchWriteItem", 14) == 0) {
        serve_batch(e, body, out);
    } else {
        ASSERT(strncmp(target, "PutItem", 7) == 0);
        apply(e, json_member(body, SLICE("Item")));
        error = "{}";
    }
    if (*status == 200 && odds(e, e->odds.server)) {
        buffer_reset(out, 1 << 20);
        *status = 500;
        error = "{\"__type\":\"a#InternalServerError\",\"message\":\"oops\"}";
    }
    if (error) {
        int failed = buffer_append(out, error, strlen(error));
        ASSERT(failed == 0);
    }
}

static void send_all(int fd, const char *bytes, size_t len) {
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return;
        }
        bytes += n;
        len -= (size_t)n;
    }
}

static void reset(int fd) {
    struct linger now = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

enum end { END_NONE, END_AFTER, END_CUT, END_STALL, END_IDLE };

static enum end choose_end(struct endpoint *e) {
    return odds(e, e->odds.reset_after)  ? END_AFTER
           : odds(e, e->odds.cut)        ? END_CUT
           : odds(e, e->odds.stall)      ? END_STALL
           : odds(e, e->odds.close_idle) ? END_IDLE
                                         : END_NONE;
}

/* The client timed out before this thread got to run. Were the request applied now, it would
 * come after its own repeat, and maybe after the next write of its key: nothing a client does
 * can prevent that, so this endpoint does. */
static int gone(int fd) {
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* One request and its answer. 0 to go on. */
static int converse(struct endpoint *e, int fd, char *head, char *body, struct buffer *out) {
    size_t body_len, head_len;
    unsigned status = 0;
    char text[256];
    if (read_request(fd, head, body, &body_len) != 0) {
        return -1;
    }
    pthread_mutex_lock(&e->lock);
    buffer_reset(out, 1 << 20);
    if (gone(fd)) {
        e->late++;
        pthread_mutex_unlock(&e->lock);
        return -1;
    }
    if (odds(e, e->odds.reset_before)) {
        pthread_mutex_unlock(&e->lock);
        reset(fd);
        return -1;
    }
    serve(e, head, slice_of(body, body_len), &status, out);
    enum end end = choose_end(e);
    uint32_t crc = aws_crc32(buffer_slice(out)) ^ (odds(e, e->odds.crc) ? 4u : 0u);
    pthread_mutex_unlock(&e->lock);
    head_len = (size_t)snprintf(
        text, sizeof text, "HTTP/1.1 %u x\r\nContent-Length: %zu\r\nx-amz-crc32: %u\r\n\r\n",
        status, out->len, crc);
    switch (end) {
    case END_AFTER:
        reset(fd);
        return -1;
    case END_STALL:
        while (recv(fd, text, 1, 0) > 0) { /* until the client gives up */
        }
        return -1;
    case END_CUT:
        send_all(fd, text, head_len);
        send_all(fd, buffer_begin(out), out->len / 2);
        return -1;
    case END_IDLE:
    case END_NONE:
        break;
    }
    send_all(fd, text, head_len);
    send_all(fd, buffer_begin(out), out->len);
    return end == END_IDLE ? -1 : 0;
}

static void *run_conn(void *arg) {
    struct endpoint *e = the_endpoint;
    int fd = *(int *)arg;
    char *head = malloc(HEAD_MAX), *body = malloc(BODY_MAX);
    struct buffer out = {0};
    ASSERT(head && body);
    while (converse(e, fd, head, body, &out) == 0) {
    }
    pthread_mutex_lock(&e->lock);
    close(fd);
    *(int *)arg = -1;
    pthread_mutex_unlock(&e->lock);
    buffer_fini(&out);
    free(head);
    free(body);
    return NULL;
}

static void *run_acceptor(void *arg) {
    struct endpoint *e = arg;
    for (;;) {
        int fd = accept(e->listener, NULL, NULL), on = 1;
        pthread_mutex_lock(&e->lock);
        int stopping = e->stopping;
        if (fd >= 0 && !stopping) {
            ASSERT(e->conns < CONNS_MAX);
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            size_t i = e->conns++;
            e->fds[i] = fd;
            int error = pthread_create(&e->threads[i], NULL, run_conn, &e->fds[i]);
            ASSERT(error == 0);
        }
        pthread_mutex_unlock(&e->lock);
        if (stopping) {
            close(fd);
            return NULL;
        }
    }
}

static void endpoint_start(struct endpoint *e, uint64_t seed, struct odds o) {
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(e, 0, sizeof *e);
    the_endpoint = e;
    e->odds = o;
    rng_seed(&e->rng, seed);
    pthread_mutex_init(&e->lock, NULL);
    e->applied = calloc(OPS_MAX, sizeof *e->applied);
    e->listener = socket(AF_INET, SOCK_STREAM, 0);
    ASSERT(e->applied && e->listener >= 0);
    ASSERT(bind(e->listener, (struct sockaddr *)&a, sizeof a) == 0);
    ASSERT(listen(e->listener, 512) == 0);
    ASSERT(getsockname(e->listener, (struct sockaddr *)&a, &len) == 0);
    e->port = ntohs(a.sin_port);
    ASSERT(pthread_create(&e->acceptor, NULL, run_acceptor, e) == 0);
}

static void endpoint_stop(struct endpoint *e) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(e->port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    pthread_mutex_lock(&e->lock);
    e->stopping = 1;
    for (size_t i = 0; i < e->conns; i++) {
        if (e->fds[i] >= 0) {
            shutdown(e->fds[i], SHUT_RDWR);
        }
    }
    pthread_mutex_unlock(&e->lock);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ASSERT(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    pthread_join(e->acceptor, NULL);
    close(fd);
    for (size_t i = 0; i < e->conns; i++) {
        pthread_join(e->threads[i], NULL);
    }
    close(e->listener);
    pthread_mutex_destroy(&e->lock);
}

/* ---- the callers, on the loop ---- */

struct run;

struct caller {
    struct run *run;
    unsigned id;
    uint64_t start_ns;
};

struct run {
    struct loop loop;
    struct stream_hub hub;
    struct pool *pool;
    struct sigv4_signer *signer;
    struct dynamodb *d;
    struct timer timer;
    struct caller callers[512];
    size_t caller_count, ops, submitted, settled;
    unsigned char outcomes[OPS_MAX]; /* + 1 */
    uint64_t by_outcome[OUTCOME_TIMEOUT + 1], latency_ns;
    int conditionals;
    int closed;
    unsigned conditional_every;
    struct rng rng;
};

static void call(struct caller *c);

static void run_closed(void *arg) {
    struct run *r = arg;
    if (++r->closed == 2) {
        timer_close(&r->timer, NULL);
        loop_stop(&r->loop);
    }
}

static void on_drained(void *arg) {
    struct run *r = arg;
    dynamodb_close(r->d, run_closed, r);
    pool_close(r->pool, run_closed, r);
}

static void on_outcome(void *arg, const struct op_result *result) {
    struct caller *c = arg;
    struct run *r = c->run;
    ASSERT(r->outcomes[c->id] == 0);
    r->outcomes[c->id] = (unsigned char)(result->outcome + 1);
    r->by_outcome[result->outcome]++;
    r->latency_ns += loop_now_ns(&r->loop) - c->start_ns;
    r->settled++;
    if (r->submitted < r->ops) {
        call(c);
    } else if (r->settled == r->ops) {
        dynamodb_drain(r->d, on_drained, r);
    }
}

static void call(struct caller *c) {
    struct run *r = c->run;
    char item[128];
    c->id = (unsigned)r->submitted++;
    c->start_ns = loop_now_ns(&r->loop);
    int len = snprintf(item, sizeof item, "{\"k\":{\"S\":\"%u\"},\"v\":{\"N\":\"%u\"}}",
                       (unsigned)rng_below(&r->rng, KEYS), c->id);
    int conditional = r->conditional_every && c->id % r->conditional_every == 0;
    struct op_request q = {
        .kind = OP_PUT_ITEM,
        .klass = conditional ? OP_CONDITIONAL : OP_IDEMPOTENT,
        .table = SLICE("t"),
        .item = slice_of(item, (size_t)len),
        .extra = conditional ? SLICE(",\"ConditionExpression\":\"x\"") : SLICE_EMPTY,
        .done = on_outcome,
        .arg = c,
    };
    int error = dynamodb_submit(r->d, &q);
    ASSERT(error == 0);
}

static void on_start(struct timer *t) {
    struct run *r = container_of(t, struct run, timer);
    for (size_t i = 0; i < r->caller_count; i++) {
        r->callers[i].run = r;
        call(&r->callers[i]);
    }
}

static const struct model_table tables[] = {
    {.name = "t", .partition = {.name = "k", .name_len = 1, .type = MODEL_KEY_S}}};

struct scene {
    struct odds odds;
    size_t callers, ops, depth, connections;
    unsigned conditional_every;
};

static struct run *run_scene(const struct scene *scene, uint64_t seed, struct endpoint *e) {
    static struct run run;
    struct run *r = &run;
    struct pool_options po = pool_options_default;
    struct dynamodb_options options = dynamodb_options_default;
    memset(r, 0, sizeof *r);
    endpoint_start(e, seed, scene->odds);
    rng_seed(&r->rng, seed);
    r->caller_count = scene->callers;
    r->ops = scene->ops;
    r->conditional_every = scene->conditional_every;
    (void)snprintf(po.host, sizeof po.host, "127.0.0.1");
    po.port = e->port;
    po.warm_connections = seed % 2 ? 0 : 4; /* none: the first op opens one */
    po.max_connections = scene->connections;
    po.pipeline_depth = scene->depth;
    po.response_timeout_ms = 400;
    assert_int_equal(loop_init(&r->loop), 0);
    stream_hub_init(&r->hub, &r->loop);
    r->pool = pool_new(&r->loop, &r->hub, &po);
    r->signer = sigv4_signer_new("localhost", "eu-west-1", "dynamodb");
    sigv4_signer_set_credentials(r->signer, SLICE("AKID"), SLICE("secret"), SLICE_EMPTY);
    r->d = dynamodb_new(&r->loop, r->pool, r->signer, tables, 1, &options);
    timer_init(&r->timer, &r->loop, on_start);
    timer_start(&r->timer, 0);
    loop_run(&r->loop);
    struct dynamodb_counts c;
    dynamodb_count(r->d, &c);
    print_message("seed %3" PRIu64 ": %5zu ops in %5zu requests, mean %4.1f, %.2f ms;", seed,
                  r->ops, e->requests,
                  (double)(c.batched_ops + c.singles) / (double)(c.batches + c.singles),
                  (double)r->latency_ns / (double)r->ops / 1e6);
    for (int i = 0; i <= OUTCOME_TIMEOUT; i++) {
        if (r->by_outcome[i]) {
            print_message(" %s %" PRIu64, op_outcome_name((enum op_outcome)i),
                          r->by_outcome[i]);
        }
    }
    print_message("\n");
    dynamodb_free(r->d);
    pool_free(r->pool);
    stream_hub_fini(&r->hub);
    loop_turn(&r->loop);
    loop_fini(&r->loop);
    sigv4_signer_free(r->signer);
    endpoint_stop(e);
    return r;
}

static void hold_against_the_record(const struct run *r, const struct endpoint *e) {
    for (size_t id = 0; id < r->ops; id++) {
        switch ((enum op_outcome)(r->outcomes[id] - 1)) {
        case OUTCOME_OK:
            assert_true(e->applied[id] >= 1);
            break;
        case OUTCOME_UNKNOWN:
        case OUTCOME_UNKNOWN_TIMEOUT:
            break;
        case OUTCOME_CONDITION_FAILED:
        case OUTCOME_REFUSED:
        case OUTCOME_THROTTLED:
        case OUTCOME_BUSY:
        case OUTCOME_UNAVAILABLE:
        case OUTCOME_DENIED:
        case OUTCOME_TIMEOUT:
            assert_int_equal(e->applied[id], 0);
        }
        if (r->conditional_every && id % r->conditional_every == 0) {
            assert_true(e->applied[id] <= 1);
        }
    }
    assert_int_equal(e->out_of_order, 0);
}

static void fair_weather(void **state) {
    static struct endpoint e;
    static const struct scene scene = {
        .callers = 64, .ops = 20000, .depth = 1, .connections = 16};
    (void)state;
    struct run *r = run_scene(&scene, 1, &e);
    assert_int_equal(r->by_outcome[OUTCOME_OK], r->ops);
    assert_int_equal(e.ops, r->ops);
    hold_against_the_record(r, &e);
    free(e.applied);
}

static void truth_under_fire(void **state) {
    static struct endpoint e;
    static const struct scene scenes[] = {
        {.odds = {.throttle = 20, .unprocessed = 100},
         .callers = 64,
         .ops = 800,
         .depth = 1,
         .connections = 8,
         .conditional_every = 10},
        {.odds = {.server = 50, .crc = 30},
         .callers = 64,
         .ops = 5000,
         .depth = 1,
         .connections = 8,
         .conditional_every = 10},
        {.odds = {.reset_before = 20, .reset_after = 20, .cut = 20, .close_idle = 50},
         .callers = 100,
         .ops = 8000,
         .depth = 1,
         .connections = 32,
         .conditional_every = 7},
        {.odds = {.stall = 5, .reset_after = 10},
         .callers = 100,
         .ops = 4000,
         .depth = 1,
         .connections = 16,
         .conditional_every = 5},
        {.odds = {.server = 20, .reset_before = 10, .cut = 10, .close_idle = 20},
         .callers = 100,
         .ops = 5000,
         .depth = 8,
         .connections = 4,
         .conditional_every = 9},
    };
    uint64_t first = 1, count = 3;
    (void)state;
    if (getenv("PENSTOCK_SEED")) {
        first = strtoull(getenv("PENSTOCK_SEED"), NULL, 10);
        count = 1;
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        for (size_t i = 0; i < COUNT(scenes); i++) {
            struct run *r = run_scene(&scenes[i], seed, &e);
            hold_against_the_record(r, &e);
            assert_true(r->by_outcome[OUTCOME_OK] > r->ops / 4);
            free(e.applied);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fair_weather),
        cmocka_unit_test(truth_under_fire),
    };
    signal(SIGPIPE, SIG_IGN);
    log_threshold = LOG_OFF;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
