/* Happy path: scrape_ask -> each worker gets an empty snapshot by mail -> fills it and mails it
 * back -> with the last one the page is made.
 *
 * Failure modes: a worker that does not answer within ANSWER_MS (its loop is stuck) is shown
 * with what it last said, so that no counter goes back, and counted as missing; it is not asked
 * again before it has answered, so that no mail piles up. One that cannot be asked because
 * memory is out is missing in the same way. */
#include "app/scrape.h"

#include "app/metrics_text.h"

#include <stdlib.h>

#define ANSWER_MS 1000

struct scrape {
    struct scrape_options options;
    struct snapshot_lengths lengths;
    struct mailbox box;
    struct timer deadline;
    struct snapshot **last; /* of each worker; NULL = it never answered */
    int *asked;             /* of each worker: its answer is still to come */
    size_t waiting;         /* for so many answers */
    size_t unasked;         /* for want of memory */
    size_t missing;         /* at the deadline */
    int collecting;
    int closing;
    int open_handles;
    unsigned edition;
    const struct config *config;
    struct buffer page;
};

static const char *name_of(void *arg, enum metrics_list list, size_t index) {
    const struct config *c = ((const struct scrape *)arg)->config;
    switch (list) {
    case METRICS_ROUTES:
        return c->routes[index].route_key;
    case METRICS_TABLES:
        return c->tables[index].name;
    case METRICS_FUNCTIONS: /* a handler in C has no processes and no calls of its own */
        return c->functions[index].workers ? c->functions[index].name : NULL;
    case METRICS_PROCESS:
        break;
    }
    return NULL;
}

/* They have been shown. */
static void forget_longest_turns(struct scrape *s) {
    for (size_t i = 0; i < s->options.worker_count; i++) {
        if (s->last[i]) {
            s->last[i]->longest_turn_ns = 0;
        }
    }
}

/* A late answer that no page has shown still tells of the turn that made it late. */
static void replace(struct scrape *s, struct snapshot *snapshot) {
    struct snapshot **last = &s->last[snapshot->worker];
    if (*last && (*last)->longest_turn_ns > snapshot->longest_turn_ns) {
        snapshot->longest_turn_ns = (*last)->longest_turn_ns;
    }
    free(*last);
    *last = snapshot;
}

static void finish(struct scrape *s) {
    struct metrics_process process = {.worker_count = s->options.worker_count,
                                      .edition = s->edition,
                                      .workers_missing = s->missing,
                                      .lengths = s->lengths,
                                      .name = name_of,
                                      .arg = s};
    s->collecting = 0;
    timer_stop(&s->deadline);
    s->options.describe(s->options.arg, &process);
    buffer_reset(&s->page, 262144);
    metrics_begin();
    metrics_format(&s->page, &process, (const struct snapshot *const *)s->last);
    forget_longest_turns(s);
    s->options.on_page(s->options.arg,
                       metrics_complete() ? buffer_slice(&s->page) : SLICE_EMPTY);
}

static void on_deadline(struct timer *t) {
    struct scrape *s = container_of(t, struct scrape, deadline);
    s->missing = s->waiting + s->unasked;
    finish(s);
}

static void maybe_close(struct scrape *s);

static void on_mail(struct mailbox *box, struct mail *mail) {
    struct scrape *s = container_of(box, struct scrape, box);
    struct snapshot *snapshot = container_of(mail, struct snapshot, mail);

    s->asked[snapshot->worker] = 0;
    replace(s, snapshot);
    s->waiting--;
    if (s->collecting && s->waiting == 0) {
        s->missing = s->unasked;
        finish(s);
    }
    maybe_close(s);
}

struct scrape *scrape_new(struct loop *l, const struct scrape_options *options) {
    struct scrape *s;
    NEED_MEMORY((s = calloc(1, sizeof *s)) != NULL);
    s->options = *options;
    size_t count = options->worker_count;
    NEED_MEMORY((s->last = calloc(count, sizeof(struct snapshot *))) != NULL);
    NEED_MEMORY((s->asked = calloc(count, sizeof *s->asked)) != NULL);
    timer_init(&s->deadline, l, on_deadline);
    NEED_MEMORY(mailbox_init(&s->box, l, on_mail) == 0);
    s->open_handles = 2;
    return s;
}

void scrape_set_config(struct scrape *s, unsigned edition, const struct config *c) {
    s->edition = edition;
    s->config = c;
    s->lengths = (struct snapshot_lengths){gateway_routes_count(c->router), c->table_count,
                                           c->function_count};
}

void scrape_ask(struct scrape *s, size_t started) {
    if (s->collecting || s->closing) {
        return;
    }
    s->collecting = 1;
    s->unasked = 0;
    for (size_t i = 0; i < started; i++) {
        if (!s->asked[i]) {
            struct snapshot *snapshot = snapshot_new(&s->lengths);
            if (snapshot == NULL) {
                s->unasked++;
                continue;
            }
            snapshot->reply_to = &s->box;
            snapshot->worker = (unsigned)i;
            snapshot->edition = s->edition;
            s->asked[i] = 1;
            s->waiting++;
            worker_ask(s->options.workers[i], snapshot);
        }
    }
    timer_start(&s->deadline, s->waiting ? ANSWER_MS : 0);
}

static void on_handle_closed(struct scrape *s) {
    if (--s->open_handles == 0) {
        s->options.on_closed(s->options.arg);
    }
}

static void on_box_closed(struct mailbox *box) {
    on_handle_closed(container_of(box, struct scrape, box));
}

static void on_timer_closed(struct timer *t) {
    on_handle_closed(container_of(t, struct scrape, deadline));
}

static void maybe_close(struct scrape *s) {
    if (s->closing && s->waiting == 0) {
        mailbox_close(&s->box, on_box_closed);
        timer_close(&s->deadline, on_timer_closed);
    }
}

void scrape_close(struct scrape *s) {
    s->closing = 1;
    s->collecting = 0;
    timer_stop(&s->deadline);
    maybe_close(s);
}

void scrape_free(struct scrape *s) {
    for (size_t i = 0; i < s->options.worker_count; i++) {
        free(s->last[i]);
    }
    free(s->last);
    free(s->asked);
    buffer_fini(&s->page);
    free(s);
}
