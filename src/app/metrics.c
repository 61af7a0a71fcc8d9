#include "app/metrics.h"

#include "app/metrics_rows.h"
#include "app/metrics_text.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

struct page {
    struct buffer *out;
    const struct metrics_process *process;
    const struct snapshot *const *workers;
    struct buffer labels; /* of the sample in the making */
};

static void head(struct page *p, const char *name, const char *type, const char *help) {
    metrics_head(p->out, name, type, help);
}

static void label(struct page *p, const char *name, const char *value) {
    metrics_label(&p->labels, name, value);
}

/* With the labels made since the last one. */
static void number(struct page *p, const char *name, uint64_t number) {
    metrics_number(p->out, name, metrics_labels(&p->labels), number);
    buffer_reset(&p->labels, SIZE_MAX);
}

static void gauge(struct page *p, const char *name, const char *help, uint64_t value) {
    head(p, name, "gauge", help);
    number(p, name, value);
}

/* ---- names ---- */

static size_t length_of(const struct page *p, enum metrics_list list) {
    switch (list) {
    case METRICS_ROUTES:
        return p->process->lengths.routes;
    case METRICS_TABLES:
        return p->process->lengths.tables;
    case METRICS_FUNCTIONS:
        return p->process->lengths.functions;
    case METRICS_PROCESS:
        break;
    }
    return 1;
}

static const char *label_of(enum metrics_list list) {
    switch (list) {
    case METRICS_ROUTES:
        return "route";
    case METRICS_TABLES:
        return "table";
    case METRICS_FUNCTIONS:
        return "function";
    case METRICS_PROCESS:
        break;
    }
    return NULL;
}

/* What one line of a list is of: one name, or all that are not shown by name. */
struct range {
    size_t from;
    size_t to;
    const char *name; /* NULL: no line */
};

static size_t range_count(const struct page *p, enum metrics_list list) {
    size_t length = length_of(p, list);
    return length <= METRICS_NAMES_MAX ? length : METRICS_NAMES_MAX + 1;
}

static struct range range_of(const struct page *p, enum metrics_list list, size_t i) {
    if (i == METRICS_NAMES_MAX) {
        return (struct range){i, length_of(p, list), "other"};
    }
    return (struct range){
        i, i + 1, list == METRICS_PROCESS ? "" : p->process->name(p->process->arg, list, i)};
}

/* ---- sums ---- */

struct sum {
    uint64_t number;
    struct buckets buckets;
};

static const char *place(const struct snapshot *s, const struct metrics_row *row, size_t i) {
    switch (row->list) {
    case METRICS_TABLES:
        return (const char *)&s->tables[i] + row->offset;
    case METRICS_FUNCTIONS:
        return (const char *)&s->functions[i] + row->offset;
    case METRICS_ROUTES:
    case METRICS_PROCESS:
        break;
    }
    return (const char *)s + row->offset;
}

static uint64_t read_number(const char *at, size_t size) {
    uint32_t small;
    uint64_t number;
    if (size == sizeof small) { /* size_t on 32-bit machines */
        memcpy(&small, at, sizeof small);
        return small;
    }
    ASSERT(size == sizeof number);
    memcpy(&number, at, sizeof number);
    return number;
}

static int knows(const struct page *p, size_t w, enum metrics_list list) {
    const struct snapshot *s = p->workers[w];
    return s && (list == METRICS_PROCESS || s->edition == p->process->edition);
}

static struct sum add_up(const struct page *p, const struct metrics_row *row,
                         const struct range *range) {
    struct sum sum = {0};
    for (size_t w = 0; w < p->process->worker_count; w++) {
        int known = knows(p, w, row->list);
        for (size_t i = range->from; known && i < range->to; i++) {
            const char *at = place(p->workers[w], row, i);
            if (row->bounds) {
                struct buckets one;
                memcpy(&one, at, sizeof one);
                buckets_merge(&sum.buckets, &one);
            } else {
                sum.number += read_number(at, row->size);
            }
        }
    }
    return sum;
}

