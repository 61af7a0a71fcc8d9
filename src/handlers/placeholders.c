#include "handlers/placeholders.h"

struct span {
    size_t offset;
    size_t len;
};

static const struct span *span_at(const struct placeholders *p, size_t index) {
    return (const struct span *)(const void *)buffer_begin(p->spans) + index;
}

static int add_name(struct placeholders *p, struct slice name) {
    struct span span;
    int error =
        buffer_printf(p->names, "%s\"#n%zu\":\"", p->name_count ? "," : "", p->name_count);

    span = (struct span){p->names->len, name.len};
    error = error ? error : buffer_append_slice(p->names, name);
    error = error ? error : buffer_append_slice(p->names, SLICE("\""));
    error = error ? error : buffer_append(p->spans, &span, sizeof span);
    p->name_count += error == 0;
    return error;
}

int placeholders_name(struct placeholders *p, struct slice name, struct buffer *expression) {
    size_t index = 0;
    while (index < p->name_count &&
           !slice_eq(slice_of(buffer_begin(p->names) + span_at(p, index)->offset,
                              span_at(p, index)->len),
                     name)) {
        index++;
    }
    if (index == p->name_count) {
        int error = add_name(p, name);
        if (error) {
            return error;
        }
    }
    return buffer_printf(expression, "#n%zu", index);
}

int placeholders_value(struct placeholders *p, struct slice typed, struct buffer *expression) {
    int error =
        buffer_printf(p->values, "%s\":v%zu\":", p->value_count ? "," : "", p->value_count);
    error = error ? error : buffer_append_slice(p->values, typed);
    error = error ? error : buffer_printf(expression, ":v%zu", p->value_count);
    p->value_count += error == 0;
    return error;
}

static int append_one(struct buffer *extra, struct slice head, const struct buffer *members) {
    int error = buffer_append_slice(extra, head);
    error = error ? error : buffer_append_slice(extra, buffer_slice(members));
    return error ? error : buffer_append_slice(extra, SLICE("}"));
}

int placeholders_append(const struct placeholders *p, struct buffer *extra) {
    int error = 0;
    if (p->name_count) {
        error = append_one(extra, SLICE(",\"ExpressionAttributeNames\":{"), p->names);
    }
    if (!error && p->value_count) {
        error = append_one(extra, SLICE(",\"ExpressionAttributeValues\":{"), p->values);
    }
    return error;
}
