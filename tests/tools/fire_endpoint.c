/* A DynamoDB endpoint that fails by script: one thread, deterministic by --seed and the order
 * of arrival. Which faults, and how often, the seed draws from the table below.
 *
 * Happy path: accept -> TLS -> request -> applied to the table -> answered -> the next one.
 * Failure modes are what it is for: see enum fault. It never applies a write after its peer has
 * given the connection up (a repeat may have been applied meanwhile): what a network could do
 * there no client can guard against.
 *
 * Prints its odds at the start, and at SIGTERM how often each fault struck; the record of what
 * was applied goes to --record. SIGUSR1 calms it: no more faults. SIGUSR2 begins or ends a
 * storm that throttles everything. */
#include "aws/crc32.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/slab.h"
#include "fire_table.h"
#include "http/request_parser.h"
#include "loop/timer.h"
#include "net/listener.h"
#include "net/stream.h"
#include "tls/context.h"

#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKLOG       1024
#define STALL_MS      1500 /* longer than the program under test is told to wait */
#define STORM_MAX_MS  300
#define LATENCY_MS    8
#define IDLE_CLOSE_MS 30

#define THROTTLED                                                                              \
    "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException\"," \
    "\"message\":\"The level of configured provisioned throughput was exceeded\""
#define KEY_RANGE                                                                              \
    "{\"reason\":\"TableWriteKeyRangeThroughputExceeded\",\"resource\":\"arn:aws:dynamodb\"}"

/* How a request goes. `applies`: what becomes of the write. */
enum fault {
    THROTTLE, /* ProvisionedThroughputExceededException */
    THROTTLE_RANGE /* ... with ThrottlingReasons of a hot key range */,
    UNPROCESSED,   /* of a batch: some are handed back */
    ERROR_500,     /* applied or not */
    ERROR_503,     /* applied or not */
    WRONG_CRC,     /* applied or not, the answer spoilt */
    RESET_BEFORE,  /* of the connection, nothing applied */
    RESET_AFTER,   /* applied, not answered */
    CUT,           /* applied, half of the answer, end */
    STALL,         /* applied or not, answered too late */
    STALL_FOREVER, /* applied or not, never answered */
    IDLE_CLOSE,    /* applied, answered, closed while idle soon after */
    STORM,         /* the table throttles all for a while */
    REQUEST_FAULTS,
    /* Of a connection: */
    REFUSE = REQUEST_FAULTS, /* closed at once */
    NO_HANDSHAKE,            /* accepted, and silent */
    FAULTS,
};

static const struct {
    const char *name;
    unsigned usual; /* in 10,000ths of the requests, or connections */
} faults[FAULTS] = {
    [THROTTLE] = {"throttle", 40},
    [THROTTLE_RANGE] = {"throttle_range", 40},
    [UNPROCESSED] = {"unprocessed", 500},
    [ERROR_500] = {"error_500", 80},
    [ERROR_503] = {"error_503", 40},
    [WRONG_CRC] = {"wrong_crc", 60},
    [RESET_BEFORE] = {"reset_before", 60},
    [RESET_AFTER] = {"reset_after", 60},
    [CUT] = {"cut", 60},
    [STALL] = {"stall", 15},
    [STALL_FOREVER] = {"stall_forever", 10},
    [IDLE_CLOSE] = {"idle_close", 300},
    [STORM] = {"storm", 2},
    [REFUSE] = {"refuse", 500},
    [NO_HANDSHAKE] = {"no_handshake", 100},
};

struct endpoint {
    struct loop loop;
    struct stream_hub hub;
    struct listener listener;
    struct tls_context *tls;
    struct fire_table table;
    struct rng rng;
    struct slab connections;
    struct list open;
    uv_signal_t stop_signal, calm_signal, storm_signal;
    const char *record;
    unsigned odds[FAULTS];
    uint64_t struck[FAULTS];
    uint64_t requests, abandoned, storm_until_ns;
};

