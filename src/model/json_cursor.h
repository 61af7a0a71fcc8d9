/* Walks JSON we did not write and do not keep (DynamoDB's responses) without a tree: members of
 * an object, elements of an array, as raw slices. Input is checked as far as it is walked. */
#ifndef MODEL_JSON_CURSOR_H
#define MODEL_JSON_CURSOR_H

#include "base/assert.h"
#include "base/buffer.h"
#include "base/slice.h"

struct json_cursor {
    const char *at;
    const char *end;
    int first;
    char close;
};

/* `value` must be an object or array. 0 or ERR_PROTOCOL. */
MUST_CHECK int json_cursor_open(struct json_cursor *c, struct slice value);
/* Object: the next member; name without its quotes (raw, escapes kept), value raw. 0;
 * ERR_NOT_FOUND at the end; ERR_PROTOCOL. For arrays name is empty. */
MUST_CHECK int json_cursor_next(struct json_cursor *c, struct slice *name, struct slice *value);
/* A member of an object by its (unescaped) name: raw value, or ptr NULL. */
struct slice json_member(struct slice object, struct slice name);
/* Contents of a raw string value, unescaped, appended. 0, ERR_PROTOCOL, ERR_NOMEM. */
MUST_CHECK int json_unescape(struct slice raw_string, struct buffer *out);

#endif
