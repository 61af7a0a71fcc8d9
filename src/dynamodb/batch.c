#include "dynamodb/batch.h"

#include "base/error.h"
#include "dynamodb/key_line.h"
#include "model/json_cursor.h"

enum op_kind batch_kind(const struct batch *b) {
    return b->count > 1 ? OP_BATCH_WRITE_ITEM : (enum op_kind)b->ops[0]->kind;
}

/* Appends to memory reserved before. */
static void put(struct buffer *out, struct slice s) {
    if (s.len) {
        memcpy(buffer_tail(out), s.ptr, s.len);
        buffer_grow(out, s.len);
    }
}

static int write_many(const struct batch *b, struct buffer *out) {
    size_t bound = b->table->name.len + sizeof "{\"RequestItems\":{\"\":[]}}";
    for (size_t i = 0; i < b->count; i++) {
        bound += coalescer_wire_bytes(b->ops[i]);
    }
    int error = buffer_reserve(out, bound);
    if (error) {
        return error;
    }
    put(out, SLICE("{\"RequestItems\":{\""));
    put(out, b->table->name);
    for (size_t i = 0; i < b->count; i++) {
        put(out, i ? SLICE(",") : SLICE("\":["));
        put(out, b->ops[i]->kind == OP_PUT_ITEM ? SLICE("{\"PutRequest\":{\"Item\":")
                                                : SLICE("{\"DeleteRequest\":{\"Key\":"));
        put(out, b->ops[i]->item);
        put(out, SLICE("}}"));
    }
    put(out, SLICE("]}}"));
    return 0;
}

static int write_one(const struct op *op, struct buffer *out) {
    if (op->body.len) {
        return buffer_append_slice(out, op->body);
    }
    struct slice name = op->table->name;
    int error = buffer_reserve(out, name.len + op->item.len + op->extra.len +
                                        sizeof "{\"TableName\":\"\",\"Item\":}");
    if (error) {
        return error;
    }
    put(out, SLICE("{\"TableName\":\""));
    put(out, name);
    put(out, SLICE("\""));
    if (op->item.len) {
        put(out, op->kind == OP_PUT_ITEM ? SLICE(",\"Item\":") : SLICE(",\"Key\":"));
        put(out, op->item);
    }
    put(out, op->extra);
    put(out, SLICE("}"));
    return 0;
}

int batch_write_body(const struct batch *b, struct buffer *out) {
    return b->count > 1 ? write_many(b, out) : write_one(b->ops[0], out);
}

/* {"PutRequest":{"Item":{...}}} or {"DeleteRequest":{"Key":{...}}} */
static int take_back(struct batch *b, struct slice request, struct model_key_buffer *keys) {
    struct slice item = json_member(json_member(request, SLICE("PutRequest")), SLICE("Item"));
    enum op_kind kind = OP_PUT_ITEM;
    if (!item.ptr) {
        item = json_member(json_member(request, SLICE("DeleteRequest")), SLICE("Key"));
        kind = OP_DELETE_ITEM;
    }
    struct slice key;
    if (!item.ptr || model_item_key(b->table->schema, item, keys, &key) != 0) {
        return ERR_PROTOCOL;
    }
    struct op *op = key_line_first(b->table, key);
    if (!op || op->batch != b || op->kind != kind || op->unprocessed) {
        return ERR_PROTOCOL;
    }
    op->unprocessed = 1;
    return 0;
}

/* close: what the value must end with, ']' for an array. */
static int open_as(struct json_cursor *c, struct slice value, char close) {
    int error = json_cursor_open(c, value);
    return error == 0 && c->close != close ? ERR_PROTOCOL : error;
}

static int take_back_table(struct batch *b, struct slice requests,
                           struct model_key_buffer *keys) {
    struct json_cursor c;
    struct slice name, request;
    int error = open_as(&c, requests, ']');
    while (!error && !(error = json_cursor_next(&c, &name, &request))) {
        error = take_back(b, request, keys);
    }
    return error == ERR_NOT_FOUND ? 0 : ERR_PROTOCOL;
}

static int take_back_all(struct batch *b, struct slice unprocessed,
                         struct model_key_buffer *keys) {
    struct json_cursor c;
    struct slice name, value;
    int error = open_as(&c, unprocessed, '}');
    while (!error && !(error = json_cursor_next(&c, &name, &value))) {
        error = slice_eq(name, b->table->name) ? take_back_table(b, value, keys) : ERR_PROTOCOL;
    }
    return error == ERR_NOT_FOUND ? 0 : ERR_PROTOCOL;
}

/* The whole answer is walked: half of one is none. */
static int find_unprocessed(struct slice body, struct slice *unprocessed) {
    struct json_cursor c;
    struct slice name, value;
    int error = open_as(&c, body, '}');
    *unprocessed = SLICE_EMPTY;
    while (!error && !(error = json_cursor_next(&c, &name, &value))) {
        if (slice_eq(name, SLICE("UnprocessedItems"))) {
            *unprocessed = value;
        }
    }
    return error == ERR_NOT_FOUND ? 0 : ERR_PROTOCOL;
}

int batch_read_answer(struct batch *b, struct slice body, struct model_key_buffer *keys) {
    struct slice unprocessed;
    if (slice_eq(body, SLICE("{\"UnprocessedItems\":{}}")) || slice_eq(body, SLICE("{}"))) {
        return 0;
    }
    int error = find_unprocessed(body, &unprocessed);
    if (!error && b->count > 1 && unprocessed.ptr) {
        error = take_back_all(b, unprocessed, keys);
    }
    for (size_t i = 0; error && i < b->count; i++) {
        b->ops[i]->unprocessed = 0;
    }
    return error;
}
