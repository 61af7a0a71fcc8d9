/* What the pipeline does op by op, on a port that only notes what was sent. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "dynamodb/pipeline.h"
#include "model/json_cursor.h"
#include "support/unit.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif
#include <stdio.h>
#include <stdlib.h>

#define OPS_MAX 128

struct got {
    int calls;
    enum op_outcome outcome;
    unsigned attempts, batch_ops;
    uint64_t retry_after_ms;
    char message[128], error_name[64], body[256];
};

struct stub {
    struct dynamodb_port port;
    struct dynamodb *d;
    uint64_t now_ns, wake_ns;
    size_t places;
    int reachable;
    int write_error;
    struct exchange *sent[OPS_MAX];
    size_t count;
    uint64_t epoch_s;
    unsigned attempt;
    char id[37];
    struct buffer out;
    int closed, drained, told;
    struct got got[OPS_MAX];
};

static struct stub *stub_of(struct dynamodb_port *port) {
    return container_of(port, struct stub, port);
}

static uint64_t stub_now(struct dynamodb_port *port) {
    return stub_of(port)->now_ns;
}

static uint64_t stub_wall(struct dynamodb_port *port) {
    (void)port;
    return 1700000000;
}

static size_t stub_places(struct dynamodb_port *port) {
    return stub_of(port)->places;
}

static int stub_send(struct dynamodb_port *port, struct exchange *x) {
    struct stub *s = stub_of(port);
    ASSERT(s->places > 0 && s->count < OPS_MAX);
    s->places--;
    s->sent[s->count++] = x;
    return 0;
}

static int stub_write(struct dynamodb_port *port, const struct wire_request *r,
                      struct buffer *out) {
    struct stub *s = stub_of(port);
    if (s->write_error) {
        return s->write_error;
    }
    s->epoch_s = r->epoch_s;
    s->attempt = r->attempt;
    memcpy(s->id, r->invocation_id, sizeof s->id);
    return buffer_printf(out, SLICE_FMT " " SLICE_FMT, SLICE_ARG(r->operation),
                         SLICE_ARG(r->body));
}

static void stub_wake_at(struct dynamodb_port *port, uint64_t due_ns) {
    stub_of(port)->wake_ns = due_ns;
}

static int stub_reachable(struct dynamodb_port *port) {
    return stub_of(port)->reachable;
}

static void stub_close(struct dynamodb_port *port, struct dynamodb *d) {
    (void)port;
    dynamodb_closed(d);
}

static void stub_free(struct dynamodb_port *port) {
    (void)port;
}

static const struct model_table tables[] = {
    {.name = "Music",
     .partition = {.name = "Artist", .name_len = 6, .type = MODEL_KEY_S},
     .sort = {.name = "Song", .name_len = 4, .type = MODEL_KEY_N}},
    {.name = "Other", .partition = {.name = "k", .name_len = 1, .type = MODEL_KEY_S}},
};

static struct stub *stub_new_with(const struct dynamodb_options *options) {
    struct stub *s = calloc(1, sizeof *s);
    ASSERT(s);
    s->now_ns = NS_PER_S;
    s->places = 64;
    s->reachable = 1;
    s->port = (struct dynamodb_port){
        .now_ns = stub_now,
        .wall_s = stub_wall,
        .free_places = stub_places,
        .send = stub_send,
        .write = stub_write,
        .wake_at = stub_wake_at,
        .reachable = stub_reachable,
        .close = stub_close,
        .free = stub_free,
    };
    rng_seed(&s->port.rng, 1);
    s->d = pipeline_new(&s->port, tables, 2, options);
    return s;
}

static struct stub *stub_new(void) {
    return stub_new_with(&dynamodb_options_default);
}

static void note_closed(void *arg) {
    ((struct stub *)arg)->closed = 1;
}

static void note_drained(void *arg) {
    ((struct stub *)arg)->drained++;
}

static void note_told(void *arg) {
    ((struct stub *)arg)->told++;
}

static void answer_with(struct stub *s, size_t i, uint16_t status, const char *body,
                        const struct http_header *header) {
    struct http_response r = {
        .status = status, .headers = {header, header ? 1u : 0u}, .body = slice_cstr(body)};
    struct exchange *x = s->sent[i];
    s->sent[i] = NULL;
    s->places++;
    x->progress = EXCHANGE_ANSWERED;
    x->events->on_done(x, 0, &r);
    dynamodb_turn(s->d);
}

static void answer_status(struct stub *s, size_t i, uint16_t status, const char *body) {
    answer_with(s, i, status, body, NULL);
}

static void end_badly(struct stub *s, size_t i, int error, enum exchange_progress progress) {
    struct exchange *x = s->sent[i];
    s->sent[i] = NULL;
    s->places++;
    x->progress = progress;
    x->events->on_done(x, error, NULL);
    dynamodb_turn(s->d);
}

/* Everything still in flight is stored; then the pipeline goes. */
static void stub_end(struct stub *s) {
    for (size_t i = 0; i < s->count; i++) {
        if (s->sent[i]) {
            answer_status(s, i, 200, "{}");
        }
    }
    if (!s->closed) {
        dynamodb_close(s->d, note_closed, s);
        dynamodb_turn(s->d);
    }
    assert_int_equal(s->closed, 1);
    dynamodb_free(s->d);
    buffer_fini(&s->out);
    free(s);
}

static void copy(char *to, size_t room, struct slice from) {
    size_t len = from.len < room - 1 ? from.len : room - 1;
    if (len) {
        memcpy(to, from.ptr, len);
    }
    to[len] = 0;
}

static void on_result(void *arg, const struct op_result *r) {
    struct got *g = arg;
    g->calls++;
    g->outcome = r->outcome;
    g->attempts = r->attempts;
    g->batch_ops = r->batch_ops;
    g->retry_after_ms = r->retry_after_ms;
    copy(g->message, sizeof g->message, r->message);
    copy(g->error_name, sizeof g->error_name, r->error_name);
    copy(g->body, sizeof g->body, r->body);
}

static int submit(struct stub *s, size_t i, enum op_kind kind, const char *item,
                  const char *extra, enum op_class klass) {
    struct op_request r = {.kind = kind,
                           .klass = klass,
                           .table = slice_cstr("Music"),
                           .item = slice_cstr(item),
                           .extra = slice_cstr(extra),
                           .done = on_result,
                           .arg = &s->got[i]};
    int error = dynamodb_submit(s->d, &r);
    assert_int_equal(s->got[i].calls, 0); /* never from inside */
    return error;
}

static void put_song(struct stub *s, size_t i, int song) {
    char item[96];
    (void)snprintf(item, sizeof item, "{\"Artist\":{\"S\":\"a\"},\"Song\":{\"N\":\"%d\"}}",
                   song);
    assert_int_equal(submit(s, i, OP_PUT_ITEM, item, NULL, OP_IDEMPOTENT), 0);
}

static void put_songs(struct stub *s, int from, int to) {
    for (int k = from; k < to; k++) {
        put_song(s, (size_t)k, k);
    }
    dynamodb_turn(s->d);
}

