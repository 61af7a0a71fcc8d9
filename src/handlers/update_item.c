/* update_item: the body as a JSON merge patch (RFC 7396) of the item's top level.
 *
 * The patch is encoded as an item without a key, so it is held to an item's rules; then each
 * member becomes "SET #n = :v", a null "REMOVE #n". A member that is an object replaces the
 * attribute as a whole. An item that is not there is made, as DynamoDB has it. */
#include "base/error.h"
#include "handlers/condition.h"
#include "model/json_cursor.h"
#include "model/key.h"

#include <stdio.h>

struct patch {
    const struct model_table *table;
    struct slice members;  /* the body in DynamoDB JSON */
    struct slice key_json; /* the path's key, the same */
    struct placeholders *p;
    struct scratch *s;
};

static bool is_null(struct slice typed) {
    return slice_starts_with(typed, SLICE("{\"NULL\""));
}

/* Is a key attribute in the body the path's? Both as canonical bytes: 1.0 is 1. */
static int check_key(const struct patch *patch, const struct model_key_schema *k,
                     struct slice typed) {
    char letter = model_key_type_letter(k->type);
    struct slice path = json_member(
        json_member(patch->key_json, slice_of(k->name, k->name_len)), slice_of(&letter, 1));
    struct slice body = json_member(typed, slice_of(&letter, 1));
    if (letter == 'B' && !body.ptr) {
        /* The body was encoded without the table: binary that no `types:` names is S. */
        body = json_member(typed, SLICE("S"));
    }
    struct buffer both[2] = {{0}, {0}};
    bool equal = body.len >= 2 && path.len >= 2;

    for (int n = 0; n < 2 && equal; n++) {
        struct slice raw = n ? body : path;
        equal = key_append(&both[n], letter, slice_of(raw.ptr + 1, raw.len - 2)) == 0;
    }
    equal = equal && slice_eq(buffer_slice(&both[0]), buffer_slice(&both[1]));
    buffer_fini(&both[0]);
    buffer_fini(&both[1]);
    if (equal) {
        return 0;
    }
    (void)snprintf(patch->s->message, sizeof patch->s->message,
                   "%s: a key attribute cannot be changed", k->name);
    return ERR_INVALID;
}

/* One clause: every member that is null (REMOVE) or is not (SET). *count: of those. */
static int append_clause(const struct patch *patch, bool remove, struct buffer *text,
                         size_t *count) {
    const struct model_table *t = patch->table;
    struct json_cursor c;
    struct slice name, typed;
    int error = json_cursor_open(&c, patch->members);

    *count = 0;
    while (!error && (error = json_cursor_next(&c, &name, &typed)) == 0) {
        if (key_named(&t->partition, name)) {
            error = check_key(patch, &t->partition, typed);
        } else if (t->sort.name_len && key_named(&t->sort, name)) {
            error = check_key(patch, &t->sort, typed);
        } else if (is_null(typed) == remove) {
            const char *verb = remove ? " REMOVE " : "SET ";
            error = buffer_append_slice(text, slice_cstr((*count)++ ? ", " : verb));
            error = error ? error : placeholders_name(patch->p, name, text);
            if (!remove) {
                error = error ? error : buffer_append_slice(text, SLICE(" = "));
                error = error ? error : placeholders_value(patch->p, typed, text);
            }
        }
        if (!error && text->len > EXPRESSION_BYTES_MAX) {
            (void)snprintf(patch->s->message, sizeof patch->s->message,
                           "body changes more attributes than one update takes");
            error = ERR_INVALID;
        }
    }
    return error == ERR_NOT_FOUND ? 0 : error;
}

static int append_expression(const struct patch *patch) {
    struct scratch *s = patch->s;
    size_t sets, removes;
    int error = append_clause(patch, false, &s->text, &sets);

    error = error ? error : append_clause(patch, true, &s->text, &removes);
    if (error) {
        return error;
    }
    if (sets + removes == 0) {
        (void)snprintf(s->message, sizeof s->message, "body changes nothing: no attributes");
        return ERR_INVALID;
    }
    error = buffer_append_slice(&s->extra, SLICE(",\"UpdateExpression\":\""));
    error = error ? error : buffer_append_slice(&s->extra, slice_trim(buffer_slice(&s->text)));
    return error ? error
                 : buffer_append_slice(&s->extra, SLICE("\",\"ReturnValues\":\"ALL_NEW\""));
}

static void on_updated(struct penstock_invocation *i, void *arg,
                       const struct penstock_result *result) {
    struct scratch *s = scratch_get();
    struct slice item;

    (void)arg;
    if (result->outcome != PENSTOCK_OK) {
        penstock_respond_outcome(i, result);
        return;
    }
    if (response_member(slice_in(result->body), SLICE("Attributes"), &item) != 0 ||
        model_decode_item(item, &s->answer) != 0) {
        answer_unknown(i);
    } else {
        answer_json(i, 200, buffer_slice(&s->answer));
    }
}

/* The patch behind the key in s->item; *members: its place. */
static int encode_patch(const struct penstock_invocation *i, const struct builtin_options *o,
                        struct scratch *s, size_t *members) {
    const struct model_encode how = {.types = o->types, .type_count = o->type_count};
    struct model_encoded ignored;

    *members = s->item.len;
    return model_encode_item(&how, slice_in(penstock_body(i)), &s->item, &s->work, &ignored,
                             s->message);
}

void update_item_invoke(struct penstock_invocation *i, void *state) {
    const struct builtin_options *o = state;
    struct scratch *s = scratch_get();
    struct placeholders p = {&s->names, &s->values, &s->spans, 0, 0};
    struct model_encoded info;
    struct slice key = SLICE_EMPTY;
    size_t members = 0;
    int refused, error = key_from_parameters(i, o->table, s, &info);

    error = error ? error : encode_patch(i, o, s, &members);
    if (!error) {
        key = slice_of(buffer_begin(&s->item), members);
        struct patch patch = {o->table, slice_from(buffer_slice(&s->item), members), key, &p,
                              s};
        error = append_expression(&patch);
    }
    error = error ? error : condition_append(o, &p, s);
    error = error ? error : placeholders_append(&p, &s->extra);
    if (error) {
        answer_error(i, error, s->message);
        return;
    }
    refused = penstock_dynamodb(i,
                                &(struct penstock_request){
                                    .operation = PENSTOCK_UPDATE_ITEM,
                                    .table = o->table->name,
                                    .item = slice_out(key),
                                    .extra = slice_out(buffer_slice(&s->extra)),
                                    .key = slice_out(info.key),
                                    .idempotent = !condition_given(o),
                                },
                                on_updated, NULL);
    if (refused) {
        answer_not_taken(i, refused);
    }
}
