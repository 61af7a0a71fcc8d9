#include "load_report.h"

#include "base/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define CURVE_STEPS_PER_DECADE 24

const double load_report_quantiles[LOAD_REPORT_QUANTILES] = {0.5, 0.9, 0.99, 0.999};
const char *const load_report_quantile_names[LOAD_REPORT_QUANTILES] = {"p50", "p90", "p99",
                                                                       "p99.9"};

/* The last point is that of one answer in all of them: beyond it there is nothing to see. */
size_t load_report_curve(const struct histogram *h, struct load_curve_point *out) {
    size_t count = 0;
    double last = h->count > 1 ? log10((double)h->count) : 0;
    for (unsigned i = 0; h->count > 0 && count + 1 < LOAD_CURVE_MAX; i++) {
        double x = (double)i / CURVE_STEPS_PER_DECADE;
        if (x >= last) {
            break;
        }
        double q = 1 - pow(10, -x);
        out[count++] = (struct load_curve_point){q, (double)histogram_quantile(h, q) / 1e3};
    }
    if (h->count > 1) {
        out[count++] =
            (struct load_curve_point){1 - 1 / (double)h->count, (double)h->max / 1e3};
    }
    return count;
}

/* ---- the table ---- */

static void print_latency(const char *name, uint64_t ns) {
    printf("  %-10s %12.3f ms\n", name, (double)ns / 1e6);
}

static void print_bytes(const char *name, uint64_t bytes, double seconds) {
    printf("  %-10s %12.2f MB  %.2f MB/s\n", name, (double)bytes / 1e6,
           seconds > 0 ? (double)bytes / 1e6 / seconds : 0);
}

static void print_head(const struct load_report *r) {
    const struct load_options *o = r->options;
    const struct load_result *result = r->result;
    printf("%s %s\n", o->method, o->url);
    if (result->asked_rate > 0) {
        printf("open loop, %.0f/s asked (%s arrivals)", result->asked_rate,
               o->poisson ? "Poisson" : "even");
    } else {
        printf("closed loop");
    }
    printf(", %u connection%s, %u thread%s, pipeline %u, %.2f s\n\n", o->connections,
           o->connections == 1 ? "" : "s", o->threads, o->threads == 1 ? "" : "s", o->pipeline,
           result->seconds);
}

static void print_latencies(const struct histogram *h) {
    for (int i = 0; i < LOAD_REPORT_QUANTILES; i++) {
        print_latency(load_report_quantile_names[i],
                      histogram_quantile(h, load_report_quantiles[i]));
    }
    print_latency("max", h->max);
}

/* In an overload the mixture of both says nothing. */
static void print_classes(const struct load_stats *s) {
    if (s->refused.count > 0 && s->accepted.count > 0) {
        printf("  accepted   %12.3f ms p50, %.3f ms p99\n",
               (double)histogram_quantile(&s->accepted, 0.5) / 1e6,
               (double)histogram_quantile(&s->accepted, 0.99) / 1e6);
        printf("  refused    %12.3f ms p50, %.3f ms p99\n",
               (double)histogram_quantile(&s->refused, 0.5) / 1e6,
               (double)histogram_quantile(&s->refused, 0.99) / 1e6);
    }
}

static void print_counts(const struct load_stats *s) {
    for (unsigned i = 0; i < LOAD_STATUSES; i++) {
        if (s->statuses[i]) {
            printf("  status %-3u %12" PRIu64 "\n", i, s->statuses[i]);
        }
    }
    printf("  %-10s %12" PRIu64 "\n", "errors", load_stats_errors(s));
    for (unsigned i = 0; i < LOAD_ERRORS; i++) {
        if (s->errors[i]) {
            printf("    %-8s %12" PRIu64 "  %s\n", load_error_names[i], s->errors[i],
                   s->reasons[i]);
        }
    }
}

/* Costs are those of the time that was measured: what was answered later is not in them. */
double load_report_measured(const struct load_result *result) {
    return result->stats.answered_in_time ? (double)result->stats.answered_in_time : 1;
}

static void print_costs(const struct load_report *r) {
    const struct load_result *result = r->result;
    double answered = load_report_measured(result);
    if (result->has_service) {
        printf("  service    %12.2f us CPU per request, %.1f MB at most (%u process%s)\n",
               (double)result->service.cpu_ns / 1e3 / answered,
               (double)result->service.peak_bytes / 1e6, result->service.processes,
               result->service.processes == 1 ? "" : "es");
    } else if (r->options->pid) {
        printf("  service    process %u is gone\n", r->options->pid);
    }
    printf("  this tool  %12.2f us CPU per request, busiest thread %.0f %%, %.1f MB at most\n",
           (double)result->own_cpu_ns / 1e3 / answered, result->busy_max * 100,
           (double)result->own_peak_bytes / 1e6);
}

static void print_remarks(const struct load_report *r) {
    const struct load_result *result = r->result;
    if (result->busy_max > LOAD_BOTTLENECK) {
        printf("\nThe tool itself is the bottleneck: a thread of it is %.0f %% busy. More "
               "--threads may help.\n",
               result->busy_max * 100);
    }
    if (result->asked_rate > 0 && result->rate < 0.98 * result->asked_rate) {
        printf("\nThe asked rate was not reached: %.0f/s of %.0f/s.\n", result->rate,
               result->asked_rate);
    }
    if (result->down) {
        printf("\nGave up: the target does not answer.\n");
    }
    if (result->stats.answered == 0 && load_stats_errors(&result->stats) == 0 &&
        !result->interrupted) {
        printf("\nNothing was answered before the run was over: it was too short.\n");
    }
    if (result->interrupted) {
        printf("\nInterrupted: counted until then.\n");
    }
}

static void print_verify(const struct load_verify_result *v) {
    printf("\nverified %" PRIu64 " item%s of %" PRIu64 " acknowledged writes: %" PRIu64
           " good, %" PRIu64 " lost, %" PRIu64 " wrong, %" PRIu64 " unreadable\n",
           v->checked, v->checked == 1 ? "" : "s", v->acknowledged, v->good, v->lost, v->wrong,
           v->unreadable);
    for (unsigned i = 0; i < v->shown_count; i++) {
        printf("  %s\n", v->shown[i]);
    }
}

void load_report_print(const struct load_report *r) {
    const struct load_result *result = r->result;
    const struct load_stats *s = &result->stats;
    if (r->ramp) {
        if (r->ramp->best > 0) {
            printf("highest rate that holds: %.0f/s\n\n", r->ramp->best);
        } else {
            printf("no rate held\n\n");
        }
    }
    print_head(r);
    printf("  %-10s %12.0f /s  (%" PRIu64 " answered)\n", "rate", result->rate, s->answered);
    print_latencies(&s->latency);
    print_classes(s);
    print_counts(s);
    print_bytes("sent", s->bytes_sent, result->seconds);
    print_bytes("received", s->bytes_received, result->seconds);
    print_costs(r);
    print_remarks(r);
    if (r->verify) {
        print_verify(r->verify);
    }
}
