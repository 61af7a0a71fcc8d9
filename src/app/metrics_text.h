/* Lines of the Prometheus text format. All abort when memory is out. */
#ifndef APP_METRICS_TEXT_H
#define APP_METRICS_TEXT_H

#include "base/buckets.h"
#include "base/buffer.h"

/* Once per name, before its samples. type: "counter", "gauge" or "histogram". */
void metrics_head(struct buffer *out, const char *name, const char *type, const char *help);
/* labels: `a="b",c="d"`, or "" for none. */
void metrics_number(struct buffer *out, const char *name, const char *labels, uint64_t number);
/* unit: what the values are divided by, NS_PER_S for seconds. */
void metrics_histogram(struct buffer *out, const char *name, const char *labels,
                       const struct buckets *b, const uint64_t bounds[BUCKETS_BOUNDS],
                       uint64_t unit);
/* Appends `name="value"`, escaped, after a comma where there are labels already. */
void metrics_label(struct buffer *labels, const char *name, const char *value);
/* The labels as text. */
const char *metrics_labels(struct buffer *labels);

#endif
