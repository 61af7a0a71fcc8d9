#include "fire_table.h"

#include "base/container.h"
#include "base/error.h"
#include "model/json_cursor.h"

#include <stdlib.h>

#define WRITES_MAX 25
#define FIRST_ROOM 65536
#define FAULT(space, name, text)                                                               \
    SLICE("{\"__type\":\"" space "#" name "\",\"message\":\"" text "\"}")

struct fire_key {
    struct map_node node;
    uint64_t version;
    int present;
    char text[];
};

struct fire_write {
    const struct fire_key *key;
    uint64_t version; /* 0: a delete */
};

/* One write of a request. */
struct intent {
    struct slice request; /* as the batch had it */
    struct slice key;
    uint64_t version;
    int poison;
    int unprocessed;
};

static const struct slice validation_fault =
    FAULT("com.amazon.coral.validate", "ValidationException",
          "One or more parameter values were invalid: poison");
static const struct slice condition_fault =
    FAULT("com.amazonaws.dynamodb.v20120810", "ConditionalCheckFailedException",
          "The conditional request failed");
static const struct slice description =
    SLICE("\":{\"TableName\":\"Fire\",\"TableStatus\":\"ACTIVE\",\"KeySchema\":[{"
          "\"AttributeName\":\"k\",\"KeyType\":\"HASH\"}],\"AttributeDefinitions\":[{"
          "\"AttributeName\":\"k\",\"AttributeType\":\"S\"}]}}");

void fire_table_init(struct fire_table *t) {
    memset(t, 0, sizeof *t);
    map_init(&t->keys, FIRST_ROOM);
    t->capacity = FIRST_ROOM;
    t->record = malloc(t->capacity * sizeof *t->record);
    ASSERT(t->record);
}

static void free_key(struct map_node *node, void *arg) {
    struct map *keys = arg;
    map_remove(keys, node);
    free(container_of(node, struct fire_key, node));
}

void fire_table_fini(struct fire_table *t) {
    map_each(&t->keys, free_key, &t->keys);
    map_fini(&t->keys);
    buffer_fini(&t->answer);
    free(t->record);
}

static void say(struct fire_table *t, struct slice text) {
    int error = buffer_append_slice(&t->answer, text);
    ASSERT(!error);
}

static unsigned answer(struct fire_table *t, unsigned status, struct slice text) {
    buffer_reset(&t->answer, SIZE_MAX);
    say(t, text);
    return status;
}

/* ---- what is held ---- */

static struct fire_key *find_key(struct fire_table *t, struct slice text) {
    struct map_node *found = map_find(&t->keys, text);
    if (found) {
        return container_of(found, struct fire_key, node);
    }
    struct fire_key *key = malloc(sizeof *key + text.len);
    ASSERT(key);
    memset(key, 0, sizeof *key);
    memcpy(key->text, text.ptr, text.len);
    map_insert(&t->keys, &key->node, slice_of(key->text, text.len));
    return key;
}

static void apply(struct fire_table *t, const struct intent *w) {
    struct fire_key *key = find_key(t, w->key);
    if (t->count == t->capacity) {
        t->capacity *= 2;
        t->record = realloc(t->record, t->capacity * sizeof *t->record);
        ASSERT(t->record);
    }
    t->record[t->count++] = (struct fire_write){key, w->version};
    key->present = w->version != 0;
    key->version = w->version;
}

void fire_table_dump(const struct fire_table *t, FILE *out) {
    for (size_t i = 0; i < t->count; i++) {
        const struct fire_write *w = &t->record[i];
        if (w->version) {
            fprintf(out, "P " SLICE_FMT " %llu\n", SLICE_ARG(w->key->node.key),
                    (unsigned long long)w->version);
        } else {
            fprintf(out, "D " SLICE_FMT "\n", SLICE_ARG(w->key->node.key));
        }
    }
}

/* ---- reading requests ---- */

/* The value of {"S":"..."} or {"N":"..."}, without its quotes. */
static struct slice typed(struct slice value, struct slice type) {
    struct slice text = json_member(value, type);
    return text.len >= 2 ? slice_of(text.ptr + 1, text.len - 2) : SLICE_EMPTY;
}

/* An item, or the key of a delete. */
static int read_item(struct slice item, int is_put, struct intent *w) {
    w->key = typed(json_member(item, SLICE("k")), SLICE("S"));
    w->version = 0;
    w->poison = json_member(item, SLICE("poison")).ptr != NULL;
    if (!w->key.len) {
        return ERR_INVALID;
    }
    return is_put ? slice_to_u64(typed(json_member(item, SLICE("v")), SLICE("N")), &w->version)
                  : 0;
}

