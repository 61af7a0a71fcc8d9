/* delete_item: 204 whether or not the item was there, as DynamoDB has it. */
#include "handlers/condition.h"

static void on_deleted(struct penstock_invocation *i, void *arg,
                       const struct penstock_result *result) {
    (void)arg;
    if (result->outcome == PENSTOCK_OK) {
        penstock_respond(i, &(struct penstock_response){.status = 204});
    } else {
        penstock_respond_outcome(i, result);
    }
}

void delete_item_invoke(struct penstock_invocation *i, void *state) {
    const struct builtin_options *o = state;
    struct scratch *s = scratch_get();
    struct placeholders p = {&s->names, &s->values, &s->spans, 0, 0};
    struct model_encoded info;
    int error = key_from_parameters(i, o->table, s, &info);
    int refused;

    error = error ? error : condition_append(o, &p, s);
    error = error ? error : placeholders_append(&p, &s->extra);
    if (error) {
        answer_error(i, error, s->message);
        return;
    }
    refused = penstock_dynamodb(i,
                                &(struct penstock_request){
                                    .operation = PENSTOCK_DELETE_ITEM,
                                    .table = o->table->name,
                                    .item = slice_out(buffer_slice(&s->item)),
                                    .extra = slice_out(buffer_slice(&s->extra)),
                                    .key = slice_out(info.key),
                                    .idempotent = !condition_given(o),
                                },
                                on_deleted, NULL);
    if (refused) {
        answer_not_taken(i, refused);
    }
}
