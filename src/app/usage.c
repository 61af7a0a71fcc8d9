/* Happy path: a worker's report comes -> its counts go to the totals and to the outbox of every
 * other worker -> outboxes are pushed -> after USAGE_EXCHANGE_MS the report goes home. Every
 * USAGE_SAVE_MS what was added since is taken to the file by a thread of the pool.
 *
 * Failure modes: the file cannot be written: said once, tried again every time, and once more
 * when it works again; what another process has added to it is learned with the next save. A
 * worker that is stuck keeps its push: its outbox waits, and grows by nothing but numbers. */
#include "app/usage.h"

#include "app/meter_names.h"
#include "app/usage_file.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

#include <stdlib.h>
#include <unistd.h>

#define DAY_S             86400
#define LAST_TRIES        50 /* at the end, while another process has the lock */
#define LAST_WAIT_US      20000
#define RECORDS_AT_A_TIME 4096
#define COUNTS_AT_A_TIME  64

struct line { /* to one worker */
    struct usage_mail *report;
    struct usage_mail *push;
    int report_held; /* it is here and goes home with the next tick */
    int push_home;
    struct meters outbox; /* only `unsent` counts */
};

struct job {
    uv_work_t work;
    int running;
    int error;
    size_t count;
    uint32_t today;
    const char *directory;
    struct usage_record *records;
    uint32_t *meters; /* of each record */
    uint32_t *counts; /* what was unsaved of it */
    char problem[USAGE_PROBLEM_MAX];
};

struct usage {
    struct loop *loop;
    struct usage_options options;
    char *directory;     /* outlives the configuration it came from */
    struct meters total; /* unsent: not saved yet */
    struct line *lines;
    struct mailbox box;
    struct timer tick;
    struct timer save;
    struct job job;
    int failing; /* the last save did not work */
    int closing;
    int box_closed;
    int timers_open;
};

static const struct meter_rule *rule_of(const struct usage *u, uint32_t meter) {
    static const struct meter_rule none;
    return meter < u->options.access->meter_count ? &u->options.access->rules[meter] : &none;
}

static uint64_t now_s(const struct usage *u) {
    return loop_wall_ms(u->loop) / 1000;
}

/* ---- the exchange ---- */

static void queue_for(struct usage *u, size_t worker, uint32_t meter, uint32_t count) {
    static const struct meter_rule none;
    meter_take(&u->lines[worker].outbox, meter, &none, 0, 0, count);
}

static void flush(struct usage *u) {
    for (size_t w = 0; w < u->options.worker_count && !u->closing; w++) {
        struct line *l = &u->lines[w];
        if (l->push_home && l->outbox.dirty_count > 0) {
            l->push->count = meters_unsent(&l->outbox, l->push->items, USAGE_MAIL_MAX);
            l->push_home = 0;
            u->options.give(u->options.arg, (unsigned)w, l->push);
        }
    }
}

static void take(struct usage *u, const struct usage_mail *m) {
    for (size_t i = 0; i < m->count; i++) {
        uint32_t meter = m->items[i].meter;
        uint32_t count = m->items[i].count;
        meter_take(&u->total, meter, rule_of(u, meter), loop_now_ns(u->loop), now_s(u), count);
        for (size_t w = 0; w < u->options.worker_count; w++) {
            if (w != m->worker) {
                queue_for(u, w, meter, count);
            }
        }
    }
}

static void arm(struct usage *u) {
    if (!u->closing && !timer_active(&u->tick)) {
        timer_start(&u->tick, USAGE_EXCHANGE_MS);
    }
}

static void on_mail(struct mailbox *box, struct mail *mail) {
    struct usage *u = container_of(box, struct usage, box);
    struct usage_mail *m = container_of(mail, struct usage_mail, mail);
    struct line *l = &u->lines[m->worker];
    switch (m->kind) {
    case USAGE_REPORT:
        take(u, m);
        l->report_held = 1;
        flush(u);
        arm(u);
        break;
    case USAGE_PUSH:
        l->push_home = 1;
        if (l->outbox.dirty_count > 0) {
            arm(u);
        }
        break;
    case USAGE_LAST:
        take(u, m);
        free(m);
        break;
    }
}

static void on_tick(struct timer *t) {
    struct usage *u = container_of(t, struct usage, tick);
    flush(u);
    for (size_t w = 0; w < u->options.worker_count; w++) {
        if (u->lines[w].report_held) {
            u->lines[w].report_held = 0;
            u->options.give(u->options.arg, (unsigned)w, u->lines[w].report);
        }
    }
}

/* ---- keeping quotas ---- */

