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

/* The HTTP request an event of API Gateway (1.0 or 2.0) came from, as bytes. NULL, or why the
 * event is none. */
const char *event_to_http(struct json_object *event, struct buffer *out);

#endif
