/* The built-in handlers, on the public header only. Options are immutable and shared by
 * workers. */
#ifndef HANDLERS_BUILTIN_H
#define HANDLERS_BUILTIN_H

#include "model/item.h"
#include "penstock/handler.h"

/* One attribute added by `set:`. kind says where its value comes from. */
enum builtin_set_kind {
    BUILTIN_SET_LITERAL,        /* text */
    BUILTIN_SET_NUMBER,         /* text, put in as N */
    BUILTIN_SET_CONTEXT,        /* $context.<text>; *Epoch values as N */
    BUILTIN_SET_STAGE_VARIABLE, /* $stageVariables.<text> */
    BUILTIN_SET_UUID,           /* $uuid */
    BUILTIN_SET_NOW,            /* $now[+30d]: epoch seconds + offset_s, N (a TTL) */
};
struct builtin_set {
    const char *name;
    enum builtin_set_kind kind;
    const char *text;
    int64_t offset_s;
};

/* Parses the value of one `set:` entry ("$now+30d", "$uuid", "$context.requestId", "text"; what
 * reads as a number is one). 0, or ERR_INVALID with a reason. `out->text` points into `value`.
 */
int builtin_set_parse(const char *value, struct builtin_set *out, char reason[160]);

/* `condition` is a DynamoDB ConditionExpression with attribute names as they are, also reserved
 * words (they go out as #n0; letters, digits, '_' and '-'; paths a.b[3]), and literals: numbers
 * and 'text' or "text" (they go out as :v0; no escapes). attribute_exists,
 * attribute_not_exists, attribute_type, begins_with, contains, size; = <> < <= > >=; AND OR NOT
 * BETWEEN IN; parentheses. Placeholders of one's own (#x, :x) are refused.
 *
 * 0, or ERR_INVALID with a reason. */
int builtin_condition_check(const char *condition, char reason[160]);

struct builtin_options {
    const struct model_table *table;
    const struct builtin_set *set;
    size_t set_count;
    const struct model_type *types;
    size_t type_count;
    const char *condition; /* below; "" or NULL = none */
    size_t query_limit;    /* query: items per page; 50, at most 1000 */
    size_t items_max;      /* put_item: items in one body; 1000 */
};

/* penstock_invoke_fn, each with a `const struct builtin_options *` as state.
 *
 * put_item: a path parameter with the name of a key attribute stands for it, whatever the body
 * says (POST /music/{Artist}). One object: 201 and its key. An array or lines of objects: 200
 * and
 * {"results":[{"status":201,"key":{..}},{"status":400,"message":".."}]}, in order; a write that
 * may have happened has "outcome":"unknown" too. More than items_max: 413, nothing is sent.
 * The others take the key from path parameters named as the key attributes, else from query
 * parameters. get_item and query: ?consistent=true. query: ?begins_with= or ?from= &to= (both
 * inclusive), limit, order=asc|desc, next. update_item: null removes, an object replaces, a key
 * attribute must be the path's; a patch of nothing is 400; an absent item is made. */
void put_item_invoke(struct penstock_invocation *i, void *state);
void get_item_invoke(struct penstock_invocation *i, void *state);
void query_invoke(struct penstock_invocation *i, void *state);
void update_item_invoke(struct penstock_invocation *i, void *state);
void delete_item_invoke(struct penstock_invocation *i, void *state);

/* By configuration name ("put_item"); NULL when there is none. */
penstock_invoke_fn builtin_find(struct slice name);

#endif
