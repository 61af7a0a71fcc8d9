/* Attributes whose type JSON does not show: sets and binary. And plain text from outside JSON.
 */
#include "base/hex.h"
#include "model/encoder.h"
#include "model/key.h"

static const struct {
    char open[8]; /* {"SS": */
    const char *element;
    const char *whole;
} typed_forms[] = {
    [MODEL_TYPED_SS] = {"{\"SS\":", "a string", "an array of strings"},
    [MODEL_TYPED_NS] = {"{\"NS\":", "a number", "an array of numbers"},
    [MODEL_TYPED_BS] = {"{\"BS\":", "a base64 string", "an array of base64 strings"},
    [MODEL_TYPED_B] = {"{\"B\":", "a base64 string", "a base64 string"},
};

static int refuse_kind(struct encoder *e, const char *expected) {
    const char *kind = encoder_kind(json_peek(&e->r));
    if (!kind) {
        return encoder_syntax(e, "expected a value");
    }
    return encoder_refuse(e, "expected %s, got %s", expected, kind);
}

/* Decodes base64 that was written at `offset` behind work->plain; *bytes: its decoded length.
 */
static int check_base64(struct encoder *e, size_t offset, size_t *bytes) {
    struct buffer *plain = &e->work->plain;
    struct slice text =
        slice_of(buffer_begin(e->w.out) + offset, json_writer_offset(&e->w) - offset);
    int error = buffer_reserve(plain, BASE64_DECODED_MAX(text.len) + 8);
    if (error) {
        return error;
    }
    if (base64_decode(text, (unsigned char *)buffer_tail(plain), bytes) != 0) {
        return encoder_refuse(e, "expected a base64 string, got one that does not decode");
    }
    e->item_bytes += *bytes;
    return 0;
}

/* A quoted string at hand. *offset: where its contents are written. */
static int copy_quoted(struct encoder *e, size_t *offset, struct json_string *s) {
    int error;
    e->r.at++;
    json_put(&e->w, '"');
    *offset = json_writer_offset(&e->w);
    error = json_copy_string(&e->r, &e->w, s);
    return error ? encoder_string_error(e, error) : 0;
}

static int encode_binary(struct encoder *e) {
    struct json_string s;
    size_t offset, bytes;
    int error = copy_quoted(e, &offset, &s);
    if (!error) {
        error = check_base64(e, offset, &bytes);
    }
    if (!error) {
        json_put(&e->w, '"');
    }
    return error;
}

/* A set's members in their canonical form, one after the other in work->plain. */
static int add_member(struct encoder *e, struct name_group *group, size_t len) {
    struct buffer *plain = &e->work->plain;
    size_t offset = plain->len;
    int error;

    buffer_grow(plain, len);
    if (encoder_over(e)) {
        return 0;
    }
    error = name_group_add(&e->names, group, buffer_begin(plain), offset, len);
    return error == ERR_EXISTS ? encoder_refuse(e, "the value is in the set twice") : error;
}

static int encode_string_member(struct encoder *e, struct name_group *group) {
    struct json_string s;
    size_t offset, len;
    int error = copy_quoted(e, &offset, &s);
    if (error) {
        return error;
    }
    e->item_bytes += s.bytes;
    len = json_writer_offset(&e->w) - offset;
    error = buffer_reserve(&e->work->plain, len + 8);
    if (error) {
        return error;
    }
    memcpy(buffer_tail(&e->work->plain), buffer_begin(e->w.out) + offset, len);
    json_put(&e->w, '"');
    return add_member(e, group, len);
}

static int encode_number_member(struct encoder *e, struct name_group *group) {
    struct number n;
    const char *reason = number_read(e->r.at, e->r.end, &n);
    int error;

    e->r.at += n.text.len;
    if (reason) {
        return encoder_syntax(e, reason);
    }
    error = encode_number(e, &n);
    if (!error) {
        error = buffer_reserve(&e->work->plain, NUMBER_NORMAL_MAX + 8);
    }
    return error ? error
                 : add_member(e, group, number_normal(&n, buffer_tail(&e->work->plain)));
}

static int encode_binary_member(struct encoder *e, struct name_group *group) {
    struct json_string s;
    size_t offset, bytes;
    int error = copy_quoted(e, &offset, &s);
    if (!error) {
        error = check_base64(e, offset, &bytes);
    }
    if (error) {
        return error;
    }
    json_put(&e->w, '"');
    return add_member(e, group, bytes);
}

