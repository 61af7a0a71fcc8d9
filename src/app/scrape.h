/* Asks every worker for a snapshot and makes one page of metrics of them. Nothing of a worker
 * is ever read from here: numbers cross threads by mail. On the main thread. */
#ifndef APP_SCRAPE_H
#define APP_SCRAPE_H

#include "app/metrics.h"
#include "app/worker.h"

struct scrape;

struct scrape_options {
    struct worker *const *workers;
    size_t worker_count;
    /* What the main thread knows itself. */
    void (*describe)(void *arg, struct metrics_process *out);
    /* Valid during the call. Never from inside scrape_ask. */
    void (*on_page)(void *arg, struct slice text); /* empty: memory is out */
    void (*on_closed)(void *arg);
    void *arg;
};

/* Aborts when memory is out. */
struct scrape *scrape_new(struct loop *l, const struct scrape_options *options);
/* Before the first scrape_ask, and at a reload: what the workers count by name from now on. */
void scrape_set_config(struct scrape *s, unsigned edition, const struct config *c);
/* The first `started` workers are running. on_page follows once; asking again before it came
 * changes nothing. */
void scrape_ask(struct scrape *s, size_t started);
/* Workers must still take mail; on_closed in a later turn, after the last of them has answered.
 */
void scrape_close(struct scrape *s);
void scrape_free(struct scrape *s);

#endif
