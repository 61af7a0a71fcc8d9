/* Lines of the Prometheus text format, on the main thread. Where memory is out, lines are
 * missing, and metrics_complete says so at the end. */
#ifndef APP_METRICS_TEXT_H
#define APP_METRICS_TEXT_H

#include "base/buckets.h"
#include "base/buffer.h"

void metrics_begin(void);
/* error: of what was appended by hand. */
void metrics_note(int error);
int metrics_complete(void);

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
