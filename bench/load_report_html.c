/* The page is drawn from the JSON of the runs, the new one's and the older one's alike. */
#include "load_report.h"

#include "base/error.h"
#include "load_chart.h"
#include "load_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define RUNS       2    /* this one, and the older one when there is one */
#define NUMBER_MAX 1e15 /* a report has none so large, and a chart needs an end */

struct page {
    struct slice runs[RUNS];
    size_t count;
    struct load_chart_series *series; /* scratch, LOAD_CHART_SERIES of them */
};

static double number_at(struct slice object, const char *name) {
    return load_json_number(load_json_member(object, name), 0);
}

static void put_escaped(FILE *f, struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        switch (s.ptr[i]) {
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '&':
            fputs("&amp;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        default:
            fputc(s.ptr[i], f);
        }
    }
}

static void put_text_of(FILE *f, struct slice object, const char *name) {
    char text[2048];
    int len = load_json_characters(load_json_member(object, name), text, sizeof text);
    put_escaped(f, slice_of(text, len > 0 ? (size_t)len : 0));
}

/* ---- the charts ---- */

/* Of a run longer than there are points to draw, neighbours share one: the mean of a rate, the
 * worst of a latency. */
static void read_timeline(struct slice run, const char *what, double factor, int is_rate,
                          struct load_chart_series *out) {
    struct load_json j = load_json_each(load_json_member(run, "timeline"));
    struct slice name, value;
    size_t total = 0;
    while (load_json_next(&j, &name, &value)) {
        total++;
    }
    size_t share = total / LOAD_CHART_POINTS + 1, n = 0;
    j = load_json_each(load_json_member(run, "timeline"));
    out->count = 0;
    while (load_json_next(&j, &name, &value)) {
        double y = number_at(value, what) * factor;
        y = y > 0 || is_rate ? y : -1;
        struct load_chart_point *p = &out->points[out->count];
        if (n == 0) {
            *p = (struct load_chart_point){number_at(value, "t"), y};
        } else {
            p->y = is_rate ? p->y + (y - p->y) / (double)(n + 1) : fmax(p->y, y);
        }
        if (++n == share) {
            n = 0;
            out->count++;
        }
    }
    out->count += n > 0;
}

static void read_curve(struct slice run, struct load_chart_series *out) {
    struct load_json j = load_json_each(load_json_member(run, "percentiles"));
    struct slice name, pair, value;
    out->count = 0;
    while (load_json_next(&j, &name, &pair) && out->count < LOAD_CHART_POINTS) {
        struct load_json inner = load_json_each(pair);
        double q = load_json_next(&inner, &name, &value) ? load_json_number(value, 0) : 0;
        double us = load_json_next(&inner, &name, &value) ? load_json_number(value, 0) : 0;
        if (q >= 0 && q < 1) {
            out->points[out->count++] = (struct load_chart_point){-log10(1 - q), us / 1e3};
        }
    }
}

struct line {
    const char *member;
    const char *names[RUNS];
    const char *styles[RUNS];
};

static void write_timeline(struct page *page, FILE *f, struct load_chart chart,
                           const struct line *lines, size_t line_count, double factor) {
    for (size_t k = 0; k < page->count; k++) {
        for (size_t i = 0; i < line_count; i++) {
            struct load_chart_series *s = &page->series[chart.count];
            s->name = lines[i].names[k];
            s->style = lines[i].styles[k];
            read_timeline(page->runs[k], lines[i].member, factor,
                          chart.y == LOAD_CHART_FROM_ZERO, s);
            chart.series[chart.count++] = s;
        }
    }
    load_chart_write(&chart, f);
}

static void write_curve(struct page *page, FILE *f) {
    static const char *const names[RUNS] = {"this run", "older run"};
    static const char *const styles[RUNS] = {"p99", "p99 old"};
    struct load_chart chart = {.title = "Latency by percentile",
                               .y_unit = "ms, both axes logarithmic",
                               .x = LOAD_CHART_QUANTILES,
                               .y = LOAD_CHART_LOG};
    for (size_t k = 0; k < page->count; k++) {
        struct load_chart_series *s = &page->series[k];
        s->name = names[k];
        s->style = styles[k];
        read_curve(page->runs[k], s);
        chart.series[chart.count++] = s;
    }
    load_chart_write(&chart, f);
}

