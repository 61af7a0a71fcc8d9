/* The opaque `next` of a query: base64url of a checksum and the sort key it goes on behind. The
 * checksum binds it to the table, the partition and that sort key: a token of another query, or
 * one somebody changed, does not open. It is no secret; what it could be made to say is only a
 * place in the partition that the caller reads anyway. */
#ifndef HANDLERS_TOKEN_H
#define HANDLERS_TOKEN_H

#include "base/assert.h"
#include "base/buffer.h"

/* sort: the key's text, empty when the table has no sort key. 0 or ERR_NOMEM. */
MUST_CHECK int token_seal(struct slice table, struct slice partition, struct slice sort,
                          struct buffer *out);
/* Appends the sort key's text. 0, ERR_INVALID, ERR_NOMEM. */
MUST_CHECK int token_open(struct slice table, struct slice partition, struct slice token,
                          struct buffer *sort);

#endif
