/* The ops that rest before a retry, earliest due first: a binary heap of pointers, each op
 * knowing its place, with room for every op there can be. */
#ifndef DYNAMODB_BACKOFF_H
#define DYNAMODB_BACKOFF_H

#include "dynamodb/op.h"

struct backoff {
    struct op **heap;
    size_t count;
    size_t capacity;
};

void backoff_init(struct backoff *b, size_t capacity);
void backoff_fini(struct backoff *b);
/* By op->due_ns. */
void backoff_push(struct backoff *b, struct op *op);
/* The first one due; NULL when none rests. */
struct op *backoff_first(const struct backoff *b);
void backoff_remove(struct backoff *b, struct op *op);

#endif
