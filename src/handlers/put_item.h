/* The two ways of put_item: one object, and many in one body. */
#ifndef HANDLERS_PUT_ITEM_H
#define HANDLERS_PUT_ITEM_H

#include "handlers/set.h"

/* Key attributes of the item that is being put, as plain JSON, kept in the invocation. */
struct put_key {
    size_t len;
    char json[];
};

/* Encodes one object and hands it to the pipeline. 0: `done` gets the outcome. ERR_INVALID with
 * s->message; ERR_NOMEM; a positive number is the outcome of an op that was not taken. *key:
 * the answer of a stored item. */
MUST_CHECK int put_one(struct penstock_invocation *i, const struct builtin_options *o,
                       struct set_values *set, struct slice json, struct scratch *s,
                       struct put_key **key, penstock_result_fn done, void *arg);

/* An array or lines: answers 200 with a result for each, in order. */
void put_many(struct penstock_invocation *i, const struct builtin_options *o,
              struct set_values *set, struct model_body *body, struct scratch *s);

#endif