static const char *text_of(struct stub *s, size_t i) {
    buffer_reset(&s->out, 1 << 20);
    struct exchange *x = s->sent[i];
    assert_int_equal(x->events->on_write(x, &s->out), 0);
    assert_int_equal(buffer_append(&s->out, "", 1), 0);
    return buffer_begin(&s->out);
}

#define KEY1 "{\"Artist\":{\"S\":\"a\"},\"Song\":{\"N\":\"1\"}}"
#define KEY2 "{\"Artist\":{\"S\":\"a\"},\"Song\":{\"N\":\"2\"}}"

static void bodies_on_the_wire(void **state) {
    struct stub *s = stub_new();
    (void)state;
    assert_int_equal(submit(s, 0, OP_PUT_ITEM, KEY1, NULL, OP_IDEMPOTENT), 0);
    assert_int_equal(submit(s, 1, OP_DELETE_ITEM, KEY2, NULL, OP_IDEMPOTENT), 0);
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 1);
    assert_string_equal(
        text_of(s, 0),
        "BatchWriteItem {\"RequestItems\":{\"Music\":[{\"PutRequest\":{\"Item\":" KEY1
        "}},{\"DeleteRequest\":{\"Key\":" KEY2 "}}]}}");
    assert_int_equal(s->sent[0]->resend, EXCHANGE_RESEND_SAFE);
    answer_status(s, 0, 200, "{\"UnprocessedItems\":{}}");
    assert_int_equal(s->got[0].batch_ops, 2);
    assert_string_equal(s->got[0].body, "");

    assert_int_equal(submit(s, 2, OP_PUT_ITEM, KEY1, NULL, OP_IDEMPOTENT), 0);
    dynamodb_turn(s->d);
    assert_string_equal(text_of(s, 1), "PutItem {\"TableName\":\"Music\",\"Item\":" KEY1 "}");
    answer_status(s, 1, 200, "{\"x\":1}");
    assert_string_equal(s->got[2].body, "{\"x\":1}");
    assert_int_equal(s->got[2].batch_ops, 1);

    static const struct {
        enum op_kind kind;
        const char *item, *extra, *text;
    } alone[] = {
        {OP_DELETE_ITEM, KEY1, ",\"ReturnValues\":\"ALL_OLD\"",
         "DeleteItem {\"TableName\":\"Music\",\"Key\":" KEY1 ",\"ReturnValues\":\"ALL_OLD\"}"},
        {OP_GET_ITEM, KEY1, NULL, "GetItem {\"TableName\":\"Music\",\"Key\":" KEY1 "}"},
        {OP_UPDATE_ITEM, KEY1, ",\"UpdateExpression\":\"ADD n :x\"",
         "UpdateItem {\"TableName\":\"Music\",\"Key\":" KEY1
         ",\"UpdateExpression\":\"ADD n :x\"}"},
        {OP_PUT_ITEM, KEY1, ",\"ConditionExpression\":\"c\"",
         "PutItem {\"TableName\":\"Music\",\"Item\":" KEY1 ",\"ConditionExpression\":\"c\"}"},
        {OP_QUERY, NULL, ",\"Limit\":1", "Query {\"TableName\":\"Music\",\"Limit\":1}"},
    };
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        size_t at = s->count;
        assert_int_equal(
            submit(s, 10 + i, alone[i].kind, alone[i].item, alone[i].extra, OP_CONDITIONAL), 0);
        dynamodb_turn(s->d);
        assert_string_equal(text_of(s, at), alone[i].text);
        int write = alone[i].kind != OP_GET_ITEM && alone[i].kind != OP_QUERY;
        assert_int_equal(s->sent[at]->resend,
                         write ? EXCHANGE_RESEND_NEVER : EXCHANGE_RESEND_SAFE);
        answer_status(s, at, 200, "{}");
        assert_int_equal(s->got[10 + i].outcome, OUTCOME_OK);
    }
    struct op_request describe = {.kind = OP_DESCRIBE_TABLE,
                                  .table = SLICE("Other"),
                                  .body = SLICE("{\"TableName\":\"Other\"}"),
                                  .done = on_result,
                                  .arg = &s->got[20]};
    assert_int_equal(dynamodb_submit(s->d, &describe), 0);
    dynamodb_turn(s->d);
    assert_string_equal(text_of(s, s->count - 1), "DescribeTable {\"TableName\":\"Other\"}");
    stub_end(s);
}

static void what_submit_refuses(void **state) {
    struct dynamodb_options o = dynamodb_options_default;
    (void)state;
    o.queue_ops = 2;
    o.queue_bytes = 1000;
    struct stub *s = stub_new_with(&o);
    struct op_request r = {.kind = OP_PUT_ITEM, .table = SLICE("Nope"), .done = on_result};
    assert_int_equal(dynamodb_submit(s->d, &r), ERR_NOT_FOUND);
    assert_int_equal(submit(s, 0, OP_PUT_ITEM, "{\"Artist\":{\"S\":\"a\"}}", NULL, 0),
                     ERR_INVALID);
    static char big[1200];
    memset(big, ' ', sizeof big - 1);
    memcpy(big, "{\"Artist\":{\"S\":\"a\"},\"Song\":{\"N\":\"1\"}", 36);
    big[sizeof big - 2] = '}';
    assert_int_equal(submit(s, 0, OP_PUT_ITEM, big, NULL, 0), ERR_BUSY); /* queue_bytes */
    put_song(s, 1, 1);
    put_song(s, 2, 2);
    assert_int_equal(dynamodb_busy(s->d), 1);
    assert_int_equal(submit(s, 0, OP_PUT_ITEM, KEY1, NULL, 0), ERR_BUSY); /* queue_ops */
    dynamodb_turn(s->d);
    dynamodb_drain(s->d, note_drained, s);
    assert_int_equal(submit(s, 0, OP_PUT_ITEM, KEY1, NULL, 0), ERR_BUSY);
    dynamodb_turn(s->d);
    assert_int_equal(s->drained, 0);
    answer_status(s, 0, 200, "{}");
    assert_int_equal(s->drained, 1);
    assert_int_equal(submit(s, 0, OP_PUT_ITEM, KEY1, NULL, 0), ERR_BUSY);
    assert_int_equal(s->got[0].calls, 0);
    stub_end(s);
}

