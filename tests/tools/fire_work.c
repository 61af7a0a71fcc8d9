#include "fire_work.h"

#include "base/error.h"
#include "model/json_cursor.h"

#include <stdlib.h>

#define WRITES_PER_KEY 8

void fire_work_init(struct fire_work *w, size_t limit) {
    w->ops = calloc(limit + FIRE_ARRAY_MAX + 1, sizeof *w->ops);
    ASSERT(w->ops);
    w->count = 1; /* version 0 means nothing */
    w->limit = limit + 1;
}

void fire_work_fini(struct fire_work *w) {
    free(w->ops);
}

void fire_work_dump(const struct fire_work *w, FILE *out) {
    for (size_t i = 1; i < w->count; i++) {
        const struct fire_op *op = &w->ops[i];
        fprintf(out, "%zu %c %s %d %d %llu\n", i, op->kind, op->key, op->status, op->unknown,
                (unsigned long long)op->seen);
    }
}

/* ---- making requests ---- */

static void new_key(struct fire_writer *writer, char key[FIRE_KEY_MAX]) {
    snprintf(key, FIRE_KEY_MAX, "c%ue%un%u", writer->connection, writer->epoch, writer->keys++);
}

static void renew_slot(struct fire_writer *writer, struct fire_slot *slot) {
    memset(slot, 0, sizeof *slot);
    new_key(writer, slot->key);
    slot->left = 1 + (unsigned)rng_below(&writer->rng, WRITES_PER_KEY);
}

void fire_writer_init(struct fire_writer *writer, unsigned connection, uint64_t seed) {
    memset(writer, 0, sizeof *writer);
    writer->connection = connection;
    rng_seed(&writer->rng, seed);
    fire_writer_renew(writer);
}

void fire_writer_renew(struct fire_writer *writer) {
    writer->epoch++;
    for (size_t i = 0; i < FIRE_SLOTS; i++) {
        renew_slot(writer, &writer->slots[i]);
    }
}

static void add(struct buffer *out, const char *text) {
    int error = buffer_append_slice(out, slice_cstr(text));
    ASSERT(!error);
}

static size_t add_op(struct fire_work *w, char kind, const char *key) {
    struct fire_op *op = &w->ops[w->count];
    op->kind = kind;
    op->status = FIRE_SILENT;
    memcpy(op->key, key, sizeof op->key);
    return w->count++;
}

static void add_item(struct fire_writer *writer, struct fire_work *w, size_t number,
                     struct buffer *out) {
    const struct fire_op *op = &w->ops[number];
    int error = buffer_printf(out, "{\"k\":\"%s\",\"v\":%zu,\"filler\":\"%0*d\"%s}", op->key,
                              number, 1 + (int)rng_below(&writer->rng, 200), 0,
                              op->kind == 'X' ? ",\"poison\":true" : "");
    ASSERT(!error);
}

static char draw_put(struct fire_writer *writer) {
    return rng_below(&writer->rng, 100) == 0 ? 'X' : 'P';
}

/* A key used once, or one of the slots. */
static struct fire_slot *draw_key(struct fire_writer *writer, char key[FIRE_KEY_MAX]) {
    if (rng_below(&writer->rng, 2)) {
        new_key(writer, key);
        return NULL;
    }
    struct fire_slot *slot = &writer->slots[rng_below(&writer->rng, FIRE_SLOTS)];
    if (slot->left == 0) {
        renew_slot(writer, slot);
    }
    slot->left--;
    memcpy(key, slot->key, FIRE_KEY_MAX);
    return slot;
}

static char draw_kind(struct fire_writer *writer, struct fire_slot *slot) {
    uint64_t dice = rng_below(&writer->rng, 100);
    if (dice < 10) {
        return 'C';
    }
    if (!slot || !slot->written) {
        return draw_put(writer);
    }
    if (dice < 18 && !slot->deleted) {
        slot->deleted = 1;
        return 'D';
    }
    return dice < 28 ? 'G' : draw_put(writer);
}

static void add_post(struct buffer *out, const char *path, struct buffer *body) {
    int error = buffer_printf(out,
                              "POST %s HTTP/1.1\r\nHost: fire\r\nContent-Type: "
                              "application/json\r\nContent-Length: %zu\r\n\r\n" SLICE_FMT,
                              path, body->len, SLICE_ARG(buffer_slice(body)));
    ASSERT(!error);
    buffer_fini(body);
}

