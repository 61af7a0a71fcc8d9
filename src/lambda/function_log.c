/* What Lambda's log says of a call: START, what its process prints, how it failed, END and
 * REPORT (developer guide, "Using CloudWatch Logs with Lambda"). */
#include "lambda/function_log.h"

#include "base/clock.h"
#include "base/log.h"
#include "lambda/text.h"

#include <stdio.h>
#include <string.h>

static void log_call(const struct function_slot *s, const struct function_call *c,
                     const char *message) {
    log_event(LOG_INFO, "function_call", log_str("function", s->function->options.name),
              log_str("request_id", c->request_id), log_i64("pid", s->process.uv.pid),
              log_str("message", message));
}

void function_log_start(const struct function_slot *s, const struct function_call *c) {
    log_call(s, c, "START");
}

/* With the request it serves where there is but one. */
void function_log_output(struct function_slot *s, int stream, struct slice line) {
    const struct function_call *c =
        s->calls.count == 1 ? container_of(s->calls.first, struct function_call, node) : NULL;
    if (c != NULL && c->log != NULL) {
        text_keep_line(c->log, line);
    }
    log_event(LOG_INFO, "function_output", log_str("function", s->function->options.name),
              log_str("request_id", c ? c->request_id : "-"), log_i64("pid", s->process.uv.pid),
              log_str("stream", stream == 1 ? "stdout" : "stderr"), log_slice("message", line));
}

static void write_report(const struct function_slot *s, uint64_t ns, char text[160]) {
    int len = snprintf(text, 160,
                       "Duration: %.2f ms\tBilled Duration: %llu ms\tMemory Size: %zu MB\t"
                       "Max Memory Used: %zu MB",
                       (double)ns / 1e6, (unsigned long long)((ns + NS_PER_MS - 1) / NS_PER_MS),
                       s->function->options.memory_mb, s->resident >> 20);
    if (s->served == 0 && len > 0 && len < 160) {
        (void)snprintf(text + len, 160 - (size_t)len, "\tInit Duration: %.2f ms",
                       (double)s->init_ns / 1e6);
    }
}

void function_log_end(const struct function_slot *s, struct function_call *c,
                      struct function_result *r, char text[160]) {
    char line[192];
    write_report(s, r->duration_ns, text);
    r->report = text;
    log_event(LOG_INFO, "function_call", log_str("function", s->function->options.name),
              log_str("request_id", c->request_id),
              log_str("outcome", function_outcome_name(r->outcome)), log_str("message", "END"));
    (void)snprintf(line, sizeof(line), "REPORT %s", text);
    log_call(s, c, line);
}

/* As Go prints a signal, which is what Lambda says: "segmentation fault", "killed". */
static void name_signal(int number, char text[FUNCTION_EXIT_TEXT]) {
    const char *name = strsignal(number);
    (void)snprintf(text, FUNCTION_EXIT_TEXT, "Runtime exited with error: signal: %.30s",
                   name ? name : "?");
    char *first = text + strlen("Runtime exited with error: signal: ");
    *first = (char)(*first >= 'A' && *first <= 'Z' ? *first + ('a' - 'A') : *first);
}

const char *function_exit_text(const struct process_end *end, char text[FUNCTION_EXIT_TEXT]) {
    if (end->signal != 0) {
        name_signal(end->signal, text);
    } else if (end->status != 0) {
        (void)snprintf(text, FUNCTION_EXIT_TEXT, "Runtime exited with error: exit status %d",
                       (int)end->status);
    } else {
        return NULL;
    }
    return text;
}