static void print_row(struct page *p, const struct metrics_row *row,
                      const struct range *range) {
    struct sum sum = add_up(p, row, range);
    if (row->list != METRICS_PROCESS) {
        label(p, label_of(row->list), range->name);
    }
    if (row->label) {
        metrics_note(buffer_printf(&p->labels, "%s%s", p->labels.len ? "," : "", row->label));
    }
    if (row->bounds) {
        metrics_histogram(p->out, row->name, metrics_labels(&p->labels), &sum.buckets,
                          row->bounds, row->unit);
        buffer_reset(&p->labels, SIZE_MAX);
    } else {
        number(p, row->name, sum.number);
    }
}

/* Rows of one name, for each name of their list. */
static void print_family(struct page *p, const struct metrics_row *rows, size_t count) {
    enum metrics_list list = rows->list;
    if (range_count(p, list) == 0) {
        return;
    }
    head(p, rows->name, rows->type, rows->help);
    for (size_t i = 0; i < range_count(p, list); i++) {
        struct range range = range_of(p, list, i);
        for (size_t k = 0; range.name && k < count; k++) {
            print_row(p, &rows[k], &range);
        }
    }
}

static void print_rows(struct page *p) {
    for (size_t i = 0, count; i < metrics_row_count; i += count) {
        const char *name = metrics_rows[i].name;
        count = 1;
        while (i + count < metrics_row_count &&
               strcmp(metrics_rows[i + count].name, name) == 0) {
            count++;
        }
        print_family(p, &metrics_rows[i], count);
    }
}

/* ---- requests ---- */

static void print_answers(struct page *p, const struct range *range) {
    for (size_t slot = 0; slot < GATEWAY_STATUSES; slot++) {
        uint64_t sum = 0;
        for (size_t w = 0; w < p->process->worker_count; w++) {
            for (size_t i = range->from; p->workers[w] && i < range->to; i++) {
                sum += p->workers[w]->routes[i].answers[slot];
            }
        }
        if (sum > 0) {
            label(p, "route", range->name);
            label(p, "status", gateway_status_text(slot));
            number(p, "penstock_http_requests_total", sum);
        }
    }
}

static void print_routes(struct page *p) {
    size_t length = length_of(p, METRICS_ROUTES);
    head(p, "penstock_http_requests_total", "counter",
         "Requests answered, by route and status; an empty route is none.");
    for (size_t i = 0; i < range_count(p, METRICS_ROUTES); i++) {
        struct range range = range_of(p, METRICS_ROUTES, i);
        print_answers(p, &range);
    }
    print_answers(p, &(struct range){length, length + 1, ""});
}

/* ---- reasons ---- */

/* Of one worker's table: its length, and one of its lines. */
struct reasons {
    const char *metric;
    const char *help;
    size_t (*count)(const struct snapshot *s);
    const char *(*name)(const struct snapshot *s, size_t i);
    uint64_t (*number)(const struct snapshot *s, size_t i);
};

static size_t server_reason_count(const struct snapshot *s) {
    return s->reason_count;
}

static const char *server_reason_name(const struct snapshot *s, size_t i) {
    return s->reasons[i].name;
}

static uint64_t server_reason_number(const struct snapshot *s, size_t i) {
    return s->reasons[i].count;
}

static size_t answer_reason_count(const struct snapshot *s) {
    return gateway_reasons_length(&s->gateway.answers);
}

static const char *answer_reason_name(const struct snapshot *s, size_t i) {
    return s->gateway.answers.items[i].name;
}

static uint64_t answer_reason_number(const struct snapshot *s, size_t i) {
    return s->gateway.answers.items[i].count;
}

static size_t cut_off_reason_count(const struct snapshot *s) {
    return gateway_reasons_length(&s->gateway.cut_off);
}

static const char *cut_off_reason_name(const struct snapshot *s, size_t i) {
    return s->gateway.cut_off.items[i].name;
}

static uint64_t cut_off_reason_number(const struct snapshot *s, size_t i) {
    return s->gateway.cut_off.items[i].count;
}

static const struct reasons answer_reasons = {
    "penstock_http_refusals_total", "Answers that say no, by the reason of their log line.",
    answer_reason_count, answer_reason_name, answer_reason_number};
static const struct reasons cut_off_reasons = {
    "penstock_http_cut_off_total",
    "Requests whose connection we closed before their answer, by reason.", cut_off_reason_count,
    cut_off_reason_name, cut_off_reason_number};
