#include "load_stats.h"

#include <stdio.h>
#include <string.h>

const char *const load_error_names[LOAD_ERRORS] = {
#define X(name, text) text,
    LOAD_ERROR_MAP(X)
#undef X
};

uint64_t load_stats_errors(const struct load_stats *s) {
    uint64_t sum = 0;
    for (int i = 0; i < LOAD_ERRORS; i++) {
        sum += s->errors[i];
    }
    return sum;
}

uint64_t load_stats_refused(const struct load_stats *s) {
    uint64_t sum = 0;
    for (unsigned i = 400; i < LOAD_STATUSES; i++) {
        sum += s->statuses[i];
    }
    return sum;
}

void load_stats_merge(struct load_stats *into, const struct load_stats *from) {
    histogram_merge(&into->latency, &from->latency);
    histogram_merge(&into->accepted, &from->accepted);
    histogram_merge(&into->refused, &from->refused);
    for (unsigned i = 0; i < LOAD_STATUSES; i++) {
        into->statuses[i] += from->statuses[i];
    }
    for (unsigned i = 0; i < LOAD_ERRORS; i++) {
        into->errors[i] += from->errors[i];
        if (into->reasons[i][0] == '\0') {
            memcpy(into->reasons[i], from->reasons[i], LOAD_REASON_MAX);
        }
    }
    into->answered += from->answered;
    into->answered_in_time += from->answered_in_time;
    into->bytes_sent += from->bytes_sent;
    into->bytes_received += from->bytes_received;
    into->last_ns = from->last_ns > into->last_ns ? from->last_ns : into->last_ns;
}

void load_recorder_init(struct load_recorder *r, struct load_timeline *timeline,
                        uint64_t begin_ns, uint64_t end_ns) {
    memset(r, 0, sizeof *r);
    r->timeline = timeline;
    r->begin_ns = begin_ns;
    r->end_ns = end_ns;
    r->interval_end_ns = timeline ? begin_ns + timeline->interval_ns : UINT64_MAX;
}

static void hand_over(struct load_recorder *r) {
    if (r->timeline && (r->interval.count > 0 || r->interval_errors > 0)) {
        load_timeline_add(r->timeline, r->interval_index, &r->interval, r->interval_errors);
    }
    histogram_merge(&r->stats.latency, &r->interval);
    histogram_reset(&r->interval);
    r->interval_errors = 0;
}

/* What comes after the end belongs to the last interval: no further one is whole. */
static void advance(struct load_recorder *r, uint64_t now_ns) {
    uint64_t at = now_ns < r->end_ns ? now_ns : r->end_ns - 1;
    if (at < r->interval_end_ns) {
        return;
    }
    hand_over(r);
    r->interval_index = (at - r->begin_ns) / r->timeline->interval_ns;
    r->interval_end_ns = r->begin_ns + (r->interval_index + 1) * r->timeline->interval_ns;
}

void load_recorder_answer(struct load_recorder *r, const struct load_answer *a) {
    struct load_stats *s = &r->stats;
    if (a->origin_ns < r->begin_ns) {
        return;
    }
    advance(r, a->done_ns);
    uint64_t took_ns = a->done_ns > a->origin_ns ? a->done_ns - a->origin_ns : 0;
    histogram_record(&r->interval, took_ns);
    histogram_record(a->status < 400 ? &s->accepted : &s->refused, took_ns);
    s->answered++;
    s->answered_in_time += a->done_ns <= r->end_ns;
    s->statuses[a->status < LOAD_STATUSES ? a->status : 0]++;
    s->bytes_sent += a->sent;
    s->bytes_received += a->received;
    s->last_ns = a->done_ns;
}

void load_recorder_error(struct load_recorder *r, uint64_t origin_ns, uint64_t now_ns,
                         enum load_error error, const char *reason) {
    struct load_stats *s = &r->stats;
    if (origin_ns < r->begin_ns) {
        return;
    }
    advance(r, now_ns);
    s->errors[error]++;
    r->interval_errors++;
    if (s->reasons[error][0] == '\0') {
        snprintf(s->reasons[error], LOAD_REASON_MAX, "%s", reason);
    }
}

void load_recorder_unsent(struct load_recorder *r, uint64_t origin_ns, uint64_t now_ns) {
    load_recorder_error(r, origin_ns, now_ns, LOAD_ERROR_UNSENT, "no connection was free");
    if (origin_ns >= r->begin_ns && now_ns > origin_ns) {
        histogram_record(&r->interval, now_ns - origin_ns);
    }
}

void load_recorder_finish(struct load_recorder *r) {
    hand_over(r);
}
