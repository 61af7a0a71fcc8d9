/* A world for the pipeline, with virtual time: an event queue, clients, connections that fail
 * in every way, and an endpoint that keeps a record of what it applied. Everything follows from
 * one seed. Included by the tests, each its own program; hence all static.
 *
 * What is checked here, whatever the schedule:
 * - each accepted op has exactly one outcome, and it is true: OK is in the record, a refusal is
 *   not, UNKNOWN only where an attempt could have happened, a condition is never asked twice
 *   after that;
 * - the record of a key is in the order its writes were accepted, with never two of them in
 *   flight, let alone in one request; reads stand in the same line;
 * - only the guilty op of a refused batch is refused;
 * - the pipeline's counts agree with its lists, counted the slow way every few turns. */
#ifndef UNIT_DYNAMODB_WORLD_H
#define UNIT_DYNAMODB_WORLD_H

#include "aws/crc32.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/histogram.h"
#include "base/log.h"
#include "dynamodb/key_line.h"
#include "dynamodb/pipeline.h"
#include "model/json_cursor.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RESPONSE_TIMEOUT_NS (5 * NS_PER_S)
#define WORLD_TABLES        3
#define WORLD_KEYS          1024
#define WALL_START_S        1700000000u

static uint64_t world_seed; /* printed when anything aborts */

