/* Canonical key bytes: for each key attribute its type letter, the length of its value (4
 * bytes, big endian) and the value: unescaped text, a number in normal form, decoded bytes. Two
 * keys are the same item exactly when these bytes are equal. */
#ifndef MODEL_KEY_H
#define MODEL_KEY_H

#include "base/buffer.h"
#include "model/table.h"

/* `contents` of the string in {"S":"contents"}, escapes kept. Appends to out. 0; ERR_INVALID:
 * it is no value of that type; ERR_NOMEM. */
MUST_CHECK int key_append(struct buffer *out, char letter, struct slice contents);

static inline bool key_named(const struct model_key_schema *k, struct slice name) {
    return k->name_len == name.len && memcmp(k->name, name.ptr, name.len) == 0;
}

/* "partition" or "sort", and what its values are, for messages. */
const char *key_type_expected(enum model_key_type t);

#endif
