/* What Lambda's log says of a call, in the log and for who wants the end of it: START, what its
 * process prints, how it failed, END and REPORT. Private to lambda/'s functions. */
#ifndef LAMBDA_FUNCTION_LOG_H
#define LAMBDA_FUNCTION_LOG_H

#include "lambda/function_impl.h"

#define FUNCTION_EXIT_TEXT 80

void function_log_start(const struct function_slot *s, const struct function_call *c);
void function_log_output(struct function_slot *s, int stream, struct slice line);
/* END and REPORT. Points r->report to what REPORT says, in `text`. */
void function_log_end(const struct function_slot *s, struct function_call *c,
                      struct function_result *r, char text[160]);
/* How a process ended: "Runtime exited with error: exit status 1"; NULL: with status 0. */
const char *function_exit_text(const struct process_end *end, char text[FUNCTION_EXIT_TEXT]);

#endif
