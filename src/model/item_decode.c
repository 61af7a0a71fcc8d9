/* From DynamoDB JSON to plain JSON, in one pass. */
#include "model/item.h"
#include "model/json_text.h"
#include "model/number.h"

#define TOKEN_ROOM 32
/* Deeper than any item; what we do not know is refused, not followed. */
#define DEPTH_MAX 64

struct decoder {
    struct json_reader r;
    struct json_writer w;
};

static int decode_typed(struct decoder *d, unsigned depth);

static int copy_quoted(struct decoder *d) {
    struct json_string s;
    int error = json_room(&d->w, TOKEN_ROOM);
    if (error) {
        return error;
    }
    if (json_peek(&d->r) != '"') {
        return ERR_PROTOCOL;
    }
    d->r.at++;
    json_put(&d->w, '"');
    error = json_copy_string(&d->r, &d->w, &s);
    if (!error) {
        json_put(&d->w, '"');
    }
    return error;
}

/* {"N":"1.5"}: the text between the quotes, when it is a JSON number. */
static int decode_number(struct decoder *d) {
    struct number n;
    int error;

    if (json_peek(&d->r) != '"') {
        return ERR_PROTOCOL;
    }
    d->r.at++;
    if (number_read(d->r.at, d->r.end, &n) != NULL) {
        return ERR_PROTOCOL;
    }
    d->r.at += n.text.len;
    if (json_peek(&d->r) != '"') {
        return ERR_PROTOCOL;
    }
    d->r.at++;
    error = json_room(&d->w, n.text.len + TOKEN_ROOM);
    if (!error) {
        json_put_bytes(&d->w, n.text.ptr, n.text.len);
    }
    return error;
}

static int decode_word(struct decoder *d, struct slice word) {
    if (!json_accept_word(&d->r, word)) {
        return ERR_PROTOCOL;
    }
    json_put_bytes(&d->w, word.ptr, word.len);
    return 0;
}

static int decode_null(struct decoder *d) {
    if (!json_accept_word(&d->r, SLICE("true"))) {
        return ERR_PROTOCOL;
    }
    json_put_text(&d->w, "null");
    return 0;
}

/* What stands in an array: the elements of L, SS and BS, or NS. */
enum element { ELEMENT_TYPED, ELEMENT_STRING, ELEMENT_NUMBER };

static int decode_element(struct decoder *d, enum element kind, unsigned depth) {
    switch (kind) {
    case ELEMENT_TYPED:
        return decode_typed(d, depth + 1);
    case ELEMENT_STRING:
        return copy_quoted(d);
    case ELEMENT_NUMBER:
        return decode_number(d);
    }
    return ERR_PROTOCOL;
}

static int decode_array(struct decoder *d, enum element kind, unsigned depth) {
    int error = 0;
    if (!json_accept(&d->r, '[')) {
        return ERR_PROTOCOL;
    }
    json_put(&d->w, '[');
    for (bool more = false; !json_accept(&d->r, ']'); more = true) {
        error = json_room(&d->w, TOKEN_ROOM);
        if (!error && more) {
            error = json_accept(&d->r, ',') ? 0 : ERR_PROTOCOL;
            json_put(&d->w, ',');
        }
        if (!error) {
            error = decode_element(d, kind, depth);
        }
        if (error) {
            return error;
        }
    }
    error = json_room(&d->w, TOKEN_ROOM);
    if (!error) {
        json_put(&d->w, ']');
    }
    return error;
}

/* {"a":{"N":"1"}}: an item, or the inside of an M. */
static int decode_map(struct decoder *d, unsigned depth) {
    int error = 0;
    if (!json_accept(&d->r, '{')) {
        return ERR_PROTOCOL;
    }
    error = json_room(&d->w, TOKEN_ROOM);
    if (error) {
        return error;
    }
    json_put(&d->w, '{');
    for (bool more = false; !json_accept(&d->r, '}'); more = true) {
        if (more) {
            error = json_accept(&d->r, ',') ? json_room(&d->w, TOKEN_ROOM) : ERR_PROTOCOL;
            if (error) {
                return error;
            }
            json_put(&d->w, ',');
        }
        error = copy_quoted(d);
        if (!error) {
            json_put(&d->w, ':');
            error = json_accept(&d->r, ':') ? decode_typed(d, depth + 1) : ERR_PROTOCOL;
        }
        if (error) {
            return error;
        }
    }
    error = json_room(&d->w, TOKEN_ROOM);
    if (!error) {
        json_put(&d->w, '}');
    }
    return error;
}

static int decode_by_tag(struct decoder *d, struct slice tag, unsigned depth) {
    char first = tag.len ? tag.ptr[0] : '\0';

    if (tag.len == 1) {
        switch (first) {
        case 'S':
        case 'B':
            return copy_quoted(d);
        case 'N':
            return decode_number(d);
        case 'L':
            return decode_array(d, ELEMENT_TYPED, depth);
        case 'M':
            return decode_map(d, depth);
        default:
            return ERR_PROTOCOL;
        }
    }
    if (slice_eq(tag, SLICE("BOOL"))) {
        return decode_word(d, json_peek(&d->r) == 't' ? SLICE("true") : SLICE("false"));
    }
    if (slice_eq(tag, SLICE("NULL"))) {
        return decode_null(d);
    }
    if (slice_eq(tag, SLICE("SS")) || slice_eq(tag, SLICE("BS"))) {
        return decode_array(d, ELEMENT_STRING, depth);
    }
    return slice_eq(tag, SLICE("NS")) ? decode_array(d, ELEMENT_NUMBER, depth) : ERR_PROTOCOL;
}

static int decode_typed(struct decoder *d, unsigned depth) {
    const char *tag;
    int error;

    if (depth > DEPTH_MAX || !json_accept(&d->r, '{') || json_peek(&d->r) != '"') {
        return ERR_PROTOCOL;
    }
    tag = ++d->r.at;
    while (json_peek(&d->r) >= 'A' && json_peek(&d->r) <= 'Z') {
        d->r.at++;
    }
    struct slice name = slice_of(tag, (size_t)(d->r.at - tag));
    if (json_peek(&d->r) != '"') {
        return ERR_PROTOCOL;
    }
    d->r.at++;
    if (!json_accept(&d->r, ':')) {
        return ERR_PROTOCOL;
    }
    error = json_room(&d->w, TOKEN_ROOM);
    if (!error) {
        error = decode_by_tag(d, name, depth);
    }
    if (!error) {
        error = json_accept(&d->r, '}') ? json_room(&d->w, TOKEN_ROOM) : ERR_PROTOCOL;
    }
    return error;
}

int model_decode_item(struct slice item, struct buffer *out) {
    struct decoder d;
    size_t start = out->len;
    int error = json_writer_open(&d.w, out, item.len + TOKEN_ROOM);
    if (error) {
        return error;
    }
    json_reader_init(&d.r, item);
    error = decode_map(&d, 0);
    if (!error && d.r.at != d.r.end) {
        error = ERR_PROTOCOL;
    }
    if (error) {
        json_writer_rewind(&d.w, start);
    }
    json_writer_close(&d.w);
    return error == ERR_INVALID ? ERR_PROTOCOL : error;
}
