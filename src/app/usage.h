/* What the workers share of limits, on the main thread: it adds up what each has admitted,
 * tells the others, and keeps quotas over restarts.
 *
 *   worker 0 --report--> main --push--> worker 1, 2 ...      (at most every USAGE_EXCHANGE_MS)
 *                         `--------> the file of quotas      (every USAGE_SAVE_MS, and at the
 * end)
 *
 * A report or push is one object with one owner at a time: it goes there and comes back, so
 * nothing piles up. So a worker may admit what the others admitted within about
 * 2 x USAGE_EXCHANGE_MS (rates pay that back, see gateway/meter.h), and a crash forgets at most
 * USAGE_LOST_S seconds of a quota's use. */
#ifndef APP_USAGE_H
#define APP_USAGE_H

#include "gateway/access.h"
#include "loop/mailbox.h"
#include "loop/timer.h"

#define USAGE_EXCHANGE_MS 5
#define USAGE_SAVE_MS     1000
#define USAGE_LOST_S      2
#define USAGE_MAIL_MAX    512 /* meters in one report; the others follow in the next */

enum usage_kind { USAGE_REPORT, USAGE_PUSH, USAGE_LAST };

struct usage_mail {
    struct mail mail;
    unsigned worker;
    enum usage_kind kind;
    size_t count;
    struct meter_count items[USAGE_MAIL_MAX];
};

struct usage;

struct usage_options {
    size_t worker_count;
    const struct gateway_access *access;
    const char *state_directory; /* copied; "": quotas are forgotten at the end */
    /* Takes a mail to that worker: its report that comes home, or a push to send back. */
    void (*give)(void *arg, unsigned worker, struct usage_mail *mail);
    void (*on_closed)(void *arg);
    void *arg;
};

/* Reads the file of quotas (a short blocking call, before there are requests). Aborts when
 * memory is out; a file that is no good is reported in the log. */
struct usage *usage_new(struct loop *l, const struct usage_options *options);
/* The definition has changed; the numbers of meters stay. The old one may go afterwards. */
void usage_set_access(struct usage *u, const struct gateway_access *access);

/* For a worker that starts: where its meters begin, the report it owns at first, and where that
 * goes. A report is filled by meters_unsent and may be sent whenever it is home; at its end the
 * worker sends what is left as USAGE_LAST, in mails from malloc. */
const struct meters *usage_meters(const struct usage *u);
struct usage_mail *usage_report(struct usage *u, size_t worker);
struct mailbox *usage_box(struct usage *u);

/* Every worker has stopped. Saves; on_closed in a later turn. */
void usage_close(struct usage *u);
/* The workers are gone. */
void usage_free(struct usage *u);

#endif