struct connection {
    struct stream stream;
    struct list_node node;
    struct timer timer;
    struct http_request_parser *parser;
    struct buffer in;
    struct buffer late; /* an answer that is due when the timer fires */
    uint8_t waiting;    /* for the timer, or for ever: nothing is read on */
    uint8_t then_close; /* once the queue is out */
    uint8_t then_reset; /* ... hard */
    uint8_t idle_close; /* the timer closes it, unless a request comes first */
    uint8_t handles;    /* stream, timer: freed after the last */
    int fd;
};

static struct endpoint e;

static struct connection *connection_of(struct stream *s) {
    return container_of(s, struct connection, stream);
}

/* ---- odds ---- */

/* Each seed has its own mix: some faults absent, some three times as frequent. */
static void draw_odds(unsigned percent) {
    static const unsigned factors[] = {0, 50, 100, 100, 200, 300};
    printf("fire_endpoint: odds in 10,000ths:");
    for (int i = 0; i < FAULTS; i++) {
        unsigned factor = factors[rng_below(&e.rng, sizeof factors / sizeof factors[0])];
        e.odds[i] = faults[i].usual * factor / 100 * percent / 100;
        printf(" %s=%u", faults[i].name, e.odds[i]);
    }
    printf("\n");
}

static int strikes(enum fault f) {
    int hit = rng_below(&e.rng, 10000) < e.odds[f];
    e.struck[f] += (uint64_t)hit;
    return hit;
}

static enum fault draw_fault(void) {
    for (enum fault f = 0; f < REQUEST_FAULTS; f++) {
        if (f != UNPROCESSED && strikes(f)) {
            return f;
        }
    }
    return REQUEST_FAULTS; /* none */
}

static int coin(void) {
    return (int)rng_below(&e.rng, 2);
}

/* ---- connections ---- */

static void on_timer_closed(struct timer *t);

static void release(struct connection *c) {
    if (--c->handles == 0) {
        http_request_parser_free(c->parser);
        buffer_fini(&c->in);
        buffer_fini(&c->late);
        list_remove(&c->node);
        slab_release(&e.connections, c);
    }
}

static void on_timer_closed(struct timer *t) {
    release(container_of(t, struct connection, timer));
}

static void on_close(struct stream *s) {
    struct connection *c = connection_of(s);
    timer_close(&c->timer, on_timer_closed);
    release(c);
}

