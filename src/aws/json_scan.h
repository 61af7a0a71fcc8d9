/* The members of one JSON object, read in place: for the small answers of credential sources
 * and for error bodies, where a few string members matter. What it skips it checks only for
 * brackets, strings and an end. */
#ifndef AWS_JSON_SCAN_H
#define AWS_JSON_SCAN_H

#include "base/assert.h"
#include "base/buffer.h"

/* The value of the first top-level member of that name (compared as written): the inside of a
 * string, escapes and all, or anything else as it stands. ptr NULL when absent, or when the
 * text is no object as far as it was read. */
struct slice json_scan_member(struct slice text, struct slice name);
/* A string member without its escapes, appended. 0; ERR_NOT_FOUND when absent or no string;
 * ERR_INVALID on a bad escape or a NUL; ERR_NOMEM. */
MUST_CHECK int json_scan_string(struct slice text, struct slice name, struct buffer *out);

#endif
