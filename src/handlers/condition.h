/* The `condition:` of a route: DynamoDB's ConditionExpression with plain attribute names and
 * literals in it; see builtin.h for what it may hold. */
#ifndef HANDLERS_CONDITION_H
#define HANDLERS_CONDITION_H

#include "handlers/answer.h"
#include "handlers/placeholders.h"

/* Appends the expression with placeholders to `expression`. 0; ERR_INVALID with a reason;
 * ERR_NOMEM. */
MUST_CHECK int condition_compile(const char *text, struct placeholders *p,
                                 struct buffer *expression, char reason[160]);
/* A route's condition into s->extra: ,"ConditionExpression":"..." without the placeholders. 0
 * and nothing added when there is none. The configuration was checked; ERR_INVALID with
 * s->message says that it was not. */
MUST_CHECK int condition_append(const struct builtin_options *o, struct placeholders *p,
                                struct scratch *s);

static inline bool condition_given(const struct builtin_options *o) {
    return o->condition && o->condition[0] != '\0';
}

#endif
