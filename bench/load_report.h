/* What a run found, for people, programs and browsers. */
#ifndef BENCH_LOAD_REPORT_H
#define BENCH_LOAD_REPORT_H

#include "load_ramp.h"
#include "load_run.h"
#include "load_verify.h"

#include <stdio.h>

struct load_report {
    const struct load_options *options;
    const struct load_result *result;
    const struct load_ramp *ramp;            /* NULL = none */
    const struct load_verify_result *verify; /* NULL = none */
    uint64_t started_epoch_ms;
    int exit_code;
};

extern const double load_report_quantiles[];
extern const char *const load_report_quantile_names[]; /* "p50" ... */
#define LOAD_REPORT_QUANTILES 4

/* Points of the percentile curve: even steps of log10(1 / (1 - q)), from the median of all to
 * the last answer. Returns how many. */
#define LOAD_CURVE_MAX 160
struct load_curve_point {
    double quantile;
    double us;
};
size_t load_report_curve(const struct histogram *h, struct load_curve_point *out);

/* The requests that costs are divided by; 1 at least. */
double load_report_measured(const struct load_result *result);

void load_report_print(const struct load_report *r);
/* Writes the file: 0, or an error with errno set. */
MUST_CHECK int load_report_json(const struct load_report *r, const char *file);
void load_report_write_json(const struct load_report *r, FILE *f);
/* `older`: the text of a --json file, checked by load_report_older, or empty. */
MUST_CHECK int load_report_html(const struct load_report *r, struct slice older,
                                const char *file);
/* Whether it is a JSON file of ours: 0, or ERR_INVALID. */
MUST_CHECK int load_report_older(struct slice text);

#endif
