/* Many HTTP clients in one thread that write as fast as they are answered, pipelined or not,
 * and take down what they were told.
 *
 * Happy path: connect -> requests up to the connection's depth -> an answer frees a place ->
 * ... -> --ops reached and all answered -> the record is written to --record.
 * Failure modes: some leave before they are answered (--leave), their operations are "gone". A
 * server that closes without having said so has "dropped" them, one that says nothing to
 * anyone for PATIENCE_MS is "silent"; surplus bytes are counted as "surplus". After
 * --term-after operations SIGTERM goes to --term-pid, and from then on connections may end. */
#include "base/error.h"
#include "base/log.h"
#include "base/slab.h"
#include "fire_work.h"
#include "http/response_parser.h"
#include "loop/timer.h"
#include "net/stream.h"

#include <signal.h>
#include <stdlib.h>

#define DEPTH_MAX    32
#define HEAD_MAX     16384
#define BODY_MAX     (1u << 20)
#define PATIENCE_MS  35000 /* longer than any request may take */
#define RECONNECT_MS 20
#define REFUSED_MS   200 /* rest after a refusal */

struct connection {
    struct stream stream;
    struct timer pause;
    struct http_response_parser *parser;
    struct fire_writer writer;
    struct fire_request asked[DEPTH_MAX]; /* a ring */
    unsigned first, count, depth;
    unsigned room; /* of the depth: halved by a refusal, won back answer by answer */
    uint8_t open, closing, closed, leaving, last, resting, over;
};

struct options {
    struct net_address connect;
    uint64_t connections, ops, seed, leave, term_pid, term_after;
    const char *record;
};

struct clients {
    struct loop loop;
    struct stream_hub hub;
    struct timer patience;
    struct options options;
    struct fire_work work;
    struct rng rng;
    struct connection *connections;
    struct buffer out;
    size_t over;
    uint64_t answers, left, surplus, bad_http;
    uint64_t answers_seen; /* when last looked at */
    int terminating;
};

static struct clients f;

static void open_connection(struct connection *c);

static struct connection *connection_of(struct stream *s) {
    return container_of(s, struct connection, stream);
}

/* ---- the end ---- */

static void maybe_finish(struct connection *c) {
    if (!c->over) {
        c->over = 1;
        if (++f.over == f.options.connections) {
            loop_stop(&f.loop);
        }
    }
}

static int has_work(void) {
    return f.work.count < f.work.limit;
}

static void terminate_in_time(void) {
    if (f.options.term_pid && !f.terminating && f.work.count > f.options.term_after) {
        f.terminating = 1;
        kill((pid_t)f.options.term_pid, SIGTERM);
    }
}

static void abandon_asked(struct connection *c, enum fire_status why) {
    for (; c->count; c->count--) {
        fire_work_ended(&f.work, &c->asked[c->first], why);
        c->first = (c->first + 1) % DEPTH_MAX;
    }
}

static void close_connection(struct connection *c, enum fire_status why) {
    if (!c->closing) {
        c->closing = 1;
        abandon_asked(c, f.terminating ? FIRE_GONE : why);
        stream_close(&c->stream);
    }
}

/* ---- asking ---- */

static void ask(struct connection *c) {
    buffer_reset(&f.out, SIZE_MAX);
    c->asked[(c->first + c->count++) % DEPTH_MAX] =
        fire_writer_next(&c->writer, &f.work, &f.out);
    int error = stream_write(&c->stream, buffer_slice(&f.out));
    (void)error; /* on_end tells, too */
    if (rng_below(&f.rng, 10000) < f.options.leave) {
        c->leaving = 1;
        f.left++;
    }
    terminate_in_time();
}

static void ask_on(struct connection *c) {
    while (c->open && !c->closing && !c->leaving && !c->last && !c->resting &&
           c->count < c->room && has_work()) {
        ask(c);
    }
    if (c->count == 0 && !has_work() && !c->closing) {
        close_connection(c, FIRE_GONE);
    }
}

/* ---- being answered ---- */

static void on_response(struct connection *c) {
    const struct http_response *r = http_response_parser_response(c->parser);
    const struct fire_request *asked = &c->asked[c->first];
    int unknown =
        slice_eq(http_header_value(&r->headers, SLICE("x-penstock-outcome")), SLICE("unknown"));
    fire_work_answered(&f.work, asked, r->status, unknown, r->body);
    c->first = (c->first + 1) % DEPTH_MAX;
    c->count--;
    c->last = !r->keep_alive;
    if (r->status != 503 && r->status != 429) {
        c->room += c->room < c->depth && rng_below(&f.rng, 8) == 0;
    } else if (!c->resting) {
        c->resting = 1;
        c->room = c->room > 1 ? c->room / 2 : 1;
        timer_start(&c->pause, REFUSED_MS + rng_below(&f.rng, REFUSED_MS));
    }
    f.answers++;
}

static void expect(struct connection *c) {
    const struct fire_op *op = &f.work.ops[c->asked[c->first].first];
    http_response_parser_expect(c->parser, op->kind == 'G'   ? HTTP_GET_
                                           : op->kind == 'D' ? HTTP_DELETE_
                                                             : HTTP_POST_);
}

static void on_data(struct stream *s, char *data, size_t len) {
    struct connection *c = connection_of(s);
    while (len > 0 && !c->closing && !c->last) {
        size_t used;
        if (c->count == 0) {
            f.surplus++;
            close_connection(c, FIRE_DROPPED);
            return;
        }
        expect(c);
        enum http_parse_result result = http_response_parser_feed(c->parser, data, len, &used);
        data += used;
        len -= used;
        if (result == HTTP_PARSE_ERROR) {
            f.bad_http++;
            close_connection(c, FIRE_DROPPED);
        } else if (result == HTTP_PARSE_DONE) {
            on_response(c);
            http_response_parser_next(c->parser);
        }
    }
    if (c->last) { /* it has said that it does not look at the others */
        close_connection(c, FIRE_GONE);
    }
    ask_on(c);
}