/* What is still unread, or SO_LINGER of zero, makes the kernel send RST. */
static void reset(struct connection *c) {
    struct linger hard = {1, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    stream_close(&c->stream);
}

static void end(struct connection *c) {
    if (rng_below(&e.rng, 2)) {
        reset(c);
    } else {
        stream_close(&c->stream);
    }
}

/* ---- answers ---- */

static void write_answer(struct buffer *out, unsigned status, struct slice body, int spoilt) {
    int error = buffer_printf(
        out,
        "HTTP/1.1 %u %s\r\nServer: fire\r\nDate: %s\r\nContent-Type: application/x-amz-json-1.0"
        "\r\nContent-Length: %zu\r\nConnection: keep-alive\r\nx-amzn-RequestId: F\r\n"
        "x-amz-crc32: %u\r\n\r\n" SLICE_FMT,
        status, http_status_reason(status), loop_http_date(&e.loop), body.len,
        aws_crc32(body) ^ (spoilt ? 0x10u : 0), SLICE_ARG(body));
    ASSERT(!error);
}

static void wait_for_timer(struct connection *c, uint64_t ms) {
    c->waiting = 1;
    timer_start(&c->timer, ms);
}

static void send_late(struct connection *c) {
    if (stream_write(&c->stream, buffer_slice(&c->late))) {
        stream_close(&c->stream);
    }
    buffer_reset(&c->late, SIZE_MAX);
}

static void send_half(struct connection *c) {
    c->late.len /= 2;
    c->waiting = 1;
    c->then_close = 1;
    c->then_reset = (uint8_t)rng_below(&e.rng, 2);
    send_late(c);
}

static void refuse(struct connection *c, enum fault f) {
    struct slice body = f == THROTTLE_RANGE
                            ? SLICE(THROTTLED ",\"ThrottlingReasons\":[" KEY_RANGE "]}")
                            : SLICE(THROTTLED "}");
    write_answer(&c->late, 400, body, 0);
}

static struct slice failure(enum fault f) {
    return f == ERROR_503
               ? SLICE("{\"__type\":\"ServiceUnavailable\",\"message\":\"unavailable\"}")
               : SLICE("{\"__type\":\"com.amazonaws.dynamodb.v20120810#InternalServerError\","
                       "\"message\":\"Internal server error\"}");
}

/* The true answer, or a 500 when nothing was applied. */
static void write_outcome(struct connection *c, struct slice operation, struct slice body,
                          int applies, int spoilt) {
    if (applies) {
        unsigned status =
            fire_table_run(&e.table, operation, body, e.odds[UNPROCESSED] / 10, &e.rng);
        write_answer(&c->late, status, buffer_slice(&e.table.answer), spoilt);
    } else if (spoilt) {
        write_answer(&c->late, 200, SLICE("{}"), 1);
    } else {
        write_answer(&c->late, 500, failure(ERROR_500), 0);
    }
}

static void fail(struct connection *c, enum fault f, struct slice operation,
                 struct slice body) {
    if (coin()) {
        (void)fire_table_run(&e.table, operation, body, 0, &e.rng);
    }
    write_answer(&c->late, f == ERROR_503 ? 503 : 500, failure(f), 0);
}

/* A third of the answers take their time, so that they overtake each other. */
static void send_usual(struct connection *c) {
    if (rng_below(&e.rng, 3) == 0) {
        wait_for_timer(c, 1 + rng_below(&e.rng, LATENCY_MS));
    } else {
        send_late(c);
    }
}

static void strike(struct connection *c, enum fault f, struct slice operation,
                   struct slice body) {
    switch (f) {
    case STORM:
        e.storm_until_ns = loop_now_ns(&e.loop) + rng_below(&e.rng, STORM_MAX_MS) * NS_PER_MS;
        refuse(c, THROTTLE);
        send_usual(c);
        break;
    case THROTTLE:
    case THROTTLE_RANGE:
        refuse(c, f);
        send_usual(c);
        break;
    case ERROR_500:
    case ERROR_503:
        fail(c, f, operation, body);
        send_usual(c);
        break;
    case WRONG_CRC:
        write_outcome(c, operation, body, coin(), 1);
        send_usual(c);
        break;
    case RESET_BEFORE:
        end(c);
        break;
    case RESET_AFTER:
        write_outcome(c, operation, body, 1, 0);
        end(c);
        break;
    case CUT:
        write_outcome(c, operation, body, 1, 0);
        send_half(c);
        break;
    case STALL:
        write_outcome(c, operation, body, coin(), 0);
        wait_for_timer(c, STALL_MS);
        break;
    case STALL_FOREVER:
        write_outcome(c, operation, body, coin(), 0);
        c->waiting = 1;
        break;
    case IDLE_CLOSE:
        write_outcome(c, operation, body, 1, 0);
        send_late(c);
        c->idle_close = 1;
        timer_start(&c->timer, rng_below(&e.rng, IDLE_CLOSE_MS));
        break;
    default:
        write_outcome(c, operation, body, 1, 0);
        send_usual(c);
        break;
    }
}

/* The peer has closed, or reset, and has no use for the answer. */
static int is_abandoned(const struct connection *c) {
    struct tcp_info info;
    socklen_t len = sizeof info;
    return getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) ||
           info.tcpi_state != TCP_ESTABLISHED;
}

static void on_request(struct connection *c) {
    const struct http_request *r = http_request_parser_request(c->parser);
    struct slice operation;
    (void)slice_split(http_header_value(&r->headers, SLICE("x-amz-target")), '.', &operation);
    e.requests++;
    if (is_abandoned(c)) {
        e.abandoned++;
        stream_close(&c->stream);
        return;
    }
    c->idle_close = 0;
    timer_stop(&c->timer);
    if (slice_eq(operation, SLICE("DescribeTable"))) {
        write_outcome(c, operation, r->body, 1, 0);
        send_late(c);
    } else if (loop_now_ns(&e.loop) < e.storm_until_ns) {
        refuse(c, THROTTLE);
        send_usual(c);
    } else {
        strike(c, draw_fault(), operation, r->body);
    }
}

