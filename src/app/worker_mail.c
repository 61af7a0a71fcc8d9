/* What the main thread says to a worker, and what the worker says to it. Each kind of mail is
 * made with the worker and is out or at home, so that nothing said takes memory: what is said
 * again while it is out would say nothing new. */
#include "app/worker_impl.h"

/* The newest; what came before it and was not taken, nobody needs. */
static void take_credentials(struct worker *w) {
    struct credentials *c = atomic_exchange(&w->new_credentials, NULL);
    if (c == NULL) {
        return;
    }
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

static void answer_ask(struct worker *w, struct snapshot *s) {
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
    mailbox_post(s->reply_to, &s->mail);
}

static void prepare(struct worker *w, struct edition_plan *plan) {
    size_t missing;
    unsigned number = plan->number;
    w->prepared = edition_new(w, plan, &missing);
    worker_tell(w, missing ? WORKER_UNPREPARED : WORKER_PREPARED, number);
}

static void swap(struct worker *w) {
    struct edition *e = w->prepared;
    w->prepared = NULL;
    edition_use(e);
    worker_tell(w, WORKER_SWAPPED, e->plan->number);
}

void worker_on_mail(struct mailbox *box, struct mail *mail) {
    struct worker *w = container_of(box, struct worker, box);
    struct worker_mail *m = container_of(mail, struct worker_mail, mail);
    void *what = m->what;

    atomic_store(&m->out, false);
    switch ((enum worker_mail_kind)(m - w->mails)) {
    case MAIL_CREDENTIALS:
        take_credentials(w);
        break;
    case MAIL_USAGE_REPORT:
    case MAIL_USAGE_PUSH:
        worker_on_usage(w, what);
        break;
    case MAIL_TICK: /* having turned is all that was asked */
        break;
    case MAIL_ASK:
        answer_ask(w, what);
        break;
    case MAIL_PREPARE:
        prepare(w, what);
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
    case WORKER_MAIL_KINDS:
        break;
    }
}

/* ---- from the main thread ---- */

/* False: the last one is still out. */
static bool post(struct worker *w, enum worker_mail_kind kind, void *what) {
    struct worker_mail *m = &w->mails[kind];
    if (atomic_exchange(&m->out, true)) {
        return false;
    }
    m->what = what;
    mailbox_post(&w->box, &m->mail);
    return true;
}

/* What is answered before it is said again. */
static void post_one(struct worker *w, enum worker_mail_kind kind, void *what) {
    bool posted = post(w, kind, what);
    ASSERT(posted);
}

void worker_set_credentials(struct worker *w, struct credentials *c) {
    struct credentials *before = atomic_exchange(&w->new_credentials, credentials_ref(c));
    if (before) {
        credentials_unref(before);
    }
    (void)post(w, MAIL_CREDENTIALS, NULL);
}

void worker_usage(struct worker *w, struct usage_mail *usage) {
    post_one(w, usage->kind == USAGE_REPORT ? MAIL_USAGE_REPORT : MAIL_USAGE_PUSH, usage);
}

void worker_prepare(struct worker *w, struct edition_plan *plan) {
    post_one(w, MAIL_PREPARE, plan);
}

void worker_swap(struct worker *w) {
    post_one(w, MAIL_SWAP, NULL);
}

void worker_unprepare(struct worker *w) {
    post_one(w, MAIL_UNPREPARE, NULL);
}

void worker_tick(struct worker *w) {
    (void)post(w, MAIL_TICK, NULL);
}

void worker_ask(struct worker *w, struct snapshot *snapshot) {
    post_one(w, MAIL_ASK, snapshot);
}

void worker_drain(struct worker *w) {
    (void)post(w, MAIL_DRAIN, NULL);
}

void worker_kill(struct worker *w) {
    (void)post(w, MAIL_KILL, NULL);
}

void worker_end(struct worker *w) {
    post_one(w, MAIL_END, NULL);
}

/* ---- to the main thread ---- */

void worker_tell(struct worker *w, enum worker_notice notice, unsigned edition) {
    struct notice_mail *m = &w->notices[notice];
    if (!atomic_exchange(&m->out, true)) {
        m->notice = notice;
        m->edition = edition;
        w->setup.on_notice(w->setup.arg, m);
    }
}
