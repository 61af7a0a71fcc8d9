/* How the built-ins answer, and what they take from the event. */
#ifndef HANDLERS_ANSWER_H
#define HANDLERS_ANSWER_H

#include "handlers/builtin.h"
#include "handlers/scratch.h"

static inline struct slice slice_in(struct penstock_slice s) {
    return slice_of(s.ptr, s.ptr ? s.len : 0);
}

static inline struct penstock_slice slice_out(struct slice s) {
    return (struct penstock_slice){s.ptr, s.len};
}

/* `body` is JSON. */
void answer_json(struct penstock_invocation *i, int status, struct slice body);
/* After a function of model/ failed: 400 with the message, or 503 when memory was out. */
void answer_error(struct penstock_invocation *i, int error, const char *message);
/* penstock_dynamodb said no: the answer its outcome has. */
void answer_not_taken(struct penstock_invocation *i, int outcome);
/* DynamoDB's answer to a read could not be read. */
void answer_bad_response(struct penstock_invocation *i);
/* That a write may have happened is all there is to say: no answer could be made of what came.
 */
void answer_unknown(struct penstock_invocation *i);

/* A member of DynamoDB's response, raw; ptr NULL: there is none. The whole response is walked:
 * 0, or ERR_PROTOCOL when it is broken anywhere, so that half a response is never taken for one
 * without that member. */
MUST_CHECK int response_member(struct slice body, struct slice name, struct slice *value);

/* The value of a key attribute: the path parameter of that name, else the query parameter. ptr
 * NULL: there is none. */
struct slice key_parameter(const struct penstock_invocation *i,
                           const struct model_key_schema *k);
/* The whole key from the parameters, into s->item. 0, ERR_INVALID with s->message, ERR_NOMEM.
 */
MUST_CHECK int key_from_parameters(const struct penstock_invocation *i,
                                   const struct model_table *t, struct scratch *s,
                                   struct model_encoded *info);

/* ?consistent=true adds ,"ConsistentRead":true to s->extra; "false" nothing. Else ERR_INVALID
 * with s->message. */
MUST_CHECK int consistent_parameter(const struct penstock_invocation *i, struct scratch *s);

#endif
