/* Names and values of an expression go beside it, as #n0 and :v0: so reserved words are good
 * names and nothing a caller sends is ever read as part of an expression. */
#ifndef HANDLERS_PLACEHOLDERS_H
#define HANDLERS_PLACEHOLDERS_H

#include "base/assert.h"
#include "base/buffer.h"

#define EXPRESSION_BYTES_MAX 4096

struct placeholders {
    struct buffer *names;  /* "#n0":"Artist",... */
    struct buffer *values; /* ":v0":{"S":"x"},... */
    struct buffer *spans;  /* where each name is in `names` */
    size_t name_count;
    size_t value_count;
};

/* `name` as it stands between the quotes of a JSON string. Appends its placeholder to the
 * expression; a name that was given before has its own again. 0 or ERR_NOMEM. */
MUST_CHECK int placeholders_name(struct placeholders *p, struct slice name,
                                 struct buffer *expression);
/* `typed`: {"S":"x"}. */
MUST_CHECK int placeholders_value(struct placeholders *p, struct slice typed,
                                  struct buffer *expression);
/* ,"ExpressionAttributeNames":{...},"ExpressionAttributeValues":{...}; neither when empty. */
MUST_CHECK int placeholders_append(const struct placeholders *p, struct buffer *extra);

#endif