/* One key: the second write leaves when the first is answered; other keys do not wait. */
static void order_per_key(void **state) {
    struct stub *s = stub_new();
    (void)state;
    put_song(s, 0, 1);
    dynamodb_turn(s->d);
    put_song(s, 1, 1);
    assert_int_equal(submit(s, 2, OP_UPDATE_ITEM, KEY1, ",\"x\":1", OP_CONDITIONAL), 0);
    assert_int_equal(submit(s, 3, OP_GET_ITEM, KEY1, NULL, OP_IDEMPOTENT), 0);
    assert_int_equal(submit(s, 4, OP_GET_ITEM, KEY1, NULL, OP_IDEMPOTENT), 0);
    put_song(s, 5, 1);
    put_song(s, 6, 2);
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 2); /* the first, and the other key's */
    answer_status(s, 1, 200, "{}");
    assert_int_equal(s->got[6].outcome, OUTCOME_OK);
    end_badly(s, 0, ERR_RESET, EXCHANGE_SENT); /* it rests, and the others wait for it */
    assert_int_equal(s->count, 2);
    s->now_ns += 50 * NS_PER_MS;
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 3);
    answer_status(s, 2, 200, "{}");
    assert_int_equal(s->got[0].attempts, 2);
    assert_int_equal(s->count, 4); /* the second put */
    answer_status(s, 3, 200, "{}");
    assert_int_equal(s->count, 5); /* the update */
    answer_status(s, 4, 200, "{}");
    assert_int_equal(s->count, 7); /* both reads */
    answer_status(s, 6, 200, "{}");
    assert_int_equal(s->count, 7);
    answer_status(s, 5, 200, "{}");
    assert_int_equal(s->count, 8); /* the last put */
    stub_end(s);
}

/* Attributes in another order, another spelling of the number, white space: the same key. */
static void unprocessed_items_are_matched_by_key(void **state) {
    struct stub *s = stub_new();
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        put_song(s, i, (int)i);
    }
    assert_int_equal(submit(s, 4, OP_DELETE_ITEM,
                            "{\"Artist\":{\"S\":\"b\"},\"Song\":{\"N\":\"1\"}}", NULL, 0),
                     0);
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 1);
    answer_status(s, 0, 200,
                  "{\"UnprocessedItems\": {\"Music\": [ {\"PutRequest\" : {\"Item\": "
                  "{\"Song\":{\"N\":\"2.0\"}, \"Artist\":{\"S\":\"a\"}}}}, {\"DeleteRequest\":"
                  "{\"Key\":{\"Song\":{\"N\":\"1\"},\"Artist\":{\"S\":\"\\u0062\"}}}}]}}");
    assert_int_equal(s->got[0].calls + s->got[1].calls + s->got[3].calls, 3);
    assert_int_equal(s->got[2].calls + s->got[4].calls, 0);
    assert_int_equal(s->d->resting.count, 2);
    s->now_ns += NS_PER_S;
    dynamodb_turn(s->d);
    stub_end(s);
}

static void answers_that_are_none_are_not_believed(void **state) {
    static const char *const bodies[] = {
        "",
        "[]",
        "{\"UnprocessedItems\":[]}",
        "{\"UnprocessedItems\":{\"Music\":1}}",
        "{\"UnprocessedItems\":{\"Other\":[]}}",
        "{\"UnprocessedItems\":{\"Music\":{}}}",
        "{\"UnprocessedItems\":{\"Music\":[{\"PutRequest\":{}}]}}",
        "{\"UnprocessedItems\":{\"Music\":[{\"PutRequest\":{\"Item\":{\"Artist\":{\"S\":\"z\"},"
        "\"Song\":{\"N\":\"1\"}}}}]}}",
        "{\"UnprocessedItems\":{\"Music\":[{\"DeleteRequest\":{\"Key\":" KEY1 "}}]}}",
        "{\"UnprocessedItems\":{\"Music\":[{\"PutRequest\":{\"Item\":" KEY1
        "}},{\"PutRequest\":{\"Item\":" KEY1 "}}]}}",
        "{\"UnprocessedItems\":{\"Music\":[{\"PutRequest\":{\"Item\":" KEY1 "}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct stub *s = stub_new();
        put_song(s, 0, 1);
        put_song(s, 1, 2);
        dynamodb_turn(s->d);
        answer_status(s, 0, 200, bodies[i]);
        assert_int_equal(s->got[0].calls + s->got[1].calls, 0); /* both rest */
        assert_int_equal(s->d->resting.count, 2);
        assert_int_equal(s->d->counts.retries_transient, 2);
        s->now_ns += 50 * NS_PER_MS;
        dynamodb_turn(s->d);
        stub_end(s);
    }
}

/* Somebody answered 200 who is not DynamoDB: a login page, a load balancer's "ok". */
static void a_lone_write_is_stored_by_dynamodb_alone(void **state) {
    static const struct {
        uint16_t status;
        const char *body;
    } answers[] = {{200, ""},  {200, "<html>log in</html>"}, {200, "ok"}, {200, "[]"},
                   {200, "{"}, {200, "{\"Attributes\":{"},   {204, ""},   {202, "{}"}};
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct stub *s = stub_new();
        put_song(s, 0, 1);
        dynamodb_turn(s->d);
        answer_status(s, 0, answers[i].status, answers[i].body);
        assert_int_equal(s->got[0].calls, 0); /* it rests */
        assert_int_equal(s->d->counts.retries_transient, 1);
        assert_int_equal(
            submit(s, 1, OP_UPDATE_ITEM, KEY2, ",\"UpdateExpression\":\"ADD n :x\"", 1), 0);
        dynamodb_turn(s->d);
        answer_status(s, s->count - 1, answers[i].status, answers[i].body);
        assert_int_equal(s->got[1].outcome, OUTCOME_UNKNOWN);
        s->now_ns += 50 * NS_PER_MS;
        dynamodb_turn(s->d);
        stub_end(s);
    }
}

/* An item that is in flight, but in another batch. */
static void an_answer_to_another_batch_is_not_believed(void **state) {
    struct stub *s = stub_new();
    (void)state;
    for (size_t i = 0; i < 50; i++) {
        put_song(s, i, (int)i);
    }
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 2);
    answer_status(s, 0, 200,
                  "{\"UnprocessedItems\":{\"Music\":[{\"PutRequest\":{\"Item\":"
                  "{\"Artist\":{\"S\":\"a\"},\"Song\":{\"N\":\"30\"}}}}]}}");
    assert_int_equal(s->d->counts.retries_transient, 25);
    s->now_ns += 50 * NS_PER_MS;
    dynamodb_turn(s->d);
    stub_end(s);
}

/* Hands back the first `back` of `count`; the limit afterwards. */
static size_t limit_after(size_t count, size_t back) {
    struct stub *s = stub_new();
    struct buffer body = {0};
    int error = buffer_printf(&body, "{\"UnprocessedItems\":{\"Music\":[");
    for (size_t i = 0; i < count; i++) {
        put_song(s, i, (int)i);
        if (i < back) {
            error |= buffer_printf(&body,
                                   "%s{\"PutRequest\":{\"Item\":{\"Artist\":{\"S\":\"a\"},"
                                   "\"Song\":{\"N\":\"%zu\"}}}}",
                                   i ? "," : "", i);
        }
    }
    error |= buffer_append(&body, "]}}", 4);
    assert_int_equal(error, 0);
    s->d->tables[0]->writes.limit = 10;
    dynamodb_turn(s->d);
    /* Nine more in flight, so that there is something to cut from. */
    struct list *batches = &s->d->tables[0]->lanes[LANE_ALONE].batches;
    batches->count += 9;
    answer_status(s, 0, 200, buffer_begin(&body));
    size_t limit = s->d->tables[0]->writes.limit;
    batches->count -= 9;
    buffer_fini(&body);
    s->now_ns += NS_PER_S;
    dynamodb_turn(s->d);
    stub_end(s);
    return limit;
}