static void write_charts(struct page *page, FILE *f) {
    static const struct line rate[] = {
        {"rate", {"this run", "older run"}, {"rate", "rate old"}},
    };
    static const struct line latency[] = {
        {"p50_us", {"p50", "older p50"}, {"p50", "p50 old"}},
        {"p99_us", {"p99", "older p99"}, {"p99", "p99 old"}},
        {"max_us", {"max", "older max"}, {"max", "max old"}},
    };
    struct load_chart throughput = {.title = "Throughput over time",
                                    .y_unit = "answers per second",
                                    .y = LOAD_CHART_FROM_ZERO};
    struct load_chart time = {
        .title = "Latency over time", .y_unit = "ms, logarithmic", .y = LOAD_CHART_LOG};
    write_timeline(page, f, throughput, rate, 1, 1);
    write_timeline(page, f, time, latency, 3, 1e-3);
    write_curve(page, f);
}

/* ---- the tables ---- */

struct row {
    const char *name;
    const char *object; /* NULL: the run itself */
    const char *member;
    double factor;
    int decimals;
};

static const struct row rows[] = {
    {"rate, answers per second", NULL, "rate", 1, 0},
    {"answered", NULL, "answered", 1, 0},
    {"p50, ms", "latency_us", "p50", 1e-3, 3},
    {"p90, ms", "latency_us", "p90", 1e-3, 3},
    {"p99, ms", "latency_us", "p99", 1e-3, 3},
    {"p99.9, ms", "latency_us", "p99_9", 1e-3, 3},
    {"max, ms", "latency_us", "max", 1e-3, 3},
    {"bytes sent", NULL, "bytes_sent", 1, 0},
    {"bytes received", NULL, "bytes_received", 1, 0},
    {"service: CPU us per request", "service", "cpu_us_per_request", 1, 2},
    {"service: peak memory, MB", "service", "peak_bytes", 1e-6, 1},
    {"this tool: CPU us per request", "tool_cost", "cpu_us_per_request", 1, 2},
    {"this tool: busiest thread, %", "tool_cost", "busiest_thread", 100, 0},
};

static struct slice cell_of(struct slice run, const struct row *row) {
    return load_json_member(row->object ? load_json_member(run, row->object) : run,
                            row->member);
}

static void put_cell(FILE *f, struct slice value, double factor, int decimals) {
    if (value.len == 0) {
        fprintf(f, "<td>-</td>");
    } else {
        fprintf(f, "<td>%.*f</td>", decimals, load_json_number(value, 0) * factor);
    }
}

static void write_summary(const struct page *page, FILE *f) {
    fprintf(f, "<table>\n<tr><th></th><th>this run</th>%s</tr>\n",
            page->count > 1 ? "<th>older run</th>" : "");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int present = 0;
        for (size_t k = 0; k < page->count; k++) {
            present |= cell_of(page->runs[k], &rows[i]).len > 0;
        }
        if (!present) {
            continue;
        }
        fprintf(f, "<tr><th>%s</th>", rows[i].name);
        for (size_t k = 0; k < page->count; k++) {
            put_cell(f, cell_of(page->runs[k], &rows[i]), rows[i].factor, rows[i].decimals);
        }
        fprintf(f, "</tr>\n");
    }
    fprintf(f, "</table>\n");
}

/* Statuses and errors: an object of counts, most of which may be 0. */
static void write_counts(struct slice run, const char *member, const char *title, FILE *f) {
    struct load_json j = load_json_each(load_json_member(run, member));
    struct slice name, value;
    int any = 0;
    while (load_json_next(&j, &name, &value)) {
        if (load_json_number(value, 0) > 0 && name.len >= 2) {
            if (!any++) {
                fprintf(f, "<table>\n<tr><th>%s</th><th>this run</th></tr>\n", title);
            }
            fprintf(f, "<tr><th>");
            put_escaped(f, slice_of(name.ptr + 1, name.len - 2));
            fprintf(f, "</th>");
            put_cell(f, value, 1, 0);
            fprintf(f, "</tr>\n");
        }
    }
    if (any) {
        fprintf(f, "</table>\n");
    }
}

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--grid:#d8dee4;--a:#0969da;"
    "--b:#1a7f37;--c:#cf222e;--d:#9a6700}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--grid:#30363d;"
    "--a:#58a6ff;--b:#3fb950;--c:#ff7b72;--d:#d29922}}\n"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);"
    "max-width:960px;margin:2em auto;padding:0 1em}\n"
    "h1{font-size:1.3em}figure{margin:1.5em 0}.unit{opacity:.7;margin-right:1em}"
    ".key{margin-right:.8em;white-space:nowrap}\n"
    "svg.chart{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--ink)}"
    ".grid{stroke:var(--grid);stroke-width:1}\n"
    "path{fill:none;stroke-width:1.8;stroke-linejoin:round}.key line{stroke-width:2.5}\n"
    ".rate{stroke:var(--a)}.p50{stroke:var(--b)}.p99{stroke:var(--a)}.max{stroke:var(--c)}"
    ".old{stroke-dasharray:5 4;opacity:.65}.rate.old,.p99.old{stroke:var(--d)}\n"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.15em .9em .15em 0;"
    "text-align:left;font-weight:normal}td{text-align:right;font-variant-numeric:tabular-nums}"
    "\n"
    "tr:first-child "
    "th{font-weight:bold}.tables{display:flex;flex-wrap:wrap;align-items:flex-start;gap:0 3em}"
    ".note{border-left:3px solid var(--d);padding-left:.8em}\n";

