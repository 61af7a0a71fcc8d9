/* One log line as JSON bytes: pure, so that it can be tested without a thread or a clock. */
#ifndef BASE_LOG_JSON_H
#define BASE_LOG_JSON_H

#include "base/log.h"

#define LOG_LINE_MAX 16384 /* a longer line is cut and says "truncated":true */

struct log_head {
    uint64_t epoch_ms;
    enum log_level level;
    const char *event;
    const char *thread; /* NULL = left out */
    uint64_t dropped;   /* 0 = left out */
};

/* Bytes written, the newline included. */
size_t log_format(char out[LOG_LINE_MAX], const struct log_head *head,
                  const struct log_field *fields);

#endif
