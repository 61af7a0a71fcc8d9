/* One encoding, with what came of it; for the tests of model/ that encode. */
#ifndef UNIT_MODEL_ENCODING_H
#define UNIT_MODEL_ENCODING_H

#include "base/error.h"
#include "model/item.h"
#include "support/unit.h"

#include <stdlib.h>

static const struct model_table music __attribute__((unused)) = {
    .name = "Music",
    .partition = {"Artist", 6, MODEL_KEY_S},
    .sort = {"SongTitle", 9, MODEL_KEY_S},
};

struct encoding {
    struct buffer out;
    struct model_key_buffer keys;
    struct model_encoded info;
    char message[MODEL_MESSAGE_MAX];
    int error;
};

/* The input is copied to a block of its very size, so that reading past it is found. */
static inline void encoding_run(struct encoding *e, const struct model_encode *how,
                                struct slice json) {
    char *copy = malloc(json.len ? json.len : 1);
    memcpy(copy, json.len ? json.ptr : "", json.len);
    memset(e, 0, sizeof *e);
    e->error = model_encode_item(how, slice_of(copy, json.len), &e->out, &e->keys, &e->info,
                                 e->message);
    free(copy);
}

static inline void encoding_fini(struct encoding *e) {
    buffer_fini(&e->out);
    model_key_buffer_fini(&e->keys);
}

static inline void assert_slice(struct slice actual, const char *expected) {
    char *text = slice_dup(actual);
    assert_string_equal(text, expected);
    free(text);
}

/* json as `how` has it must become `expected`. */
static inline void assert_encodes(const struct model_encode *how, const char *json,
                                  const char *expected) {
    struct encoding e;
    encoding_run(&e, how, slice_cstr(json));
    assert_string_equal(e.message, "");
    assert_int_equal(e.error, 0);
    assert_slice(buffer_slice(&e.out), expected);
    encoding_fini(&e);
}

/* It must be refused with that message, and nothing written. */
static inline void assert_refused(const struct model_encode *how, const char *json,
                                  const char *message) {
    struct encoding e;
    encoding_run(&e, how, slice_cstr(json));
    assert_string_equal(e.message, message);
    assert_int_equal(e.error, ERR_INVALID);
    assert_int_equal(e.out.len, 0);
    encoding_fini(&e);
}

#endif
