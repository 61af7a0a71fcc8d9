/* Buffers of one worker's thread that the built-ins reuse, so that an item costs no malloc.
 * What is in them ends with the call they were got in; penstock_dynamodb and penstock_respond
 * copy. */
#ifndef HANDLERS_SCRATCH_H
#define HANDLERS_SCRATCH_H

#include "base/rng.h"
#include "model/item.h"

struct scratch {
    struct buffer item;   /* DynamoDB JSON: an item, a key */
    struct buffer extra;  /* further members of a request */
    struct buffer text;   /* an expression */
    struct buffer names;  /* ExpressionAttributeNames, without braces */
    struct buffer values; /* ExpressionAttributeValues */
    struct buffer spans;  /* where the names in `names` are */
    struct buffer answer; /* plain JSON */
    struct model_key_buffer keys;
    struct model_key_buffer work; /* for a second encoding while the first key is needed */
    struct rng rng;
    char message[MODEL_MESSAGE_MAX];
};

/* The thread's own, every buffer empty; made at the first call, freed when the thread ends.
 * Aborts when memory is out. */
struct scratch *scratch_get(void);

#endif
