/* The attributes an item gets beside its body: key attributes from path parameters, and `set:`.
 */
#ifndef HANDLERS_SET_H
#define HANDLERS_SET_H

#include "handlers/answer.h"

#define SET_TEXT_MAX 40 /* a UUID, a time */

struct set_values {
    struct model_extra *extras;
    size_t count;
    size_t path_count; /* the first of them are from the path: the same for every item */
    char (*texts)[SET_TEXT_MAX];
};

/* Room for all of them from the invocation's memory, and those of the path. 0 or ERR_NOMEM. */
MUST_CHECK int set_init(struct set_values *v, struct penstock_invocation *i,
                        const struct builtin_options *o);
/* The values of `set:` for one more item. A $context or stage variable that is not there adds
 * nothing; a key attribute that the path gives stays as it is. */
void set_evaluate(struct set_values *v, const struct penstock_invocation *i,
                  const struct builtin_options *o, struct rng *rng);

#endif
