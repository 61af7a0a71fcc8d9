#include "sink_protocol.h"

#include "base/error.h"
#include "sink_batch.h"
#include "sink_item.h"
#include "sink_json.h"
#include "sink_verify.h"

#include <zlib.h>

#define VERIFY_ONE_OF 16u
#define TARGET_PREFIX "DynamoDB_20120810."

#define FAULT(space, name, text)   "{\"__type\":\"" space "#" name "\",\"message\":\"" text "\"}"
#define DYNAMODB_FAULT(name, text) FAULT("com.amazonaws.dynamodb.v20120810", name, text)
#define CORAL_FAULT(name, text)    FAULT("com.amazon.coral.service", name, text)
#define VALIDATION_FAULT(text)     FAULT("com.amazon.coral.validate", "ValidationException", text)

/* One request on its way through. */
struct call {
    struct sink_protocol *p;
    struct slice body;
    uint64_t now_s;
    struct sink_answer *answer;
};

/* ---- answers ---- */

struct sink_answer sink_answer_of(unsigned status, struct slice body) {
    uLong crc = crc32(0, (const unsigned char *)body.ptr, (unsigned)body.len);
    return (struct sink_answer){status, body, (uint32_t)crc};
}

static void answer_with(struct call *c, unsigned status, struct slice body) {
    *c->answer = sink_answer_of(status, body);
}

static void answer_ok(struct call *c, struct slice body) {
    sink_count(&c->p->counters.ok, 1);
    answer_with(c, 200, body);
}

static void refuse(struct call *c, struct slice body) {
    sink_count(&c->p->counters.refused, 1);
    answer_with(c, 400, body);
}

static void fail(struct call *c) {
    sink_count(&c->p->counters.failed, 1);
    answer_with(c, 500, SLICE(DYNAMODB_FAULT("InternalServerError", "Internal server error")));
}

static void throttle(struct call *c) {
    sink_count(&c->p->counters.throttled, 1);
    answer_with(
        c, 400,
        SLICE(DYNAMODB_FAULT(
            "ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded. "
            "Consider increasing your provisioning level with the UpdateTable API.")));
}

static struct buffer *fresh_scratch(struct sink_protocol *p) {
    buffer_reset(&p->scratch, SIZE_MAX);
    return &p->scratch;
}

/* Sends the scratch buffer; `error` is of what filled it: no memory. */
static void answer_scratch_ok(struct call *c, int error) {
    if (error) {
        fail(c);
    } else {
        answer_ok(c, buffer_slice(&c->p->scratch));
    }
}

static void refuse_json(struct call *c) {
    refuse(c, SLICE(CORAL_FAULT("SerializationException",
                                "Start of structure or map found where not expected")));
}

static void refuse_key(struct call *c) {
    refuse(c, SLICE(VALIDATION_FAULT("One or more parameter values were invalid: a key of the "
                                     "table is missing in the item")));
}

static void refuse_table(struct call *c, struct slice name) {
    if (buffer_printf(fresh_scratch(c->p),
                      DYNAMODB_FAULT("ResourceNotFoundException",
                                     "Requested resource not found: Table: " SLICE_FMT
                                     " not found"),
                      SLICE_ARG(name))) {
        fail(c);
    } else {
        refuse(c, buffer_slice(&c->p->scratch));
    }
}

/* ---- single operations ---- */

struct single {
    struct slice table;
    struct slice item; /* raw: Item or Key */
    struct slice return_values;
    uint64_t hash;
};

static int read_single(struct slice body, struct slice item_name, struct single *s) {
    struct sink_json j = sink_json_of(body);
    bool first = true;
    struct slice name, raw;
    int error;
    memset(s, 0, sizeof *s);
    if (!sink_json_take(&j, '{')) {
        return ERR_INVALID;
    }
    while ((error = sink_json_name(&j, &first, &name)) == 0) {
        if (sink_json_value(&j, &raw)) {
            return ERR_INVALID;
        }
        if (slice_eq(name, item_name)) {
            s->item = raw;
        } else if (slice_eq(name, SLICE("TableName")) && raw.len > 2) {
            s->table = slice_of(raw.ptr + 1, raw.len - 2);
        } else if (slice_eq(name, SLICE("ReturnValues"))) {
            s->return_values = raw;
        }
    }
    return error == ERR_NOT_FOUND ? 0 : error;
}

