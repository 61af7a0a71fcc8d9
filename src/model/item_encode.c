/* The one pass from plain JSON to DynamoDB JSON. */
#include "model/encoder.h"
#include "model/key.h"

#include <stdio.h>

/* Room that every token takes before it is written: the longest fixed text is {"BOOL":false}.
 */
#define TOKEN_ROOM 32

static int put_word(struct encoder *e, struct slice word, struct slice written) {
    if (!json_accept_word(&e->r, word)) {
        return encoder_syntax(e, "expected a value");
    }
    json_put_bytes(&e->w, written.ptr, written.len);
    e->item_bytes += 1;
    return 0;
}

int encode_number(struct encoder *e, const struct number *n) {
    const char *refused = number_check(n);
    int error;

    if (refused) {
        return encoder_refuse(e, "%s", refused);
    }
    error = json_room(&e->w, NUMBER_TEXT_MAX + TOKEN_ROOM);
    if (error) {
        return error;
    }
    json_put(&e->w, '"');
    if (n->first && n->text.len <= NUMBER_TEXT_MAX) {
        json_put_bytes(&e->w, n->text.ptr, n->text.len);
    } else {
        e->w.at += number_normal(n, e->w.at);
    }
    json_put(&e->w, '"');
    e->item_bytes += number_bytes(n);
    return 0;
}

static int encode_string_value(struct encoder *e) {
    struct json_string s;
    int error;

    e->r.at++;
    json_put_text(&e->w, "{\"S\":\"");
    error = json_copy_string(&e->r, &e->w, &s);
    if (error) {
        return encoder_string_error(e, error);
    }
    json_put_text(&e->w, "\"}");
    e->item_bytes += s.bytes;
    return 0;
}

static int encode_number_value(struct encoder *e) {
    struct number n;
    const char *reason = number_read(e->r.at, e->r.end, &n);
    int error;

    e->r.at += n.text.len;
    if (reason) {
        return encoder_syntax(e, reason);
    }
    json_put_text(&e->w, "{\"N\":");
    error = encode_number(e, &n);
    if (!error) {
        json_put(&e->w, '}');
    }
    return error;
}

/* An over-long item: forget what was written. */
static inline void drop_when_over(struct encoder *e) {
    if (encoder_over(e)) {
        json_writer_rewind(&e->w, e->start);
    }
}

static int encode_array(struct encoder *e, unsigned level) {
    struct encoder_path here = {e->path, 0, 0, 0};
    int error = 0;

    e->r.at++;
    json_put_text(&e->w, "{\"L\":[");
    e->item_bytes += 3;
    e->path = &here;
    json_skip_space(&e->r);
    if (json_peek(&e->r) == ']') {
        e->r.at++;
    } else {
        for (;; here.index++) {
            error = encode_value(e, level + 1);
            if (error) {
                return error;
            }
            e->item_bytes += 1;
            drop_when_over(e);
            json_skip_space(&e->r);
            if (json_peek(&e->r) == ']') {
                e->r.at++;
                break;
            }
            if (json_peek(&e->r) != ',') {
                return encoder_syntax(e, "expected ',' or ']'");
            }
            e->r.at++;
            json_skip_space(&e->r);
            error = json_room(&e->w, TOKEN_ROOM);
            if (error) {
                return error;
            }
            json_put(&e->w, ',');
        }
    }
    e->path = here.up;
    error = json_room(&e->w, TOKEN_ROOM);
    if (!error) {
        json_put_text(&e->w, "]}");
    }
    return error;
}

/* A name and its ':', with the quotes; `here` becomes its place. */
static int encode_name(struct encoder *e, struct encoder_path *here) {
    struct json_string s;
    int error = json_room(&e->w, TOKEN_ROOM);
    if (error) {
        return error;
    }
    if (json_peek(&e->r) != '"') {
        return encoder_syntax(e, "expected a name in double quotes");
    }
    e->r.at++;
    json_put(&e->w, '"');
    here->name_offset = json_writer_offset(&e->w);
    error = json_copy_string(&e->r, &e->w, &s);
    if (error) {
        here->name_len = 0;
        return encoder_string_error(e, error);
    }
    here->name_len = json_writer_offset(&e->w) - here->name_offset;
    if (s.bytes == 0) {
        return encoder_refuse(e, "an attribute name must not be empty");
    }
    if (s.nul) {
        return encoder_refuse(e, "an attribute name must not hold NUL");
    }
    json_put_text(&e->w, "\":");
    e->item_bytes += s.bytes;
    json_skip_space(&e->r);
    if (json_peek(&e->r) != ':') {
        return encoder_syntax(e, "expected ':'");
    }
    e->r.at++;
    json_skip_space(&e->r);
    return 0;
}

static int add_name(struct encoder *e, struct name_group *group,
                    const struct encoder_path *here) {
    int error;
    if (encoder_over(e)) {
        return 0;
    }
    error = name_group_add(&e->names, group, buffer_begin(e->w.out), here->name_offset,
                           here->name_len);
    return error == ERR_EXISTS ? encoder_refuse(e, "the name is in the object twice") : error;
}

