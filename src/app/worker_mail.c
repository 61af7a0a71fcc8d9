/* What the main thread says to a worker. Posted from there, acted on here, on the worker's
 * thread. */
#include "app/worker_impl.h"

#include <stdlib.h>

enum worker_mail_kind {
    MAIL_CREDENTIALS,
    MAIL_USAGE,
    MAIL_TICK,
    MAIL_ASK,
    MAIL_PREPARE,
    MAIL_SWAP,
    MAIL_UNPREPARE,
    MAIL_DRAIN,
    MAIL_KILL,
    MAIL_END
};

struct worker_mail {
    struct mail mail;
    enum worker_mail_kind kind;
    struct credentials *credentials;
    struct usage_mail *usage;
    struct snapshot *snapshot;
    struct mailbox *reply_to;
    struct edition_plan *plan;
};

static void take_credentials(struct worker *w, struct credentials *c) {
    sigv4_signer_set_credentials(w->signer, slice_cstr(c->access_key_id),
                                 slice_cstr(c->secret_access_key),
                                 slice_cstr(c->session_token));
    credentials_unref(c);
}

static void take_named(struct worker *w, struct snapshot *s) {
    const struct config *c = w->now->config;
    ASSERT(s->lengths.routes == gateway_routes_count(c->router));
    ASSERT(s->lengths.tables == c->table_count && s->lengths.functions == c->function_count);
    memcpy(s->routes, gateway_count_routes(w->now->gateway),
           (s->lengths.routes + 1) * sizeof s->routes[0]);
    for (size_t i = 0; i < c->table_count; i++) {
        dynamodb_count_table(w->db, slice_cstr(c->tables[i].name), &s->tables[i]);
    }
    for (size_t i = 0; i < c->function_count; i++) {
        struct function **workers = c->functions[i].workers;
        const struct function *f = workers ? workers[w->setup.index] : NULL;
        if (f) {
            function_count(f, &s->functions[i]);
        }
    }
}

static void take_snapshot(struct worker *w, struct snapshot *s) {
    size_t count;
    const struct server_reason *reasons = server_reasons(w->server, &count);
    s->turns = w->loop.turns;
    s->longest_turn_ns = loop_take_longest_turn_ns(&w->loop);
    s->turn_ns = w->loop.turn_ns;
    s->late_ns = w->loop.late_ns;
    s->bytes_in = w->hub.bytes_in;
    s->bytes_out = w->hub.bytes_out;
    server_count(w->server, &s->server);
    gateway_count(w->now->gateway, &s->gateway);
    lambda_count(w->now->lambda, &s->lambda);
    dynamodb_count(w->db, &s->dynamodb);
    pool_count(w->pool, &s->pool);
    ASSERT(count <= SERVER_REASONS_MAX);
    memcpy(s->reasons, reasons, count * sizeof *reasons);
    s->reason_count = count;
    take_named(w, s);
}

static void prepare(struct worker *w, struct edition_plan *plan) {
    size_t missing;
    unsigned number = plan->number;
    w->prepared = edition_new(w, plan, &missing);
    w->setup.on_notice(w->setup.arg, missing ? WORKER_UNPREPARED : WORKER_PREPARED, number);
}

static void swap(struct worker *w) {
    struct edition *e = w->prepared;
    w->prepared = NULL;
    edition_use(e);
    w->setup.on_notice(w->setup.arg, WORKER_SWAPPED, e->plan->number);
}

void worker_on_mail(struct mailbox *box, struct mail *mail) {
    struct worker *w = container_of(box, struct worker, box);
    struct worker_mail *m = container_of(mail, struct worker_mail, mail);
    enum worker_mail_kind kind = m->kind;
    struct credentials *credentials = m->credentials;
    struct usage_mail *usage = m->usage;
    struct snapshot *snapshot = m->snapshot;
    struct mailbox *reply_to = m->reply_to;
    struct edition_plan *plan = m->plan;

    free(m);
    switch (kind) {
    case MAIL_CREDENTIALS:
        take_credentials(w, credentials);
        break;
    case MAIL_USAGE:
        worker_on_usage(w, usage);
        break;
    case MAIL_TICK: /* having turned is all that was asked */
        break;
    case MAIL_ASK:
        take_snapshot(w, snapshot);
        mailbox_post(reply_to, &snapshot->mail);
        break;
    case MAIL_PREPARE:
        prepare(w, plan);
        break;
    case MAIL_SWAP:
        swap(w);
        break;
    case MAIL_UNPREPARE:
        w->prepared = NULL; /* swept */
        break;
    case MAIL_DRAIN:
        worker_start_drain(w);
        break;
    case MAIL_KILL:
        worker_close_all(w);
        break;
    case MAIL_END:
        mailbox_close(&w->box, worker_on_mailbox_closed);
        break;
    }
}

static void post(struct worker *w, enum worker_mail_kind kind,
                 struct credentials *credentials) {
    struct worker_mail *m;
    NEED_MEMORY((m = calloc(1, sizeof *m)) != NULL);
    m->kind = kind;
    m->credentials = credentials;
    mailbox_post(&w->box, &m->mail);
}

void worker_set_credentials(struct worker *w, struct credentials *c) {
    post(w, MAIL_CREDENTIALS, credentials_ref(c));
}

void worker_usage(struct worker *w, struct usage_mail *usage) {
    struct worker_mail *m;
    NEED_MEMORY((m = calloc(1, sizeof *m)) != NULL);
    m->kind = MAIL_USAGE;
    m->usage = usage;
    mailbox_post(&w->box, &m->mail);
}

void worker_prepare(struct worker *w, struct edition_plan *plan) {
    struct worker_mail *m;
    NEED_MEMORY((m = calloc(1, sizeof *m)) != NULL);
    m->kind = MAIL_PREPARE;
    m->plan = plan;
    mailbox_post(&w->box, &m->mail);
}

void worker_swap(struct worker *w) {
    post(w, MAIL_SWAP, NULL);
}

void worker_unprepare(struct worker *w) {
    post(w, MAIL_UNPREPARE, NULL);
}

void worker_tick(struct worker *w) {
    post(w, MAIL_TICK, NULL);
}

void worker_ask(struct worker *w, struct snapshot *snapshot, struct mailbox *reply_to) {
    struct worker_mail *m;
    NEED_MEMORY((m = calloc(1, sizeof *m)) != NULL);
    m->kind = MAIL_ASK;
    m->snapshot = snapshot;
    m->reply_to = reply_to;
    mailbox_post(&w->box, &m->mail);
}

void worker_drain(struct worker *w) {
    post(w, MAIL_DRAIN, NULL);
}

void worker_kill(struct worker *w) {
    post(w, MAIL_KILL, NULL);
}

void worker_end(struct worker *w) {
    post(w, MAIL_END, NULL);
}
