/* query: a partition's items by sort key, page by page. */
#include "base/error.h"
#include "handlers/answer.h"
#include "handlers/placeholders.h"
#include "handlers/token.h"
#include "model/json_cursor.h"

#include <stdio.h>

#define LIMIT_DEFAULT 50
#define LIMIT_MAX     1000

struct query {
    const struct penstock_invocation *i;
    const struct model_table *table;
    struct slice partition;
    struct placeholders p;
    struct scratch *s;
};

static int refuse(struct scratch *s, const char *message) {
    (void)snprintf(s->message, sizeof s->message, "%s", message);
    return ERR_INVALID;
}

static struct slice parameter(const struct query *q, const char *name) {
    return slice_in(penstock_query_parameter(q->i, name));
}

/* The value of one attribute of the key that was last encoded. */
static int append_operand(struct query *q, const struct model_key_schema *k,
                          struct slice key_json) {
    struct slice typed = json_member(key_json, slice_of(k->name, k->name_len));
    return placeholders_value(&q->p, typed, &q->s->text);
}

/* The name as it stands in a JSON string. */
static int append_key_name(struct query *q, const struct model_key_schema *k) {
    struct buffer *quoted = &q->s->answer; /* there is none yet */
    int error;

    quoted->len = 0;
    error = model_json_string(quoted, slice_of(k->name, k->name_len));
    error = error
                ? error
                : placeholders_name(&q->p, slice_of(buffer_begin(quoted) + 1, quoted->len - 2),
                                    &q->s->text);
    quoted->len = 0;
    return error;
}

/* A value of the sort key from a query parameter, typed as the table has it. */
static int append_sort_value(struct query *q, struct slice value) {
    struct model_encoded info;
    int error;

    q->s->item.len = 0;
    error = model_encode_key(q->table, q->partition, value, &q->s->item, &q->s->keys, &info,
                             q->s->message);
    return error ? error : append_operand(q, &q->table->sort, info.key_json);
}

static int append_text(struct query *q, const char *text) {
    return buffer_append_slice(&q->s->text, slice_cstr(text));
}

static int append_begins_with(struct query *q, struct slice prefix) {
    int error = append_text(q, " AND begins_with(");
    error = error ? error : append_key_name(q, &q->table->sort);
    error = error ? error : append_text(q, ", ");
    error = error ? error : append_sort_value(q, prefix);
    return error ? error : append_text(q, ")");
}

/* Both ends belong to the range; either may be absent. */
static int append_range(struct query *q, struct slice from, struct slice to) {
    int error = append_text(q, " AND ");
    error = error ? error : append_key_name(q, &q->table->sort);
    if (from.ptr && to.ptr) {
        error = error ? error : append_text(q, " BETWEEN ");
        error = error ? error : append_sort_value(q, from);
        error = error ? error : append_text(q, " AND ");
        return error ? error : append_sort_value(q, to);
    }
    error = error ? error : append_text(q, from.ptr ? " >= " : " <= ");
    return error ? error : append_sort_value(q, from.ptr ? from : to);
}

static int append_sort_condition(struct query *q) {
    struct slice prefix = parameter(q, "begins_with");
    struct slice from = parameter(q, "from"), to = parameter(q, "to");

    if (!prefix.ptr && !from.ptr && !to.ptr) {
        return 0;
    }
    if (q->table->sort.name_len == 0) {
        return refuse(q->s, "begins_with, from, to: the table has no sort key");
    }
    if (prefix.ptr && (from.ptr || to.ptr)) {
        return refuse(q->s, "begins_with: cannot stand beside from or to");
    }
    if (prefix.ptr && q->table->sort.type == MODEL_KEY_N) {
        return refuse(q->s, "begins_with: the sort key is a number");
    }
    return prefix.ptr ? append_begins_with(q, prefix) : append_range(q, from, to);
}

/* #n0 = :v0 AND ... into s->text. */
static int append_key_condition(struct query *q) {
    struct model_table partition_only = *q->table;
    struct model_encoded info;
    int error;

    partition_only.sort.name_len = 0;
    error = model_encode_key(&partition_only, q->partition, SLICE_EMPTY, &q->s->item,
                             &q->s->keys, &info, q->s->message);
    error = error ? error : append_key_name(q, &q->table->partition);
    error = error ? error : append_text(q, " = ");
    error = error ? error : append_operand(q, &q->table->partition, info.key_json);
    error = error ? error : append_sort_condition(q);
    error = error ? error
                  : buffer_append_slice(&q->s->extra, SLICE(",\"KeyConditionExpression\":\""));
    error = error ? error : buffer_append_slice(&q->s->extra, buffer_slice(&q->s->text));
    return error ? error : buffer_append_slice(&q->s->extra, SLICE("\""));
}

static int append_limit(struct query *q, const struct builtin_options *o) {
    size_t most = o->query_limit ? o->query_limit : LIMIT_DEFAULT;
    struct slice text = parameter(q, "limit");
    uint64_t limit;

    most = most > LIMIT_MAX ? LIMIT_MAX : most;
    limit = most;
    if (text.ptr) {
        int error = slice_to_u64(text, &limit);
        if (error == ERR_INVALID || limit == 0) {
            return refuse(q->s, "limit: expected a number from 1 on");
        }
        if (error || limit > most) {
            limit = most;
        }
    }
    return buffer_printf(&q->s->extra, ",\"Limit\":%zu", (size_t)limit);
}

