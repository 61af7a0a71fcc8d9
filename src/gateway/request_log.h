/* What is logged of a request at its end: the access line, as JSON or by a template, and where
 * that does not say why it was not served, a line of its own that does. */
#ifndef GATEWAY_REQUEST_LOG_H
#define GATEWAY_REQUEST_LOG_H

#include "gateway/access_log.h"

struct access_template;

struct request_log {
    int access;                             /* access lines are wanted */
    const struct access_template *template; /* NULL: JSON */
    struct buffer line;
};

/* Aborts when memory is out. The template must outlive it. */
void request_log_init(struct request_log *l, int access,
                      const struct access_template *template);
void request_log_fini(struct request_log *l);
/* 1 when a line has the reason. */
int request_log_write(struct request_log *l, const struct access_entry *e);

#endif