/* The table the request names; NULL when the answer is given. */
static const struct sink_table *take_table(struct call *c, struct slice item_name,
                                           struct single *s) {
    if (read_single(c->body, item_name, s)) {
        refuse_json(c);
        return NULL;
    }
    const struct sink_table *table = sink_tables_find(c->p->tables, s->table);
    if (!table) {
        refuse_table(c, s->table);
    }
    return table;
}

/* Its key, too; false when the answer is given. */
static bool take_item(struct call *c, struct slice item_name, struct single *s) {
    const struct sink_table *table = take_table(c, item_name, s);
    if (!table) {
        return false;
    }
    struct sink_json j = sink_json_of(s->item);
    int error = sink_item_hash(&j, table, &s->hash);
    if (error == ERR_NOT_FOUND) {
        refuse_key(c);
    } else if (error) {
        refuse_json(c);
    }
    return error == 0;
}

static void count_item(struct sink_protocol *p, uint64_t hash) {
    sink_count(&p->counters.items, 1);
    if (p->keys) {
        sink_keys_add(p->keys, hash);
    }
}

static void write_one(struct call *c, struct slice item_name) {
    struct single s;
    if (take_item(c, item_name, &s)) {
        count_item(c->p, s.hash);
        answer_ok(c, SLICE("{}"));
    }
}

static void put_item(struct call *c) {
    sink_count(&c->p->counters.puts, 1);
    write_one(c, SLICE("Item"));
}

static void delete_item(struct call *c) {
    sink_count(&c->p->counters.deletes, 1);
    write_one(c, SLICE("Key"));
}

/* With ReturnValues, the item is what we know of it: its key. */
static void update_item(struct call *c) {
    struct single s;
    sink_count(&c->p->counters.updates, 1);
    if (!take_item(c, SLICE("Key"), &s)) {
        return;
    }
    count_item(c->p, s.hash);
    if (s.return_values.len == 0 || slice_eq(s.return_values, SLICE("\"NONE\""))) {
        answer_ok(c, SLICE("{}"));
    } else {
        answer_scratch_ok(c,
                          buffer_printf(fresh_scratch(c->p), "{\"Attributes\":" SLICE_FMT "}",
                                        SLICE_ARG(s.item)));
    }
}

static void get_item(struct call *c) {
    struct single s;
    sink_count(&c->p->counters.gets, 1);
    if (take_item(c, SLICE("Key"), &s)) {
        answer_ok(c, SLICE("{}"));
    }
}

static void query(struct call *c) {
    struct single s;
    sink_count(&c->p->counters.gets, 1);
    if (take_table(c, SLICE("Key"), &s)) {
        answer_ok(c, SLICE("{\"Count\":0,\"Items\":[],\"ScannedCount\":0}"));
    }
}

/* ---- tables ---- */

static void describe(struct call *c, const struct sink_table *table, const char *name) {
    struct buffer *out = fresh_scratch(c->p);
    int error = buffer_printf(out, "{\"%s\":", name);
    if (!error) {
        error = sink_table_describe(table, out);
    }
    answer_scratch_ok(c, error ? error : buffer_append(out, "}", 1));
}

static void describe_table(struct call *c) {
    struct single s;
    const struct sink_table *table = take_table(c, SLICE("Key"), &s);
    if (table) {
        describe(c, table, "Table");
    }
}

static void create_table(struct call *c) {
    const struct sink_table *table;
    switch (sink_tables_create(c->p->tables, c->body, c->now_s, &table)) {
    case 0:
        describe(c, table, "TableDescription");
        break;
    case ERR_EXISTS:
        refuse(c, SLICE(DYNAMODB_FAULT("ResourceInUseException", "Table already exists")));
        break;
    case ERR_LIMIT:
        refuse(c, SLICE(DYNAMODB_FAULT("LimitExceededException", "No room for more tables")));
        break;
    default:
        refuse(c, SLICE(VALIDATION_FAULT("Invalid table description")));
        break;
    }
}

/* ---- batches ---- */

static bool chance(struct sink_protocol *p, double percent) {
    return percent > 0 && rng_unit(&p->rng) * 100 < percent;
}

