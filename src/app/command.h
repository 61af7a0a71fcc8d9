/* What the commands of the command line share. */
#ifndef APP_COMMAND_H
#define APP_COMMAND_H

#include "app/config.h"

enum exit_code { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct arguments {
    const char *config;
    const char *name;  /* of `invoke` and `event` */
    const char *event; /* a file; "-" is standard input */
    const char *method;
    const char *path; /* with the query */
    const char *body;
};

/* A sample event on standard output. */
int command_event(const struct arguments *args);
/* Runs one handler on one event: the answer goes to standard output, the log and the duration
 * to standard error. EXIT_FAILED when it failed. Takes the configuration over. */
int command_invoke(const struct arguments *args, struct config *config);

#define EVENT_REASON_MAX 512
/* The HTTP request an event of API Gateway (1.0 or 2.0) came from, as bytes, on the stage of
 * the configuration; its router has one route. 0, or an error with the reason: the event is
 * none, or not for that route. */
MUST_CHECK int event_to_http(struct slice json, const struct config *c, struct buffer *out,
                             char reason[EVENT_REASON_MAX]);

#endif