/* After a member: 0 when another one follows, ERR_NOT_FOUND behind the closing brace. */
static inline int next_member(struct encoder *e) {
    json_skip_space(&e->r);
    if (json_peek(&e->r) == '}') {
        e->r.at++;
        return ERR_NOT_FOUND;
    }
    if (json_peek(&e->r) != ',') {
        return encoder_syntax(e, "expected ',' or '}'");
    }
    e->r.at++;
    json_skip_space(&e->r);
    return 0;
}

static int encode_object(struct encoder *e, unsigned level) {
    struct encoder_path here = {e->path, 0, 0, ENCODER_NAME};
    struct name_group group;
    int error = 0;

    e->r.at++;
    json_put_text(&e->w, "{\"M\":{");
    e->item_bytes += 3;
    json_skip_space(&e->r);
    if (json_peek(&e->r) == '}') {
        e->r.at++;
    } else {
        name_group_open(&e->names, &group);
        e->path = &here;
        for (bool more = false;; more = true) {
            if (more) {
                json_put(&e->w, ',');
            }
            error = encode_name(e, &here);
            if (!error) {
                error = add_name(e, &group, &here);
            }
            if (!error) {
                error = encode_value(e, level + 1);
            }
            if (!error) {
                e->item_bytes += 1;
                drop_when_over(e);
                error = json_room(&e->w, TOKEN_ROOM);
            }
            if (!error) {
                error = next_member(e);
            }
            if (error) {
                break;
            }
        }
        if (error != ERR_NOT_FOUND) {
            return error;
        }
        e->path = here.up;
        name_group_close(&e->names, &group);
    }
    json_put_text(&e->w, "}}");
    return 0;
}

int encode_value(struct encoder *e, unsigned level) {
    char first = json_peek(&e->r);
    int error;

    /* At the last level only a scalar may stand: DynamoDB Local refuses an empty list there.
     * Not seen on the service itself; refusing is the side on which no batch is lost. */
    if (level >= MODEL_DEPTH_MAX && (first == '{' || first == '[')) {
        return encoder_refuse(e, "nested deeper than %d levels", MODEL_DEPTH_MAX);
    }
    error = json_room(&e->w, TOKEN_ROOM);
    if (error) {
        return error;
    }
    switch (first) {
    case '"':
        return encode_string_value(e);
    case '{':
        return encode_object(e, level);
    case '[':
        return encode_array(e, level);
    case 't':
        return put_word(e, SLICE("true"), SLICE("{\"BOOL\":true}"));
    case 'f':
        return put_word(e, SLICE("false"), SLICE("{\"BOOL\":false}"));
    case 'n':
        return put_word(e, SLICE("null"), SLICE("{\"NULL\":true}"));
    default:
        if (!encoder_kind(first)) {
            return encoder_syntax(e, "expected a value");
        }
        return encode_number_value(e);
    }
}

/* ---- the item itself: top-level attributes ---- */

static const struct model_extra *find_extra(const struct model_encode *how, struct slice name) {
    for (size_t i = 0; i < how->extra_count; i++) {
        if (slice_eq(how->extras[i].name, name)) {
            return &how->extras[i];
        }
    }
    return NULL;
}

static const struct model_type *find_type(const struct model_encode *how, struct slice name) {
    for (size_t i = 0; i < how->type_count; i++) {
        if (slice_eq(how->types[i].name, name)) {
            return &how->types[i];
        }
    }
    return NULL;
}

static bool binary_key(const struct model_table *t, struct slice name) {
    return t && ((t->partition.type == MODEL_KEY_B && key_named(&t->partition, name)) ||
                 (t->sort.type == MODEL_KEY_B && key_named(&t->sort, name)));
}

/* The value of an attribute by its name. Key and set names come from the configuration: there
 * they are plain text, here the written form, the same but for characters JSON escapes. */
static int encode_attribute(struct encoder *e, struct slice name) {
    const struct model_type *type = find_type(e->how, name);
    if (type) {
        return encode_typed(e, type->type);
    }
    if (binary_key(e->how->table, name)) {
        return encode_typed(e, MODEL_TYPED_B);
    }
    return encode_value(e, 1);
}

/* One member of the item. One that an extra replaces is checked and leaves no trace. */
static int encode_item_member(struct encoder *e, struct name_group *group,
                              struct encoder_path *here, bool *first) {
    size_t mark = json_writer_offset(&e->w), before = e->item_bytes, value, value_bytes;
    struct slice name;
    int error;

    if (!*first) {
        json_put(&e->w, ',');
    }
    error = encode_name(e, here);
    if (error) {
        return error;
    }
    name = slice_of(buffer_begin(e->w.out) + here->name_offset, here->name_len);
    const struct model_extra *extra = find_extra(e->how, name);
    error = extra ? 0 : add_name(e, group, here);
    value = json_writer_offset(&e->w);
    value_bytes = e->item_bytes;
    if (!error) {
        error = encode_attribute(e, name);
    }
    if (error) {
        return error;
    }
    if (!extra) {
        *first = false;
        error = encode_note_key(e, here, value, e->item_bytes - value_bytes);
    } else if (!encoder_over(e)) {
        json_writer_rewind(&e->w, mark);
        e->item_bytes = before;
    }
    drop_when_over(e);
    return error ? error : json_room(&e->w, TOKEN_ROOM);
}