static void many_unprocessed_items_are_a_throttle(void **state) {
    (void)state;
    assert_int_equal(limit_after(20, 10), 10); /* some keys are hot: they rest */
    assert_int_equal(limit_after(20, 11), 9);
    assert_int_equal(limit_after(20, 20), 5);
}

/* Somebody else is at that very item: no reason to slow the table. */
static void a_conflict_is_its_item_s(void **state) {
    static const char *const names[] = {"TransactionConflictException",
                                        "TransactionInProgressException",
                                        "ReplicatedWriteConflictException"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct stub *s = stub_new();
        char body[128];
        (void)snprintf(body, sizeof body, "{\"__type\":\"a#%s\",\"message\":\"m\"}", names[i]);
        put_song(s, 0, 1);
        dynamodb_turn(s->d);
        answer_status(s, 0, 400, body);
        assert_int_equal(s->got[0].calls, 0); /* it rests */
        assert_int_equal(s->d->counts.retries_throttle, 1);
        assert_int_equal(s->d->tables[0]->writes.limit, LIMITER_MAX);
        s->now_ns += NS_PER_S;
        dynamodb_turn(s->d);
        stub_end(s);
    }
}

static void the_longest_deadline_is_the_exchange_s(void **state) {
    struct stub *s = stub_new();
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char item[96];
        (void)snprintf(item, sizeof item, "{\"k\":{\"S\":\"%zu\"}}", i);
        struct op_request r = {.table = SLICE("Other"),
                               .item = slice_cstr(item),
                               .deadline_ns = s->now_ns + (1 + i % 2) * NS_PER_S,
                               .done = on_result,
                               .arg = &s->got[i]};
        assert_int_equal(dynamodb_submit(s->d, &r), 0);
    }
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 1);
    assert_int_equal(s->sent[0]->deadline_ns, s->now_ns + 2 * NS_PER_S);
    stub_end(s);
}

/* A missing table, a denied one: only the ops of that batch. */
static void a_missing_table_fails_its_own_ops(void **state) {
    struct stub *s = stub_new();
    (void)state;
    put_song(s, 0, 1);
    put_song(s, 1, 2);
    struct op_request other = {.kind = OP_PUT_ITEM,
                               .table = SLICE("Other"),
                               .item = SLICE("{\"k\":{\"S\":\"x\"}}"),
                               .done = on_result,
                               .arg = &s->got[2]};
    assert_int_equal(dynamodb_submit(s->d, &other), 0);
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 2);
    answer_status(s, 0, 400,
                  "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException\","
                  "\"message\":\"no \\\"Music\\\"\"}");
    assert_int_equal(s->got[0].outcome, OUTCOME_DENIED);
    assert_int_equal(s->got[1].outcome, OUTCOME_DENIED);
    assert_string_equal(s->got[0].error_name, "ResourceNotFoundException");
    assert_string_equal(s->got[1].message, "no \"Music\"");
    answer_status(s, 1, 200, "{}");
    assert_int_equal(s->got[2].outcome, OUTCOME_OK);
    stub_end(s);
}

/* DynamoDB names what it refuses. Who does not is not DynamoDB, and no item is to blame. */
static void a_nameless_refusal_accuses_nobody(void **state) {
    static const uint16_t statuses[] = {302, 404, 405, 421};
    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        struct stub *s = stub_new();
        put_songs(s, 0, 2);
        answer_status(s, 0, statuses[i], "<html>nothing here</html>");
        assert_int_equal(s->count, 1);
        assert_int_equal(s->got[0].outcome, OUTCOME_DENIED);
        assert_int_equal(s->got[1].outcome, OUTCOME_DENIED);
        stub_end(s);
    }
}

/* 25 with one bad: halves until it stands alone; its companions are stored. */
static void a_refused_batch_is_bisected(void **state) {
    (void)state;
    for (int guilty = 0; guilty < 25; guilty++) {
        struct stub *s = stub_new();
        char name[32];
        (void)snprintf(name, sizeof name, "{\"N\":\"%d\"}", 100 + guilty);
        for (size_t i = 0; i < 25; i++) {
            put_song(s, i, 100 + (int)i);
        }
        dynamodb_turn(s->d);
        for (size_t i = 0; i < s->count; i++) {
            int bad = strstr(text_of(s, i), name) != NULL;
            answer_status(s, i, bad ? 400 : 200,
                          bad ? "{\"__type\":\"a#ValidationException\",\"message\":\"bad\"}"
                              : "{}");
        }
        for (int i = 0; i < 25; i++) {
            assert_int_equal(s->got[i].calls, 1);
            assert_int_equal(s->got[i].outcome, i == guilty ? OUTCOME_REFUSED : OUTCOME_OK);
        }
        assert_string_equal(s->got[guilty].message, "bad");
        assert_int_equal(s->got[guilty].batch_ops, 1);
        assert_true(s->count <= 11);
        stub_end(s);
    }
}

static void a_batch_is_bounded_in_bytes(void **state) {
    struct dynamodb_options o = dynamodb_options_default;
    (void)state;
    o.queue_bytes = 64 << 20;
    struct stub *s = stub_new_with(&o);
    size_t len = 900000;
    char *item = malloc(len + 1);
    assert_non_null(item);
    for (size_t i = 0; i < 24; i++) {
        int n = snprintf(item, len, "{\"Artist\":{\"S\":\"a\"},\"Song\":{\"N\":\"%zu\"}", i);
        memset(item + n, ' ', len - (size_t)n);
        item[len - 1] = '}';
        item[len] = 0;
        assert_int_equal(submit(s, i, OP_PUT_ITEM, item, NULL, OP_IDEMPOTENT), 0);
    }
    free(item);
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 1); /* 17 fill it */
    s->now_ns += NS_PER_MS;
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 2);
    assert_true(strlen(text_of(s, 0)) < 16000000);
    assert_true(strlen(text_of(s, 0)) > 14000000);
    stub_end(s);
}

