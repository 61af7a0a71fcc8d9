#include "model/json_tree.h"

#include "model/json_text.h"
#include "model/number.h"
#include "model/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct tree_reader {
    struct json_reader text;
    struct buffer string; /* the last one, unescaped, NUL-terminated */
    bool build;
};

static int read_value(struct tree_reader *t, unsigned depth, struct json_object **out);

static int made(struct json_object *value, struct json_object **out) {
    *out = value;
    return value ? 0 : ERR_NOMEM;
}

/* ---- strings ---- */

static int append(struct tree_reader *t, const char *bytes, size_t len) {
    return t->build ? buffer_append(&t->string, bytes, len) : 0;
}

/* At the backslash. */
static int append_escape(struct tree_reader *t) {
    struct json_reader *r = &t->text;
    char bytes[4];
    const char *start = r->at;
    int32_t point = json_read_escape(r);
    if (point < 0) {
        bool half = r->end - start >= 6 && start[1] == 'u' && (start[2] | 0x20) == 'd';
        for (int i = 2; half && i < 6; i++) {
            half = strchr("0123456789abcdefABCDEF", start[i]) && start[i] != '\0';
        }
        if (!half) {
            return ERR_INVALID;
        }
        r->at = start + 6;
        point = 0xfffd;
    }
    return append(t, bytes, utf8_write((uint32_t)point, bytes));
}

/* A run of characters that stand for themselves. */
static int append_plain(struct tree_reader *t) {
    struct json_reader *r = &t->text;
    const char *start = r->at;
    while (r->at < r->end && *r->at != '"' && *r->at != '\\') {
        size_t len = utf8_sequence(r->at, r->end);
        if (len == 0 || (unsigned char)*r->at < 0x20) {
            return ERR_INVALID;
        }
        r->at += len;
    }
    return append(t, start, (size_t)(r->at - start));
}

/* At the opening quote; into t->string. */
static int read_string(struct tree_reader *t) {
    struct json_reader *r = &t->text;
    int error = 0;
    buffer_reset(&t->string, SIZE_MAX);
    for (r->at++; error == 0 && json_peek(r) != '"';) {
        if (r->at == r->end) {
            return ERR_INVALID;
        }
        error = *r->at == '\\' ? append_escape(t) : append_plain(t);
    }
    r->at += error == 0;
    error = error ? error : append(t, "", 1);
    t->string.len -= error == 0 && t->build;
    return error;
}

static int read_text(struct tree_reader *t, struct json_object **out) {
    int error = read_string(t);
    if (error != 0 || !t->build) {
        return error;
    }
    return t->string.len > INT32_MAX
               ? ERR_INVALID
               : made(json_object_new_string_len(buffer_begin(&t->string), (int)t->string.len),
                      out);
}

/* ---- numbers and words ---- */

static int make_number(struct slice text, struct json_object **out) {
    bool negative = text.ptr[0] == '-';
    uint64_t value;
    if (slice_to_u64(slice_from(text, negative), &value) == 0 && value <= (uint64_t)INT64_MAX &&
        (value > 0 || !negative)) {
        int64_t number = (int64_t)value;
        return made(json_object_new_int64(negative ? -number : number), out);
    }
    struct json_object *number = json_object_new_double(0);
    char *kept = number ? malloc(text.len + 1) : NULL;
    if (kept == NULL) {
        json_object_put(number);
        return ERR_NOMEM;
    }
    memcpy(kept, text.ptr, text.len);
    kept[text.len] = '\0';
    json_object_set_serializer(number, json_object_userdata_to_json_string, kept,
                               json_object_free_userdata);
    return made(number, out);
}

static int read_number(struct tree_reader *t, struct json_object **out) {
    struct number n;
    if (number_read(t->text.at, t->text.end, &n) != NULL) {
        return ERR_INVALID;
    }
    t->text.at += n.text.len;
    return t->build ? make_number(n.text, out) : 0;
}

static int read_word(struct tree_reader *t, struct json_object **out) {
    bool yes = json_accept_word(&t->text, SLICE("true"));
    if (yes || json_accept_word(&t->text, SLICE("false"))) {
        return t->build ? made(json_object_new_boolean(yes), out) : 0;
    }
    return json_accept_word(&t->text, SLICE("null")) ? 0 : ERR_INVALID;
}