/* ---- reading ---- */

static void read_on(struct connection *c) {
    while (!c->waiting && !stream_closing(&c->stream)) {
        size_t used;
        struct slice in = buffer_slice(&c->in);
        enum http_parse_result result =
            http_request_parser_feed(c->parser, buffer_begin(&c->in), in.len, &used);
        ASSERT(result != HTTP_PARSE_ERROR);
        if (result == HTTP_PARSE_DONE) {
            on_request(c);
            http_request_parser_next(c->parser);
        }
        buffer_consume(&c->in, used);
        if (result == HTTP_PARSE_MORE || (result == HTTP_PARSE_DONE && c->in.len == 0)) {
            return;
        }
    }
}

static void on_data(struct stream *s, char *data, size_t len) {
    struct connection *c = connection_of(s);
    int error = buffer_append(&c->in, data, len);
    ASSERT(!error);
    read_on(c);
}

static void on_fire(struct timer *t) {
    struct connection *c = container_of(t, struct connection, timer);
    if (c->idle_close) {
        end(c);
        return;
    }
    send_late(c);
    c->waiting = 0;
    read_on(c);
}

static void on_open(struct stream *s, int error) {
    if (error) {
        stream_close(s);
    }
}

static void on_end(struct stream *s, int error) {
    (void)error;
    stream_close(s);
}

static void on_drain(struct stream *s) {
    struct connection *c = connection_of(s);
    if (c->then_close && c->then_reset) {
        reset(c);
    } else if (c->then_close) {
        stream_close(s);
    }
}

static const struct stream_events events = {on_open, on_data, on_end, on_drain, on_close};

/* Accepted and never read from; closed long after the peer has given up. */
static int stays_silent(int fd) {
    static int silent[256];
    static size_t next;
    if (!strikes(NO_HANDSHAKE)) {
        return 0;
    }
    if (silent[next]) {
        close(silent[next]);
    }
    silent[next] = fd;
    next = (next + 1) % (sizeof silent / sizeof silent[0]);
    return 1;
}

static void on_accept(struct listener *l, int fd) {
    (void)l;
    if (strikes(REFUSE)) {
        close(fd);
        return;
    }
    if (stays_silent(fd)) {
        return;
    }
    struct connection *c = slab_acquire(&e.connections);
    memset(c, 0, sizeof *c);
    c->parser = http_request_parser_new(&http_limits_default);
    ASSERT(c->parser);
    c->fd = fd;
    c->handles = 2;
    list_push_back(&e.open, &c->node);
    timer_init(&c->timer, &e.loop, on_fire);
    stream_init(&c->stream, &e.hub, &events);
    struct stream_tls tls = {.context = e.tls};
    if (stream_accept(&c->stream, fd, e.tls ? &tls : NULL)) {
        stream_close(&c->stream);
    }
}

/* ---- start and end ---- */

static void report(void) {
    printf("fire_endpoint: %llu requests, %zu writes applied, %llu abandoned by their sender; "
           "struck:",
           (unsigned long long)e.requests, e.table.count, (unsigned long long)e.abandoned);
    for (int i = 0; i < FAULTS; i++) {
        printf(" %s=%llu", faults[i].name, (unsigned long long)e.struck[i]);
    }
    printf("\n");
    if (e.record) {
        FILE *out = fopen(e.record, "w");
        ASSERT(out);
        fire_table_dump(&e.table, out);
        int failed = fclose(out);
        ASSERT(!failed);
    }
}

static void on_stop(uv_signal_t *signal, int number) {
    (void)signal;
    (void)number;
    loop_stop(&e.loop);
}

static void on_calm(uv_signal_t *signal, int number) {
    (void)signal;
    (void)number;
    memset(e.odds, 0, sizeof e.odds);
    e.storm_until_ns = 0;
}

