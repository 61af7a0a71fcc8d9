#include "model/key.h"

#include "base/error.h"
#include "base/hex.h"
#include "model/item.h"
#include "model/json_cursor.h"
#include "model/json_text.h"
#include "model/number.h"

#define KEY_PREFIX 5 /* letter and length */

static int append_number(struct buffer *out, struct slice text) {
    struct number n;
    int error = buffer_reserve(out, NUMBER_NORMAL_MAX);
    if (error) {
        return error;
    }
    if (number_read(text.ptr, text.ptr + text.len, &n) != NULL || n.text.len != text.len ||
        number_check(&n) != NULL) {
        return ERR_INVALID;
    }
    buffer_grow(out, number_normal(&n, buffer_tail(out)));
    return 0;
}

static int append_binary(struct buffer *out, struct slice text) {
    size_t len;
    int error = buffer_reserve(out, BASE64_DECODED_MAX(text.len));
    if (!error) {
        error = base64_decode(text, (unsigned char *)buffer_tail(out), &len);
    }
    if (!error) {
        buffer_grow(out, len);
    }
    return error;
}

int key_append(struct buffer *out, char letter, struct slice contents) {
    size_t start = out->len, len;
    unsigned char *prefix;
    int error = buffer_append(out, "\0\0\0\0", KEY_PREFIX);
    if (error) {
        return error;
    }
    if (letter == 'N') {
        error = contents.len ? append_number(out, contents) : ERR_INVALID;
    } else if (letter == 'B') {
        error = append_binary(out, contents);
    } else {
        error = json_unescape_text(contents, out);
    }
    len = out->len - start - KEY_PREFIX;
    if (!error && len > UINT32_MAX) {
        error = ERR_INVALID;
    }
    if (error) {
        out->len = start;
        return error;
    }
    prefix = (unsigned char *)buffer_begin(out) + start;
    prefix[0] = (unsigned char)letter;
    for (int i = 0; i < 4; i++) {
        prefix[1 + i] = (unsigned char)(len >> (24 - 8 * i));
    }
    return 0;
}

const char *key_type_expected(enum model_key_type t) {
    return t == MODEL_KEY_N ? "a number" : t == MODEL_KEY_B ? "a base64 string" : "a string";
}

/* One key attribute of a DynamoDB-JSON item. */
static int append_item_key(const struct model_key_schema *k, struct slice item,
                           struct buffer *out) {
    char letter = model_key_type_letter(k->type);
    struct slice typed = json_member(item, slice_of(k->name, k->name_len));
    struct slice text = json_member(typed, slice_of(&letter, 1));
    int error;

    if (text.len < 2 || text.ptr[0] != '"') {
        return ERR_NOT_FOUND;
    }
    error = key_append(out, letter, slice_of(text.ptr + 1, text.len - 2));
    return error == ERR_INVALID ? ERR_NOT_FOUND : error;
}

int model_item_key(const struct model_table *t, struct slice item,
                   struct model_key_buffer *keys, struct slice *key) {
    int error;
    buffer_reset(&keys->bytes, MODEL_ITEM_BYTES_MAX);
    error = append_item_key(&t->partition, item, &keys->bytes);
    if (!error && t->sort.name_len) {
        error = append_item_key(&t->sort, item, &keys->bytes);
    }
    if (error) {
        return error;
    }
    *key = buffer_slice(&keys->bytes);
    return 0;
}

void model_key_buffer_fini(struct model_key_buffer *k) {
    buffer_fini(&k->bytes);
    buffer_fini(&k->names);
    buffer_fini(&k->slots);
    buffer_fini(&k->plain);
}
