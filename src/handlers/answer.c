#include "handlers/answer.h"

#include "base/error.h"
#include "model/json_cursor.h"

#include <stdio.h>

void answer_json(struct penstock_invocation *i, int status, struct slice body) {
    penstock_respond(i, &(struct penstock_response){.status = status, .body = slice_out(body)});
}

void answer_error(struct penstock_invocation *i, int error, const char *message) {
    if (error == ERR_NOMEM) {
        penstock_respond_message(i, 503, "Service Unavailable", "no_memory");
    } else {
        penstock_respond_message(i, 400, message, "invalid_request");
    }
}

void answer_not_taken(struct penstock_invocation *i, int outcome) {
    struct penstock_result r = {.outcome = (enum penstock_outcome)outcome};
    penstock_respond_outcome(i, &r);
}

void answer_bad_response(struct penstock_invocation *i) {
    penstock_respond_message(i, 502, "Internal server error", "bad_dynamodb_response");
}

void answer_unknown(struct penstock_invocation *i) {
    penstock_respond_outcome(i, &(struct penstock_result){.outcome = PENSTOCK_UNKNOWN});
}

int response_member(struct slice body, struct slice name, struct slice *value) {
    struct json_cursor c;
    struct slice member, raw;
    int error = json_cursor_open(&c, body);

    *value = SLICE_EMPTY;
    while (!error && (error = json_cursor_next(&c, &member, &raw)) == 0) {
        if (slice_eq(member, name)) {
            *value = raw;
        }
    }
    return error == ERR_NOT_FOUND ? 0 : error;
}

struct slice key_parameter(const struct penstock_invocation *i,
                           const struct model_key_schema *k) {
    struct slice value = slice_in(penstock_path_parameter(i, k->name));
    return value.ptr ? value : slice_in(penstock_query_parameter(i, k->name));
}

int key_from_parameters(const struct penstock_invocation *i, const struct model_table *t,
                        struct scratch *s, struct model_encoded *info) {
    struct slice sort = t->sort.name_len ? key_parameter(i, &t->sort) : SLICE_EMPTY;
    return model_encode_key(t, key_parameter(i, &t->partition), sort, &s->item, &s->keys, info,
                            s->message);
}

int consistent_parameter(const struct penstock_invocation *i, struct scratch *s) {
    struct slice value = slice_in(penstock_query_parameter(i, "consistent"));
    if (!value.ptr || slice_eq(value, SLICE("false"))) {
        return 0;
    }
    if (!slice_eq(value, SLICE("true"))) {
        (void)snprintf(s->message, sizeof s->message, "consistent: expected true or false");
        return ERR_INVALID;
    }
    return buffer_append_slice(&s->extra, SLICE(",\"ConsistentRead\":true"));
}
