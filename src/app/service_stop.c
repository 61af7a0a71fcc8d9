/* The end.
 *
 * Happy path: SIGTERM or SIGINT -> readiness fails for drain.wait_ms -> workers drain -> each
 * says WORKER_STOPPED -> every part of the main thread closes -> its loop stops. Failure modes:
 * workers that have not finished at drain.deadline_ms, or at a second signal, are stopped with
 * what they have in flight. */
#include "app/service_impl.h"

#include <signal.h>
#include <stdlib.h>

struct notice_mail {
    struct mail mail;
    enum worker_notice notice;
};

void service_part_closed(void *arg) {
    struct service *s = arg;
    if (--s->closing == 0) {
        loop_stop(&s->loop);
    }
}

static void on_timer_closed(struct timer *t) {
    service_part_closed(container_of(t, struct service, drain_timer));
}

static void on_notify_closed(struct timer *t) {
    service_part_closed(container_of(t, struct service, notify.tick));
}

static void on_mailbox_closed(struct mailbox *box) {
    service_part_closed(container_of(box, struct service, box));
}

static void on_signal_closed(uv_handle_t *handle) {
    service_part_closed(handle->data);
}

static void close_main(struct service *s) {
    s->stage = SERVICE_CLOSING;
    s->closing = 9 + (s->admin != NULL);
    timer_close(&s->drain_timer, on_timer_closed);
    notify_close(&s->notify, on_notify_closed);
    scrape_close(s->scrape);
    usage_close(s->usage);
    mailbox_close(&s->box, on_mailbox_closed);
    uv_close((uv_handle_t *)&s->sigterm, on_signal_closed);
    uv_close((uv_handle_t *)&s->sigint, on_signal_closed);
    /* Closing took libuv's handlers away; one more signal must not spoil the exit code. */
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    credentials_chain_close(s->chain, service_part_closed, s);
    tables_close(s->tables);
    if (s->admin) {
        admin_close(s->admin);
    }
}

/* Once no worker is left to wait for. */
static void maybe_close_main(struct service *s) {
    if (s->stopped == s->started) {
        close_main(s);
    }
}

static void tell_workers(struct service *s, void (*tell)(struct worker *w)) {
    for (size_t i = 0; i < s->started; i++) {
        tell(s->workers[i]);
    }
}

static void start_draining(struct service *s) {
    s->stage = SERVICE_DRAINING;
    log_event(LOG_INFO, "drain", log_u64("deadline_ms", s->config->drain_deadline_ms));
    tell_workers(s, worker_drain);
    timer_start(&s->drain_timer, s->config->drain_deadline_ms);
    maybe_close_main(s);
}

void service_on_drain_timer(struct timer *t) {
    struct service *s = container_of(t, struct service, drain_timer);
    if (s->stage == SERVICE_WAITING) {
        start_draining(s);
    } else {
        log_event(LOG_WARN, "drain_deadline", log_u64("workers", s->started - s->stopped));
        tell_workers(s, worker_kill);
    }
}

void service_on_signal(uv_signal_t *handle, int number) {
    struct service *s = handle->data;
    log_event(LOG_INFO, "signal", log_u64("number", number));
    switch (s->stage) {
    case SERVICE_RUNNING:
        s->stage = SERVICE_WAITING;
        notify_stopping(&s->notify);
        timer_start(&s->drain_timer, s->config->drain_wait_ms);
        break;
    case SERVICE_WAITING:
    case SERVICE_DRAINING:
        s->stage = SERVICE_DRAINING;
        tell_workers(s, worker_kill);
        break;
    case SERVICE_CLOSING:
        break;
    }
}

void service_notice(void *arg, enum worker_notice notice) {
    struct service *s = arg;
    struct notice_mail *m = malloc(sizeof *m);
    ASSERT(m != NULL);
    m->notice = notice;
    mailbox_post(&s->box, &m->mail);
}

void service_on_mail(struct mailbox *box, struct mail *mail) {
    struct service *s = container_of(box, struct service, box);
    struct notice_mail *m = container_of(mail, struct notice_mail, mail);
    enum worker_notice notice = m->notice;

    free(m);
    if (notice == WORKER_BAD_CREDENTIALS) {
        if (s->stage != SERVICE_CLOSING) {
            credentials_chain_refresh(s->chain);
        }
    } else {
        s->stopped++;
        maybe_close_main(s);
    }
}
