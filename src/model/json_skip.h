/* Finds where a JSON value ends by its brackets and strings alone: what is inside is checked by
 * whoever reads it. */
#ifndef MODEL_JSON_SKIP_H
#define MODEL_JSON_SKIP_H

#include "base/slice.h"

#define JSON_SKIP_DEPTH 256

/* The byte behind the value at `at`, or NULL: it does not end, its brackets do not match, they
 * nest deeper than JSON_SKIP_DEPTH, or no value starts there. */
const char *json_skip_value(const char *at, const char *end);

static inline bool json_is_space(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

#endif
