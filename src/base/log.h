/* JSON log lines, one object a line, on standard error.
 *
 * A line is formatted into a ring of the calling thread and written by one writer thread, so
 * that a slow terminal or pipe never stops a loop; when a ring is full the line is dropped and
 * counted, and the next line that fits says how many were lost ("dropped":n). Threads that did
 * not call log_thread_attach (tests, small tools) write directly.
 *
 *   log_event(LOG_WARN, "connection_closed", log_str("reason", "idle"), log_u64("age_ms", 12));
 *
 * Never give it a secret or a body: there is no redaction behind this call. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

struct log_field {
    enum { LOG_FIELD_END, LOG_FIELD_SLICE, LOG_FIELD_U64, LOG_FIELD_I64, LOG_FIELD_RAW } kind;
    const char *name;
    struct slice text; /* RAW: JSON put into the line as it is */
    uint64_t number;
};

/* Of every thread; a reload may change it. */
extern _Atomic enum log_level log_threshold;

#define log_slice(name, s) ((struct log_field){LOG_FIELD_SLICE, (name), (s), 0})
#define log_str(name, s)   ((struct log_field){LOG_FIELD_SLICE, (name), slice_cstr(s), 0})
#define log_u64(name, n)   ((struct log_field){LOG_FIELD_U64, (name), SLICE_EMPTY, (uint64_t)(n)})
#define log_i64(name, n)   ((struct log_field){LOG_FIELD_I64, (name), SLICE_EMPTY, (uint64_t)(n)})
#define log_raw(name, s)   ((struct log_field){LOG_FIELD_RAW, (name), (s), 0})

/* The level is tested before any argument is evaluated. */
#define log_event(level, event, ...)                                                           \
    do {                                                                                       \
        if ((level) >= log_threshold) {                                                        \
            const struct log_field log_fields_[] = {__VA_ARGS__,                               \
                                                    {LOG_FIELD_END, 0, {0, 0}, 0}};            \
            log_write((level), (event), log_fields_);                                          \
        }                                                                                      \
    } while (0)

void log_write(enum log_level level, const char *event, const struct log_field *fields);
/* A line already formatted by the caller (the access log), without its newline. */
void log_line(struct slice line);

/* "debug", "info", "warn", "error", "off": 0 or ERR_INVALID. */
int log_parse_level(struct slice name, enum log_level *out);
/* Starts and stops the writer thread; stop writes out everything first. */
int log_start(int fd);
void log_stop(void);
/* Gives the calling thread a ring; `name` (a static string) goes into its lines as "thread". */
int log_thread_attach(const char *name);
void log_thread_detach(void);

#endif
