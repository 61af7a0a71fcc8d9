/* The pipeline against a port of our own: time stands still, every request is answered at once
 * with what DynamoDB says when all is stored. */
#include "regress.h"

#include "aws/crc32.h"
#include "base/clock.h"
#include "dynamodb/pipeline.h"
#include "model/item.h"

#include <inttypes.h>
#include <stdio.h>

#define WALL_S   1763820000u
#define SENT_MAX COALESCER_OPS_MAX

struct endpoint {
    struct dynamodb_port port;
    struct dynamodb *dynamodb;
    struct exchange *sent[SENT_MAX];
    size_t sent_count;
    struct buffer request;
    struct slice answer;
    char crc[12];
    unsigned group; /* ops submitted in a turn */
    unsigned settled;
};

static struct endpoint coalesced, alone, behind_gateway;
static struct buffer items[REGRESS_BODIES], keys[REGRESS_BODIES];

static uint64_t now_ns(struct dynamodb_port *port) {
    (void)port;
    return NS_PER_S;
}

static uint64_t wall_s(struct dynamodb_port *port) {
    (void)port;
    return WALL_S;
}

static size_t free_places(struct dynamodb_port *port) {
    struct endpoint *e = container_of(port, struct endpoint, port);
    return SENT_MAX - e->sent_count;
}

static int send_exchange(struct dynamodb_port *port, struct exchange *x) {
    struct endpoint *e = container_of(port, struct endpoint, port);
    e->sent[e->sent_count++] = x;
    return 0;
}

static int write_request(struct dynamodb_port *port, const struct wire_request *r,
                         struct buffer *out) {
    (void)port;
    return buffer_append_slice(out, r->body);
}

static void wake_at(struct dynamodb_port *port, uint64_t due_ns) {
    (void)port, (void)due_ns;
}

static int reachable(struct dynamodb_port *port) {
    (void)port;
    return 1;
}

static void start(struct endpoint *e, unsigned group, struct slice answer) {
    struct dynamodb_options options = dynamodb_options_default;
    options.batch_items = group;
    e->port = (struct dynamodb_port){.now_ns = now_ns,
                                     .wall_s = wall_s,
                                     .free_places = free_places,
                                     .send = send_exchange,
                                     .write = write_request,
                                     .wake_at = wake_at,
                                     .reachable = reachable};
    rng_seed(&e->port.rng, 1);
    e->group = group;
    e->answer = answer;
    (void)snprintf(e->crc, sizeof e->crc, "%" PRIu32, aws_crc32(answer));
    e->dynamodb = pipeline_new(&e->port, &regress_table, 1, &options);
}

static void make_items(void) {
    const struct model_encode how = {.table = &regress_table};
    struct model_key_buffer scratch = {0};
    char message[MODEL_MESSAGE_MAX];
    for (unsigned i = 0; i < REGRESS_BODIES; i++) {
        struct model_encoded info;
        int error =
            model_encode_item(&how, regress_body(i), &items[i], &scratch, &info, message);
        ASSERT(error == 0);
        error = buffer_append_slice(&keys[i], info.key);
        ASSERT(error == 0);
    }
    model_key_buffer_fini(&scratch);
}

void coalesce_start(void) {
    make_items();
    start(&coalesced, COALESCER_OPS_MAX, SLICE("{\"UnprocessedItems\":{}}"));
}

void single_start(void) {
    start(&alone, 1, SLICE("{}"));
}

static void on_done(void *arg, const struct op_result *result) {
    struct endpoint *e = arg;
    ASSERT(result->outcome == OUTCOME_OK && result->batch_ops == e->group);
    e->settled++;
}

static void answer(struct endpoint *e, struct exchange *x) {
    const struct http_header headers[] = {
        {SLICE("Server"), SLICE("Server")},
        {SLICE("Date"), SLICE("Sat, 22 Nov 2025 14:00:00 GMT")},
        {SLICE("Content-Type"), SLICE("application/x-amz-json-1.0")},
        {SLICE("Connection"), SLICE("keep-alive")},
        {SLICE("x-amzn-RequestId"), SLICE("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")},
        {SLICE("x-amz-crc32"), slice_cstr(e->crc)},
    };
    const struct http_response response = {
        .status = 200, .keep_alive = 1, .headers = {headers, 6}, .body = e->answer};
    e->request.len = 0;
    int error = x->events->on_write(x, &e->request);
    ASSERT(error == 0);
    x->progress = EXCHANGE_ANSWERED;
    x->events->on_done(x, 0, &response);
}

static void turn(struct endpoint *e) {
    dynamodb_turn(e->dynamodb);
    while (e->sent_count > 0) {
        answer(e, e->sent[--e->sent_count]);
    }
}

static void submit(struct endpoint *e, unsigned i) {
    const struct op_request request = {.kind = OP_PUT_ITEM,
                                       .klass = OP_IDEMPOTENT,
                                       .table = slice_cstr(regress_table.name),
                                       .item = buffer_slice(&items[i]),
                                       .key = buffer_slice(&keys[i]),
                                       .done = on_done,
                                       .arg = e};
    int error = dynamodb_submit(e->dynamodb, &request);
    ASSERT(error == 0);
}

static void run(struct endpoint *e, unsigned n) {
    e->settled = 0;
    for (unsigned i = 0; i < n; i += e->group) {
        for (unsigned j = 0; j < e->group; j++) {
            submit(e, (i + j) % REGRESS_BODIES);
        }
        turn(e);
    }
    ASSERT(e->settled >= n && e->settled < n + e->group);
}

void coalesce_run(unsigned n) {
    run(&coalesced, n);
}

void single_run(unsigned n) {
    run(&alone, n);
}

struct dynamodb *regress_dynamodb(void) {
    start(&behind_gateway, 1, SLICE("{}"));
    return behind_gateway.dynamodb;
}

void regress_dynamodb_answer(void) {
    turn(&behind_gateway);
}