static void the_server_says_when_to_come_back(void **state) {
    static const struct http_header hint = {{"x-amz-retry-after", 17}, {"3000", 4}};
    static const char throttle[] = "{\"__type\":\"a#ThrottlingException\",\"message\":\"m\"}";
    struct stub *s = stub_new();
    (void)state;
    put_song(s, 0, 1);
    dynamodb_turn(s->d);
    answer_with(s, 0, 400, throttle, &hint);
    assert_true(s->wake_ns >= s->now_ns + 3000 * NS_PER_MS);
    assert_true(s->wake_ns <= s->now_ns + 4000 * NS_PER_MS);
    s->now_ns += 2999 * NS_PER_MS;
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 1);
    s->now_ns += 1001 * NS_PER_MS;
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 2);
    assert_int_equal(text_of(s, 1) != NULL, 1);
    assert_int_equal(s->attempt, 2);
    /* A retry that would come after the deadline is not waited for. */
    s->now_ns += 5500 * NS_PER_MS;
    answer_with(s, 1, 400, throttle, &hint);
    assert_int_equal(s->got[0].outcome, OUTCOME_THROTTLED);
    assert_int_equal(s->got[0].attempts, 2);
    assert_int_equal(s->got[0].retry_after_ms, 3000);
    assert_string_equal(s->got[0].error_name, "ThrottlingException");
    /* A read that failed and has no time left is late, not unavailable. */
    s->d->options.deadline_ms = 100;
    assert_int_equal(submit(s, 1, OP_GET_ITEM, KEY2, NULL, OP_IDEMPOTENT), 0);
    dynamodb_turn(s->d);
    answer_with(s, 2, 500, "", &hint);
    assert_int_equal(s->got[1].outcome, OUTCOME_TIMEOUT);
    stub_end(s);
}

/* A hint of days, right or wrong, keeps callers away for a minute. */
static void a_hint_is_believed_up_to_a_minute(void **state) {
    static const char *const hints[] = {"60001", "86399999", "86400000",
                                        "18446744073709551615"};
    static const char throttle[] = "{\"__type\":\"a#ThrottlingException\",\"message\":\"m\"}";
    struct dynamodb_options o = dynamodb_options_default;
    (void)state;
    o.max_attempts = 1;
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        struct stub *s = stub_new_with(&o);
        struct http_header hint = {{"x-amz-retry-after", 17}, slice_cstr(hints[i])};
        put_song(s, 0, 1);
        dynamodb_turn(s->d);
        answer_with(s, 0, 400, throttle, &hint);
        assert_int_equal(s->got[0].outcome, OUTCOME_THROTTLED);
        assert_int_equal(s->got[0].retry_after_ms, 60000);
        stub_end(s);
    }
}

static void the_invocation_id_stays_over_the_attempts(void **state) {
    struct stub *s = stub_new();
    char id[37];
    (void)state;
    put_song(s, 0, 1);
    dynamodb_turn(s->d);
    (void)text_of(s, 0);
    memcpy(id, s->id, sizeof id);
    assert_int_equal(s->attempt, 1);
    end_badly(s, 0, ERR_RESET, EXCHANGE_SENT);
    s->now_ns += 50 * NS_PER_MS;
    dynamodb_turn(s->d);
    (void)text_of(s, 1);
    assert_string_equal(id, s->id);
    assert_int_equal(s->attempt, 2);
    stub_end(s);
}

/* The first copy may have been applied, whatever the second was told. */
static void what_the_pool_repeated_may_have_happened(void **state) {
    static const char throttled[] = "{\"__type\":\"x#ProvisionedThroughputExceededException\"}";
    struct dynamodb_options once = dynamodb_options_default;
    once.max_attempts = 1;
    struct stub *s = stub_new_with(&once);
    (void)state;
    put_song(s, 0, 1);
    dynamodb_turn(s->d);
    answer_status(s, 0, 400, throttled);
    assert_int_equal(s->got[0].outcome, OUTCOME_THROTTLED);
    put_song(s, 1, 1);
    s->now_ns += NS_PER_S;
    dynamodb_turn(s->d);
    s->sent[1]->resends = 1;
    answer_status(s, 1, 400, throttled);
    assert_int_equal(s->got[1].outcome, OUTCOME_UNKNOWN);
    stub_end(s);
}

/* What fills no batch waits for those whose batch has just returned, for the delay at most; and
 * once the crowd is gone, for nobody. */
static void a_scrap_waits_for_the_crowd(void **state) {
    struct stub *s = stub_new();
    (void)state;
    put_songs(s, 0, 64);
    assert_int_equal(s->count, 2);
    answer_status(s, 0, 200, "{}");
    answer_status(s, 1, 200, "{}");
    assert_int_equal(s->count, 2); /* none is in flight, and the 14 stay */
    put_songs(s, 64, 75);
    assert_int_equal(s->count, 3); /* full */
    answer_status(s, 2, 200, "{}");
    put_songs(s, 75, 79);
    assert_int_equal(s->count, 3);
    s->now_ns += s->d->options.batch_delay_ms * NS_PER_MS;
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 4);
    answer_status(s, 3, 200, "{}");
    s->now_ns += 2 * s->d->options.batch_delay_ms * NS_PER_MS;
    put_songs(s, 79, 90);
    assert_int_equal(s->count, 5);
    stub_end(s);
}

/* Retries cost: when 500 tokens are gone the next failure is final; successes pay back. */
static void the_quota_bounds_retries(void **state) {
    struct stub *s = stub_new();
    struct dynamodb_counts c;
    (void)state;
    for (size_t i = 0; i < 60; i++) {
        put_song(s, i, (int)i);
        dynamodb_turn(s->d);
        end_badly(s, s->count - 1, ERR_RESET, EXCHANGE_SENT);
    }
    dynamodb_count(s->d, &c);
    assert_int_equal(c.retries_transient, 500 / 14);
    assert_int_equal(c.outcomes[OUTCOME_UNKNOWN], c.settled);
    assert_true(c.settled >= 60 - 500 / 14);
    /* What rests is stored at last, and pays back what it cost. */
    for (int turn = 0; turn < 2; turn++) { /* a full batch, and the rest a delay later */
        s->now_ns += 100 * NS_PER_MS;
        dynamodb_turn(s->d);
        for (size_t i = 0; i < s->count; i++) {
            if (s->sent[i]) {
                answer_status(s, i, 200, "{}");
            }
        }
    }
    dynamodb_count(s->d, &c);
    assert_int_equal(c.settled, 60);
    assert_true(s->d->tables[0]->quota.tokens > 400);
    stub_end(s);
}

/* "All of it is handed back" is a 200, and no success: it earns nothing. */
static void what_is_handed_back_pays_for_its_retry(void **state) {
    static const char both[] =
        "{\"UnprocessedItems\":{\"Music\":[{\"PutRequest\":{\"Item\":" KEY1
        "}},{\"PutRequest\":{\"Item\":" KEY2 "}}]}}";
    static const char second[] =
        "{\"UnprocessedItems\":{\"Music\":[{\"PutRequest\":{\"Item\":" KEY2 "}}]}}";
    struct stub *s = stub_new();
    const struct retry_quota *quota = &s->d->tables[0]->quota;
    (void)state;
    put_songs(s, 1, 3);
    answer_status(s, 0, 200, both);
    assert_int_equal(quota->tokens, 490);
    s->now_ns += NS_PER_S;
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 2);
    answer_status(s, 1, 200, both);
    assert_int_equal(quota->tokens, 480);
    s->now_ns += 2 * NS_PER_S;
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 3);
    answer_status(s, 2, 200, second); /* the first is stored, the second pays again */
    assert_int_equal(s->got[1].outcome, OUTCOME_OK);
    assert_true(quota->tokens <= 480);
    s->now_ns += 4 * NS_PER_S;
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 4);
    answer_status(s, 3, 200, "{}");
    assert_int_equal(s->got[2].outcome, OUTCOME_OK);
    assert_true(quota->tokens <= 500 - 10);
    stub_end(s);
}