static int append_order(struct query *q) {
    struct slice order = parameter(q, "order");
    if (!order.ptr || slice_eq(order, SLICE("asc"))) {
        return 0;
    }
    if (!slice_eq(order, SLICE("desc"))) {
        return refuse(q->s, "order: expected asc or desc");
    }
    return buffer_append_slice(&q->s->extra, SLICE(",\"ScanIndexForward\":false"));
}

static int append_start(struct query *q) {
    struct slice token = parameter(q, "next"), sort;
    struct model_encoded info;
    int error;

    if (!token.ptr) {
        return 0;
    }
    q->s->answer.len = q->s->item.len = 0;
    error = token_open(slice_cstr(q->table->name), q->partition, token, &q->s->answer);
    if (!error) {
        sort = buffer_slice(&q->s->answer);
        error = model_encode_key(q->table, q->partition,
                                 q->table->sort.name_len ? sort : SLICE_EMPTY, &q->s->item,
                                 &q->s->keys, &info, q->s->message);
    }
    if (error == ERR_INVALID) {
        return refuse(q->s, "next: not a token of this query");
    }
    error = error ? error : buffer_append_slice(&q->s->extra, SLICE(",\"ExclusiveStartKey\":"));
    return error ? error : buffer_append_slice(&q->s->extra, buffer_slice(&q->s->item));
}

/* ---- the answer ---- */

/* ,"next":"..." from DynamoDB's LastEvaluatedKey. */
static int append_next(const struct penstock_invocation *i, const struct model_table *t,
                       struct slice last_key, struct scratch *s) {
    char letter = model_key_type_letter(t->sort.type);
    struct slice typed;
    int error;

    if (!last_key.ptr) {
        return 0;
    }
    s->text.len = 0;
    if (t->sort.name_len) {
        typed = json_member(last_key, slice_of(t->sort.name, t->sort.name_len));
        error = json_unescape(json_member(typed, slice_of(&letter, 1)), &s->text);
        if (error) {
            return error;
        }
    }
    error = buffer_append_slice(&s->answer, SLICE(",\"next\":\""));
    error = error ? error
                  : token_seal(slice_cstr(t->name), key_parameter(i, &t->partition),
                               buffer_slice(&s->text), &s->answer);
    return error ? error : buffer_append_slice(&s->answer, SLICE("\""));
}

static int append_items(struct slice items, struct buffer *out) {
    struct json_cursor c;
    struct slice none, item;
    int error = buffer_append_slice(out, SLICE("{\"items\":["));

    error = error ? error : json_cursor_open(&c, items);
    for (size_t n = 0; !error; n++) {
        error = json_cursor_next(&c, &none, &item);
        if (!error && n) {
            error = buffer_append_slice(out, SLICE(","));
        }
        error = error ? error : model_decode_item(item, out);
    }
    return error == ERR_NOT_FOUND ? buffer_append_slice(out, SLICE("]")) : error;
}

static void on_page(struct penstock_invocation *i, void *arg,
                    const struct penstock_result *result) {
    const struct builtin_options *o = arg;
    struct scratch *s = scratch_get();
    struct slice body = slice_in(result->body), items, last_key;
    int error;

    if (result->outcome != PENSTOCK_OK) {
        penstock_respond_outcome(i, result);
        return;
    }
    error = response_member(body, SLICE("Items"), &items);
    error = error ? error : response_member(body, SLICE("LastEvaluatedKey"), &last_key);
    error = error ? error : append_items(items, &s->answer);
    error = error ? error : append_next(i, o->table, last_key, s);
    error = error ? error : buffer_append_slice(&s->answer, SLICE("}"));
    if (error) {
        answer_bad_response(i);
    } else {
        answer_json(i, 200, buffer_slice(&s->answer));
    }
}

void query_invoke(struct penstock_invocation *i, void *state) {
    const struct builtin_options *o = state;
    struct scratch *s = scratch_get();
    struct query q = {.i = i,
                      .table = o->table,
                      .partition = key_parameter(i, &o->table->partition),
                      .p = {&s->names, &s->values, &s->spans, 0, 0},
                      .s = s};
    int refused, error = append_key_condition(&q);

    error = error ? error : append_limit(&q, o);
    error = error ? error : append_order(&q);
    error = error ? error : append_start(&q);
    error = error ? error : consistent_parameter(i, s);
    error = error ? error : placeholders_append(&q.p, &s->extra);
    if (error) {
        answer_error(i, error, s->message);
        return;
    }
    refused = penstock_dynamodb(i,
                                &(struct penstock_request){
                                    .operation = PENSTOCK_QUERY,
                                    .table = o->table->name,
                                    .extra = slice_out(buffer_slice(&s->extra)),
                                },
                                on_page, state);
    if (refused) {
        answer_not_taken(i, refused);
    }
}
