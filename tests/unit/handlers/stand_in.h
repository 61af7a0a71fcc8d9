/* penstock/handler.h, scripted: the handler runs for real, the test is everything around it. It
 * says what the event holds, sees each op the handler hands in, settles it, and reads the
 * answer. One test program includes it once. */
#ifndef UNIT_HANDLERS_STAND_IN_H
#define UNIT_HANDLERS_STAND_IN_H

#include "base/arena.h"
#include "base/buffer.h"
#include "handlers/builtin.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define OPS_MAX 64

struct parameter {
    const char *name;
    const char *value;
};

struct fake_op {
    enum penstock_operation operation;
    char table[64];
    char *item, *extra; /* NUL-terminated */
    char key[256];
    size_t key_len;
    int idempotent;
    penstock_result_fn done;
    void *arg;
};

struct penstock_invocation {
    struct parameter path[4], query[8], context[4], stage[4]; /* up to a NULL name */
    struct slice body;
    int refuse_from, refuse_with; /* penstock_dynamodb says so from that op on */
    int busy_count;
    struct arena arena;
    struct fake_op ops[OPS_MAX];
    size_t op_count;
    bool in_dynamodb;
    /* the answer */
    int answers;
    int status;
    int outcome; /* penstock_respond_outcome */
    char *answer;
    const char *reason;
};

static inline struct penstock_slice of(const struct parameter *list, const char *name) {
    for (size_t i = 0; list[i].name; i++) {
        if (strcmp(list[i].name, name) == 0) {
            return (struct penstock_slice){list[i].value, strlen(list[i].value)};
        }
    }
    return (struct penstock_slice){NULL, 0};
}

struct penstock_slice penstock_path_parameter(const struct penstock_invocation *i,
                                              const char *name) {
    return of(i->path, name);
}

struct penstock_slice penstock_query_parameter(const struct penstock_invocation *i,
                                               const char *name) {
    return of(i->query, name);
}

struct penstock_slice penstock_context(const struct penstock_invocation *i, const char *name) {
    return of(i->context, name);
}

struct penstock_slice penstock_stage_variable(const struct penstock_invocation *i,
                                              const char *name) {
    return of(i->stage, name);
}

struct penstock_slice penstock_body(const struct penstock_invocation *i) {
    return (struct penstock_slice){i->body.ptr, i->body.len};
}

void *penstock_alloc(struct penstock_invocation *i, size_t len) {
    if (!i->arena.limit) {
        arena_init(&i->arena, NULL, 0, 32u << 20);
    }
    return arena_alloc(&i->arena, len);
}

static inline char *text_of(const char *ptr, size_t len) {
    return slice_dup(slice_of(ptr, len));
}

void penstock_respond(struct penstock_invocation *i, const struct penstock_response *r) {
    i->answers++;
    i->status = r->status;
    free(i->answer);
    i->answer = text_of(r->body.ptr, r->body.len);
}

void penstock_respond_message(struct penstock_invocation *i, int status, const char *message,
                              const char *reason) {
    i->answers++;
    i->status = status;
    i->reason = reason;
    free(i->answer);
    i->answer = text_of(message, strlen(message));
}

void penstock_respond_outcome(struct penstock_invocation *i,
                              const struct penstock_result *result) {
    i->answers++;
    i->outcome = (int)result->outcome;
    assert_int_not_equal(result->outcome, PENSTOCK_OK);
}

int penstock_dynamodb(struct penstock_invocation *i, const struct penstock_request *r,
                      penstock_result_fn done, void *arg) {
    struct fake_op *op = &i->ops[i->op_count];
    assert_int_equal(i->answers, 0);
    if (i->refuse_with && (int)i->op_count >= i->refuse_from) {
        return i->refuse_with;
    }
    assert_true(i->op_count < OPS_MAX);
    i->op_count++;
    op->operation = r->operation;
    snprintf(op->table, sizeof op->table, "%s", r->table);
    op->item = text_of(r->item.ptr, r->item.len);
    op->extra = text_of(r->extra.ptr, r->extra.len);
    assert_true(r->key.len <= sizeof op->key);
    memcpy(op->key, r->key.len ? r->key.ptr : "", r->key.len);
    op->key_len = r->key.len;
    op->idempotent = r->idempotent;
    op->done = done;
    op->arg = arg;
    return 0;
}

/* The op has its outcome; the result is gone after the call, as in life. */
static inline void settle(struct penstock_invocation *i, size_t n,
                          enum penstock_outcome outcome, const char *body,
                          const char *message) {
    char *gone_body = text_of(body, strlen(body));
    char *gone_message = text_of(message, strlen(message));
    struct penstock_result r = {.outcome = outcome,
                                .body = {gone_body, strlen(body)},
                                .message = {gone_message, strlen(message)}};
    assert_true(n < i->op_count);
    i->ops[n].done(i, i->ops[n].arg, &r);
    free(gone_body);
    free(gone_message);
}

static inline void invocation_fini(struct penstock_invocation *i) {
    for (size_t n = 0; n < i->op_count; n++) {
        free(i->ops[n].item);
        free(i->ops[n].extra);
    }
    free(i->answer);
    if (i->arena.limit) {
        arena_reset(&i->arena);
    }
}

/* Nothing was sent, and the caller is told why. */
static inline void assert_refused(struct penstock_invocation *i, penstock_invoke_fn invoke,
                                  const struct builtin_options *o, const char *message) {
    invoke(i, (void *)(uintptr_t)o);
    assert_int_equal(i->answers, 1);
    assert_string_equal(i->answer, message);
    assert_int_equal(i->status, 400);
    assert_int_equal(i->op_count, 0);
    invocation_fini(i);
}

static const struct model_table music __attribute__((unused)) = {
    .name = "Music",
    .partition = {"Artist", 6, MODEL_KEY_S},
    .sort = {"SongTitle", 9, MODEL_KEY_S},
};
static const struct model_table scores __attribute__((unused)) = {
    .name = "Scores",
    .partition = {"game", 4, MODEL_KEY_S},
    .sort = {"score", 5, MODEL_KEY_N},
};
static const struct model_table lone __attribute__((unused)) = {
    .name = "Lone",
    .partition = {"id", 2, MODEL_KEY_N},
};

#define PATH_A_S .path = {{"Artist", "A"}, {"SongTitle", "s"}}
#define KEY_A_S  "{\"Artist\":{\"S\":\"A\"},\"SongTitle\":{\"S\":\"s\"}}"

#endif
