#include "load_report.h"

#include "base/clock.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>

static void put_text(FILE *f, const char *text) {
    fputc('"', f);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\') {
            fprintf(f, "\\%c", *c);
        } else if (*c < ' ' || *c >= 0x7f) { /* argv may hold any bytes */
            fprintf(f, "\\u%04x", *c);
        } else {
            fputc(*c, f);
        }
    }
    fputc('"', f);
}

static void put_head(FILE *f, const struct load_report *r) {
    const struct load_options *o = r->options;
    const struct load_result *result = r->result;
    char when[25];
    clock_format_iso8601_ms(r->started_epoch_ms, when);
    fprintf(f,
            "{\"tool\":\"penstock-bench\",\"format\":1,\"started\":\"%s\",\"method\":", when);
    put_text(f, o->method);
    fprintf(f, ",\"target\":");
    put_text(f, o->url);
    fprintf(f,
            ",\"mode\":\"%s\",\"connections\":%u,\"threads\":%u,\"pipeline\":%u,"
            "\"keep_alive\":%s,\"asked_rate\":%.3f,\"arrivals\":\"%s\",\"warmup_s\":%.3f,",
            result->asked_rate > 0 ? "open" : "closed", o->connections, o->threads, o->pipeline,
            o->no_keep_alive ? "false" : "true", result->asked_rate,
            o->poisson ? "poisson" : "constant", (double)o->warmup_ns / 1e9);
}

static void put_latency(FILE *f, const char *name, const struct histogram *h) {
    fprintf(f,
            "\"%s\":{\"min\":%.3f,\"mean\":%.3f,\"p50\":%.3f,\"p90\":%.3f,"
            "\"p99\":%.3f,\"p99_9\":%.3f,\"max\":%.3f},",
            name, (double)h->min / 1e3, histogram_mean(h) / 1e3,
            (double)histogram_quantile(h, 0.5) / 1e3, (double)histogram_quantile(h, 0.9) / 1e3,
            (double)histogram_quantile(h, 0.99) / 1e3,
            (double)histogram_quantile(h, 0.999) / 1e3, (double)h->max / 1e3);
}

static void put_counts(FILE *f, const struct load_report *r) {
    const struct load_result *result = r->result;
    const struct load_stats *s = &result->stats;
    const char *comma = "";
    fprintf(f, "\"seconds\":%.6f,\"rate\":%.3f,\"answered\":%" PRIu64 ",", result->seconds,
            result->rate, s->answered);
    put_latency(f, "latency_us", &s->latency);
    put_latency(f, "accepted_us", &s->accepted);
    put_latency(f, "refused_us", &s->refused);
    fprintf(f, "\"statuses\":{");
    for (unsigned i = 0; i < LOAD_STATUSES; i++) {
        if (s->statuses[i]) {
            fprintf(f, "%s\"%u\":%" PRIu64, comma, i, s->statuses[i]);
            comma = ",";
        }
    }
    fprintf(f, "},\"errors\":{");
    for (unsigned i = 0; i < LOAD_ERRORS; i++) {
        fprintf(f, "%s\"%s\":%" PRIu64, i ? "," : "", load_error_names[i], s->errors[i]);
    }
    fprintf(f, "},\"bytes_sent\":%" PRIu64 ",\"bytes_received\":%" PRIu64 ",", s->bytes_sent,
            s->bytes_received);
}

static void put_costs(FILE *f, const struct load_report *r) {
    const struct load_result *result = r->result;
    double answered = load_report_measured(result);
    fprintf(f,
            "\"tool_cost\":{\"cpu_us_per_request\":%.3f,\"busiest_thread\":%.3f,"
            "\"peak_bytes\":%" PRIu64 ",\"bottleneck\":%s},",
            (double)result->own_cpu_ns / 1e3 / answered, result->busy_max,
            result->own_peak_bytes, result->busy_max > LOAD_BOTTLENECK ? "true" : "false");
    if (result->has_service) {
        fprintf(f,
                "\"service\":{\"pid\":%u,\"cpu_us_per_request\":%.3f,\"peak_bytes\":%" PRIu64
                ",\"processes\":%u},",
                r->options->pid, (double)result->service.cpu_ns / 1e3 / answered,
                result->service.peak_bytes, result->service.processes);
    }
}