static void deadlines_of_what_waits(void **state) {
    struct stub *s = stub_new();
    (void)state;
    s->places = 0;
    put_song(s, 0, 1);
    put_song(s, 1, 1); /* behind it */
    dynamodb_turn(s->d);
    assert_true(s->wake_ns <= s->now_ns + 10 * NS_PER_S + DEADLINE_SWEEP_MS * NS_PER_MS);
    s->now_ns += 10 * NS_PER_S + 1;
    dynamodb_turn(s->d);
    assert_int_equal(s->got[0].outcome, OUTCOME_TIMEOUT);
    assert_int_equal(s->got[1].outcome, OUTCOME_TIMEOUT);
    put_song(s, 2, 1);
    s->reachable = 0;
    s->now_ns += 10 * NS_PER_S + 1;
    dynamodb_turn(s->d);
    assert_int_equal(s->got[2].outcome, OUTCOME_UNAVAILABLE);
    assert_int_equal(s->got[2].attempts, 0);
    put_song(s, 4, 1);
    s->d->tables[0]->writes.throttled = 1; /* by others' answers: that is what it waits for */
    s->now_ns += 10 * NS_PER_S + 1;
    dynamodb_turn(s->d);
    assert_int_equal(s->got[4].outcome, OUTCOME_THROTTLED);
    /* One that leaves too late is settled instead of sent. */
    s->places = 1;
    put_song(s, 3, 1);
    s->d->swept_ns = s->now_ns + NS_PER_S * 10;
    s->now_ns += 10 * NS_PER_S;
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 0);
    assert_int_equal(s->got[3].calls, 1);
    stub_end(s);
}

/* The caller hears at its deadline; the key's line waits until the exchange has ended. */
static void a_deadline_in_flight(void **state) {
    struct stub *s = stub_new();
    (void)state;
    put_song(s, 0, 1);
    dynamodb_turn(s->d);
    assert_true(s->sent[0]->deadline_ns > 0); /* while it waits in the pool */
    (void)text_of(s, 0);
    assert_int_equal(s->sent[0]->deadline_ns, 0); /* not once it may have left */
    s->now_ns += 9 * NS_PER_S;
    put_song(s, 1, 1);
    assert_int_equal(submit(s, 2, OP_GET_ITEM, KEY2, NULL, OP_IDEMPOTENT), 0);
    dynamodb_turn(s->d);
    (void)text_of(s, 1);
    s->now_ns += NS_PER_S;
    dynamodb_turn(s->d);
    assert_int_equal(s->got[0].outcome, OUTCOME_UNKNOWN_TIMEOUT);
    assert_int_equal(s->got[0].attempts, 1);
    assert_int_equal(s->d->abandoned.count, 1);
    assert_int_equal(s->count, 2);
    answer_status(s, 0, 200, "{}");
    assert_int_equal(s->got[0].calls, 1);
    assert_int_equal(s->d->abandoned.count, 0);
    assert_int_equal(s->count, 3); /* now the next of its key */
    s->now_ns += 9 * NS_PER_S;
    dynamodb_turn(s->d);
    assert_int_equal(s->got[2].outcome, OUTCOME_TIMEOUT); /* a read is just late */
    /* One that was never written will not be any more. */
    s->now_ns += 9 * NS_PER_S;
    dynamodb_turn(s->d);
    assert_int_equal(s->got[1].outcome, OUTCOME_UNAVAILABLE);
    assert_int_equal(s->sent[2]->events->on_write(s->sent[2], &s->out), ERR_CANCELED);
    end_badly(s, 2, ERR_CANCELED, EXCHANGE_NOT_SENT);
    assert_int_equal(s->got[1].calls, 1);
    /* In a batch that is refused, or handed back, the others go on. */
    for (size_t i = 10; i < 14; i++) {
        struct op_request r = {.table = SLICE("Other"),
                               .item = slice_cstr(i == 10   ? "{\"k\":{\"S\":\"0\"}}"
                                                  : i == 11 ? "{\"k\":{\"S\":\"1\"}}"
                                                  : i == 12 ? "{\"k\":{\"S\":\"2\"}}"
                                                            : "{\"k\":{\"S\":\"3\"}}"),
                               .deadline_ns = s->now_ns + (i == 10 ? 1 : 9) * NS_PER_S,
                               .done = on_result,
                               .arg = &s->got[i]};
        assert_int_equal(dynamodb_submit(s->d, &r), 0);
    }
    dynamodb_turn(s->d);
    size_t at = s->count - 1;
    (void)text_of(s, at);
    s->now_ns += 2 * NS_PER_S;
    dynamodb_turn(s->d);
    assert_int_equal(s->got[10].outcome, OUTCOME_UNKNOWN_TIMEOUT);
    answer_status(s, at, 400, "{\"__type\":\"a#ValidationException\",\"message\":\"m\"}");
    assert_int_equal(s->got[11].calls + s->got[12].calls + s->got[13].calls, 0);
    stub_end(s);
}

/* In a batch that waits for a connection, each hears at its own deadline; the others leave. */
static void a_deadline_in_the_pool(void **state) {
    struct stub *s = stub_new();
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char item[32];
        (void)snprintf(item, sizeof item, "{\"k\":{\"S\":\"%zu\"}}", i);
        struct op_request r = {.table = SLICE("Other"),
                               .item = slice_cstr(item),
                               .deadline_ns = s->now_ns + (i == 1 ? 1 : 9) * NS_PER_S,
                               .done = on_result,
                               .arg = &s->got[i]};
        assert_int_equal(dynamodb_submit(s->d, &r), 0);
    }
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 1);
    s->now_ns += NS_PER_S;
    dynamodb_turn(s->d);
    assert_int_equal(s->got[1].outcome, OUTCOME_UNAVAILABLE);
    assert_int_equal(s->got[0].calls + s->got[2].calls, 0);
    assert_string_equal(
        text_of(s, 0),
        "BatchWriteItem {\"RequestItems\":{\"Other\":[{\"PutRequest\":{\"Item\":"
        "{\"k\":{\"S\":\"0\"}}}},{\"PutRequest\":{\"Item\":{\"k\":{\"S\":\"2\"}}}}]}}");
    answer_status(s, 0, 200, "{}");
    assert_int_equal(s->got[0].outcome, OUTCOME_OK);
    assert_int_equal(s->got[1].calls, 1);
    assert_int_equal(s->got[2].outcome, OUTCOME_OK);
    stub_end(s);
}

/* A drain waits for outcomes, not for exchanges whose callers have been told. */
static void a_drain_does_not_wait_for_the_abandoned(void **state) {
    struct stub *s = stub_new();
    (void)state;
    put_song(s, 0, 1);
    dynamodb_turn(s->d);
    (void)text_of(s, 0);
    dynamodb_drain(s->d, note_drained, s);
    dynamodb_turn(s->d);
    assert_int_equal(s->drained, 0);
    s->now_ns += 10 * NS_PER_S;
    dynamodb_turn(s->d);
    assert_int_equal(s->got[0].calls, 1);
    assert_int_equal(s->drained, 1);
    stub_end(s);
}

