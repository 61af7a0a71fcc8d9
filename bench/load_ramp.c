#include "load_ramp.h"

#include "base/clock.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

#define RATE_MAX 1e7
#define NARROW   1.05 /* between the best that held and the least that did not */
#define REACHED  0.98

static int held_once(const struct load_ramp *r, double asked) {
    for (size_t i = 0; i < r->count; i++) {
        if (r->steps[i].held && r->steps[i].asked == asked) {
            return 1;
        }
    }
    return 0;
}

/* It did not hold, and nobody has looked twice. */
static int to_be_repeated(const struct load_ramp *r) {
    if (r->count == 0 || r->steps[r->count - 1].held) {
        return 0;
    }
    return r->count == 1 || r->steps[r->count - 2].asked != r->steps[r->count - 1].asked;
}

double load_ramp_next(const struct load_ramp *r, double first) {
    double held = 0, broke = 0;
    for (size_t i = 0; i < r->count; i++) {
        double asked = r->steps[i].asked;
        if (!held_once(r, asked)) {
            broke = broke == 0 || asked < broke ? asked : broke;
        } else if (asked > held) {
            held = asked;
        }
    }
    if (r->count == LOAD_RAMP_STEPS) {
        return 0;
    }
    if (to_be_repeated(r)) {
        return r->steps[r->count - 1].asked;
    }
    if (broke == 0) {
        return held == 0 ? first : held * 2 <= RATE_MAX ? held * 2 : 0;
    }
    if (held == 0) { /* the first was too much already */
        return broke / 2 >= 1 ? broke / 2 : 0;
    }
    return broke / held <= NARROW ? 0 : (held + broke) / 2;
}

static struct load_ramp_step judge(const struct load_result *r, const struct load_options *o) {
    struct load_ramp_step s = {
        .asked = r->asked_rate, .rate = r->rate, .busy_max = r->busy_max};
    uint64_t p99_ns = histogram_quantile(&r->stats.latency, 0.99);
    s.p99_us = (double)p99_ns / 1e3;
    s.failures = load_stats_errors(&r->stats) + load_stats_refused(&r->stats);
    s.held = !load_result_failed(r, o) && r->rate >= REACHED * r->asked_rate &&
             p99_ns <= o->ramp_p99_ns;
    return s;
}

static void print_step(const struct load_ramp_step *s) {
    printf("  %9.0f/s  reached %9.0f/s  p99 %9.2f ms  failed %-6llu %s%s\n", s->asked, s->rate,
           s->p99_us / 1e3, (unsigned long long)s->failures,
           s->held ? "holds" : "does not hold",
           s->busy_max > LOAD_BOTTLENECK ? " (the tool's threads are full)" : "");
    fflush(stdout);
}

static void forget_traffic(struct load_run *run) {
    for (unsigned i = 0; run->traffic && i < run->options->threads; i++) {
        load_traffic_fini(&run->traffic[i]);
    }
    free(run->traffic);
    run->traffic = NULL;
}

/* A step's result is worth keeping when it is the best so far, or none was any good. */
static void keep(struct load_result *best, struct load_result *step, int better) {
    struct load_result *gone = better ? best : step;
    load_result_fini(gone);
    if (better) {
        *best = *step;
    }
}

int load_ramp(struct load_run *run, struct load_ramp *r, struct load_result *result) {
    struct load_result *step = calloc(1, sizeof *step);
    ASSERT(step != NULL);
    int error = 0, have = 0, over = 0;
    memset(r, 0, sizeof *r);
    printf("ramp: p99 of at most %.2f ms\n", (double)run->options->ramp_p99_ns / 1e6);
    while (!over && (run->rate = load_ramp_next(r, run->options->rate)) > 0) {
        forget_traffic(run);
        error = load_run(run, step);
        if (error) {
            load_result_fini(step);
            break;
        }
        struct load_ramp_step s = judge(step, run->options);
        int interrupted = step->interrupted, down = step->down;
        run->first_seq = step->next_seq;
        int better = !have || (s.held && s.asked > r->best) || (!s.held && r->best == 0);
        if (!interrupted) {
            r->steps[r->count++] = s;
            r->best = s.held && s.asked > r->best ? s.asked : r->best;
            print_step(&s);
        }
        if (have) {
            keep(result, step, better);
        } else {
            *result = *step;
        }
        have = 1;
        over = interrupted || down;
    }
    free(step);
    return error;
}
