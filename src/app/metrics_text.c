#include "app/metrics_text.h"

#include <inttypes.h>
#include <stdio.h>

static void print(struct buffer *out, const char *text) {
    int error = buffer_append_slice(out, slice_cstr(text));
    ASSERT(error == 0);
}

void metrics_head(struct buffer *out, const char *name, const char *type, const char *help) {
    int error = buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
    ASSERT(error == 0);
}

void metrics_number(struct buffer *out, const char *name, const char *labels, uint64_t number) {
    const char *open = labels[0] ? "{" : "";
    const char *close = labels[0] ? "}" : "";
    int error = buffer_printf(out, "%s%s%s%s %" PRIu64 "\n", name, open, labels, close, number);
    ASSERT(error == 0);
}

static double in_units(uint64_t value, uint64_t unit) {
    return (double)value / (double)unit;
}

static void print_bucket(struct buffer *out, const char *name, const char *labels,
                         const char *bound, uint64_t count) {
    int error = buffer_printf(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, labels,
                              labels[0] ? "," : "", bound, count);
    ASSERT(error == 0);
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
    int error = buffer_printf(out, "%s_sum%s%s%s %.*f\n%s_count%s%s%s %" PRIu64 "\n", name,
                              open, labels, close, unit == 1 ? 0 : 9, in_units(b->sum, unit),
                              name, open, labels, close, count);
    ASSERT(error == 0);
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
    int error = buffer_reserve(labels, 1);
    ASSERT(error == 0);
    *buffer_tail(labels) = '\0';
    return buffer_begin(labels);
}
