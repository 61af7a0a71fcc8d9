/* Items: plain JSON to DynamoDB JSON and back, in one pass over the bytes, without a tree.
 *
 * Encoding checks everything DynamoDB would refuse the item for, so that one bad item never
 * poisons a batch: RFC 8259 syntax, UTF-8 (no overlong forms, no surrogates), control bytes,
 * duplicate names in one object, NUL in names, depth (32), numbers (38 significant digits,
 * 1E-130 to 9.99E+125, carried as text), empty sets and keys, key presence, type and size
 * (2048/1024 bytes), item size (409600 bytes by DynamoDB's rules). Every error names the
 * attribute. */
#ifndef MODEL_ITEM_H
#define MODEL_ITEM_H

#include "base/buffer.h"
#include "model/table.h"

#define MODEL_DEPTH_MAX         32
#define MODEL_ITEM_BYTES_MAX    409600
#define MODEL_PARTITION_KEY_MAX 2048
#define MODEL_SORT_KEY_MAX      1024
#define MODEL_MESSAGE_MAX       320

/* Top-level attributes whose JSON form does not tell their type: "SS", "NS", "BS" (arrays), "B"
 * (base64). In a patch they may also be null. */
enum model_typed { MODEL_TYPED_SS, MODEL_TYPED_NS, MODEL_TYPED_BS, MODEL_TYPED_B };
struct model_type {
    struct slice name;
    enum model_typed type;
};

/* An attribute added by `set:` or a path parameter; the value is plain text put in as S or N,
 * or as the key's type when it is a key attribute. */
struct model_extra {
    struct slice name;
    struct slice value;
    int number; /* N instead of S */
};

struct model_encode {
    const struct model_table *table; /* NULL: no key is required (a patch) */
    const struct model_type *types;
    size_t type_count;
    const struct model_extra *extras; /* replace the body's attribute of that name */
    size_t extra_count;
};

struct model_encoded {
    size_t item_bytes; /* by DynamoDB's size rules */
    struct slice key;  /* canonical key bytes, in the key buffer (below) until its next use */
    struct slice key_json;  /* {"Artist":{"S":"x"},...}: same place */
    struct slice key_plain; /* {"Artist":"x",...}: same place */
};

/* Where the canonical key and key JSON are put, and the encoder's work space; reusable, so that
 * the next item costs no malloc. One per caller; {0} to begin with. */
struct model_key_buffer {
    struct buffer bytes;
    struct buffer names; /* of the open objects, to find duplicates */
    struct buffer slots; /* their hash tables */
    struct buffer plain; /* decoded base64, normal numbers */
};
void model_key_buffer_fini(struct model_key_buffer *k);

/* json: one JSON object. Appends {"a":{"S":..},...} to out. 0; ERR_INVALID with a message;
 * ERR_NOMEM. On an error `out` has its former length. Positions in messages count from 0. */
MUST_CHECK int model_encode_item(const struct model_encode *how, struct slice json,
                                 struct buffer *out, struct model_key_buffer *keys,
                                 struct model_encoded *info, char message[MODEL_MESSAGE_MAX]);

/* Key values as text from a path or query (decoded). Appends {"Artist":{"S":"x"},...} to out;
 * the canonical bytes to keys. `sort` may have ptr NULL when the table has no sort key. Same
 * errors. */
MUST_CHECK int model_encode_key(const struct model_table *t, struct slice partition,
                                struct slice sort, struct buffer *out,
                                struct model_key_buffer *keys, struct model_encoded *info,
                                char message[MODEL_MESSAGE_MAX]);

/* Canonical key bytes of a DynamoDB-JSON item or key, for order per key. 0, ERR_NOT_FOUND.
 * Numbers are normalised (1, 1.0 and 1e0 are one key). */
MUST_CHECK int model_item_key(const struct model_table *t, struct slice item,
                              struct model_key_buffer *keys, struct slice *key);

/* One attribute value in plain JSON ("x", 1.5, [..]) as DynamoDB JSON ({"S":"x"}): for patches
 * and conditions. Validates as model_encode_item does. */
MUST_CHECK int model_encode_value(const struct model_encode *how, struct slice name,
                                  struct slice json, struct buffer *out, size_t *item_bytes,
                                  char message[MODEL_MESSAGE_MAX]);

/* DynamoDB JSON item to plain JSON: {"a":{"N":"1"}} -> {"a":1}; sets become arrays, B its
 * base64. 0, ERR_PROTOCOL, ERR_NOMEM. */
MUST_CHECK int model_decode_item(struct slice item, struct buffer *out);

/* A write body: one object, an array of objects, or newline-delimited objects. */
enum model_body_kind { MODEL_BODY_ONE, MODEL_BODY_ARRAY, MODEL_BODY_LINES };
struct model_body {
    enum model_body_kind kind;
    struct slice rest; /* what model_body_next has not looked at */
    size_t index;
};
/* Looks at the first bytes (and for NDJSON at what follows the first object). */
MUST_CHECK int model_body_open(struct slice body, struct model_body *b,
                               char message[MODEL_MESSAGE_MAX]);
/* The next element's bytes, whatever they are: validity of one is found by model_encode_item.
 * 0; ERR_NOT_FOUND after the last; ERR_INVALID when the frame itself is broken. */
MUST_CHECK int model_body_next(struct model_body *b, struct slice *element,
                               char message[MODEL_MESSAGE_MAX]);

/* A JSON string (with quotes) of arbitrary UTF-8 text. */
MUST_CHECK int model_json_string(struct buffer *out, struct slice text);

#endif
