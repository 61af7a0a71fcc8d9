/* links: model base */
/* Everything of model/ that reads bytes a peer controls. The first byte picks what reads the
 * rest: bodies (with a table and types of its choice), DynamoDB's responses, table
 * descriptions.
 *
 * Beyond not crashing: what is encoded decodes and encodes to the same bytes again, json-c
 * reads it too (it is laxer than we are), its key is the key of the item that is sent; what is
 * refused leaves a message and nothing else. */
#include "base/error.h"
#include "model/item.h"
#include "model/json_cursor.h"

#include <json.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct model_table tables[] = {
    {.name = "ss",
     .partition = {"Artist", 6, MODEL_KEY_S},
     .sort = {"SongTitle", 9, MODEL_KEY_S}},
    {.name = "nb",
     .partition = {"Artist", 6, MODEL_KEY_N},
     .sort = {"SongTitle", 9, MODEL_KEY_B}},
    {.name = "s", .partition = {"a", 1, MODEL_KEY_S}},
};

static const struct model_type types[] = {
    {{"ss", 2}, MODEL_TYPED_SS},
    {{"ns", 2}, MODEL_TYPED_NS},
    {{"bs", 2}, MODEL_TYPED_BS},
    {{"b", 1}, MODEL_TYPED_B},
};

static const struct model_extra extras[] = {
    {{"at", 2}, {"1700000000000", 13}, 1},
    {{"id", 2}, {"\"\xc3\xa9\n", 4}, 0},
};

static void check_json_c(struct slice json) {
    struct json_tokener *t = json_tokener_new_ex(200);
    char *copy = slice_dup(json);
    struct json_object *o;
    json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    o = json_tokener_parse_ex(t, copy, (int)json.len + 1);
    ASSERT(json_tokener_get_error(t) == json_tokener_success);
    json_object_put(o);
    json_tokener_free(t);
    free(copy);
}

/* NUL in a value ends json-c's own reading of our NUL-terminated copy only there. */
static void check_encoded(const struct model_encode *how, struct slice out,
                          const struct model_encoded *info) {
    struct model_encode again_how = *how;
    struct buffer plain = {0}, again = {0};
    struct model_key_buffer keys = {0};
    struct model_encoded again_info;
    struct slice key;
    char message[MODEL_MESSAGE_MAX];

    ASSERT(info->item_bytes <= MODEL_ITEM_BYTES_MAX);
    if (how->table) {
        ASSERT(model_item_key(how->table, out, &keys, &key) == 0);
        ASSERT(slice_eq(key, info->key));
        ASSERT(model_item_key(how->table, info->key_json, &keys, &key) == 0);
        ASSERT(slice_eq(key, info->key));
        ASSERT(model_decode_item(info->key_json, &plain) == 0);
        ASSERT(slice_eq(info->key_plain, buffer_slice(&plain)));
        plain.len = 0;
    }
    ASSERT(model_decode_item(out, &plain) == 0);
    check_json_c(buffer_slice(&plain));
    check_json_c(out);
    again_how.extra_count = 0; /* they are in the item now */
    ASSERT(model_encode_item(&again_how, buffer_slice(&plain), &again, &keys, &again_info,
                             message) == 0);
    ASSERT(slice_eq(buffer_slice(&again), out));
    ASSERT(again_info.item_bytes == info->item_bytes);
    buffer_fini(&plain);
    buffer_fini(&again);
    model_key_buffer_fini(&keys);
}