/* ---- arrays and objects ---- */

static int read_element(struct tree_reader *t, unsigned depth, struct json_object *list) {
    struct json_object *value = NULL;
    int error = read_value(t, depth, &value);
    if (error == 0 && t->build && json_object_array_add(list, value) != 0) {
        error = ERR_NOMEM;
    }
    if (error != 0) {
        json_object_put(value);
    }
    return error;
}

static int read_member(struct tree_reader *t, unsigned depth, struct json_object *map) {
    struct json_object *value = NULL;
    if (json_peek(&t->text) != '"') {
        return ERR_INVALID;
    }
    int error = read_string(t);
    if (error != 0) {
        return error;
    }
    if ((t->build && memchr(buffer_begin(&t->string), '\0', t->string.len)) ||
        !json_accept(&t->text, ':')) {
        return ERR_INVALID;
    }
    char *name = t->build ? strdup(buffer_begin(&t->string)) : NULL;
    if (t->build && name == NULL) {
        return ERR_NOMEM;
    }
    error = read_value(t, depth, &value);
    if (error == 0 && t->build && json_object_object_add(map, name, value) != 0) {
        error = ERR_NOMEM;
    }
    if (error != 0) {
        json_object_put(value);
    }
    free(name);
    return error;
}

/* At the bracket. */
static int read_list(struct tree_reader *t, unsigned depth, struct json_object *list, char end,
                     int (*read)(struct tree_reader *t, unsigned depth,
                                 struct json_object *list)) {
    t->text.at++;
    json_skip_space(&t->text);
    if (json_accept(&t->text, end)) {
        return 0;
    }
    for (;;) {
        int error = read(t, depth, list);
        if (error != 0) {
            return error;
        }
        if (json_accept(&t->text, end)) {
            return 0;
        }
        if (!json_accept(&t->text, ',')) {
            return ERR_INVALID;
        }
    }
}

static int read_nested(struct tree_reader *t, unsigned depth, struct json_object **out) {
    bool object = *t->text.at == '{';
    if (depth == JSON_TREE_DEPTH) {
        return ERR_INVALID;
    }
    if (t->build) {
        int error = made(object ? json_object_new_object() : json_object_new_array(), out);
        if (error != 0) {
            return error;
        }
    }
    return object ? read_list(t, depth + 1, *out, '}', read_member)
                  : read_list(t, depth + 1, *out, ']', read_element);
}

/* After an error *out may hold what had been made: it is the caller's to put. */
static int read_value(struct tree_reader *t, unsigned depth, struct json_object **out) {
    char c = json_peek(&t->text);
    if (c == '{' || c == '[') {
        return read_nested(t, depth, out);
    }
    if (c == '"') {
        return read_text(t, out);
    }
    return c == '-' || (c >= '0' && c <= '9') ? read_number(t, out) : read_word(t, out);
}

static int read_whole(struct slice text, bool build, struct json_object **tree) {
    struct tree_reader t = {.build = build};
    *tree = NULL;
    json_reader_init(&t.text, text);
    json_skip_space(&t.text);
    int error = read_value(&t, 0, tree);
    json_skip_space(&t.text);
    if (error == 0 && t.text.at != t.text.end) {
        error = ERR_INVALID;
    }
    if (error != 0) {
        json_object_put(*tree);
        *tree = NULL;
    }
    buffer_fini(&t.string);
    return error;
}

int json_tree_read(struct slice text, struct json_object **tree) {
    return read_whole(text, true, tree);
}

int json_tree_check(struct slice text) {
    struct json_object *none;
    return read_whole(text, false, &none);
}

struct slice json_tree_number(struct json_object *number, char text[JSON_TREE_INT_TEXT]) {
    if (json_object_is_type(number, json_type_double)) {
        return slice_cstr(json_object_get_userdata(number));
    }
    int len = snprintf(text, JSON_TREE_INT_TEXT, "%" PRId64, json_object_get_int64(number));
    return slice_of(text, (size_t)len);
}
