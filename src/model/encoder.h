/* What the files of the item encoder share: one struct encoder per call of it.
 *
 *   item_encode.c    objects, arrays and scalars: the one pass        (model_encode_item)
 *   item_typed.c     the attributes that `types:` names: sets, binary
 *   item_key.c       key attributes: type, length, canonical bytes    (model_encode_key)
 *   encoder.c        messages, and the path of the attribute at fault
 *
 * Once an item is over its size limit it is only read to its end, for the message: its output
 * is thrown away as it comes and duplicates are no longer looked for. So the memory is bounded.
 */
#ifndef MODEL_ENCODER_H
#define MODEL_ENCODER_H

#include "model/item.h"
#include "model/json_text.h"
#include "model/name_set.h"
#include "model/number.h"

/* A step to the value at hand: a name, as an offset into the output, or an array index. */
struct encoder_path {
    const struct encoder_path *up;
    size_t name_offset;
    size_t name_len;
    size_t index; /* ENCODER_NAME: it is a name */
};
#define ENCODER_NAME SIZE_MAX

/* Where a key attribute stands in the output: its name and {"S":"value"}. */
struct encoder_key {
    size_t name_offset;
    size_t name_len;
    size_t value_offset;
    size_t value_end;
    bool present;
};

struct encoder {
    struct json_reader r;
    struct json_writer w;
    const struct model_encode *how;
    struct model_key_buffer *work;
    struct name_set names;
    const struct encoder_path *path;
    struct slice root; /* model_encode_value: the attribute's name; it stands before the path */
    size_t start;      /* of our output in w.out */
    size_t item_bytes;
    struct encoder_key partition;
    struct encoder_key sort;
    char *message;
};

/* 0 or ERR_NOMEM. When it is not 0, encoder_close is not called. */
MUST_CHECK int encoder_open(struct encoder *e, const struct model_encode *how,
                            struct slice json, struct buffer *out,
                            struct model_key_buffer *work, char *message);
/* Ends the output, or takes it back when `error` is not 0. Returns error. */
int encoder_close(struct encoder *e, int error);

/* "body is not valid JSON at byte 17: expected ':'", at the reader's place. ERR_INVALID. */
int encoder_syntax(struct encoder *e, const char *reason);
/* "a.b[3]: " and the text. ERR_INVALID. */
int encoder_refuse(struct encoder *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What json_copy_string returned: adds the message. Returns error. */
int encoder_string_error(struct encoder *e, int error);

static inline bool encoder_over(const struct encoder *e) {
    return e->item_bytes > MODEL_ITEM_BYTES_MAX;
}

/* "a number", by the first byte of a plain JSON value; NULL: no value starts with it. */
const char *encoder_kind(char first);

/* Plain JSON value at hand to {"S":..}; level: 1 for an attribute's own value. */
MUST_CHECK int encode_value(struct encoder *e, unsigned level);
/* The same for an attribute named in `types:`. */
MUST_CHECK int encode_typed(struct encoder *e, enum model_typed type);
/* Checks a number that was read and writes it with quotes, as it was spelled. */
MUST_CHECK int encode_number(struct encoder *e, const struct number *n);
/* The text of `set:` or a path parameter. */
MUST_CHECK int encode_text(struct encoder *e, char letter, struct slice text);

/* The top-level attribute just written may be a key: notes it and checks type and length. */
MUST_CHECK int encode_note_key(struct encoder *e, const struct encoder_path *name,
                               size_t value_offset, size_t value_bytes);
/* All keys must be there; fills info. */
MUST_CHECK int encode_finish_keys(struct encoder *e, struct model_encoded *info);

#endif
