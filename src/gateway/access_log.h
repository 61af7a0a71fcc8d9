/* One JSON line per answer: who asked for what, what became of it, and why. Never a body, never
 * a query, never a header but the user agent. */
#ifndef GATEWAY_ACCESS_LOG_H
#define GATEWAY_ACCESS_LOG_H

#include "base/buffer.h"
#include "server/server.h"

#define ACCESS_PATH_MAX       1024 /* bytes shown of a path */
#define ACCESS_USER_AGENT_MAX 256

struct access_entry {
    uint64_t wall_ms;
    uint64_t duration_ns;
    const struct server_request *request; /* NULL: the head could not be parsed */
    struct slice route_key;               /* empty: no route matched */
    struct slice trace_root;              /* empty: refused before it had one */
    unsigned status;                      /* 0: we closed the connection before an answer */
    size_t bytes;
    struct slice body;  /* of the answer, where we know it: for templates, our own words only */
    const char *reason; /* NULL when all is well */
    const char *stage;  /* the rest is for templates (access_template.h) */
    struct slice api_key_id; /* empty: none */
    int integrated;          /* a handler was asked */
    int abandoned;           /* it had no answer */
    uint64_t integration_ns;
};

/* What one line takes at most: reserved once, so that a line costs no malloc. */
#define ACCESS_LINE_MAX 16384

/* The target's path, without the query: that may hold what is nobody's business. */
struct slice access_log_path(const struct server_request *r);
/* Replaces the contents of `out` by the line, without its newline. 0 or ERR_NOMEM. */
MUST_CHECK int access_log_format(const struct access_entry *e, struct buffer *out);

#endif