static void bad_credentials_are_told_once_a_second(void **state) {
    static const char expired[] = "{\"__type\":\"a#ExpiredTokenException\",\"message\":\"m\"}";
    struct stub *s = stub_new();
    (void)state;
    dynamodb_on_bad_credentials(s->d, note_told, s);
    for (size_t i = 0; i < 8; i++) {
        put_song(s, i, (int)i);
        dynamodb_turn(s->d);
    }
    for (size_t i = 0; i < 8; i++) {
        answer_status(s, i, 400, expired);
    }
    assert_int_equal(s->told, 1);
    s->now_ns += 249 * NS_PER_MS;
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 8); /* time for new ones to come */
    s->now_ns += NS_PER_S;
    dynamodb_turn(s->d);
    answer_status(s, 8, 400, expired);
    assert_int_equal(s->told, 2);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(s->got[i].calls, 1);
        assert_int_equal(s->got[i].outcome, OUTCOME_DENIED);
    }
    /* A signer without any says so before a byte is written. */
    put_song(s, 9, 1);
    dynamodb_turn(s->d);
    end_badly(s, s->count - 1, ERR_CREDENTIALS, EXCHANGE_NOT_SENT);
    s->now_ns += NS_PER_S;
    dynamodb_turn(s->d);
    end_badly(s, s->count - 1, ERR_CREDENTIALS, EXCHANGE_NOT_SENT);
    assert_int_equal(s->got[9].outcome, OUTCOME_DENIED);
    assert_int_equal(s->got[9].attempts, 0);
    stub_end(s);
}

static void the_date_field_moves_the_clock(void **state) {
    char date[30];
    struct stub *s = stub_new();
    (void)state;
    clock_format_http(1700000000 + 3600, date);
    struct http_header h = {{"Date", 4}, slice_cstr(date)};
    put_song(s, 0, 1);
    dynamodb_turn(s->d);
    answer_with(s, 0, 400,
                "{\"__type\":\"a#InvalidSignatureException\",\"message\":\"expired\"}", &h);
    assert_int_equal(dynamodb_clock_offset_s(s->d), 3600);
    assert_int_equal(s->count, 2); /* at once, with the right time */
    (void)text_of(s, 1);
    assert_int_equal(s->epoch_s, 1700000000 + 3600);
    stub_end(s);
}

static void a_close_settles_everything(void **state) {
    struct stub *s = stub_new();
    (void)state;
    put_song(s, 0, 1);
    dynamodb_turn(s->d);
    (void)text_of(s, 0); /* written: it may have happened */
    put_song(s, 1, 2);
    dynamodb_turn(s->d); /* in the pool's queue: it cannot have */
    s->places = 0;
    put_song(s, 2, 3);
    put_song(s, 3, 1);
    dynamodb_turn(s->d);
    dynamodb_drain(s->d, note_drained, s);
    dynamodb_close(s->d, note_closed, s);
    assert_int_equal(s->got[0].calls, 0);
    dynamodb_turn(s->d);
    assert_int_equal(s->got[0].outcome, OUTCOME_UNKNOWN);
    assert_int_equal(s->got[1].outcome, OUTCOME_UNAVAILABLE);
    assert_int_equal(s->got[2].outcome, OUTCOME_UNAVAILABLE);
    assert_int_equal(s->got[3].outcome, OUTCOME_UNAVAILABLE);
    assert_int_equal(s->drained, 1);
    assert_int_equal(s->closed, 1); /* though two exchanges are still the pool's */
    assert_int_equal(s->sent[1]->events->on_write(s->sent[1], &s->out), ERR_CANCELED);
    struct http_response late = {.status = 200, .body = SLICE("{}")};
    s->sent[1]->events->on_done(s->sent[1], ERR_CANCELED, NULL);
    s->sent[0]->events->on_done(s->sent[0], 0, &late);
    s->sent[0] = s->sent[1] = NULL;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(s->got[i].calls, 1);
    }
    stub_end(s);
}

/* The pool repeats a stale write, and there are no credentials any more: the first copy may
 * have happened all the same. */
static void a_close_between_two_copies(void **state) {
    struct stub *s = stub_new();
    (void)state;
    put_song(s, 0, 1);
    dynamodb_turn(s->d);
    (void)text_of(s, 0);
    s->sent[0]->resends = 1;
    s->write_error = ERR_CREDENTIALS;
    assert_int_equal(s->sent[0]->events->on_write(s->sent[0], &s->out), ERR_CREDENTIALS);
    dynamodb_close(s->d, note_closed, s);
    dynamodb_turn(s->d);
    assert_int_equal(s->got[0].outcome, OUTCOME_UNKNOWN);
    s->sent[0]->events->on_done(s->sent[0], ERR_CREDENTIALS, NULL);
    s->sent[0] = NULL;
    assert_int_equal(s->got[0].calls, 1);
    stub_end(s);
}

/* Its last answer refuses a batch as a whole: nobody knows any more whom it meant. */
static void a_close_accuses_nobody(void **state) {
    struct stub *s = stub_new();
    (void)state;
    put_songs(s, 0, 3);
    (void)text_of(s, 0);
    dynamodb_close(s->d, note_closed, s);
    answer_status(s, 0, 400, "{\"__type\":\"a#ValidationException\",\"message\":\"bad\"}");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(s->got[i].calls, 1);
        assert_int_equal(s->got[i].outcome, OUTCOME_UNAVAILABLE);
    }
    stub_end(s);
}

/* A table with much to send does not keep another from the one place there is. */
static void tables_take_turns(void **state) {
    struct dynamodb_options o = dynamodb_options_default;
    (void)state;
    o.batch_items = 1;
    struct stub *s = stub_new_with(&o);
    s->places = 1;
    for (size_t i = 0; i < 20; i++) {
        put_song(s, i, (int)i);
    }
    struct op_request other = {.kind = OP_PUT_ITEM,
                               .table = SLICE("Other"),
                               .item = SLICE("{\"k\":{\"S\":\"x\"}}"),
                               .done = on_result,
                               .arg = &s->got[100]};
    assert_int_equal(dynamodb_submit(s->d, &other), 0);
    dynamodb_turn(s->d);
    for (size_t i = 0; i < 2; i++) {
        answer_status(s, i, 200, "{}");
    }
    assert_int_equal(s->got[100].calls, 1);
    while (s->sent[s->count - 1]) {
        answer_status(s, s->count - 1, 200, "{}");
    }
    stub_end(s);
}

/* ---- memory ---- */

static size_t mallocs;