static void on_storm(uv_signal_t *signal, int number) {
    (void)signal;
    (void)number;
    e.storm_until_ns = e.storm_until_ns == UINT64_MAX ? 0 : UINT64_MAX;
}

static int wrong(const char *argument) {
    fprintf(stderr,
            "usage: fire_endpoint --listen ADDRESS:PORT [--certificate FILE --key FILE]\n"
            "                     [--seed N] [--percent N] [--record FILE]\n"
            "fire_endpoint: not understood: %s\n",
            argument);
    return 2;
}

struct options {
    struct net_address listen;
    const char *certificate, *key;
    uint64_t seed, percent;
};

static int parse(int argc, char **argv, struct options *o) {
    *o = (struct options){.seed = 1, .percent = 100};
    for (int i = 1; i + 1 < argc; i += 2) {
        struct slice name = slice_cstr(argv[i]), value = slice_cstr(argv[i + 1]);
        int error = 0;
        if (slice_eq(name, SLICE("--listen"))) {
            error = net_address_parse(value, &o->listen);
        } else if (slice_eq(name, SLICE("--certificate"))) {
            o->certificate = value.ptr;
        } else if (slice_eq(name, SLICE("--key"))) {
            o->key = value.ptr;
        } else if (slice_eq(name, SLICE("--seed"))) {
            error = slice_to_u64(value, &o->seed);
        } else if (slice_eq(name, SLICE("--percent"))) {
            error = slice_to_u64(value, &o->percent);
        } else if (slice_eq(name, SLICE("--record"))) {
            e.record = value.ptr;
        } else {
            error = ERR_INVALID;
        }
        if (error) {
            return wrong(argv[i]);
        }
    }
    return o->listen.len && argc % 2 ? 0 : wrong("the arguments");
}

static int start(const struct options *o) {
    char reason[TLS_REASON_MAX];
    int fd;
    if (o->certificate && tls_server_context_new(&e.tls, o->certificate, o->key, reason)) {
        fprintf(stderr, "fire_endpoint: %s\n", reason);
        return 1;
    }
    if (listener_open_fd(&o->listen, BACKLOG, 0, &fd, reason)) {
        fprintf(stderr, "fire_endpoint: %s\n", reason);
        return 1;
    }
    if (loop_init(&e.loop)) {
        return 1;
    }
    rng_seed(&e.rng, o->seed);
    draw_odds((unsigned)o->percent);
    fire_table_init(&e.table);
    slab_init(&e.connections, "connection", sizeof(struct connection), 0);
    list_init(&e.open);
    stream_hub_init(&e.hub, &e.loop);
    uv_signal_init(&e.loop.uv, &e.stop_signal);
    uv_signal_init(&e.loop.uv, &e.calm_signal);
    uv_signal_init(&e.loop.uv, &e.storm_signal);
    uv_signal_start(&e.storm_signal, on_storm, SIGUSR2);
    uv_signal_start(&e.stop_signal, on_stop, SIGTERM);
    uv_signal_start(&e.calm_signal, on_calm, SIGUSR1);
    return listener_start(&e.listener, &e.loop, fd, on_accept, &e) ? 1 : 0;
}

static void finish(void) {
    listener_close(&e.listener, NULL);
    LIST_FOR_EACH (node, &e.open) {
        stream_close(&container_of(node, struct connection, node)->stream);
    }
    uv_close((uv_handle_t *)&e.stop_signal, NULL);
    uv_close((uv_handle_t *)&e.calm_signal, NULL);
    uv_close((uv_handle_t *)&e.storm_signal, NULL);
    loop_run(&e.loop);
    stream_hub_fini(&e.hub);
    loop_fini(&e.loop);
    slab_fini(&e.connections);
    fire_table_fini(&e.table);
    if (e.tls) {
        tls_context_free(e.tls);
    }
}

int main(int argc, char **argv) {
    struct options o;
    int code = parse(argc, argv, &o);
    log_threshold = LOG_ERROR;
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    tls_global_init();
    code = code ? code : start(&o);
    if (code) {
        return code;
    }
    loop_run(&e.loop);
    report();
    finish();
    return 0;
}
