/* put_item, and the one object of a body.
 *
 * Happy path: the body is encoded in one pass (model/), handed to the pipeline with its key's
 * bytes, and when DynamoDB has acknowledged it the caller gets the key back with 201. */
#include "handlers/put_item.h"

#include "base/error.h"
#include "handlers/condition.h"

/* The item's key as the answer will have it. NULL: no memory. */
static struct put_key *keep_key(struct penstock_invocation *i, struct slice plain) {
    struct put_key *key = penstock_alloc(i, sizeof *key + plain.len);
    if (key) {
        key->len = plain.len;
        memcpy(key->json, plain.ptr, plain.len);
    }
    return key;
}

/* The condition, in s->extra: the same for every item of a body. */
static int append_condition(const struct builtin_options *o, struct scratch *s) {
    struct placeholders p = {&s->names, &s->values, &s->spans, 0, 0};
    int error = condition_append(o, &p, s);
    return error ? error : placeholders_append(&p, &s->extra);
}

int put_one(struct penstock_invocation *i, const struct builtin_options *o,
            struct set_values *set, struct slice json, struct scratch *s, struct put_key **key,
            penstock_result_fn done, void *arg) {
    struct model_encode how = {.table = o->table,
                               .types = o->types,
                               .type_count = o->type_count,
                               .extras = set->extras};
    struct model_encoded info;
    int error;

    set_evaluate(set, i, o, &s->rng);
    how.extra_count = set->count;
    s->item.len = 0;
    error = model_encode_item(&how, json, &s->item, &s->keys, &info, s->message);
    if (error) {
        return error;
    }
    *key = keep_key(i, info.key_plain);
    if (!*key) {
        return ERR_NOMEM;
    }
    return penstock_dynamodb(i,
                             &(struct penstock_request){
                                 .operation = PENSTOCK_PUT_ITEM,
                                 .table = o->table->name,
                                 .item = slice_out(buffer_slice(&s->item)),
                                 .extra = slice_out(buffer_slice(&s->extra)),
                                 .key = slice_out(info.key),
                                 .idempotent = !condition_given(o),
                             },
                             done, arg);
}

static void on_put(struct penstock_invocation *i, void *arg,
                   const struct penstock_result *result) {
    struct put_key **key = arg;
    if (result->outcome == PENSTOCK_OK) {
        answer_json(i, 201, slice_of((*key)->json, (*key)->len));
    } else {
        penstock_respond_outcome(i, result);
    }
}

void put_item_invoke(struct penstock_invocation *i, void *state) {
    const struct builtin_options *o = state;
    struct scratch *s = scratch_get();
    struct set_values set;
    struct model_body body;
    struct put_key **key = penstock_alloc(i, sizeof(struct put_key *));
    int error = key ? set_init(&set, i, o) : ERR_NOMEM;

    error = error ? error : append_condition(o, s);
    error = error ? error : model_body_open(slice_in(penstock_body(i)), &body, s->message);
    if (!error && body.kind != MODEL_BODY_ONE) {
        put_many(i, o, &set, &body, s);
        return;
    }
    if (!error) {
        error = put_one(i, o, &set, body.rest, s, key, on_put, key);
    }
    if (error < 0) {
        answer_error(i, error, s->message);
    } else if (error > 0) {
        answer_not_taken(i, error);
    }
}