/* A sanitizer has its own malloc; the count is for the plain builds. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef SANITIZED
extern void *__libc_malloc(size_t size);
void *malloc(size_t size);
void *malloc(size_t size) {
    mallocs++;
    return __libc_malloc(size);
}
#endif

static void a_round(struct stub *s) {
    s->count = 0;
    memset(s->got, 0, sizeof s->got);
    for (size_t i = 0; i < 100; i++) {
        put_song(s, i, (int)i);
    }
    dynamodb_turn(s->d);
    for (size_t i = 0; i < s->count; i++) {
        (void)text_of(s, i);
        answer_status(s, i, 200, "{\"UnprocessedItems\":{}}");
    }
}

static void no_malloc_in_the_steady_state(void **state) {
    struct stub *s = stub_new();
    (void)state;
    for (int i = 0; i < 5; i++) {
        a_round(s);
    }
    size_t before = mallocs;
    for (int i = 0; i < 100; i++) {
        a_round(s);
    }
    assert_int_equal(mallocs - before, 0);
    stub_end(s);
}

/* Thousands may read a hot key at once: one that ends must not look at all of them. */
static void a_read_that_ends_looks_at_no_crowd(void **state) {
#ifdef __SANITIZE_ADDRESS__
    struct stub *s = stub_new();
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(submit(s, i, OP_GET_ITEM, KEY1, NULL, OP_IDEMPOTENT), 0);
    }
    dynamodb_turn(s->d);
    assert_int_equal(s->count, 4);
    const struct list *flying = &s->d->tables[0]->lanes[LANE_READS].flying;
    struct op *last = container_of(flying->last, struct op, node);
    size_t behind = offsetof(struct op, bytes) - offsetof(struct op, state);
    ASAN_POISON_MEMORY_REGION(&last->state, behind);
    answer_status(s, 0, 200, "{}");
    ASAN_UNPOISON_MEMORY_REGION(&last->state, behind);
    assert_int_equal(s->got[0].outcome, OUTCOME_OK);
    stub_end(s);
#else
    (void)state;
#endif
}

static void never_called(void *arg, const struct op_result *result) {
    (void)arg;
    (void)result;
    fail();
}

/* A reload: tables come; those that go wait for their last op. */
static void test_tables_come_and_go(void **state) {
    static const struct model_table later[] = {
        {.name = "Music",
         .partition = {.name = "Artist", .name_len = 6, .type = MODEL_KEY_S},
         .sort = {.name = "Song", .name_len = 4, .type = MODEL_KEY_N}},
        {.name = "New", .partition = {.name = "k", .name_len = 1, .type = MODEL_KEY_S}},
    };
    struct stub *s = stub_new();
    (void)state;
    put_song(s, 0, 1);
    dynamodb_add_tables(s->d, later, 2);
    assert_int_equal(s->d->table_count, 3);
    dynamodb_keep_tables(s->d, &later[1], 1);
    assert_int_equal(s->d->table_count, 2); /* Other had none; Music has one */
    dynamodb_turn(s->d);
    answer_status(s, 0, 200, "{}");
    dynamodb_keep_tables(s->d, &later[1], 1);
    assert_int_equal(s->d->table_count, 1);
    assert_string_equal(s->d->tables[0]->name.ptr, "New");
    struct op_request request = {
        .kind = OP_QUERY, .table = SLICE("Music"), .done = never_called};
    assert_int_equal(dynamodb_submit(s->d, &request), ERR_NOT_FOUND);
    stub_end(s);
}

/* It was to go while an op of it was under way, and comes again with another key. */
static void test_a_table_comes_again(void **state) {
    static const struct model_table music[] = {
        {.name = "Music", .partition = {.name = "id", .name_len = 2, .type = MODEL_KEY_S}},
    };
    static const char unprocessed[] = "{\"UnprocessedItems\":{\"Music\":[{\"PutRequest\":"
                                      "{\"Item\":{\"id\":{\"S\":\"1\"}}}}]}}";
    struct stub *s = stub_new();
    (void)state;
    put_song(s, 0, 1);
    dynamodb_turn(s->d);
    dynamodb_keep_tables(s->d, &tables[1], 1);
    answer_status(s, 0, 200, "{}");
    dynamodb_add_tables(s->d, music, 1);
    assert_int_equal(submit(s, 1, OP_PUT_ITEM, "{\"id\":{\"S\":\"1\"}}", NULL, OP_IDEMPOTENT),
                     0);
    assert_int_equal(submit(s, 2, OP_PUT_ITEM, "{\"id\":{\"S\":\"2\"}}", NULL, OP_IDEMPOTENT),
                     0);
    dynamodb_turn(s->d);
    answer_status(s, 1, 200, unprocessed);
    assert_int_equal(s->got[2].outcome, OUTCOME_OK);
    assert_int_equal(s->d->counts.retries_unprocessed, 1);
    s->now_ns += NS_PER_S;
    dynamodb_turn(s->d);
    stub_end(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_come_and_go),
        cmocka_unit_test(test_a_table_comes_again),
        cmocka_unit_test(bodies_on_the_wire),
        cmocka_unit_test(what_submit_refuses),
        cmocka_unit_test(order_per_key),
        cmocka_unit_test(unprocessed_items_are_matched_by_key),
        cmocka_unit_test(answers_that_are_none_are_not_believed),
        cmocka_unit_test(a_lone_write_is_stored_by_dynamodb_alone),
        cmocka_unit_test(an_answer_to_another_batch_is_not_believed),
        cmocka_unit_test(many_unprocessed_items_are_a_throttle),
        cmocka_unit_test(a_conflict_is_its_item_s),
        cmocka_unit_test(the_longest_deadline_is_the_exchange_s),
        cmocka_unit_test(a_missing_table_fails_its_own_ops),
        cmocka_unit_test(a_nameless_refusal_accuses_nobody),
        cmocka_unit_test(a_refused_batch_is_bisected),
        cmocka_unit_test(a_batch_is_bounded_in_bytes),
        cmocka_unit_test(the_server_says_when_to_come_back),
        cmocka_unit_test(a_hint_is_believed_up_to_a_minute),
        cmocka_unit_test(the_invocation_id_stays_over_the_attempts),
        cmocka_unit_test(what_the_pool_repeated_may_have_happened),
        cmocka_unit_test(a_scrap_waits_for_the_crowd),
        cmocka_unit_test(the_quota_bounds_retries),
        cmocka_unit_test(what_is_handed_back_pays_for_its_retry),
        cmocka_unit_test(deadlines_of_what_waits),
        cmocka_unit_test(a_deadline_in_flight),
        cmocka_unit_test(a_deadline_in_the_pool),
        cmocka_unit_test(a_drain_does_not_wait_for_the_abandoned),
        cmocka_unit_test(bad_credentials_are_told_once_a_second),
        cmocka_unit_test(the_date_field_moves_the_clock),
        cmocka_unit_test(a_close_settles_everything),
        cmocka_unit_test(a_close_between_two_copies),
        cmocka_unit_test(a_close_accuses_nobody),
        cmocka_unit_test(tables_take_turns),
        cmocka_unit_test(no_malloc_in_the_steady_state),
        cmocka_unit_test(a_read_that_ends_looks_at_no_crowd),
    };
    log_threshold = LOG_OFF;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