static void write_head(const struct page *page, FILE *f) {
    struct slice run = page->runs[0];
    fprintf(f, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
               "<meta name=\"viewport\" content=\"width=device-width\">\n"
               "<link rel=\"icon\" href=\"data:,\">\n<title>penstock-bench: ");
    put_text_of(f, run, "target");
    fprintf(f, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<h1>", style);
    put_text_of(f, run, "method");
    fputc(' ', f);
    put_text_of(f, run, "target");
    fprintf(f, "</h1>\n<p>");
    put_text_of(f, run, "started");
    fprintf(f, " &middot; ");
    put_text_of(f, run, "mode");
    fprintf(f, " loop");
    if (number_at(run, "asked_rate") > 0) {
        fprintf(f, ", %.0f/s asked", number_at(run, "asked_rate"));
    }
    fprintf(f, " &middot; connections %.0f, threads %.0f, pipeline %.0f &middot; %.2f s</p>\n",
            number_at(run, "connections"), number_at(run, "threads"),
            number_at(run, "pipeline"), number_at(run, "seconds"));
    if (number_at(load_json_member(run, "tool_cost"), "busiest_thread") > LOAD_BOTTLENECK) {
        fprintf(f, "<p class=\"note\">The tool itself was the bottleneck.</p>\n");
    }
}

static void write_page(struct page *page, FILE *f) {
    write_head(page, f);
    write_charts(page, f);
    fprintf(f, "<div class=\"tables\">\n");
    write_summary(page, f);
    write_counts(page->runs[0], "statuses", "status", f);
    write_counts(page->runs[0], "errors", "errors", f);
    fprintf(f, "</div>\n</body>\n</html>\n");
}

/* Every number of a value, or of what it holds. */
static int numbers_are_ours(struct slice value) {
    struct load_json j = load_json_each(value);
    struct slice name, part;
    while (load_json_next(&j, &name, &part)) {
        double number = load_json_number(part, 0);
        if (!(number >= 0 && number <= NUMBER_MAX) || !numbers_are_ours(part)) {
            return 0;
        }
    }
    return 1;
}

static int is_drawable(struct slice run, const char *member) {
    struct slice array = load_json_member(run, member);
    return array.len > 0 && array.ptr[0] == '[' && numbers_are_ours(array);
}

int load_report_older(struct slice text) {
    struct slice run;
    if (load_json_text(text, &run) ||
        !slice_eq(load_json_member(run, "tool"), SLICE("\"penstock-bench\"")) ||
        number_at(run, "format") != 1 || !is_drawable(run, "percentiles") ||
        !is_drawable(run, "timeline")) {
        return ERR_INVALID;
    }
    return 0;
}

int load_report_html(const struct load_report *r, struct slice older, const char *file) {
    struct page page = {.count = RUNS};
    char *text = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&text, &len);
    ASSERT(memory != NULL);
    load_report_write_json(r, memory);
    fclose(memory);
    page.series = calloc(LOAD_CHART_SERIES, sizeof *page.series);
    ASSERT(page.series != NULL);
    int error = load_json_text(slice_of(text, len), &page.runs[0]);
    ASSERT(!error);
    if (load_json_text(older, &page.runs[1])) {
        page.count = 1;
    }
    FILE *f = fopen(file, "w");
    int bad = f == NULL;
    if (f) {
        write_page(&page, f);
        bad = ferror(f);
        bad = fclose(f) || bad;
    }
    free(page.series);
    free(text);
    return bad ? ERR_IO : 0;
}