static const struct reasons server_side_reasons = {
    "penstock_http_reasons_total",
    "Requests refused by the HTTP front end, and connections closed in error, by reason.",
    server_reason_count, server_reason_name, server_reason_number};

/* The sum of one reason over the workers from `first` on, or 0 when an earlier one had it: then
 * it has been printed. */
static uint64_t sum_reason(const struct page *p, const struct reasons *r, size_t first,
                           const char *name) {
    uint64_t sum = 0;
    for (size_t w = 0; w < p->process->worker_count; w++) {
        const struct snapshot *s = p->workers[w];
        for (size_t i = 0; s && i < r->count(s); i++) {
            if (strcmp(r->name(s, i), name) == 0) {
                if (w < first) {
                    return 0;
                }
                sum += r->number(s, i);
            }
        }
    }
    return sum;
}

static void print_reasons(struct page *p, const struct reasons *r) {
    head(p, r->metric, "counter", r->help);
    for (size_t w = 0; w < p->process->worker_count; w++) {
        const struct snapshot *s = p->workers[w];
        for (size_t i = 0; s && i < r->count(s); i++) {
            uint64_t sum = sum_reason(p, r, w, r->name(s, i));
            if (sum > 0) {
                label(p, "reason", r->name(s, i));
                number(p, r->metric, sum);
            }
        }
    }
}

/* ---- by worker ---- */

static void label_worker(struct page *p, size_t worker) {
    char text[24];
    (void)snprintf(text, sizeof text, "%zu", worker);
    label(p, "worker", text);
}

static void print_loops(struct page *p) {
    head(p, "penstock_loop_longest_turn_seconds", "gauge",
         "The longest turn of a worker's loop since it was last asked.");
    for (size_t w = 0; w < p->process->worker_count; w++) {
        if (p->workers[w]) {
            metrics_note(buffer_printf(
                p->out, "penstock_loop_longest_turn_seconds{worker=\"%zu\"} %.9f\n", w,
                (double)p->workers[w]->longest_turn_ns / (double)NS_PER_S));
        }
    }
    head(p, "penstock_loop_turns_total", "counter", "Turns of a worker's loop.");
    for (size_t w = 0; w < p->process->worker_count; w++) {
        if (p->workers[w]) {
            label_worker(p, w);
            number(p, "penstock_loop_turns_total", p->workers[w]->turns);
        }
    }
}

/* ---- the process ---- */

/* /proc/self/statm: sizes in pages, the second is what is resident. 0 when it is not there. */
static uint64_t resident_bytes(void) {
    unsigned long long total = 0;
    unsigned long long resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f) {
        return 0;
    }
    int got = fscanf(f, "%llu %llu", &total, &resident);
    (void)fclose(f);
    return got == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void print_process(struct page *p) {
    const struct metrics_process *process = p->process;
    head(p, "penstock_build_info", "gauge", "The version that runs.");
    label(p, "version", process->version);
    number(p, "penstock_build_info", 1);
    gauge(p, "penstock_ready", "1 when /readyz says so.", (uint64_t)process->ready);
    gauge(p, "penstock_workers", "Worker threads.", process->worker_count);
    gauge(p, "penstock_workers_missing",
          "Workers that did not answer in time: their numbers here are old.",
          process->workers_missing);
    gauge(p, "process_start_time_seconds", "When the process started.", process->start_s);
    gauge(p, "process_resident_memory_bytes", "Memory in use.", resident_bytes());
    if (process->credentials_expires_s > 0) {
        gauge(p, "penstock_credentials_expiry_timestamp_seconds",
              "When the AWS credentials in use expire.", process->credentials_expires_s);
    }
}

void metrics_format(struct buffer *out, const struct metrics_process *process,
                    const struct snapshot *const *workers) {
    struct page p = {.out = out, .process = process, .workers = workers};
    print_process(&p);
    print_routes(&p);
    print_reasons(&p, &answer_reasons);
    print_reasons(&p, &cut_off_reasons);
    print_reasons(&p, &server_side_reasons);
    print_rows(&p);
    print_loops(&p);
    buffer_fini(&p.labels);
}
