/* Write bodies: one object, an array of objects, or objects line by line. */
#include "model/item.h"
#include "model/json_skip.h"
#include "model/json_text.h"

#include <stdio.h>

static struct slice trim(struct slice s) {
    while (s.len && json_is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len && json_is_space(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

/* Several objects, the first of them alone on its line? A body without a newline between its
 * ends is one object, so the usual body is not read twice. */
static bool has_lines(struct slice body) {
    const char *end = body.ptr + body.len;
    const char *newline = memchr(body.ptr, '\n', body.len);
    const char *behind;

    if (!newline) {
        return false;
    }
    behind = json_skip_value(body.ptr, newline);
    while (behind && behind < newline && json_is_space(*behind)) {
        behind++;
    }
    return behind == newline && newline < end;
}

int model_body_open(struct slice body, struct model_body *b, char message[MODEL_MESSAGE_MAX]) {
    struct slice text = trim(body);

    message[0] = '\0';
    *b = (struct model_body){MODEL_BODY_ONE, text, 0};
    if (text.len == 0) {
        (void)snprintf(message, MODEL_MESSAGE_MAX, "body is empty: expected a JSON object");
        return ERR_INVALID;
    }
    if (text.ptr[0] == '[') {
        b->kind = MODEL_BODY_ARRAY;
    } else if (text.ptr[0] == '{' && has_lines(text)) {
        b->kind = MODEL_BODY_LINES;
    } else {
        b->rest = body; /* positions in messages are the caller's */
    }
    return 0;
}

static int broken_array(const struct model_body *b, const char *reason,
                        char message[MODEL_MESSAGE_MAX]) {
    (void)snprintf(message, MODEL_MESSAGE_MAX,
                   "body is not a valid JSON array after %zu items: %s", b->index, reason);
    return ERR_INVALID;
}

static int next_in_array(struct model_body *b, struct slice *element,
                         char message[MODEL_MESSAGE_MAX]) {
    struct json_reader r;
    const char *behind;

    json_reader_init(&r, b->rest);
    if (b->index == 0) {
        r.at++; /* the bracket; trimmed bodies begin with it */
        json_skip_space(&r);
        if (json_peek(&r) != ']') {
            goto value;
        }
    }
    json_skip_space(&r);
    if (json_peek(&r) == ']') {
        if (r.at + 1 != r.end) {
            return broken_array(b, "expected nothing more after it", message);
        }
        return ERR_NOT_FOUND;
    }
    if (json_peek(&r) != ',') {
        return broken_array(b, "expected ',' or ']'", message);
    }
    r.at++;
    json_skip_space(&r);
value:
    behind = json_skip_value(r.at, r.end);
    if (!behind) {
        return broken_array(b, "expected a value", message);
    }
    *element = slice_of(r.at, (size_t)(behind - r.at));
    b->rest = slice_of(behind, (size_t)(r.end - behind));
    b->index++;
    return 0;
}

static int next_line(struct model_body *b, struct slice *element) {
    while (b->rest.len) {
        size_t len = slice_find(b->rest, '\n');
        *element = trim(slice_of(b->rest.ptr, len));
        b->rest = slice_from(b->rest, len + 1);
        if (element->len) {
            b->index++;
            return 0;
        }
    }
    return ERR_NOT_FOUND;
}

int model_body_next(struct model_body *b, struct slice *element,
                    char message[MODEL_MESSAGE_MAX]) {
    message[0] = '\0';
    switch (b->kind) {
    case MODEL_BODY_ARRAY:
        return next_in_array(b, element, message);
    case MODEL_BODY_LINES:
        return next_line(b, element);
    case MODEL_BODY_ONE:
        break;
    }
    if (b->index++) {
        return ERR_NOT_FOUND;
    }
    *element = b->rest;
    return 0;
}

int model_json_string(struct buffer *out, struct slice text) {
    struct json_writer w;
    size_t start = out->len;
    int error = json_writer_open(&w, out, text.len + JSON_STRING_SLACK);
    if (error) {
        return error;
    }
    json_put(&w, '"');
    error = json_escape(&w, text);
    if (error) {
        json_writer_rewind(&w, start);
    } else {
        json_put(&w, '"');
    }
    json_writer_close(&w);
    return error;
}
