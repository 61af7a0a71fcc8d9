/* A worker's part of the shared limits: its report goes to the main thread whenever it is home
 * and something was admitted; pushes tell what the others have admitted. */
#include "app/worker_impl.h"

#include "base/clock.h"

#include <stdlib.h>

void worker_use_limits(struct worker *w, struct usage *u) {
    meters_copy(&w->meters, usage_meters(u));
    w->usage_report = usage_report(u, w->setup.index);
    w->usage_box = usage_box(u);
}

static void send_counts(struct worker *w, struct usage_mail *m) {
    m->count = meters_unsent(&w->meters, m->items, USAGE_MAIL_MAX);
    mailbox_post(w->usage_box, &m->mail);
}

void worker_send_usage(struct worker *w) {
    struct usage_mail *m = w->usage_report;
    if (m && w->meters.dirty_count > 0) {
        w->usage_report = NULL;
        send_counts(w, m);
    }
}

void worker_last_usage(struct worker *w) {
    while (w->meters.dirty_count > 0) {
        struct usage_mail *m;
        NEED_MEMORY((m = calloc(1, sizeof *m)) != NULL);
        m->worker = w->setup.index;
        m->kind = USAGE_LAST;
        send_counts(w, m);
    }
}

static void learn(struct worker *w, const struct usage_mail *m) {
    const struct gateway_access *a = &w->now->config->access;
    for (size_t i = 0; i < m->count; i++) {
        uint32_t id = m->items[i].meter;
        if (id < a->meter_count && id < w->meters.count) {
            meter_learn(&w->meters, id, &a->rules[id], loop_now_ns(&w->loop),
                        loop_wall_ms(&w->loop) / 1000, m->items[i].count);
        }
    }
}

void worker_on_usage(struct worker *w, struct usage_mail *m) {
    if (m->kind == USAGE_REPORT) {
        w->usage_report = m;
    } else {
        learn(w, m);
        mailbox_post(w->usage_box, &m->mail);
    }
}