static void put_ramp(FILE *f, const struct load_ramp *ramp, const struct load_options *o) {
    fprintf(f, "\"ramp\":{\"p99_target_us\":%.3f,\"best_rate\":%.3f,\"steps\":[",
            (double)o->ramp_p99_ns / 1e3, ramp->best);
    for (size_t i = 0; i < ramp->count; i++) {
        const struct load_ramp_step *s = &ramp->steps[i];
        fprintf(f,
                "%s{\"asked\":%.3f,\"rate\":%.3f,\"p99_us\":%.3f,\"failures\":%" PRIu64
                ",\"held\":%s}",
                i ? "," : "", s->asked, s->rate, s->p99_us, s->failures,
                s->held ? "true" : "false");
    }
    fprintf(f, "]},");
}

static void put_verify(FILE *f, const struct load_verify_result *v) {
    fprintf(f,
            "\"verify\":{\"acknowledged\":%" PRIu64 ",\"checked\":%" PRIu64 ",\"good\":%" PRIu64
            ",\"lost\":%" PRIu64 ",\"wrong\":%" PRIu64 ",\"unreadable\":%" PRIu64
            ",\"examples\":[",
            v->acknowledged, v->checked, v->good, v->lost, v->wrong, v->unreadable);
    for (unsigned i = 0; i < v->shown_count; i++) {
        fprintf(f, i ? "," : "");
        put_text(f, v->shown[i]);
    }
    fprintf(f, "]},");
}

/* The last interval may be a part of one: its rate is that of the part. */
static void put_timeline(FILE *f, const struct load_result *result) {
    const struct load_timeline *t = &result->timeline;
    double width = (double)t->interval_ns / 1e9;
    fprintf(f, "\"interval_s\":%.6f,\"timeline\":[", width);
    for (size_t i = 0; i < t->count; i++) {
        const struct load_point *p = &t->points[i];
        double start = (double)i * width, left = result->seconds - start;
        double span = left > 0.05 * width && left < width ? left : width;
        fprintf(f,
                "%s{\"t\":%.3f,\"rate\":%.2f,\"p50_us\":%.2f,\"p99_us\":%.2f,\"max_us\":%.2f,"
                "\"errors\":%" PRIu64 "}",
                i ? "," : "", start, (double)p->count / span, (double)p->p50_ns / 1e3,
                (double)p->p99_ns / 1e3, (double)p->max_ns / 1e3, p->errors);
    }
    fprintf(f, "],");
}

static void put_curve(FILE *f, const struct histogram *h) {
    struct load_curve_point points[LOAD_CURVE_MAX];
    size_t count = load_report_curve(h, points);
    fprintf(f, "\"percentiles\":[");
    for (size_t i = 0; i < count; i++) {
        fprintf(f, "%s[%.9f,%.3f]", i ? "," : "", points[i].quantile, points[i].us);
    }
    fprintf(f, "],");
}

/* All of it, so that any other percentile can be had, and runs can be added up. */
static void put_histogram(FILE *f, const struct histogram *h) {
    const char *comma = "";
    fprintf(f, "\"histogram_us\":[");
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (h->buckets[i]) {
            fprintf(f, "%s[%.3f,%" PRIu32 "]", comma, (double)histogram_bucket_value(i) / 1e3,
                    h->buckets[i]);
            comma = ",";
        }
    }
    fprintf(f, "],");
}

void load_report_write_json(const struct load_report *r, FILE *f) {
    put_head(f, r);
    put_counts(f, r);
    put_costs(f, r);
    if (r->ramp) {
        put_ramp(f, r->ramp, r->options);
    }
    if (r->verify) {
        put_verify(f, r->verify);
    }
    put_timeline(f, r->result);
    put_curve(f, &r->result->stats.latency);
    put_histogram(f, &r->result->stats.latency);
    fprintf(f, "\"gave_up\":%s,\"interrupted\":%s,\"exit_code\":%d}\n",
            r->result->down ? "true" : "false", r->result->interrupted ? "true" : "false",
            r->exit_code);
}

int load_report_json(const struct load_report *r, const char *file) {
    FILE *f = fopen(file, "w");
    if (!f) {
        return ERR_IO;
    }
    load_report_write_json(r, f);
    int bad = ferror(f);
    return fclose(f) || bad ? ERR_IO : 0;
}