static struct fire_request next_array(struct fire_writer *writer, struct fire_work *w,
                                      struct buffer *out) {
    struct fire_request r = {w->count, 2 + rng_below(&writer->rng, FIRE_ARRAY_MAX - 1), 1};
    struct buffer body = {0};
    char key[FIRE_KEY_MAX];
    for (size_t i = 0; i < r.count; i++) {
        struct fire_slot *slot = draw_key(writer, key);
        if (slot) {
            slot->written = 1;
        }
        add(&body, i ? "," : "[");
        add_item(writer, w, add_op(w, draw_put(writer), key), &body);
    }
    add(&body, "]");
    add_post(out, "/fire", &body);
    return r;
}

static struct fire_request next_one(struct fire_writer *writer, struct fire_work *w,
                                    struct buffer *out) {
    struct fire_request r = {w->count, 1, 0};
    struct buffer body = {0};
    char key[FIRE_KEY_MAX] = "";
    struct fire_slot *slot = draw_key(writer, key);
    char kind = draw_kind(writer, slot);
    size_t number = add_op(w, kind, key);
    if (kind == 'D' || kind == 'G') {
        int error = buffer_printf(out, "%s /fire/%s HTTP/1.1\r\nHost: fire\r\n\r\n",
                                  kind == 'D' ? "DELETE" : "GET", key);
        ASSERT(!error);
        return r;
    }
    if (slot) {
        slot->written = 1;
    }
    add_item(writer, w, number, &body);
    add_post(out, kind == 'C' ? "/once" : "/fire", &body);
    return r;
}

struct fire_request fire_writer_next(struct fire_writer *writer, struct fire_work *w,
                                     struct buffer *out) {
    return rng_below(&writer->rng, 40) == 0 ? next_array(writer, w, out)
                                            : next_one(writer, w, out);
}

/* ---- taking answers ---- */

/* {"k":"..."} */
static int names_key(struct slice body, const struct fire_op *op) {
    struct slice key = json_member(body, SLICE("k"));
    return key.len >= 2 && slice_eq(slice_of(key.ptr + 1, key.len - 2), slice_cstr(op->key));
}

static void answered(struct fire_op *op, int status, int unknown, struct slice key,
                     struct slice item) {
    op->status = status;
    op->unknown = (char)unknown;
    if ((status == 201 && !names_key(key, op)) || (status == 200 && !names_key(item, op)) ||
        (status == 200 && slice_to_u64(json_member(item, SLICE("v")), &op->seen))) {
        op->status = FIRE_WRONG;
    }
}

static int read_result(struct fire_op *op, struct slice result) {
    uint64_t status;
    if (slice_to_u64(json_member(result, SLICE("status")), &status)) {
        return ERR_PROTOCOL;
    }
    int unknown = slice_eq(json_member(result, SLICE("outcome")), SLICE("\"unknown\""));
    answered(op, (int)status, unknown, json_member(result, SLICE("key")), SLICE_EMPTY);
    return 0;
}

/* {"results":[{"status":201,...},...]} */
static void read_results(struct fire_work *w, const struct fire_request *r, struct slice body) {
    struct json_cursor c;
    struct slice name, result;
    size_t i = 0;
    int error = json_cursor_open(&c, json_member(body, SLICE("results")));
    while (!error && i < r->count && !(error = json_cursor_next(&c, &name, &result))) {
        error = read_result(&w->ops[r->first + i++], result);
    }
    if (error || i != r->count || json_cursor_next(&c, &name, &result) != ERR_NOT_FOUND) {
        fire_work_ended(w, r, FIRE_WRONG);
    }
}

void fire_work_answered(struct fire_work *w, const struct fire_request *r, int status,
                        int unknown, struct slice body) {
    if (r->is_array && status == 200) {
        read_results(w, r, body);
        return;
    }
    for (size_t i = 0; i < r->count; i++) {
        answered(&w->ops[r->first + i], status, unknown, body, body);
    }
}

void fire_work_ended(struct fire_work *w, const struct fire_request *r, enum fire_status why) {
    for (size_t i = 0; i < r->count; i++) {
        w->ops[r->first + i].status = why;
    }
}
