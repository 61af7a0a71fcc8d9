/* The end.
 *
 * Happy path: SIGTERM or SIGINT -> readiness fails for drain.wait_ms -> workers drain -> each
 * says WORKER_STOPPED -> every part of the main thread closes -> its loop stops. Failure modes:
 * workers that have not finished at drain.deadline_ms, or at a second signal, are stopped with
 * what they have in flight. */
#include "app/service_impl.h"

#include <signal.h>
#include <stdlib.h>

void service_part_closed(void *arg) {
    struct service *s = arg;
    if (--s->closing == 0) {
        loop_stop(&s->loop);
    }
}

static void on_timer_closed(struct timer *t) {
    service_part_closed(container_of(t, struct service, drain_timer));
}

static void on_reload_timer_closed(struct timer *t) {
    service_part_closed(container_of(t, struct service, reload_timer));
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

static void close_tables(struct service *s) {
    LIST_FOR_EACH (node, &s->generations) {
        struct generation *g = container_of(node, struct generation, node);
        if (g->tables) {
            s->closing++;
            generation_close_tables(g);
        }
    }
}

static void close_main(struct service *s) {
    s->stage = SERVICE_CLOSING;
    s->closing = 11 + (s->admin != NULL);
    close_tables(s);
    timer_close(&s->drain_timer, on_timer_closed);
    timer_close(&s->reload_timer, on_reload_timer_closed);
    notify_close(&s->notify, on_notify_closed);
    scrape_close(s->scrape);
    usage_close(s->usage);
    mailbox_close(&s->box, on_mailbox_closed);
    uv_close((uv_handle_t *)&s->sigterm, on_signal_closed);
    uv_close((uv_handle_t *)&s->sigint, on_signal_closed);
    uv_close((uv_handle_t *)&s->sighup, on_signal_closed);
    uv_close((uv_handle_t *)&s->sigusr2, on_signal_closed);
    /* Closing took libuv's handlers away; one more signal must not spoil the exit code. */
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGUSR2, SIG_IGN);
    credentials_chain_close(s->chain, service_part_closed, s);
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
    if (number == SIGUSR2) { /* other servers' word for an upgrade: without us it would kill */
        log_event(LOG_WARN, "signal_ignored", log_str("signal", "SIGUSR2"),
                  log_str("reason", "a new program takes over by a restart under "
                                    "penstock.socket, which refuses no connection"));
        return;
    }
    log_event(LOG_INFO, "signal", log_u64("number", number));
    if (number == SIGHUP) {
        service_reload(s);
        return;
    }
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

void service_notice(void *arg, struct notice_mail *m) {
    struct service *s = arg;
    mailbox_post(&s->box, &m->mail);
}

void service_on_mail(struct mailbox *box, struct mail *mail) {
    struct service *s = container_of(box, struct service, box);
    struct notice_mail *m = container_of(mail, struct notice_mail, mail);
    enum worker_notice notice = m->notice;
    unsigned edition = m->edition;

    atomic_store(&m->out, false);
    switch (notice) {
    case WORKER_BAD_CREDENTIALS:
        if (s->stage != SERVICE_CLOSING) {
            credentials_chain_refresh(s->chain);
        }
        break;
    case WORKER_CONNECTED:
        if (s->stage == SERVICE_RUNNING) {
            tables_go(s->tables);
        }
        break;
    case WORKER_STOPPED:
        s->stopped++;
        maybe_close_main(s);
        break;
    case WORKER_PREPARED:
    case WORKER_UNPREPARED:
    case WORKER_SWAPPED:
        service_on_edition(s, notice);
        break;
    case WORKER_RELEASED:
        edition_plan_free(container_of(m, struct edition_plan, released));
        service_on_released(s, edition);
        break;
    }
}
