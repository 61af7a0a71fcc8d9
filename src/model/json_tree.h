/* JSON text as a json-c tree. The text is read here, since json-c's own reader (0.16) writes
 * through NULL or loses members when memory is out, cuts a name at \u0000, and takes 'x', NaN
 * and raw control characters for JSON. RFC 8259, UTF-8 checked; of a name that stands twice the
 * last counts, half a surrogate pair is U+FFFD. Whole numbers within 64 bits are json_type_int,
 * others json_type_double with their digits kept (json_tree_number). */
#ifndef MODEL_JSON_TREE_H
#define MODEL_JSON_TREE_H

#include "base/assert.h"
#include "base/slice.h"

#include <json.h>

#define JSON_TREE_DEPTH    512 /* arrays and objects within each other */
#define JSON_TREE_INT_TEXT 24

/* 0 and the tree (NULL for null), for json_object_put. ERR_INVALID: it is not JSON, nested too
 * deep, or a name holds NUL. ERR_NOMEM. */
MUST_CHECK int json_tree_read(struct slice text, struct json_object **tree);
/* 0 when it is JSON, or ERR_INVALID. Takes no memory. */
MUST_CHECK int json_tree_check(struct slice text);
/* A number of such a tree as it stood there; `text` is for an int's digits. */
struct slice json_tree_number(struct json_object *number, char text[JSON_TREE_INT_TEXT]);

#endif
