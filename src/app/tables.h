/* Sees to the tables at start, on the main thread: asks DescribeTable for each, creates the
 * missing ones that may be created, learns the keys the configuration does not give, and
 * complains about keys that differ. Tries again, with backoff, until every table is there: an
 * absent store is a reason not to be ready, not to give up. */
#ifndef APP_TABLES_H
#define APP_TABLES_H

#include "app/config.h"
#include "aws/credentials.h"
#include "aws/endpoint.h"

struct tables;

struct tables_options {
    struct config *config; /* schemas that are not given are written here, before on_schemas */
    const struct aws_endpoint *endpoint;
    struct tls_context *tls; /* NULL = plain; owned by the caller */
    /* Every schema is known (at once when the configuration gives all): workers may start. */
    void (*on_schemas)(void *arg);
    /* A reload: tables that no configuration before had are looked at first, and on_schemas
     * waits for them to be ready. When one cannot be, as far as the store says, this is called
     * in its place, and nothing more is done. NULL at the start of the service. */
    void (*on_refused)(void *arg, size_t table, const char *why);
    void (*on_closed)(void *arg);
    void *arg;
};

struct tables *tables_new(struct loop *l, struct stream_hub *hub,
                          const struct tables_options *options);
void tables_set_credentials(struct tables *t, struct credentials *c);
/* A worker has its first connection. At a start that knows every schema nothing is asked
 * before, for a quarter of a second at most: handshakes at the same time hold each other up. */
void tables_go(struct tables *t);
/* The table it looks at: the number of tables when there is none. */
size_t tables_at(const struct tables *t);
/* "" when every table is there and as configured; else the first reason, for /readyz. */
const char *tables_problem(const struct tables *t);
/* on_closed in a later turn, then tables_free. */
void tables_close(struct tables *t);
void tables_free(struct tables *t);

#endif