/* What is unsaved, as records; the counts of plain rates are dropped. */
static void fill_job(struct usage *u) {
    struct job *j = &u->job;
    struct meter_count counts[COUNTS_AT_A_TIME];
    size_t got;
    j->count = 0;
    j->error = 0;
    j->today = (uint32_t)(now_s(u) / DAY_S);
    while (j->count + COUNTS_AT_A_TIME <= RECORDS_AT_A_TIME &&
           (got = meters_unsent(&u->total, counts, COUNTS_AT_A_TIME)) > 0) {
        for (size_t i = 0; i < got; i++) {
            const struct meter_rule *rule = rule_of(u, counts[i].meter);
            const struct meter_name *name = meter_name(counts[i].meter);
            if (rule->quota.period != QUOTA_NONE) {
                j->records[j->count] = (struct usage_record){
                    name->plan, name->name, rule->quota.period,
                    u->total.items[counts[i].meter].period, counts[i].count};
                j->meters[j->count] = counts[i].meter;
                j->counts[j->count++] = counts[i].count;
            }
        }
    }
}

static void run_job(struct job *j) {
    j->error = usage_file_add(j->directory, j->records, j->count, j->today, j->problem);
}

/* The file has more than we know of: another process has counted, too. */
static void learn(struct usage *u, uint32_t meter, const struct usage_record *r) {
    const struct meter *m = &u->total.items[meter];
    uint64_t ours = m->used - (m->unsent < m->used ? m->unsent : m->used);
    uint64_t more = r->used > ours ? r->used - ours : 0;
    uint32_t count = more < UINT32_MAX ? (uint32_t)more : UINT32_MAX;
    if (m->period != r->start || count == 0) {
        return;
    }
    meter_learn(&u->total, meter, rule_of(u, meter), loop_now_ns(u->loop), now_s(u), count);
    for (size_t w = 0; w < u->options.worker_count; w++) {
        queue_for(u, w, meter, count);
    }
    arm(u);
}

static void say_saved(struct usage *u) {
    const struct job *j = &u->job;
    if (j->error == ERR_INVALID) {
        log_event(LOG_ERROR, "quotas_file_bad", log_str("reason", j->problem));
    } else if (j->error != 0 && j->error != ERR_BUSY && !u->failing) {
        log_event(LOG_ERROR, "quotas_not_saved", log_str("reason", j->problem));
    } else if (j->error == 0 && u->failing) {
        log_event(LOG_INFO, "quotas_saved_again", log_str("directory", j->directory));
    }
    u->failing = j->error != 0 && j->error != ERR_BUSY && j->error != ERR_INVALID;
}

static void finish_job(struct usage *u) {
    struct job *j = &u->job;
    say_saved(u);
    for (size_t i = 0; i < j->count; i++) {
        if (j->error == 0 || j->error == ERR_INVALID) {
            learn(u, j->meters[i], &j->records[i]);
        } else {
            meters_keep_unsent(&u->total, j->meters[i], j->counts[i]);
        }
    }
}

static void on_work(uv_work_t *work) {
    run_job(container_of(work, struct job, work));
}

static void maybe_close(struct usage *u);

static void on_work_done(uv_work_t *work, int status) {
    struct usage *u = container_of(work, struct usage, job.work);
    (void)status;
    u->job.running = 0;
    finish_job(u);
    maybe_close(u);
}

static void on_save(struct timer *t) {
    struct usage *u = container_of(t, struct usage, save);
    timer_start(&u->save, USAGE_SAVE_MS);
    if (u->job.running || u->total.dirty_count == 0) {
        return;
    }
    fill_job(u);
    if (u->job.count > 0) {
        u->job.running = 1;
        NEED_MEMORY(uv_queue_work(&u->loop->uv, &u->job.work, on_work, on_work_done) == 0);
    }
}

static void on_record(void *arg, const struct usage_record *r) {
    struct usage *u = arg;
    uint32_t meter = meter_number_find("key", r->plan, r->key);
    if (meter < u->total.count && rule_of(u, meter)->quota.period == r->period) {
        u->total.items[meter].period = r->start;
        u->total.items[meter].used = r->used;
    }
}

static int has_quota(const struct gateway_access *a) {
    for (size_t i = 0; i < a->meter_count; i++) {
        if (a->rules[i].quota.period != QUOTA_NONE) {
            return 1;
        }
    }
    return 0;
}

static void read_file(struct usage *u) {
    char problem[USAGE_PROBLEM_MAX];
    const char *directory = u->directory;
    if (!has_quota(u->options.access)) {
        return;
    }
    if (directory[0] == '\0') {
        log_event(LOG_WARN, "quotas_not_kept",
                  log_str("reason", "state_directory is not set: what is used of quotas is "
                                    "forgotten at the end"));
        return;
    }
    int error = usage_file_read(directory, on_record, u, problem);
    if (error != 0) {
        log_event(LOG_ERROR, error == ERR_INVALID ? "quotas_file_bad" : "quotas_not_read",
                  log_str("reason", problem));
    }
}