static void world_on_abort(int signal_number) {
    char text[96];
    int n = snprintf(text, sizeof text, "failed: replay with PENSTOCK_SEED=%" PRIu64 "\n",
                     world_seed);
    if (write(2, text, (size_t)n) < 0) {
        _exit(3);
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* ---- what can go wrong, in thousandths ---- */

struct faults {
    unsigned unsent;      /* the connection breaks before a byte has left */
    unsigned lost;        /* after that */
    unsigned cut;         /* in the middle of the answer */
    unsigned stall;       /* no answer at all */
    unsigned throttle;    /* 400 for the whole request */
    unsigned key_range;   /* the same, for a hot key range */
    unsigned unprocessed; /* some of a batch handed back */
    unsigned server;      /* 500, 502, 503, 504 */
    unsigned crc;         /* 200 with a wrong checksum */
    unsigned garbage;     /* 200 with another body */
    unsigned expired;     /* ExpiredTokenException */
    unsigned skew;        /* RequestTimeTooSkewed */
    unsigned denied;
    unsigned busy_pool; /* send says ERR_BUSY */
    unsigned late;      /* it waits in the pool for a connection */
    unsigned unflushed; /* its connection breaks before its bytes leave: it waits again */
    unsigned stale;     /* ... after that: the pool repeats what is harmless */
    uint16_t status;    /* of every answer, without a body DynamoDB would write; 0 = none */
};

struct profile {
    struct dynamodb_options options;
    struct faults faults;
    size_t places;       /* exchanges in flight at most */
    size_t tables;       /* as many are used */
    size_t keys;         /* likewise; 0: each client has its own */
    uint64_t latency_ns; /* of the endpoint, without jitter */
    uint64_t jitter_ns;
    uint64_t think_ns; /* of a client between answer and next request, at most */
    size_t clients;    /* closed loop */
    size_t ops;        /* altogether; then the world ends */
    uint64_t end_ns;   /* or at this time, 0 = never */
    unsigned deletes, conditionals, updates, gets, queries; /* of 1000; the rest are puts */
    int one_kind;                                           /* all alike: of these */
    enum op_kind kind;
    enum op_class klass;
    unsigned bad, condition_fails; /* of 1000 */
    unsigned short_deadlines;      /* of 1000 */
    unsigned outages;              /* of 1000 answers: no place for a while */
    unsigned close_after;          /* of the ops submitted: dynamodb_close; 0 = at the end */
    uint64_t retry_after_ms;       /* what a refused client waits; think_ns otherwise */
    uint64_t busy_ns;              /* and one that is told BUSY */
    size_t item_bytes;             /* padding in every item */
    uint64_t op_cpu_ns;            /* what the loop spends on an op, */
    uint64_t exchange_cpu_ns;      /* and on an exchange: time stands still for nobody */
};

struct world_op {
    uint32_t id; /* its number in the order of acceptance, from 1 */
    uint8_t table, kind, klass;
    uint8_t settled, flying, ambiguous, bad, condition_fails, flew, again;
    uint16_t key;
    uint16_t applied, attempts;
    uint32_t client;
    uint64_t submitted_ns, deadline_ns;
    struct world_op *next; /* of the same key, unsettled */
};

struct world_key {
    struct world_op *first, *last; /* unsettled ops, in order */
    uint32_t last_applied;
};

enum event_kind { EVENT_WRITE, EVENT_DONE, EVENT_SUBMIT, EVENT_PLACES, EVENT_CLOSED };

struct flight {
    struct exchange *x;
    int error;
    enum exchange_progress progress;
    struct http_response response;
    struct http_header headers[3];
    char crc[12], date[32], hint[24];
    struct buffer body;
    uint32_t *ids; /* of the ops it carries */
    size_t id_count;
};

struct event {
    uint64_t due_ns, sequence;
    enum event_kind kind;
    uint32_t client;
    struct flight *flight;
};

struct world {
    struct dynamodb_port port;
    struct dynamodb *d;
    struct profile p;
    struct rng rng;
    uint64_t now_ns, wake_ns, sequence;
    struct event *heap;
    size_t heap_count, heap_cap;
    size_t in_flight;
    int outage;
    struct model_table schemas[WORLD_TABLES];
    struct world_key keys[WORLD_TABLES][WORLD_KEYS];
    struct world_op *ops; /* by id - 1 */
    size_t accepted, settled, ended_clients;
    struct buffer request;
    struct buffer scratch;
    int closed;
    int64_t clock_off_s; /* the endpoint's clock less ours */
    int throttled_table; /* this one alone; -1 = none */
    unsigned credentials_told;
    uint64_t credentials_told_ns;
    /* figures */
    uint64_t exchanges, ops_sent, ok, outcomes[OUTCOME_TIMEOUT + 1], busy;
    uint64_t latency_sum_ns, latency_max_ns, cpu_ns, cpu_sum_ns;
    struct histogram *latency; /* us; may be NULL */
    uint64_t flights;
    void (*before_flight)(struct world *w); /* flights counts it already */
    void (*on_sent)(struct world *w, size_t ops);
    void (*on_settled)(struct world *w, struct world_op *op, const struct op_result *r);
};

static int chance(struct world *w, unsigned thousandths) {
    return thousandths && rng_below(&w->rng, 1000) < thousandths;
}

/* ---- events ---- */

static int sooner(const struct event *a, const struct event *b) {
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->sequence < b->sequence;
}

static void schedule(struct world *w, uint64_t due_ns, enum event_kind kind, uint32_t client,
                     struct flight *flight) {
    if (w->heap_count == w->heap_cap) {
        w->heap_cap = w->heap_cap ? 2 * w->heap_cap : 64;
        w->heap = realloc(w->heap, w->heap_cap * sizeof *w->heap);
        ASSERT(w->heap);
    }
    struct event e = {due_ns, w->sequence++, kind, client, flight};
    size_t i = w->heap_count++;
    while (i > 0 && sooner(&e, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = e;
}

static struct event pop_event(struct world *w) {
    struct event top = w->heap[0], last = w->heap[--w->heap_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->heap_count) {
            break;
        }
        if (child + 1 < w->heap_count && sooner(&w->heap[child + 1], &w->heap[child])) {
            child++;
        }
        if (!sooner(&w->heap[child], &last)) {
            break;
        }
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

/* ---- the lines the world itself keeps ---- */

static void world_join(struct world *w, struct world_op *op) {
    struct world_key *k = &w->keys[op->table][op->key];
    if (k->last) {
        k->last->next = op;
    } else {
        k->first = op;
    }
    k->last = op;
}

static void world_leave(struct world *w, struct world_op *op) {
    struct world_key *k = &w->keys[op->table][op->key];
    struct world_op **at = &k->first, *before = NULL;
    while (*at != op) {
        before = *at;
        at = &(*at)->next;
    }
    *at = op->next;
    if (k->last == op) {
        k->last = before;
    }
}

static int is_read(const struct world_op *op) {
    return op->kind == OP_GET_ITEM || op->kind == OP_QUERY;
}

/* ---- the endpoint ---- */

static struct world_op *op_by_id(struct world *w, struct slice text) {
    uint64_t id;
    ASSERT(slice_to_u64(text, &id) == 0 && id >= 1 && id <= w->accepted);
    return &w->ops[id - 1];
}

/* Whose request is it? Puts say it, lone ops say it; a delete in a batch is the first in line.
 */
static struct world_op *find_op(struct world *w, struct slice table, struct slice item,
                                struct slice id) {
    struct slice key = json_member(json_member(item, SLICE("k")), SLICE("S"));
    uint64_t number, t;
    ASSERT(key.len > 3 && slice_to_u64(slice_of(key.ptr + 2, key.len - 3), &number) == 0);
    ASSERT(slice_to_u64(slice_of(table.ptr + table.len - 1, 1), &t) == 0 && t < WORLD_TABLES);
    struct world_op *first = w->keys[t][number].first;
    struct slice v = json_member(json_member(item, SLICE("v")), SLICE("N"));
    ASSERT(first);
    struct world_op *op = first;
    if (v.ptr) {
        op = op_by_id(w, slice_of(v.ptr + 1, v.len - 2));
    } else if (id.ptr) {
        op = op_by_id(w, id);
    }
    ASSERT((!op->settled || op->again) && !op->flying && op->table == t && op->key == number);
    for (struct world_op *o = first; o != op; o = o->next) {
        ASSERT(o && is_read(o) &&
               is_read(op)); /* nobody is before it in line, but among reads */
    }
    return op;
}

static void carry(struct flight *f, struct world_op *op) {
    op->flying = 1;
    op->flew = 1;
    f->ids = realloc(f->ids, (f->id_count + 1) * sizeof *f->ids);
    ASSERT(f->ids);
    f->ids[f->id_count++] = op->id;
}

static void apply(struct world *w, struct world_op *op) {
    struct world_key *k = &w->keys[op->table][op->key];
    if (is_read(op)) {
        return;
    }
    ASSERT(!op->bad && op->id >= k->last_applied);
    ASSERT(op->klass == OP_IDEMPOTENT || op->applied == 0);
    k->last_applied = op->id;
    op->applied++;
}

static void answer(struct world *w, struct flight *f, uint16_t status, const char *body) {
    f->response.status = status;
    buffer_reset(&f->body, 1 << 16);
    int error = buffer_append(&f->body, body, strlen(body));
    ASSERT(error == 0);
    (void)w;
}

static void answer_error(struct world *w, struct flight *f, uint16_t status, const char *name,
                         const char *message) {
    char text[256];
    (void)snprintf(text, sizeof text,
                   "{\"__type\":\"com.amazonaws.dynamodb.v20120810#%s\",\"message\":\"%s\"}",
                   name, message);
    answer(w, f, status, text);
}

/* The ops of the request that was just written; raw requests of a batch into `raw`. */
static void read_request(struct world *w, struct flight *f, struct slice raw[25],
                         struct slice *table) {
    struct slice body, operation = slice_split(buffer_slice(&w->request), '\n', &body);
    if (!slice_eq(operation, SLICE("BatchWriteItem"))) {
        struct slice t = json_member(body, SLICE("TableName"));
        struct slice item = json_member(body, SLICE("Item"));
        *table = slice_of(t.ptr + 1, t.len - 2);
        if (!item.ptr) {
            item = json_member(body, SLICE("Key"));
        }
        struct slice id = json_member(body, SLICE("Id"));
        struct world_op *op = item.ptr ? find_op(w, *table, item, id) : op_by_id(w, id);
        ASSERT(slice_eq(operation, op_operation((enum op_kind)op->kind)));
        carry(f, op);
        return;
    }
    struct json_cursor tables, requests;
    struct slice name, value, request;
    int error = json_cursor_open(&tables, json_member(body, SLICE("RequestItems")));
    ASSERT(error == 0 && json_cursor_next(&tables, table, &value) == 0);
    ASSERT(json_cursor_open(&requests, value) == 0);
    while (json_cursor_next(&requests, &name, &request) == 0) {
        struct slice put = json_member(request, SLICE("PutRequest"));
        struct slice item = json_member(put, SLICE("Item"));
        if (!put.ptr) {
            item = json_member(json_member(request, SLICE("DeleteRequest")), SLICE("Key"));
        }
        ASSERT(f->id_count < 25);
        raw[f->id_count] = request;
        struct world_op *op = find_op(w, *table, item, SLICE_EMPTY); /* asserts: no key twice */
        ASSERT(op->klass == OP_IDEMPOTENT);
        ASSERT(op->kind == (put.ptr ? OP_PUT_ITEM : OP_DELETE_ITEM));
        carry(f, op);
    }
    ASSERT(f->id_count >= 2 && f->id_count <= w->d->options.batch_items);
}

static void apply_all(struct world *w, struct flight *f) {
    for (size_t i = 0; i < f->id_count; i++) {
        apply(w, &w->ops[f->ids[i] - 1]);
    }
}

static void mark_ambiguous(struct world *w, struct flight *f) {
    for (size_t i = 0; i < f->id_count; i++) {
        w->ops[f->ids[i] - 1].ambiguous = 1;
    }
}

static void hand_back_some(struct world *w, struct flight *f, const struct slice *raw,
                           struct slice table) {
    unsigned odds = (unsigned)rng_below(&w->rng, 1001);
    int any = 0;
    buffer_reset(&f->body, 1 << 16);
    int error = buffer_printf(&f->body, "{\"UnprocessedItems\": {\"" SLICE_FMT "\":[",
                              SLICE_ARG(table));
    for (size_t i = 0; i < f->id_count; i++) {
        if (chance(w, odds) || (i + 1 == f->id_count && !any)) {
            error |=
                buffer_printf(&f->body, "%s" SLICE_FMT, any ? ", " : "", SLICE_ARG(raw[i]));
            any = 1;
        } else {
            apply(w, &w->ops[f->ids[i] - 1]);
        }
    }
    error |= buffer_printf(&f->body, "]}}");
    ASSERT(error == 0);
    f->response.status = 200;
}

/* Refusals that come from the request itself. */
static int refuses(struct world *w, struct flight *f) {
    for (size_t i = 0; i < f->id_count; i++) {
        const struct world_op *op = &w->ops[f->ids[i] - 1];
        if (op->bad) {
            answer_error(w, f, 400, "ValidationException", "guilty \\u0041");
            return 1;
        }
        if (op->condition_fails) {
            answer_error(w, f, 400, "ConditionalCheckFailedException",
                         "The conditional request failed");
            return 1;
        }
    }
    return 0;
}

static void succeed(struct world *w, struct flight *f, const struct slice *raw,
                    struct slice table) {
    const struct faults *x = &w->p.faults;
    if (f->id_count > 1 && chance(w, x->unprocessed)) {
        hand_back_some(w, f, raw, table);
        return;
    }
    apply_all(w, f);
    answer(w, f, 200, f->id_count > 1 ? "{\"UnprocessedItems\":{}}" : "{}");
    if (f->id_count > 1 && chance(w, x->garbage)) {
        static const char strange_key[] = "{\"UnprocessedItems\":{\"table0\":[{\"PutRequest\":"
                                          "{\"Item\":{\"k\":{\"S\":\"zz\"}}}}]}}";
        static const char *const garbage[] = {
            "",
            "{",
            "{\"UnprocessedItems\":{\"table9\":[]}}",
            "[]",
            "{\"UnprocessedItems\":[1]}",
            strange_key,
        };
        answer(w, f, 200, garbage[rng_below(&w->rng, sizeof garbage / sizeof *garbage)]);
        mark_ambiguous(w, f);
    }
}

/* What the endpoint says to the request in w->request. */
static void serve(struct world *w, struct flight *f, const struct slice *raw,
                  struct slice table) {
    const struct faults *x = &w->p.faults;
    if (chance(w, x->throttle) || w->ops[f->ids[0] - 1].table == w->throttled_table) {
        answer_error(w, f, 400, "ProvisionedThroughputExceededException", "slow down");
    } else if (chance(w, x->key_range)) {
        answer(
            w, f, 400,
            "{\"__type\":\"a#ThrottlingException\",\"message\":\"hot\",\"ThrottlingReasons\":"
            "[{\"reason\":\"TableWriteKeyRangeThroughputExceeded\",\"resource\":\"arn\"}]}");
    } else if (chance(w, x->expired)) {
        answer_error(w, f, 400, "ExpiredTokenException", "expired");
    } else if (chance(w, x->skew)) {
        answer_error(w, f, 400, "RequestTimeTooSkewed", "late");
    } else if (chance(w, x->denied)) {
        answer_error(w, f, 400,
                     rng_below(&w->rng, 2) ? "ResourceNotFoundException"
                                           : "AccessDeniedException",
                     "no");
    } else if (x->status || chance(w, x->server)) {
        static const uint16_t statuses[] = {500, 502, 503, 504};
        uint16_t status = x->status ? x->status : statuses[rng_below(&w->rng, 4)];
        if (status >= 500 || status == 408) {
            if (rng_below(&w->rng, 2) && !refuses(w, f)) {
                apply_all(w, f);
            }
            mark_ambiguous(w, f);
        }
        answer(w, f, status, "<html>bad gateway</html>");
    } else if (!refuses(w, f)) {
        succeed(w, f, raw, table);
    }
}

static void add_header(struct flight *f, const char *name, const char *value) {
    f->headers[f->response.headers.count++] =
        (struct http_header){slice_cstr(name), slice_cstr(value)};
}

static void finish_response(struct world *w, struct flight *f) {
    uint32_t crc = aws_crc32(buffer_slice(&f->body));
    if (chance(w, w->p.faults.crc)) {
        crc ^= 1u << rng_below(&w->rng, 32);
        mark_ambiguous(w, f);
    }
    f->response.body = buffer_slice(&f->body);
    f->response.headers.items = f->headers;
    (void)snprintf(f->crc, sizeof f->crc, "%" PRIu32, crc);
    add_header(f, "X-Amz-Crc32", f->crc);
    clock_format_http(
        (uint64_t)((int64_t)(WALL_START_S + w->now_ns / NS_PER_S) + w->clock_off_s), f->date);
    add_header(f, "Date", f->date);
    if (f->response.status != 200 && rng_below(&w->rng, 4) == 0) {
        (void)snprintf(f->hint, sizeof f->hint, "%u", (unsigned)rng_below(&w->rng, 500));
        add_header(f, "x-amz-retry-after", f->hint);
    }
}

static uint64_t latency(struct world *w) {
    return w->p.latency_ns + rng_below(&w->rng, w->p.jitter_ns + 1);
}

static void end_flight(struct world *w, struct flight *f, uint64_t at_ns, int error,
                       enum exchange_progress progress) {
    uint64_t limit_ns = w->now_ns + RESPONSE_TIMEOUT_NS;
    if (f->x->deadline_ns && f->x->deadline_ns < limit_ns) {
        limit_ns = f->x->deadline_ns > w->now_ns ? f->x->deadline_ns : w->now_ns;
    }
    f->error = error;
    f->progress = progress;
    if (at_ns > limit_ns) {
        at_ns = limit_ns;
        f->error = ERR_TIMEOUT;
        f->progress = progress == EXCHANGE_NOT_SENT ? EXCHANGE_NOT_SENT : EXCHANGE_SENT;
        if (progress != EXCHANGE_NOT_SENT) {
            mark_ambiguous(w, f);
        }
    }
    schedule(w, at_ns, EVENT_DONE, 0, f);
}

/* What the pool does by itself: the same exchange is written once more, in a while. */
static int write_again(struct world *w, struct flight *f) {
    const struct faults *x = &w->p.faults;
    int stale = f->x->resend == EXCHANGE_RESEND_SAFE && !f->x->resends && chance(w, x->stale);
    if (!stale && !chance(w, x->unflushed)) {
        return 0;
    }
    if (stale) {
        f->x->resends = 1;
        for (size_t i = 0; i < f->id_count; i++) {
            w->ops[f->ids[i] - 1].attempts++;
        }
        if (rng_below(&w->rng, 2) && !refuses(w, f)) {
            apply_all(w, f);
        }
        mark_ambiguous(w, f);
    }
    schedule(w, w->now_ns + rng_below(&w->rng, 300 * NS_PER_MS), EVENT_WRITE, 0, f);
    return 1;
}

static enum exchange_progress unsent(const struct flight *f) {
    return f->x->resends ? EXCHANGE_SENT : EXCHANGE_NOT_SENT;
}

/* The request's bytes go out; all that will come of them is decided here. */
static void fly(struct world *w, struct flight *f) {
    const struct faults *x = &w->p.faults;
    struct slice raw[25] = {{0}}, table = SLICE_EMPTY;
    if (f->x->deadline_ns && f->x->deadline_ns <= w->now_ns) {
        end_flight(w, f, w->now_ns, ERR_TIMEOUT, EXCHANGE_NOT_SENT);
        return;
    }
    w->flights++;
    if (w->before_flight) {
        w->before_flight(w);
    }
    if (chance(w, x->unsent)) {
        end_flight(w, f, w->now_ns + rng_below(&w->rng, NS_PER_MS), ERR_RESET, unsent(f));
        return;
    }
    buffer_reset(&w->request, 1 << 20);
    int error = f->x->events->on_write(f->x, &w->request);
    if (error) {
        end_flight(w, f, w->now_ns, error, unsent(f));
        return;
    }
    for (size_t i = 0; i < f->id_count; i++) {
        w->ops[f->ids[i] - 1].flying = 0;
        w->ops[f->ids[i] - 1].again = 1;
    }
    f->id_count = 0;
    read_request(w, f, raw, &table);
    if (write_again(w, f)) {
        return;
    }
    w->cpu_ns += w->p.exchange_cpu_ns + w->p.op_cpu_ns * f->id_count;
    w->exchanges++;
    w->ops_sent += f->id_count;
    if (w->on_sent) {
        w->on_sent(w, f->id_count);
    }
    for (size_t i = 0; i < f->id_count; i++) {
        struct world_op *op = &w->ops[f->ids[i] - 1];
        ASSERT(is_read(op) || op->klass == OP_IDEMPOTENT || !op->ambiguous ||
               (op->settled && op->again));
        op->attempts = (uint16_t)(op->attempts + !f->x->resends);
    }
    int lost = chance(w, x->lost), stall = !lost && chance(w, x->stall);
    if (lost || stall) {
        if (rng_below(&w->rng, 2) && !refuses(w, f)) {
            apply_all(w, f);
        }
        mark_ambiguous(w, f);
        end_flight(w, f, stall ? UINT64_MAX : w->now_ns + latency(w), ERR_RESET, EXCHANGE_SENT);
        return;
    }
    serve(w, f, raw, table);
    if (chance(w, x->cut)) {
        mark_ambiguous(w, f);
        end_flight(w, f, w->now_ns + latency(w), ERR_CLOSED, EXCHANGE_ANSWERED);
        return;
    }
    finish_response(w, f);
    end_flight(w, f, w->now_ns + latency(w), 0, EXCHANGE_ANSWERED);
}

static void land(struct world *w, struct flight *f) {
    struct exchange *x = f->x;
    for (size_t i = 0; i < f->id_count; i++) {
        struct world_op *op = &w->ops[f->ids[i] - 1];
        op->flying = 0;
        if (op->settled && op->kind != OP_QUERY) { /* told before: it stood in line till now */
            world_leave(w, op);
        }
    }
    w->in_flight--;
    x->progress = f->progress;
    x->reason = "simulated";
    x->events->on_done(x, f->error, f->error ? NULL : &f->response);
    buffer_fini(&f->body);
    free(f->ids);
    free(f);
    if (chance(w, w->p.outages)) {
        w->outage = 1;
        schedule(w, w->now_ns + rng_below(&w->rng, 200 * NS_PER_MS), EVENT_PLACES, 0, NULL);
    }
}

/* ---- the port ---- */

static struct world *world_of(struct dynamodb_port *port) {
    return container_of(port, struct world, port);
}

static uint64_t world_now(struct dynamodb_port *port) {
    return world_of(port)->now_ns;
}

static uint64_t world_wall(struct dynamodb_port *port) {
    return WALL_START_S + world_of(port)->now_ns / NS_PER_S;
}

static size_t world_places(struct dynamodb_port *port) {
    struct world *w = world_of(port);
    return w->outage || w->in_flight >= w->p.places ? 0 : w->p.places - w->in_flight;
}

static int world_send(struct dynamodb_port *port, struct exchange *x) {
    struct world *w = world_of(port);
    ASSERT(world_places(port) > 0);
    if (chance(w, w->p.faults.busy_pool)) {
        return ERR_BUSY;
    }
    struct flight *f = calloc(1, sizeof *f);
    ASSERT(f);
    f->x = x;
    w->in_flight++;
    uint64_t write_ns = w->now_ns;
    if (chance(w, w->p.faults.late)) {
        write_ns += rng_below(&w->rng, 2 * NS_PER_S);
        write_ns = x->deadline_ns < write_ns ? x->deadline_ns : write_ns;
    }
    schedule(w, write_ns, EVENT_WRITE, 0, f);
    return 0;
}

static int world_write(struct dynamodb_port *port, const struct wire_request *r,
                       struct buffer *out) {
    ASSERT(r->operation.len && strlen(r->invocation_id) == 36 && r->attempt >= 1);
    (void)port;
    return buffer_printf(out, SLICE_FMT "\n" SLICE_FMT, SLICE_ARG(r->operation),
                         SLICE_ARG(r->body));
}

static void world_wake_at(struct dynamodb_port *port, uint64_t due_ns) {
    world_of(port)->wake_ns = due_ns;
}

static int world_reachable(struct dynamodb_port *port) {
    return !world_of(port)->outage;
}

static void world_close(struct dynamodb_port *port, struct dynamodb *d) {
    (void)d;
    schedule(world_of(port), world_of(port)->now_ns, EVENT_CLOSED, 0, NULL);
}

static void world_free(struct dynamodb_port *port) {
    (void)port;
}

/* ---- clients ---- */

static int was_applied_truthfully(const struct world_op *op, enum op_outcome outcome) {
    switch (outcome) {
    case OUTCOME_OK:
        return is_read(op) || op->applied > 0;
    case OUTCOME_CONDITION_FAILED:
        return op->condition_fails && !op->applied;
    case OUTCOME_REFUSED:
        return op->bad && !op->applied;
    case OUTCOME_UNKNOWN:
    case OUTCOME_UNKNOWN_TIMEOUT:
        return !is_read(op) && op->ambiguous;
    case OUTCOME_THROTTLED:
    case OUTCOME_BUSY:
    case OUTCOME_UNAVAILABLE:
    case OUTCOME_DENIED:
    case OUTCOME_TIMEOUT:
        break;
    }
    return !op->applied;
}

static struct world *the_world; /* the callback's arg is the op */

static void on_op_done(void *arg, const struct op_result *r) {
    struct world *w = the_world;
    struct world_op *op = arg;
    ASSERT(!op->settled);
    op->settled = 1;
    if (op->flying) { /* its deadline, or a close */
        op->ambiguous = 1;
    }
    ASSERT(was_applied_truthfully(op, r->outcome));
    ASSERT(r->outcome == OUTCOME_OK ? !r->error_name.len : r->message.len > 0);
    ASSERT(r->outcome != OUTCOME_REFUSED ||
           (slice_eq(r->message, SLICE("guilty A")) && r->batch_ops == 1));
    ASSERT((r->retry_after_ms > 0) ==
           (r->outcome == OUTCOME_THROTTLED || r->outcome == OUTCOME_UNAVAILABLE));
    ASSERT(op->flying || r->attempts == op->attempts);
    ASSERT(w->now_ns <= op->deadline_ns + (DEADLINE_SWEEP_MS + 1) * NS_PER_MS);
    if (op->kind != OP_QUERY && !op->flying) {
        world_leave(w, op);
    }
    w->settled++;
    w->outcomes[r->outcome]++;
    uint64_t took_ns = w->now_ns - op->submitted_ns;
    if (r->outcome == OUTCOME_OK) {
        w->ok++;
        w->latency_sum_ns += took_ns;
        if (took_ns > w->latency_max_ns) {
            w->latency_max_ns = took_ns;
        }
        if (w->latency) {
            histogram_record(w->latency, took_ns / 1000);
        }
    }
    if (w->on_settled) {
        w->on_settled(w, op, r);
    }
    uint64_t pause_ns = rng_below(&w->rng, w->p.think_ns + 1);
    if (r->outcome != OUTCOME_OK && w->p.retry_after_ms) {
        pause_ns = w->p.retry_after_ms * NS_PER_MS;
    }
    schedule(w, w->now_ns + pause_ns, EVENT_SUBMIT, op->client, NULL);
}

static void choose_kind(struct world *w, struct world_op *op) {
    unsigned dice = (unsigned)rng_below(&w->rng, 1000);
    const struct profile *p = &w->p;
    op->kind = p->one_kind ? (uint8_t)p->kind : OP_PUT_ITEM;
    op->klass = p->one_kind ? (uint8_t)p->klass : OP_IDEMPOTENT;
    if (p->one_kind) {
        op->condition_fails =
            (uint8_t)(op->klass == OP_CONDITIONAL && chance(w, p->condition_fails));
    } else if (dice < p->deletes) {
        op->kind = OP_DELETE_ITEM;
    } else if ((dice -= p->deletes) < p->conditionals) {
        op->klass = OP_CONDITIONAL;
        op->condition_fails = (uint8_t)chance(w, p->condition_fails);
    } else if ((dice -= p->conditionals) < p->updates) {
        op->kind = OP_UPDATE_ITEM;
        op->klass = rng_below(&w->rng, 2) ? OP_CONDITIONAL : OP_IDEMPOTENT;
    } else if ((dice -= p->updates) < p->gets) {
        op->kind = OP_GET_ITEM;
    } else if (dice - p->gets < p->queries) {
        op->kind = OP_QUERY;
    }
    op->bad = (uint8_t)(!is_read(op) && !op->condition_fails && chance(w, p->bad));
}

static void fill_request(struct world *w, const struct world_op *op, struct op_request *r) {
    struct buffer *b = &w->scratch;
    char key[16], extra[32];
    buffer_reset(b, 1 << 16);
    (void)snprintf(key, sizeof key, "k%u", op->key);
    (void)snprintf(extra, sizeof extra, ",\"Id\":%u", op->id);
    int error =
        op->kind == OP_PUT_ITEM
            ? buffer_printf(b,
                            "{\"v\":{\"N\":\"%u\"},\"p\":{\"S\":\"%*s\"},\"k\":{\"S\":\"%s\"}}",
                            op->id, (int)w->p.item_bytes, "", key)
            : buffer_printf(b, "{\"k\":{\"S\":\"%s\"}}", key);
    size_t item_len = b->len;
    error |= buffer_append(b, extra, strlen(extra));
    ASSERT(error == 0);
    int alone =
        op->klass != OP_IDEMPOTENT || (op->kind != OP_PUT_ITEM && op->kind != OP_DELETE_ITEM);
    *r = (struct op_request){
        .kind = (enum op_kind)op->kind,
        .klass = (enum op_class)op->klass,
        .table = slice_cstr(w->schemas[op->table].name),
        .item = op->kind == OP_QUERY ? SLICE_EMPTY : slice_of(buffer_begin(b), item_len),
        .extra = alone ? slice_of(buffer_begin(b) + item_len, b->len - item_len) : SLICE_EMPTY,
        .deadline_ns = op->deadline_ns,
        .done = on_op_done,
    };
}

static int world_over(const struct world *w) {
    return w->accepted >= w->p.ops || (w->p.end_ns && w->now_ns >= w->p.end_ns) ||
           w->d->phase != PIPELINE_OPEN;
}

static void world_submit(struct world *w, uint32_t client) {
    if (world_over(w)) {
        w->ended_clients++;
        return;
    }
    struct world_op *op = &w->ops[w->accepted];
    memset(op, 0, sizeof *op);
    op->id = (uint32_t)w->accepted + 1;
    op->client = client;
    op->table = (uint8_t)rng_below(&w->rng, w->p.tables);
    op->key = (uint16_t)(w->p.keys ? rng_below(&w->rng, w->p.keys) : client % WORLD_KEYS);
    op->submitted_ns = w->now_ns;
    choose_kind(w, op);
    op->deadline_ns = chance(w, w->p.short_deadlines)
                          ? w->now_ns + rng_below(&w->rng, 100 * NS_PER_MS)
                          : w->now_ns + w->d->options.deadline_ms * NS_PER_MS;
    struct op_request r;
    fill_request(w, op, &r);
    r.arg = op;
    int busy = dynamodb_busy(w->d);
    int error = dynamodb_submit(w->d, &r);
    ASSERT(error == 0 || error == ERR_BUSY);
    ASSERT(!busy || error);
    if (error) {
        w->busy++;
        schedule(w, w->now_ns + w->p.busy_ns / 2 + rng_below(&w->rng, w->p.busy_ns),
                 EVENT_SUBMIT, client, NULL);
        return;
    }
    w->accepted++;
    if (op->kind != OP_QUERY) {
        world_join(w, op);
    }
}

/* ---- the pipeline, counted the slow way ---- */

static void check_line(struct map_node *node, void *arg) {
    const struct key_line *line = container_of(node, struct key_line, node);
    size_t *in_lines = arg, writes = 0, place = 0;
    int going = 0;
    LIST_FOR_EACH (n, &line->ops) {
        const struct op *op = container_of(n, struct op, line_node);
        int standing = state_of(&op->state) == OP_STANDING;
        ASSERT(op->line == line);
        going += !standing;
        writes += (size_t)op_is_write(op);
        ASSERT(standing || place == 0 || (!op_is_write(op) && writes == 0));
        place++;
    }
    ASSERT(place > 0 && going > 0 && writes == line->writes);
    *in_lines += place;
}

static void world_check(struct world *w) {
    struct dynamodb_counts c;
    const struct dynamodb *d = w->d;
    size_t in_lines = 0, keyed = 0, held = 0;
    dynamodb_count(d, &c);
    ASSERT(c.submitted == w->accepted && c.settled == w->settled);
    ASSERT(d->ops.used <= d->options.queue_ops &&
           d->held_bytes <= d->options.queue_bytes + 4096);
    for (size_t i = 0; i < d->table_count; i++) {
        const struct table *t = d->tables[i];
        size_t bytes = 0;
        for (int lane = 0; lane < LANES; lane++) {
            size_t carried = 0, abandoned = 0;
            LIST_FOR_EACH (n, &d->abandoned) {
                const struct op *op = container_of(n, struct op, node);
                ASSERT(op->batch);
                abandoned += op->table == t && op->lane == lane;
            }
            LIST_FOR_EACH (n, &t->lanes[lane].batches) {
                carried += container_of(n, struct batch, node)->count;
            }
            ASSERT(carried == t->lanes[lane].flying.count + abandoned);
            LIST_FOR_EACH (n, &t->lanes[lane].ready) {
                const struct op *op = container_of(n, struct op, node);
                bytes += lane == LANE_COALESCED ? coalescer_wire_bytes(op) : 0;
                keyed += op->line != NULL;
                held += op->held;
            }
            LIST_FOR_EACH (n, &t->lanes[lane].flying) {
                const struct op *op = container_of(n, struct op, node);
                keyed += op->line != NULL;
                held += op->held;
            }
        }
        ASSERT(bytes == t->ready_bytes);
        map_each((struct map *)&t->lines, check_line, &in_lines);
    }
    LIST_FOR_EACH (n, &d->abandoned) {
        const struct op *op = container_of(n, struct op, node);
        keyed += op->line != NULL;
        held += op->held;
    }
    LIST_FOR_EACH (n, &d->standing) {
        held += container_of(n, struct op, node)->held;
    }
    for (size_t i = 0; i < d->resting.count; i++) {
        keyed += d->resting.heap[i]->line != NULL;
        held += d->resting.heap[i]->held;
    }
    ASSERT(in_lines == keyed + d->standing.count && held == d->held_bytes);
}

/* ---- time ---- */

static void on_bad_credentials(void *arg) {
    struct world *w = arg;
    ASSERT(!w->credentials_told || w->now_ns - w->credentials_told_ns >= NS_PER_S);
    w->credentials_told++;
    w->credentials_told_ns = w->now_ns;
}

static void world_on_closed(void *arg) {
    ((struct world *)arg)->closed = 1;
}

static void run_event(struct world *w, const struct event *e) {
    switch (e->kind) {
    case EVENT_WRITE:
        fly(w, e->flight);
        break;
    case EVENT_DONE:
        land(w, e->flight);
        break;
    case EVENT_SUBMIT:
        world_submit(w, e->client);
        break;
    case EVENT_PLACES:
        w->outage = 0;
        break;
    case EVENT_CLOSED:
        dynamodb_closed(w->d);
        break;
    }
}

/* One step: the events of one instant (or, now and then, one of them), then a turn. Returns 0
 * when nothing is left to happen. */
static int world_step(struct world *w) {
    uint64_t next_ns = w->heap_count ? w->heap[0].due_ns : UINT64_MAX;
    if (w->wake_ns < next_ns) {
        next_ns = w->wake_ns;
    }
    if (next_ns == UINT64_MAX) {
        return 0;
    }
    w->now_ns = next_ns > w->now_ns ? next_ns : w->now_ns;
    if (w->wake_ns <= w->now_ns) {
        w->wake_ns = UINT64_MAX;
    }
    size_t most = rng_below(&w->rng, 8) ? SIZE_MAX : 1;
    for (size_t i = 0; i < most && w->heap_count && w->heap[0].due_ns <= w->now_ns; i++) {
        struct event e = pop_event(w);
        run_event(w, &e);
    }
    if (w->d->phase == PIPELINE_OPEN && w->p.close_after && w->accepted >= w->p.close_after) {
        dynamodb_close(w->d, world_on_closed, w);
    }
    if (w->d->phase != PIPELINE_CLOSED) {
        dynamodb_turn(w->d);
        if (rng_below(&w->rng, 8) == 0) {
            world_check(w);
        }
    }
    w->now_ns += w->cpu_ns;
    w->cpu_sum_ns += w->cpu_ns;
    w->cpu_ns = 0;
    return 1;
}

static struct world *world_new(const struct profile *p, uint64_t seed) {
    struct world *w = calloc(1, sizeof *w);
    ASSERT(w);
    the_world = w;
    world_seed = seed;
    signal(SIGABRT, world_on_abort);
    w->p = *p;
    w->now_ns = NS_PER_S;
    w->wake_ns = UINT64_MAX;
    w->throttled_table = -1;
    rng_seed(&w->rng, seed);
    w->port = (struct dynamodb_port){
        .now_ns = world_now,
        .wall_s = world_wall,
        .free_places = world_places,
        .send = world_send,
        .write = world_write,
        .wake_at = world_wake_at,
        .reachable = world_reachable,
        .close = world_close,
        .free = world_free,
    };
    rng_seed(&w->port.rng, seed ^ 0x5eed);
    for (size_t i = 0; i < WORLD_TABLES; i++) {
        (void)snprintf(w->schemas[i].name, sizeof w->schemas[i].name, "table%zu", i);
        w->schemas[i].partition =
            (struct model_key_schema){.name = "k", .name_len = 1, .type = MODEL_KEY_S};
    }
    w->ops = calloc(p->ops, sizeof *w->ops);
    ASSERT(w->ops);
    w->d = pipeline_new(&w->port, w->schemas, p->tables, &p->options);
    dynamodb_on_bad_credentials(w->d, on_bad_credentials, w);
    for (uint32_t i = 0; i < p->clients; i++) {
        schedule(w, w->now_ns + rng_below(&w->rng, p->think_ns + 1), EVENT_SUBMIT, i, NULL);
    }
    return w;
}

/* Every op has its outcome, every client has ended, and nothing is left anywhere. */
static void world_end(struct world *w) {
    if (w->d->phase == PIPELINE_OPEN) {
        dynamodb_close(w->d, world_on_closed, w);
        dynamodb_turn(w->d);
    }
    while (world_step(w)) {
    }
    ASSERT(w->closed && w->settled == w->accepted && w->in_flight == 0);
    ASSERT(w->ended_clients == w->p.clients);
    for (size_t i = 0; i < w->accepted; i++) {
        ASSERT(w->ops[i].settled);
    }
    dynamodb_free(w->d);
    free(w->ops);
    free(w->heap);
    buffer_fini(&w->request);
    buffer_fini(&w->scratch);
    free(w);
}

/* Until every op of the profile has its outcome. */
static void world_run(struct world *w) {
    while (w->ended_clients < w->p.clients && world_step(w)) {
    }
}

static const struct profile profile_default = {
    .options = {.batch_items = 25,
                .batch_delay_ms = 1,
                .queue_ops = 4096,
                .queue_bytes = 16 << 20,
                .deadline_ms = 10000,
                .max_attempts = 4,
                .retry_after_ms = 1000},
    .places = 64,
    .tables = 1,
    .keys = WORLD_KEYS,
    .latency_ns = 5 * NS_PER_MS,
    .busy_ns = 100 * NS_PER_MS,
    .clients = 1,
    .ops = 1000,
};

#endif
