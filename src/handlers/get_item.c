/* get_item: the key from the parameters, the item as plain JSON. */
#include "handlers/answer.h"

static void on_item(struct penstock_invocation *i, void *arg,
                    const struct penstock_result *result) {
    struct scratch *s = scratch_get();
    struct slice item;

    (void)arg;
    if (result->outcome != PENSTOCK_OK) {
        penstock_respond_outcome(i, result);
        return;
    }
    if (response_member(slice_in(result->body), SLICE("Item"), &item) != 0) {
        answer_bad_response(i);
    } else if (!item.ptr) {
        penstock_respond_message(i, 404, "Not Found", "no_such_item");
    } else if (model_decode_item(item, &s->answer) != 0) {
        answer_bad_response(i);
    } else {
        answer_json(i, 200, buffer_slice(&s->answer));
    }
}

void get_item_invoke(struct penstock_invocation *i, void *state) {
    const struct builtin_options *o = state;
    struct scratch *s = scratch_get();
    struct model_encoded info;
    int error = key_from_parameters(i, o->table, s, &info);
    int refused;

    error = error ? error : consistent_parameter(i, s);
    if (error) {
        answer_error(i, error, s->message);
        return;
    }
    refused = penstock_dynamodb(i,
                                &(struct penstock_request){
                                    .operation = PENSTOCK_GET_ITEM,
                                    .table = o->table->name,
                                    .item = slice_out(buffer_slice(&s->item)),
                                    .extra = slice_out(buffer_slice(&s->extra)),
                                    .key = slice_out(info.key),
                                },
                                on_item, NULL);
    if (refused) {
        answer_not_taken(i, refused);
    }
}