static int encode_member(struct encoder *e, enum model_typed type, struct name_group *group) {
    char first = json_peek(&e->r);
    int error = json_room(&e->w, JSON_STRING_SLACK);
    if (error) {
        return error;
    }
    if (type == MODEL_TYPED_NS) {
        return first == '-' || (first >= '0' && first <= '9')
                   ? encode_number_member(e, group)
                   : refuse_kind(e, typed_forms[type].element);
    }
    if (first != '"') {
        return refuse_kind(e, typed_forms[type].element);
    }
    return type == MODEL_TYPED_SS ? encode_string_member(e, group)
                                  : encode_binary_member(e, group);
}

/* Behind the '['. */
static int encode_members(struct encoder *e, enum model_typed type, struct encoder_path *here) {
    struct name_group group;
    int error;

    name_group_open(&e->names, &group);
    e->work->plain.len = 0;
    for (;; here->index++) {
        error = encode_member(e, type, &group);
        if (error) {
            return error;
        }
        json_skip_space(&e->r);
        if (encoder_over(e)) {
            json_writer_rewind(&e->w, e->start);
            e->work->plain.len = 0;
        }
        error = json_room(&e->w, JSON_STRING_SLACK);
        if (error) {
            return error;
        }
        if (json_peek(&e->r) == ']') {
            e->r.at++;
            name_group_close(&e->names, &group);
            return 0;
        }
        if (json_peek(&e->r) != ',') {
            return encoder_syntax(e, "expected ',' or ']'");
        }
        e->r.at++;
        json_put(&e->w, ',');
        json_skip_space(&e->r);
    }
}

static int encode_set(struct encoder *e, enum model_typed type) {
    struct encoder_path here = {e->path, 0, 0, 0};
    int error;

    e->r.at++;
    json_put(&e->w, '[');
    json_skip_space(&e->r);
    if (json_peek(&e->r) == ']') {
        return encoder_refuse(e, "a set must not be empty");
    }
    e->path = &here;
    error = encode_members(e, type, &here);
    if (!error) {
        e->path = here.up;
        json_put(&e->w, ']');
    }
    return error;
}

int encode_typed(struct encoder *e, enum model_typed type) {
    char first = json_peek(&e->r);
    int error;

    if (first == 'n' && !e->how->table) {
        return encode_value(e, 1);
    }
    if (first != (type == MODEL_TYPED_B ? '"' : '[')) {
        return refuse_kind(e, typed_forms[type].whole);
    }
    error = json_room(&e->w, JSON_STRING_SLACK);
    if (error) {
        return error;
    }
    json_put_bytes(&e->w, typed_forms[type].open, strlen(typed_forms[type].open));
    error = type == MODEL_TYPED_B ? encode_binary(e) : encode_set(e, type);
    if (!error) {
        json_put(&e->w, '}');
    }
    return error;
}

static int encode_number_text(struct encoder *e, struct slice text) {
    struct number n;
    if (number_read(text.ptr, text.ptr + text.len, &n) != NULL || n.text.len != text.len) {
        return encoder_refuse(e, "expected a number");
    }
    return encode_number(e, &n);
}

static int encode_plain_text(struct encoder *e, char letter, struct slice text) {
    size_t offset, bytes;
    int error;

    json_put(&e->w, '"');
    offset = json_writer_offset(&e->w);
    error = json_escape(&e->w, text);
    if (error) {
        return error == ERR_INVALID ? encoder_refuse(e, "not UTF-8") : error;
    }
    if (letter == 'B') {
        error = check_base64(e, offset, &bytes);
    } else {
        e->item_bytes += text.len;
    }
    json_put(&e->w, '"');
    return error;
}

int encode_text(struct encoder *e, char letter, struct slice text) {
    int error = json_room(&e->w, JSON_STRING_SLACK);
    if (error) {
        return error;
    }
    json_put_text(&e->w, "{\"");
    json_put(&e->w, letter);
    json_put_text(&e->w, "\":");
    error = letter == 'N' ? encode_number_text(e, text) : encode_plain_text(e, letter, text);
    if (!error) {
        json_put(&e->w, '}');
    }
    return error;
}
