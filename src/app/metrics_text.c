#include "app/metrics_text.h"

#include <inttypes.h>
#include <stdio.h>

static int short_of_memory;

void metrics_note(int error) {
    short_of_memory = short_of_memory || error != 0;
}

void metrics_begin(void) {
    short_of_memory = 0;
}

int metrics_complete(void) {
    return !short_of_memory;
}

static void print(struct buffer *out, const char *text) {
    metrics_note(buffer_append_slice(out, slice_cstr(text)));
}

void metrics_head(struct buffer *out, const char *name, const char *type, const char *help) {
    metrics_note(buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type));
}

void metrics_number(struct buffer *out, const char *name, const char *labels, uint64_t number) {
    const char *open = labels[0] ? "{" : "";
    const char *close = labels[0] ? "}" : "";
    metrics_note(
        buffer_printf(out, "%s%s%s%s %" PRIu64 "\n", name, open, labels, close, number));
}

static double in_units(uint64_t value, uint64_t unit) {
    return (double)value / (double)unit;
}

static void print_bucket(struct buffer *out, const char *name, const char *labels,
                         const char *bound, uint64_t count) {
    metrics_note(buffer_printf(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, labels,
                               labels[0] ? "," : "", bound, count));
}

void metrics_histogram(struct buffer *out, const char *name, const char *labels,
                       const struct buckets *b, const uint64_t bounds[BUCKETS_BOUNDS],
                       uint64_t unit) {
    const char *open = labels[0] ? "{" : "";
    const char *close = labels[0] ? "}" : "";
    uint64_t count = 0;
    for (size_t i = 0; i < BUCKETS_BOUNDS; i++) {
        char bound[32];
        count += b->counts[i];
        (void)snprintf(bound, sizeof bound, "%.10g", in_units(bounds[i], unit));
        print_bucket(out, name, labels, bound, count);
    }
    count += b->counts[BUCKETS_BOUNDS];
    print_bucket(out, name, labels, "+Inf", count);
    metrics_note(buffer_printf(out, "%s_sum%s%s%s %.*f\n%s_count%s%s%s %" PRIu64 "\n", name,
                               open, labels, close, unit == 1 ? 0 : 9, in_units(b->sum, unit),
                               name, open, labels, close, count));
}

/* Backslash, quote and line feed are escaped. */
void metrics_label(struct buffer *labels, const char *name, const char *value) {
    print(labels, labels->len ? "," : "");
    print(labels, name);
    print(labels, "=\"");
    for (; *value; value++) {
        char plain[2] = {*value, '\0'};
        print(labels, *value == '\\'   ? "\\\\"
                      : *value == '"'  ? "\\\""
                      : *value == '\n' ? "\\n"
                                       : plain);
    }
    print(labels, "\"");
}

const char *metrics_labels(struct buffer *labels) {
    if (buffer_reserve(labels, 1) != 0) {
        short_of_memory = 1;
        return "";
    }
    *buffer_tail(labels) = '\0';
    return buffer_begin(labels);
}
