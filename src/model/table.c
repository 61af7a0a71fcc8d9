#include "model/table.h"

#include "base/error.h"
#include "model/item.h"
#include "model/json_cursor.h"

char model_key_type_letter(enum model_key_type t) {
    return t == MODEL_KEY_S ? 'S' : t == MODEL_KEY_N ? 'N' : 'B';
}

int model_table_name_valid(struct slice name) {
    if (name.len < 3 || name.len > 255) {
        return 0;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '.' || c == '-')) {
            return 0;
        }
    }
    return 1;
}

static struct slice key_name(const struct model_key_schema *k) {
    return slice_of(k->name, k->name_len);
}

static int put_definition(struct buffer *out, const struct model_key_schema *k) {
    int error = buffer_append_slice(out, SLICE("{\"AttributeName\":"));
    if (!error) {
        error = model_json_string(out, key_name(k));
    }
    return error ? error
                 : buffer_printf(out, ",\"AttributeType\":\"%c\"}",
                                 model_key_type_letter(k->type));
}

static int put_schema(struct buffer *out, const struct model_key_schema *k, const char *role) {
    int error = buffer_append_slice(out, SLICE("{\"AttributeName\":"));
    if (!error) {
        error = model_json_string(out, key_name(k));
    }
    return error ? error : buffer_printf(out, ",\"KeyType\":\"%s\"}", role);
}

int model_table_create_body(const struct model_table *t, struct buffer *out) {
    bool sort = t->sort.name_len != 0;
    size_t start = out->len;
    int error = buffer_append_slice(out, SLICE("{\"TableName\":"));

    error = error ? error : model_json_string(out, slice_cstr(t->name));
    error = error ? error : buffer_append_slice(out, SLICE(",\"AttributeDefinitions\":["));
    error = error ? error : put_definition(out, &t->partition);
    if (sort) {
        error = error ? error : buffer_append_slice(out, SLICE(","));
        error = error ? error : put_definition(out, &t->sort);
    }
    error = error ? error : buffer_append_slice(out, SLICE("],\"KeySchema\":["));
    error = error ? error : put_schema(out, &t->partition, "HASH");
    if (sort) {
        error = error ? error : buffer_append_slice(out, SLICE(","));
        error = error ? error : put_schema(out, &t->sort, "RANGE");
    }
    error = error ? error
                  : buffer_append_slice(out, SLICE("],\"BillingMode\":\"PAY_PER_REQUEST\"}"));
    if (error) {
        out->len = start;
    }
    return error;
}

/* The unescaped text of a string member, NUL-terminated; false when it is none or too long. */
static bool text_member(struct slice object, struct slice name, char out[256], size_t *len) {
    struct buffer text = {0};
    bool good =
        json_unescape(json_member(object, name), &text) == 0 && text.len > 0 && text.len < 256;
    if (good) {
        memcpy(out, buffer_begin(&text), text.len);
        out[text.len] = '\0';
        *len = text.len;
    }
    buffer_fini(&text);
    return good;
}

/* One of KeySchema: its name and role. */
static int read_key(struct slice element, struct model_table *out) {
    char role[256];
    size_t role_len;
    struct model_key_schema *k;

    if (!text_member(element, SLICE("KeyType"), role, &role_len)) {
        return ERR_PROTOCOL;
    }
    if (strcmp(role, "HASH") == 0) {
        k = &out->partition;
    } else if (strcmp(role, "RANGE") == 0) {
        k = &out->sort;
    } else {
        return ERR_PROTOCOL;
    }
    return text_member(element, SLICE("AttributeName"), k->name, &k->name_len) ? 0
                                                                               : ERR_PROTOCOL;
}

static int read_type(struct slice definitions, struct model_key_schema *k) {
    struct json_cursor c;
    struct slice none, element;
    char name[256], type[256];
    size_t name_len, type_len;
    int error = json_cursor_open(&c, definitions);

    while (!error) {
        error = json_cursor_next(&c, &none, &element);
        if (!error && text_member(element, SLICE("AttributeName"), name, &name_len) &&
            slice_eq(slice_of(name, name_len), key_name(k))) {
            if (!text_member(element, SLICE("AttributeType"), type, &type_len) ||
                type_len != 1 || !strchr("SNB", type[0])) {
                return ERR_PROTOCOL;
            }
            k->type = type[0] == 'S' ? MODEL_KEY_S : type[0] == 'N' ? MODEL_KEY_N : MODEL_KEY_B;
            return 0;
        }
    }
    return ERR_PROTOCOL;
}

int model_table_from_describe(struct slice response, struct model_table *out) {
    struct slice table = json_member(response, SLICE("Table"));
    struct slice definitions = json_member(table, SLICE("AttributeDefinitions"));
    struct slice none, element;
    struct json_cursor c;
    size_t name_len;
    int error;

    memset(out, 0, sizeof *out);
    if (!text_member(table, SLICE("TableName"), out->name, &name_len)) {
        return ERR_PROTOCOL;
    }
    error = json_cursor_open(&c, json_member(table, SLICE("KeySchema")));
    while (!error) {
        error = json_cursor_next(&c, &none, &element);
        if (!error) {
            error = read_key(element, out);
        }
    }
    if (error != ERR_NOT_FOUND || out->partition.name_len == 0) {
        return ERR_PROTOCOL;
    }
    error = read_type(definitions, &out->partition);
    return error || out->sort.name_len == 0 ? error : read_type(definitions, &out->sort);
}
