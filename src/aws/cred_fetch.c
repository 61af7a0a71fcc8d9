#include "aws/cred_fetch.h"

#include "aws/environment.h"
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

static void try_again(struct timer *t) {
    cred_container_run(container_of(t, struct cred_fetch, pause));
}

void cred_fetch_init(struct cred_fetch *f, struct loop *l, struct stream_hub *hub,
                     struct mailbox *box, const struct credentials_options *options) {
    *f = (struct cred_fetch){.loop = l, .box = box, .options = options};
    cred_http_init(&f->http, l, hub);
    timer_init(&f->pause, l, try_again);
}

static void forget(struct cred_fetch *f) {
    cred_plan_fini(&f->plan);
    cred_http_reset(&f->http);
    aws_wipe_buffer(&f->text);
    aws_wipe_buffer(&f->imds_token);
    aws_wipe_buffer(&f->imds_role);
    credentials_unref(f->base);
    f->base = NULL;
}

/* Why the source that was asked gave none, behind why the ones before it were not asked. */
static void complete_reason(struct cred_fetch *f) {
    if (f->plan.kind != CRED_NONE) {
        cred_plan_note(&f->plan, "%s", f->why);
        memcpy(f->why, f->plan.reason, sizeof(f->why));
    }
}

static void end(struct cred_fetch *f, struct credentials *c) {
    if (!c) {
        complete_reason(f);
    }
    forget(f);
    f->on_done(f, c);
}

void cred_fetch_fail(struct cred_fetch *f, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(f->why, sizeof(f->why), format, args);
    va_end(args);
    cred_fetch_got(f, NULL);
}

void cred_fetch_got(struct cred_fetch *f, struct credentials *c) {
    if (c && c->expires_s > 0 && c->expires_s * 1000 <= loop_wall_ms(f->loop)) {
        credentials_unref(c);
        c = NULL;
        snprintf(f->why, sizeof(f->why), "%s: gave credentials that have expired",
                 f->plan.source);
    }
    if (!c || f->roles_left == 0) {
        end(f, c);
        return;
    }
    credentials_unref(f->base);
    f->base = c;
    cred_sts_assume(f, &f->plan.roles[--f->roles_left]);
}

static void run_keys(struct cred_fetch *f) {
    const struct cred_plan *p = &f->plan;
    cred_fetch_got(f, credentials_new(slice_cstr(p->access_key_id),
                                      slice_cstr(p->secret_access_key),
                                      slice_cstr(p->session_token), p->source, 0, f->why));
}

static void on_planned(struct helper_job *job) {
    struct cred_fetch *f = container_of(job, struct cred_fetch, job);
    f->roles_left = f->plan.role_count;
    f->tries = 0;
    if (atomic_load(&f->canceled)) {
        cred_fetch_fail(f, "canceled");
        return;
    }
    switch (f->plan.kind) {
    case CRED_NONE:
        cred_fetch_fail(f, "%s", f->plan.reason);
        break;
    case CRED_KEYS:
        run_keys(f);
        break;
    case CRED_PROCESS:
        cred_process_run(f);
        break;
    case CRED_WEB_IDENTITY:
        cred_web_identity_run(f);
        break;
    case CRED_CONTAINER:
        cred_container_run(f);
        break;
    case CRED_IMDS:
        cred_imds_run(f);
        break;
    }
}

static void make_plan(struct helper_job *job) {
    struct cred_fetch *f = container_of(job, struct cred_fetch, job);
    cred_plan_make(&f->plan, &f->options->env, f->options->region);
}

void cred_fetch_start(struct cred_fetch *f, int here,
                      void (*on_done)(struct cred_fetch *f, struct credentials *c)) {
    f->on_done = on_done;
    f->why[0] = '\0';
    f->job.work = make_plan;
    f->job.done = on_planned;
    (here ? helper_start_here : helper_start)(&f->job, f->box);
}

void cred_fetch_cancel(struct cred_fetch *f) {
    atomic_store(&f->canceled, 1);
    cred_http_cancel(&f->http);
    if (timer_active(&f->pause)) {
        timer_start(&f->pause, 0); /* the try it waited for sees that it is canceled */
    }
}

void cred_fetch_close(struct cred_fetch *f, void (*on_close)(struct timer *pause)) {
    cred_http_fini(&f->http);
    timer_close(&f->pause, on_close);
}

/* --- for the sources --- */

static void read_file(struct helper_job *job) {
    struct cred_fetch *f = container_of(job, struct cred_fetch, job);
    char why[AWS_REASON_MAX] = "";
    aws_wipe_buffer(&f->text);
    f->job_error = aws_read_file(f->plan.token_file, &f->text, why);
    if (f->job_error) {
        snprintf(f->why, sizeof(f->why), "%s: %s", f->plan.source, why);
    }
}

void cred_fetch_read(struct cred_fetch *f, void (*done)(struct helper_job *job)) {
    f->job.work = read_file;
    f->job.done = done;
    helper_start(&f->job, f->box);
}

int cred_fetch_tls(struct cred_fetch *f, const struct url_endpoint *url,
                   struct tls_context **tls) {
    *tls = NULL;
    if (url->tls && f->options->tls) {
        *tls = f->options->tls(f->options->arg);
    }
    return url->tls && !*tls ? ERR_TLS : 0;
}