static int read_request(struct slice request, struct intent *w) {
    struct slice put = json_member(request, SLICE("PutRequest"));
    struct slice outer = put.ptr ? put : json_member(request, SLICE("DeleteRequest"));
    w->request = request;
    w->unprocessed = 0;
    return read_item(json_member(outer, put.ptr ? SLICE("Item") : SLICE("Key")),
                     put.ptr != NULL, w);
}

/* 0 and the writes; ERR_INVALID for what DynamoDB would refuse. */
static int read_batch(struct slice body, struct intent *writes, size_t *count) {
    struct json_cursor c;
    struct slice name, request;
    int error = json_cursor_open(
        &c, json_member(json_member(body, SLICE("RequestItems")), SLICE("Fire")));
    *count = 0;
    while (!error && (error = json_cursor_next(&c, &name, &request)) == 0) {
        if (*count == WRITES_MAX || read_request(request, &writes[*count])) {
            return ERR_INVALID;
        }
        for (size_t i = 0; i < *count; i++) {
            if (slice_eq(writes[i].key, writes[*count].key)) {
                return ERR_INVALID; /* a key twice */
            }
        }
        ++*count;
    }
    return error == ERR_NOT_FOUND && *count > 0 ? 0 : ERR_INVALID;
}

/* ---- operations ---- */

static void hand_back(struct fire_table *t, const struct intent *writes, size_t count) {
    int first = 1;
    say(t, SLICE("{\"UnprocessedItems\":{\"Fire\":["));
    for (size_t i = 0; i < count; i++) {
        if (writes[i].unprocessed) {
            say(t, first ? SLICE("") : SLICE(","));
            say(t, writes[i].request);
            first = 0;
        }
    }
    say(t, SLICE("]}}"));
}

static unsigned batch_write_item(struct fire_table *t, struct slice body, unsigned unprocessed,
                                 struct rng *rng) {
    struct intent writes[WRITES_MAX];
    size_t count, back = 0;
    if (read_batch(body, writes, &count)) {
        return answer(t, 400, validation_fault);
    }
    for (size_t i = 0; i < count; i++) {
        if (writes[i].poison) {
            return answer(t, 400, validation_fault);
        }
    }
    int partial = rng_below(rng, 1000) < unprocessed;
    for (size_t i = 0; i < count; i++) {
        /* Of all of them DynamoDB would make an exception. */
        writes[i].unprocessed = partial && back + 1 < count && rng_below(rng, 2);
        back += (size_t)writes[i].unprocessed;
        if (!writes[i].unprocessed) {
            apply(t, &writes[i]);
        }
    }
    if (back == 0) {
        return answer(t, 200, SLICE("{\"UnprocessedItems\":{}}"));
    }
    buffer_reset(&t->answer, SIZE_MAX);
    hand_back(t, writes, count);
    return 200;
}

static unsigned write_one(struct fire_table *t, struct slice body, int is_put) {
    struct intent w;
    struct slice item = json_member(body, is_put ? SLICE("Item") : SLICE("Key"));
    if (read_item(item, is_put, &w) || w.poison) {
        return answer(t, 400, validation_fault);
    }
    if (json_member(body, SLICE("ConditionExpression")).ptr && find_key(t, w.key)->present) {
        return answer(t, 400, condition_fault);
    }
    apply(t, &w);
    return answer(t, 200, SLICE("{}"));
}

static unsigned get_item(struct fire_table *t, struct slice body) {
    struct intent w;
    if (read_item(json_member(body, SLICE("Key")), 0, &w)) {
        return answer(t, 400, validation_fault);
    }
    const struct fire_key *key = find_key(t, w.key);
    if (!key->present) {
        return answer(t, 200, SLICE("{}"));
    }
    buffer_reset(&t->answer, SIZE_MAX);
    int error = buffer_printf(&t->answer,
                              "{\"Item\":{\"k\":{\"S\":\"" SLICE_FMT "\"},\"v\":{\"N\":\"%llu\""
                              "}}}",
                              SLICE_ARG(w.key), (unsigned long long)key->version);
    ASSERT(!error);
    return 200;
}

unsigned fire_table_run(struct fire_table *t, struct slice operation, struct slice body,
                        unsigned unprocessed, struct rng *rng) {
    if (slice_eq(operation, SLICE("BatchWriteItem"))) {
        return batch_write_item(t, body, unprocessed, rng);
    }
    if (slice_eq(operation, SLICE("PutItem"))) {
        return write_one(t, body, 1);
    }
    if (slice_eq(operation, SLICE("DeleteItem"))) {
        return write_one(t, body, 0);
    }
    if (slice_eq(operation, SLICE("GetItem"))) {
        return get_item(t, body);
    }
    if (slice_eq(operation, SLICE("DescribeTable"))) {
        unsigned status = answer(t, 200, SLICE("{\"Table"));
        say(t, description);
        return status;
    }
    return answer(t, 400, FAULT("com.amazon.coral.service", "UnknownOperationException", ""));
}