/* ---- life ---- */

static void grow(struct usage *u, size_t count) {
    meters_grow(&u->total, count);
    for (size_t w = 0; w < u->options.worker_count; w++) {
        meters_grow(&u->lines[w].outbox, count);
    }
}

static struct usage_mail *new_mail(size_t worker, enum usage_kind kind) {
    struct usage_mail *m;
    NEED_MEMORY((m = calloc(1, sizeof *m)) != NULL);
    m->worker = (unsigned)worker;
    m->kind = kind;
    return m;
}

static void *array(size_t count, size_t size) {
    void *memory;
    NEED_MEMORY((memory = calloc(count + 1, size)) != NULL);
    return memory;
}

struct usage *usage_new(struct loop *l, const struct usage_options *options) {
    struct usage *u = array(1, sizeof *u);
    u->loop = l;
    u->options = *options;
    u->lines = array(options->worker_count, sizeof *u->lines);
    for (size_t w = 0; w < options->worker_count; w++) {
        u->lines[w].report = new_mail(w, USAGE_REPORT);
        u->lines[w].push = new_mail(w, USAGE_PUSH);
        u->lines[w].push_home = 1;
    }
    u->directory = slice_dup(slice_cstr(options->state_directory));
    u->job.directory = u->directory;
    u->job.records = array(RECORDS_AT_A_TIME, sizeof *u->job.records);
    u->job.meters = array(RECORDS_AT_A_TIME, sizeof *u->job.meters);
    u->job.counts = array(RECORDS_AT_A_TIME, sizeof *u->job.counts);
    grow(u, options->access->meter_count);
    NEED_MEMORY(mailbox_init(&u->box, l, on_mail) == 0);
    timer_init(&u->tick, l, on_tick);
    timer_init(&u->save, l, on_save);
    read_file(u);
    if (u->directory[0]) {
        timer_start(&u->save, USAGE_SAVE_MS);
    }
    return u;
}

void usage_set_access(struct usage *u, const struct gateway_access *access) {
    u->options.access = access;
    grow(u, access->meter_count);
}

const struct meters *usage_meters(const struct usage *u) {
    return &u->total;
}

struct usage_mail *usage_report(struct usage *u, size_t worker) {
    return u->lines[worker].report;
}

struct mailbox *usage_box(struct usage *u) {
    return &u->box;
}

static void on_timer_closed(struct usage *u) {
    if (--u->timers_open == 0) {
        u->options.on_closed(u->options.arg);
    }
}

static void on_tick_closed(struct timer *t) {
    on_timer_closed(container_of(t, struct usage, tick));
}

static void on_save_closed(struct timer *t) {
    on_timer_closed(container_of(t, struct usage, save));
}

/* Nobody else works any more: the loop may wait. */
static void save_last(struct usage *u) {
    for (int tries = 0; u->directory[0] && u->total.dirty_count > 0; tries++) {
        fill_job(u);
        if (u->job.count > 0) {
            run_job(&u->job);
            finish_job(u);
        }
        if (u->job.error == ERR_BUSY && tries < LAST_TRIES) {
            (void)usleep(LAST_WAIT_US);
        } else if (u->job.error != 0 && u->job.error != ERR_INVALID) {
            log_event(LOG_ERROR, "quotas_not_saved", log_str("reason", u->job.problem));
            return;
        }
    }
}

static void maybe_close(struct usage *u) {
    if (!u->box_closed || u->job.running) {
        return;
    }
    save_last(u);
    u->timers_open = 2;
    timer_close(&u->tick, on_tick_closed);
    timer_close(&u->save, on_save_closed);
}

static void on_box_closed(struct mailbox *box) {
    struct usage *u = container_of(box, struct usage, box);
    u->box_closed = 1;
    maybe_close(u);
}

void usage_close(struct usage *u) {
    u->closing = 1;
    timer_stop(&u->tick);
    timer_stop(&u->save);
    mailbox_close(&u->box, on_box_closed);
}

void usage_free(struct usage *u) {
    for (size_t w = 0; w < u->options.worker_count; w++) {
        free(u->lines[w].report);
        free(u->lines[w].push);
        meters_fini(&u->lines[w].outbox);
    }
    meters_fini(&u->total);
    free(u->lines);
    free(u->directory);
    free(u->job.records);
    free(u->job.meters);
    free(u->job.counts);
    free(u);
}
