/* The key attributes of an item that is being encoded, and keys given as text. */
#include "model/encoder.h"
#include "model/key.h"

#include <stdio.h>

/* {"S":"contents"}: where the contents begin, and how much is behind them. */
#define VALUE_HEAD 6
#define VALUE_TAIL 2

/* "a list" for {"L":...}, in the words of the body. */
static const char *written_kind(const char *value) {
    switch (value[2]) {
    case 'S':
        return value[3] == 'S' ? "a set" : "a string";
    case 'N':
        return value[3] == '"' ? "a number" : value[3] == 'U' ? "null" : "a set";
    case 'B':
        return value[3] == '"' ? "a base64 string" : value[3] == 'O' ? "a boolean" : "a set";
    case 'L':
        return "an array";
    default:
        return "an object";
    }
}

static int check_length(struct encoder *e, const struct model_key_schema *k, bool partition,
                        size_t bytes) {
    size_t limit = partition ? MODEL_PARTITION_KEY_MAX : MODEL_SORT_KEY_MAX;
    const char *which = partition ? "partition" : "sort";

    if (k->type == MODEL_KEY_N) {
        return 0;
    }
    if (bytes == 0) {
        return encoder_refuse(e, "the %s key must not be empty", which);
    }
    if (bytes > limit) {
        return encoder_refuse(e, "the %s key is %zu bytes, over DynamoDB's limit of %zu", which,
                              bytes, limit);
    }
    return 0;
}

int encode_note_key(struct encoder *e, const struct encoder_path *name, size_t value_offset,
                    size_t value_bytes) {
    const struct model_table *t = e->how->table;
    const char *written = buffer_begin(e->w.out);
    struct slice text = slice_of(written + name->name_offset, name->name_len);
    bool partition;

    if (!t || encoder_over(e)) {
        return 0;
    }
    partition = key_named(&t->partition, text);
    if (!partition && !(t->sort.name_len && key_named(&t->sort, text))) {
        return 0;
    }
    const struct model_key_schema *k = partition ? &t->partition : &t->sort;
    const char *value = written + value_offset;
    if (value[2] != model_key_type_letter(k->type) || value[3] != '"') {
        return encoder_refuse(e, "expected %s, got %s", key_type_expected(k->type),
                              written_kind(value));
    }
    *(partition ? &e->partition : &e->sort) = (struct encoder_key){
        name->name_offset, name->name_len, value_offset, json_writer_offset(&e->w), true};
    return check_length(e, k, partition, value_bytes);
}

static int append_canonical(struct encoder *e, const struct model_key_schema *k,
                            const struct encoder_key *at) {
    struct slice contents =
        slice_of(buffer_begin(e->w.out) + at->value_offset + VALUE_HEAD,
                 at->value_end - at->value_offset - VALUE_HEAD - VALUE_TAIL);
    return key_append(&e->work->bytes, model_key_type_letter(k->type), contents);
}

/* As DynamoDB has it, {"S":"contents"}, or plain: "contents", and a number without quotes. */
enum key_form { FORM_TYPED, FORM_PLAIN };

static void put_json(struct encoder *e, struct json_writer *w, const struct encoder_key *at,
                     enum key_form form) {
    const char *written = buffer_begin(e->w.out);
    const char *value = written + at->value_offset;
    size_t len = at->value_end - at->value_offset;
    json_put(w, '"');
    json_put_bytes(w, written + at->name_offset, at->name_len);
    json_put_text(w, "\":");
    if (form == FORM_TYPED) {
        json_put_bytes(w, value, len);
    } else {
        size_t quotes = value[2] != 'N';
        json_put_bytes(w, value + VALUE_HEAD - quotes,
                       len - VALUE_HEAD - VALUE_TAIL + 2 * quotes);
    }
}

static int append_json(struct encoder *e, bool sort, enum key_form form) {
    struct json_writer w;
    size_t room =
        e->partition.name_len + e->partition.value_end - e->partition.value_offset + 8;
    int error;

    if (sort) {
        room += e->sort.name_len + e->sort.value_end - e->sort.value_offset + 8;
    }
    error = json_writer_open(&w, &e->work->bytes, room);
    if (error) {
        return error;
    }
    json_put(&w, '{');
    put_json(e, &w, &e->partition, form);
    if (sort) {
        json_put(&w, ',');
        put_json(e, &w, &e->sort, form);
    }
    json_put(&w, '}');
    json_writer_close(&w);
    return 0;
}

static int refuse_missing(struct encoder *e, const struct model_key_schema *k,
                          const char *which) {
    (void)snprintf(e->message, MODEL_MESSAGE_MAX, "%s: the %s key is missing", k->name, which);
    return ERR_INVALID;
}

int encode_finish_keys(struct encoder *e, struct model_encoded *info) {
    const struct model_table *t = e->how->table;
    bool sort = t->sort.name_len != 0;
    size_t canonical, typed;
    int error;

    if (!e->partition.present) {
        return refuse_missing(e, &t->partition, "partition");
    }
    if (sort && !e->sort.present) {
        return refuse_missing(e, &t->sort, "sort");
    }
    error = append_canonical(e, &t->partition, &e->partition);
    if (!error && sort) {
        error = append_canonical(e, &t->sort, &e->sort);
    }
    canonical = e->work->bytes.len;
    if (!error) {
        error = append_json(e, sort, FORM_TYPED);
    }
    typed = e->work->bytes.len;
    if (!error) {
        error = append_json(e, sort, FORM_PLAIN);
    }
    if (!error) {
        struct slice all = buffer_slice(&e->work->bytes);
        info->key = slice_of(all.ptr, canonical);
        info->key_json = slice_of(all.ptr + canonical, typed - canonical);
        info->key_plain = slice_from(all, typed);
    }
    return error;
}

int model_encode_key(const struct model_table *t, struct slice partition, struct slice sort,
                     struct buffer *out, struct model_key_buffer *keys,
                     struct model_encoded *info, char message[MODEL_MESSAGE_MAX]) {
    const struct model_extra extras[2] = {
        {slice_of(t->partition.name, t->partition.name_len), partition, 0},
        {slice_of(t->sort.name, t->sort.name_len), sort, 0},
    };
    struct model_encode how = {.table = t, .extras = extras};

    if (partition.ptr) {
        how.extra_count = t->sort.name_len && sort.ptr ? 2 : 1;
    }
    return model_encode_item(&how, SLICE("{}"), out, keys, info, message);
}
