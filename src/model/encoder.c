#include "model/encoder.h"

#include <stdarg.h>
#include <stdio.h>

/* Longest path in a message; steps beyond are left out at the front. */
#define PATH_MAX_SHOWN 160
#define NAME_MAX_SHOWN 64
#define KEEP_BYTES     262144

int encoder_open(struct encoder *e, const struct model_encode *how, struct slice json,
                 struct buffer *out, struct model_key_buffer *work, char *message) {
    int error;

    message[0] = '\0';
    if (json.len > UINT32_MAX / 16) { /* offsets of names are 32 bits */
        (void)snprintf(message, MODEL_MESSAGE_MAX, "body is too large");
        return ERR_INVALID;
    }
    memset(e, 0, sizeof *e);
    json_reader_init(&e->r, json);
    e->how = how;
    e->work = work;
    e->message = message;
    buffer_reset(&work->bytes, KEEP_BYTES);
    buffer_reset(&work->names, KEEP_BYTES);
    buffer_reset(&work->slots, KEEP_BYTES);
    buffer_reset(&work->plain, KEEP_BYTES);
    e->names = (struct name_set){&work->names, &work->slots};
    e->start = out->len;
    error = json_writer_open(&e->w, out, json.len < 65536 ? json.len * 2 + 256 : json.len);
    return error;
}

int encoder_close(struct encoder *e, int error) {
    if (error) {
        json_writer_rewind(&e->w, e->start);
    }
    json_writer_close(&e->w);
    return error;
}

int encoder_syntax(struct encoder *e, const char *reason) {
    (void)snprintf(e->message, MODEL_MESSAGE_MAX, "body is not valid JSON at byte %zu: %s",
                   (size_t)(e->r.at - e->r.start), reason);
    return ERR_INVALID;
}

/* A name cut to what a message can hold, at the border of a character. */
static struct slice shown_name(struct slice name) {
    if (name.len > NAME_MAX_SHOWN) {
        name.len = NAME_MAX_SHOWN;
        while (name.len && ((unsigned char)name.ptr[name.len] & 0xc0) == 0x80) {
            name.len--;
        }
    }
    return name;
}

/* Where the path is written, from the end to the front. */
struct path_text {
    char text[PATH_MAX_SHOWN];
    size_t start;
};

/* Puts one step before the others; false when there is no room. */
static bool prepend_step(const struct encoder *e, const struct encoder_path *p,
                         struct path_text *out) {
    char step[NAME_MAX_SHOWN + 2];
    struct slice name = e->root;
    int n;

    if (p && p->index != ENCODER_NAME) {
        n = snprintf(step, sizeof step, "[%zu]", p->index);
    } else {
        if (p) {
            name = slice_of(buffer_begin(e->w.out) + p->name_offset, p->name_len);
        }
        name = shown_name(name);
        n = snprintf(step, sizeof step, "%s" SLICE_FMT, p && (p->up || e->root.len) ? "." : "",
                     SLICE_ARG(name));
    }
    if (n < 0 || (size_t)n > out->start) {
        return false;
    }
    out->start -= (size_t)n;
    memcpy(out->text + out->start, step, (size_t)n);
    return true;
}

int encoder_refuse(struct encoder *e, const char *format, ...) {
    struct path_text path = {.start = sizeof path.text};
    const struct encoder_path *p = encoder_over(e) ? NULL : e->path;
    bool whole = true;
    va_list args;
    int n;

    while (whole && p) {
        whole = prepend_step(e, p, &path);
        p = p->up;
    }
    whole = whole && (!e->root.len || prepend_step(e, NULL, &path));
    n = snprintf(e->message, MODEL_MESSAGE_MAX, "%s%.*s%s", whole ? "" : "...",
                 (int)(sizeof path.text - path.start), path.text + path.start,
                 path.start < sizeof path.text ? ": " : "");
    va_start(args, format);
    (void)vsnprintf(e->message + n, MODEL_MESSAGE_MAX - (size_t)n, format, args);
    va_end(args);
    return ERR_INVALID;
}

int encoder_string_error(struct encoder *e, int error) {
    return error == ERR_INVALID ? encoder_syntax(e, e->r.reason) : error;
}

const char *encoder_kind(char first) {
    switch (first) {
    case '"':
        return "a string";
    case '{':
        return "an object";
    case '[':
        return "an array";
    case 't':
    case 'f':
        return "a boolean";
    case 'n':
        return "null";
    default:
        return first == '-' || (first >= '0' && first <= '9') ? "a number" : NULL;
    }
}