static char extra_letter(const struct model_encode *how, const struct model_extra *extra) {
    if (how->table && key_named(&how->table->partition, extra->name)) {
        return model_key_type_letter(how->table->partition.type);
    }
    if (how->table && key_named(&how->table->sort, extra->name)) {
        return model_key_type_letter(how->table->sort.type);
    }
    return extra->number ? 'N' : 'S';
}

static int encode_extra(struct encoder *e, const struct model_extra *extra,
                        struct encoder_path *here, bool *first) {
    size_t value, value_bytes;
    int error = json_room(&e->w, TOKEN_ROOM);
    if (error) {
        return error;
    }
    if (!*first) {
        json_put(&e->w, ',');
    }
    *first = false;
    json_put(&e->w, '"');
    here->name_offset = json_writer_offset(&e->w);
    error = json_escape(&e->w, extra->name);
    if (error) {
        here->name_len = 0;
        return error == ERR_INVALID ? encoder_refuse(e, "a name is not UTF-8") : error;
    }
    here->name_len = json_writer_offset(&e->w) - here->name_offset;
    json_put_text(&e->w, "\":");
    e->item_bytes += extra->name.len;
    value = json_writer_offset(&e->w);
    value_bytes = e->item_bytes;
    error = encode_text(e, extra_letter(e->how, extra), extra->value);
    if (!error) {
        error = encode_note_key(e, here, value, e->item_bytes - value_bytes);
    }
    return error;
}

static int encode_item_members(struct encoder *e, struct encoder_path *here) {
    struct name_group group;
    bool first = true;
    int error = 0;

    name_group_open(&e->names, &group);
    json_skip_space(&e->r);
    if (json_peek(&e->r) == '}') {
        e->r.at++;
        error = ERR_NOT_FOUND;
    }
    while (!error) {
        error = encode_item_member(e, &group, here, &first);
        if (!error) {
            error = next_member(e);
        }
    }
    if (error != ERR_NOT_FOUND) {
        return error;
    }
    error = 0;
    for (size_t i = 0; i < e->how->extra_count && !error; i++) {
        error = encode_extra(e, &e->how->extras[i], here, &first);
    }
    return error;
}

static int encode_item(struct encoder *e) {
    struct encoder_path here = {NULL, 0, 0, ENCODER_NAME};
    int error;

    json_skip_space(&e->r);
    if (json_peek(&e->r) != '{') {
        return encoder_syntax(e, "expected an object");
    }
    e->r.at++;
    json_put(&e->w, '{');
    e->path = &here;
    error = encode_item_members(e, &here);
    e->path = NULL;
    if (!error) {
        json_skip_space(&e->r);
        if (e->r.at != e->r.end) {
            return encoder_syntax(e, "expected nothing more after the object");
        }
        error = json_room(&e->w, TOKEN_ROOM);
    }
    if (!error) {
        json_put(&e->w, '}');
    }
    return error;
}

static int refuse_size(struct encoder *e) {
    (void)snprintf(e->message, MODEL_MESSAGE_MAX,
                   "item is %zu bytes, over DynamoDB's limit of %d", e->item_bytes,
                   MODEL_ITEM_BYTES_MAX);
    return ERR_INVALID;
}

int model_encode_item(const struct model_encode *how, struct slice json, struct buffer *out,
                      struct model_key_buffer *keys, struct model_encoded *info,
                      char message[MODEL_MESSAGE_MAX]) {
    struct encoder e;
    int error = encoder_open(&e, how, json, out, keys, message);
    if (error) {
        return error;
    }
    error = encode_item(&e);
    if (!error && encoder_over(&e)) {
        error = refuse_size(&e);
    }
    *info = (struct model_encoded){.item_bytes = e.item_bytes};
    if (!error && how->table) {
        error = encode_finish_keys(&e, info);
    }
    return encoder_close(&e, error);
}

int model_encode_value(const struct model_encode *how, struct slice name, struct slice json,
                       struct buffer *out, size_t *item_bytes,
                       char message[MODEL_MESSAGE_MAX]) {
    struct encoder e;
    struct model_key_buffer work = {0};
    int error = encoder_open(&e, how, json, out, &work, message);
    if (!error) {
        e.root = name;
        json_skip_space(&e.r);
        error = encode_attribute(&e, name);
        json_skip_space(&e.r);
        if (!error && e.r.at != e.r.end) {
            error = encoder_syntax(&e, "expected nothing more after the value");
        }
        if (!error && encoder_over(&e)) {
            error = refuse_size(&e);
        }
        *item_bytes = e.item_bytes;
        error = encoder_close(&e, error);
    }
    model_key_buffer_fini(&work);
    return error;
}