static void fuzz_encode(unsigned choice, struct slice json) {
    struct model_encode how = {.types = types, .extras = extras};
    struct buffer out = {0};
    struct model_key_buffer keys = {0};
    struct model_encoded info;
    char message[MODEL_MESSAGE_MAX];
    int error;

    how.table = choice % 4 < 3 ? &tables[choice % 4] : NULL;
    how.type_count = choice & 4 ? 4 : 0;
    how.extra_count = choice & 8 ? 2 : 0;
    ASSERT(buffer_append(&out, "<", 1) == 0);
    error = model_encode_item(&how, json, &out, &keys, &info, message);
    if (error) {
        ASSERT(error == ERR_INVALID && message[0] != '\0' && out.len == 1);
        ASSERT(memchr(message, '\0', sizeof message) != NULL);
    } else {
        ASSERT(message[0] == '\0');
        check_encoded(&how, slice_from(buffer_slice(&out), 1), &info);
    }
    buffer_fini(&out);
    model_key_buffer_fini(&keys);
}

static void fuzz_body(struct slice body) {
    struct model_body b;
    struct slice element;
    char message[MODEL_MESSAGE_MAX];
    size_t count = 0, bytes = 0;

    if (model_body_open(body, &b, message) != 0) {
        return;
    }
    while (model_body_next(&b, &element, message) == 0) {
        ASSERT(element.ptr >= body.ptr && element.ptr + element.len <= body.ptr + body.len);
        bytes += element.len;
        ASSERT(bytes <= body.len && ++count <= body.len);
    }
}

/* Every value in turn, as deep as it goes. */
static void walk(struct slice value, unsigned depth) {
    struct json_cursor c;
    struct slice name, inner;
    struct buffer text = {0};

    if (json_unescape(value, &text) == 0) {
        ASSERT(text.len <= value.len);
    }
    buffer_fini(&text);
    if (depth > 300 || json_cursor_open(&c, value) != 0) {
        return;
    }
    while (json_cursor_next(&c, &name, &inner) == 0) {
        ASSERT(inner.ptr >= value.ptr && inner.ptr + inner.len <= value.ptr + value.len);
        ASSERT(inner.len > 0);
        walk(inner, depth + 1);
    }
}

static void fuzz_response(struct slice response) {
    struct model_table t;
    struct model_key_buffer keys = {0};
    struct buffer out = {0};
    struct slice key;

    walk(response, 0);
    (void)json_member(response, SLICE("Item"));
    (void)json_member(response, SLICE("\xc3\xa9"));
    if (model_decode_item(response, &out) == 0) {
        check_json_c(buffer_slice(&out));
    } else {
        ASSERT(out.len == 0);
    }
    for (size_t n = 0; n < sizeof tables / sizeof tables[0]; n++) {
        (void)!model_item_key(&tables[n], response, &keys, &key);
    }
    if (model_table_from_describe(response, &t) == 0) {
        ASSERT(t.partition.name_len > 0 && t.partition.name_len < sizeof t.partition.name);
    }
    buffer_fini(&out);
    model_key_buffer_fini(&keys);
}

static void fuzz_text(struct slice text) {
    struct buffer out = {0}, back = {0};
    struct model_key_buffer keys = {0};
    struct model_encoded info;
    char message[MODEL_MESSAGE_MAX];

    if (model_json_string(&out, text) == 0) {
        ASSERT(json_unescape(buffer_slice(&out), &back) == 0);
        ASSERT(slice_eq(buffer_slice(&back), text));
    }
    for (size_t n = 0; n < sizeof tables / sizeof tables[0]; n++) {
        struct slice rest, first = slice_split(text, '/', &rest);
        out.len = 0;
        if (model_encode_key(&tables[n], first, rest, &out, &keys, &info, message) == 0) {
            ASSERT(slice_eq(info.key_json, buffer_slice(&out)));
        } else {
            ASSERT(out.len == 0);
        }
    }
    buffer_fini(&out);
    buffer_fini(&back);
    model_key_buffer_fini(&keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest;
    if (size == 0) {
        return 0;
    }
    rest = slice_of((const char *)data + 1, size - 1);
    switch (data[0] >> 4 & 3) {
    case 0:
    case 3:
        fuzz_encode(data[0], rest);
        break;
    case 1:
        fuzz_body(rest);
        break;
    default:
        fuzz_response(rest);
        fuzz_text(rest);
    }
    return 0;
}
