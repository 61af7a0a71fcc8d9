/* Many items in one body. The whole frame is read first: a broken array, or more items than
 * items_max, is refused before anything is sent. Then each item is encoded and goes its own
 * way, and the answer leaves when the last has its outcome. */
#include "base/error.h"
#include "handlers/put_item.h"

#include <stdio.h>

#define ITEMS_MAX_DEFAULT 1000

struct put_many;

struct put_result {
    struct put_many *all;
    struct slice json; /* the element of the body */
    struct put_key *key;
    struct slice message; /* of a failure */
    int status;
    bool unknown;
};

struct put_many {
    size_t count;
    size_t pending; /* ops in the pipeline */
    struct put_result results[];
};

/* What the single item's answer would be (the table of answers). */
static const struct {
    int status;
    const char *message; /* NULL: DynamoDB's own */
} outcome_answers[] = {
    [PENSTOCK_OK] = {201, ""},
    [PENSTOCK_CONDITION_FAILED] = {409, "The conditional request failed"},
    [PENSTOCK_REFUSED] = {400, NULL},
    [PENSTOCK_THROTTLED] = {429, "Too Many Requests"},
    [PENSTOCK_BUSY] = {503, "Service Unavailable"},
    [PENSTOCK_UNAVAILABLE] = {503, "Service Unavailable"},
    [PENSTOCK_DENIED] = {500, "Internal server error"},
    [PENSTOCK_UNKNOWN] = {502, "Internal server error"},
    [PENSTOCK_UNKNOWN_TIMEOUT] = {504, "Endpoint request timed out"},
    [PENSTOCK_TIMEOUT] = {504, "Endpoint request timed out"},
};

/* Keeps a message in the invocation; without memory for it the status has to do. */
static struct slice keep(struct penstock_invocation *i, struct slice text) {
    char *copy = text.len ? penstock_alloc(i, text.len) : NULL;
    if (!copy) {
        return SLICE_EMPTY;
    }
    memcpy(copy, text.ptr, text.len);
    return slice_of(copy, text.len);
}

static void settle(struct penstock_invocation *i, struct put_result *r,
                   enum penstock_outcome outcome, struct slice message) {
    const char *ours = outcome_answers[outcome].message;
    r->status = outcome_answers[outcome].status;
    r->message = ours          ? slice_cstr(ours)
                 : message.len ? keep(i, message)
                               : SLICE("Bad Request");
    r->unknown = outcome == PENSTOCK_UNKNOWN || outcome == PENSTOCK_UNKNOWN_TIMEOUT;
}

static int append_result(struct buffer *out, const struct put_result *r) {
    int error = buffer_printf(out, "{\"status\":%d", r->status);
    if (r->status == 201) {
        error = error ? error : buffer_append_slice(out, SLICE(",\"key\":"));
        error = error ? error : buffer_append(out, r->key->json, r->key->len);
    } else {
        error = error ? error : buffer_append_slice(out, SLICE(",\"message\":"));
        error = error ? error : model_json_string(out, r->message);
    }
    if (r->unknown) {
        error = error ? error : buffer_append_slice(out, SLICE(",\"outcome\":\"unknown\""));
    }
    return error ? error : buffer_append_slice(out, SLICE("}"));
}

static void answer_all(struct penstock_invocation *i, const struct put_many *m) {
    struct buffer *out = &scratch_get()->answer;
    int error = buffer_append_slice(out, SLICE("{\"results\":["));

    for (size_t n = 0; n < m->count && !error; n++) {
        error = n ? buffer_append_slice(out, SLICE(",")) : 0;
        error = error ? error : append_result(out, &m->results[n]);
    }
    error = error ? error : buffer_append_slice(out, SLICE("]}"));
    if (error) {
        answer_unknown(i); /* some may be stored, and we cannot say which */
        return;
    }
    answer_json(i, 200, buffer_slice(out));
}

static void on_put(struct penstock_invocation *i, void *arg,
                   const struct penstock_result *result) {
    struct put_result *r = arg;
    struct put_many *m = r->all;

    settle(i, r, result->outcome, slice_in(result->message));
    ASSERT(m->pending > 0);
    if (--m->pending == 0) {
        answer_all(i, m);
    }
}

/* The elements of the body, in the invocation's memory. ERR_LIMIT: too many. */
static int read_frame(struct penstock_invocation *i, struct model_body *body, size_t items_max,
                      struct scratch *s, struct put_many **out) {
    struct model_body counting = *body;
    struct slice element;
    struct put_many *m;
    size_t count = 0;
    int error;

    while ((error = model_body_next(&counting, &element, s->message)) == 0) {
        if (++count > items_max) {
            return ERR_LIMIT;
        }
    }
    if (error != ERR_NOT_FOUND) {
        return error;
    }
    m = penstock_alloc(i, sizeof *m + count * sizeof m->results[0]);
    if (!m) {
        return ERR_NOMEM;
    }
    memset(m, 0, sizeof *m + count * sizeof m->results[0]);
    while (model_body_next(body, &element, s->message) == 0) {
        m->results[m->count++] = (struct put_result){.all = m, .json = element};
    }
    *out = m;
    return 0;
}

static void put_each(struct penstock_invocation *i, const struct builtin_options *o,
                     struct set_values *set, struct put_many *m, struct scratch *s) {
    for (size_t n = 0; n < m->count; n++) {
        struct put_result *r = &m->results[n];
        int error = put_one(i, o, set, r->json, s, &r->key, on_put, r);
        if (error == 0) {
            m->pending++; /* no callback comes before we return */
        } else if (error == ERR_NOMEM) {
            settle(i, r, PENSTOCK_BUSY, SLICE_EMPTY);
        } else {
            settle(i, r, error < 0 ? PENSTOCK_REFUSED : (enum penstock_outcome)error,
                   slice_cstr(s->message));
        }
    }
}

void put_many(struct penstock_invocation *i, const struct builtin_options *o,
              struct set_values *set, struct model_body *body, struct scratch *s) {
    size_t items_max = o->items_max ? o->items_max : ITEMS_MAX_DEFAULT;
    struct put_many *m = NULL;
    int error = read_frame(i, body, items_max, s, &m);

    if (error == ERR_LIMIT) {
        (void)snprintf(s->message, sizeof s->message, "body has more than %zu items",
                       items_max);
        penstock_respond_message(i, 413, s->message, "too_many_items");
        return;
    }
    if (error) {
        answer_error(i, error, s->message);
        return;
    }
    put_each(i, o, set, m, s);
    if (m->pending == 0) {
        answer_all(i, m);
    }
}