static void answer_batch(struct call *c, struct sink_batch *b) {
    struct sink_protocol *p = c->p;
    size_t unprocessed = 0;
    for (size_t i = 0; i < b->count; i++) {
        b->entries[i].unprocessed = chance(p, p->options->unprocessed_percent);
        unprocessed += b->entries[i].unprocessed;
    }
    if (unprocessed == b->count) { /* DynamoDB makes an exception of it */
        throttle(c);
        return;
    }
    for (size_t i = 0; i < b->count; i++) {
        if (!b->entries[i].unprocessed) {
            count_item(p, b->entries[i].hash);
        }
    }
    if (unprocessed == 0) {
        answer_ok(c, SLICE("{\"UnprocessedItems\":{}}"));
    } else {
        sink_count(&p->counters.unprocessed, unprocessed);
        answer_scratch_ok(c, sink_batch_unprocessed(b, fresh_scratch(p)));
    }
}

static void batch_write_item(struct call *c) {
    struct sink_batch b;
    sink_count(&c->p->counters.batches, 1);
    switch (sink_batch_read(&b, c->p->tables, c->body)) {
    case BATCH_GOOD:
        answer_batch(c, &b);
        break;
    case BATCH_NOT_JSON:
        refuse_json(c);
        break;
    case BATCH_NO_TABLE:
        refuse_table(c, b.table);
        break;
    case BATCH_NO_KEY:
        refuse_key(c);
        break;
    case BATCH_TOO_MANY:
        refuse(c,
               SLICE(VALIDATION_FAULT("Too many items requested for the BatchWriteItem call")));
        break;
    case BATCH_EMPTY:
        refuse(c, SLICE(VALIDATION_FAULT("The batch has no item")));
        break;
    case BATCH_DUPLICATES:
        refuse(c, SLICE(VALIDATION_FAULT("Provided list of item keys contains duplicates")));
        break;
    }
}

/* ---- dispatch ---- */

static const struct operation {
    struct slice name;
    void (*run)(struct call *c);
    bool may_fail; /* --fail and --throttle hit it */
} operations[] = {
    {SLICE("PutItem"), put_item, true},
    {SLICE("BatchWriteItem"), batch_write_item, true},
    {SLICE("GetItem"), get_item, true},
    {SLICE("UpdateItem"), update_item, true},
    {SLICE("DeleteItem"), delete_item, true},
    {SLICE("Query"), query, true},
    {SLICE("DescribeTable"), describe_table, false},
    {SLICE("CreateTable"), create_table, false},
};

static const struct operation *find_operation(struct slice target) {
    if (!slice_starts_with(target, SLICE(TARGET_PREFIX))) {
        return NULL;
    }
    struct slice name = slice_from(target, sizeof TARGET_PREFIX - 1);
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (slice_eq(operations[i].name, name)) {
            return &operations[i];
        }
    }
    return NULL;
}

/* Every sixteenth or so; false when the answer is given. */
static bool signature_passes(struct call *c, const struct http_request *request) {
    struct sink_protocol *p = c->p;
    if (!p->options->secret || rng_below(&p->rng, VERIFY_ONE_OF) != 0) {
        return true;
    }
    sink_count(&p->counters.checked_signatures, 1);
    int error = sink_verify(request, slice_cstr(p->options->secret));
    if (!error) {
        return true;
    }
    sink_count(&p->counters.bad_signatures, 1);
    if (error == ERR_PERMISSION) {
        refuse(c, SLICE(CORAL_FAULT("InvalidSignatureException",
                                    "The request signature we calculated does not match the "
                                    "signature you provided. Check your AWS Secret Access Key "
                                    "and signing method.")));
    } else {
        refuse(c, SLICE(CORAL_FAULT("IncompleteSignatureException",
                                    "The request is not signed as it should be")));
    }
    return false;
}

void sink_protocol_answer(struct sink_protocol *p, const struct http_request *request,
                          uint64_t now_s, struct sink_answer *answer) {
    struct call c = {p, request->body, now_s, answer};
    sink_count(&p->counters.requests, 1);
    sink_count(&p->counters.bytes_in, request->body.len);
    if (request->method != HTTP_POST_) {
        int is_head = request->method == HTTP_HEAD_; /* whose answer has no body */
        answer_ok(&c, is_head ? SLICE("") : SLICE("penstock-sink: it stores nothing\n"));
        return;
    }
    const struct operation *operation =
        find_operation(http_header_value(&request->headers, SLICE("x-amz-target")));
    if (!operation) {
        refuse(&c, SLICE(CORAL_FAULT("UnknownOperationException", "")));
    } else if (!signature_passes(&c, request)) {
        return;
    } else if (operation->may_fail && chance(p, p->options->fail_percent)) {
        fail(&c);
    } else if (operation->may_fail && chance(p, p->options->throttle_percent)) {
        throttle(&c);
    } else {
        operation->run(&c);
    }
}