/* ---- connections ---- */

static void on_pause(struct timer *t) {
    struct connection *c = container_of(t, struct connection, pause);
    c->resting = 0;
    if (c->closed) {
        open_connection(c);
    } else {
        ask_on(c);
    }
}

static void on_open(struct stream *s, int error) {
    struct connection *c = connection_of(s);
    c->open = !error;
    if (error) {
        close_connection(c, FIRE_GONE);
    } else {
        ask_on(c);
    }
}

static void on_end(struct stream *s, int error) {
    (void)error;
    close_connection(connection_of(s), FIRE_DROPPED);
}

/* What was asked is out. */
static void on_drain(struct stream *s) {
    struct connection *c = connection_of(s);
    if (c->leaving) {
        close_connection(c, FIRE_GONE);
    }
}

static void on_close(struct stream *s) {
    struct connection *c = connection_of(s);
    http_response_parser_free(c->parser);
    c->closed = 1;
    if (!has_work() || (f.terminating && !c->open)) {
        timer_stop(&c->pause);
        maybe_finish(c);
        return;
    }
    fire_writer_renew(&c->writer);
    timer_start(&c->pause, c->resting ? REFUSED_MS : c->open ? 0 : RECONNECT_MS);
}

static const struct stream_events events = {on_open, on_data, on_end, on_drain, on_close};

static void open_connection(struct connection *c) {
    c->open = c->closing = c->leaving = c->last = c->closed = 0;
    c->parser = http_response_parser_new(HEAD_MAX, BODY_MAX);
    ASSERT(c->parser);
    stream_init(&c->stream, &f.hub, &events);
    if (stream_connect(&c->stream, &f.options.connect, NULL)) {
        close_connection(c, FIRE_GONE);
    }
}

/* ---- start ---- */

static void on_patience(struct timer *t) {
    if (f.answers != f.answers_seen) {
        f.answers_seen = f.answers;
        timer_start(t, PATIENCE_MS);
        return;
    }
    fprintf(stderr, "fire_clients: no answer for %d ms\n", PATIENCE_MS);
    loop_stop(&f.loop);
}

static int wrong(const char *argument) {
    fprintf(stderr,
            "usage: fire_clients --connect ADDRESS:PORT --record FILE [--connections N]\n"
            "                    [--ops N] [--seed N] [--leave N in 10,000 requests]\n"
            "                    [--term-pid PID --term-after OPS]\n"
            "fire_clients: not understood: %s\n",
            argument);
    return 2;
}

static int parse(int argc, char **argv, struct options *o) {
    const struct {
        const char *name;
        uint64_t *number;
    } numbers[] = {
        {"--connections", &o->connections},
        {"--ops", &o->ops},
        {"--seed", &o->seed},
        {"--leave", &o->leave},
        {"--term-pid", &o->term_pid},
        {"--term-after", &o->term_after},
    };
    *o = (struct options){.connections = 32, .ops = 10000, .seed = 1, .leave = 5};
    for (int i = 1; i + 1 < argc; i += 2) {
        struct slice name = slice_cstr(argv[i]), value = slice_cstr(argv[i + 1]);
        int error = ERR_INVALID;
        if (slice_eq(name, SLICE("--connect"))) {
            error = net_address_parse(value, &o->connect);
        } else if (slice_eq(name, SLICE("--record"))) {
            o->record = value.ptr;
            error = 0;
        }
        for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++) {
            if (slice_eq(name, slice_cstr(numbers[k].name))) {
                error = slice_to_u64(value, numbers[k].number);
            }
        }
        if (error) {
            return wrong(argv[i]);
        }
    }
    return o->connect.len && o->record && o->connections && argc % 2 ? 0
                                                                     : wrong("the arguments");
}

static int start(void) {
    static const unsigned depths[] = {1, 1, 2, 4, 16, DEPTH_MAX};
    if (loop_init(&f.loop)) {
        return 1;
    }
    stream_hub_init(&f.hub, &f.loop);
    rng_seed(&f.rng, f.options.seed);
    fire_work_init(&f.work, f.options.ops);
    timer_init(&f.patience, &f.loop, on_patience);
    f.connections = calloc(f.options.connections, sizeof *f.connections);
    ASSERT(f.connections);
    for (size_t i = 0; i < f.options.connections; i++) {
        struct connection *c = &f.connections[i];
        c->depth = depths[rng_below(&f.rng, sizeof depths / sizeof depths[0])];
        c->room = c->depth;
        fire_writer_init(&c->writer, (unsigned)i, rng_u64(&f.rng));
        timer_init(&c->pause, &f.loop, on_pause);
        open_connection(c);
    }
    return 0;
}

static int record(void) {
    FILE *out = fopen(f.options.record, "w");
    if (!out) {
        return 1;
    }
    fire_work_dump(&f.work, out);
    return fclose(out) ? 1 : 0;
}

int main(int argc, char **argv) {
    int code = parse(argc, argv, &f.options);
    log_threshold = LOG_ERROR;
    signal(SIGPIPE, SIG_IGN);
    code = code ? code : start();
    if (code) {
        return code;
    }
    timer_start(&f.patience, PATIENCE_MS);
    loop_run(&f.loop);
    printf(
        "fire_clients: %zu operations, %llu left early, surplus answers %llu, broken answers "
        "%llu\n",
        f.work.count - 1, (unsigned long long)f.left, (unsigned long long)f.surplus,
        (unsigned long long)f.bad_http);
    return record() || f.surplus || f.bad_http || f.over != f.options.connections;
}
