#include "load_progress.h"

#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

#define EVERY_NS (500 * NS_PER_MS)
#define SPAN_NS  NS_PER_S

void load_progress_init(struct load_progress *p, const struct load_plan *plan) {
    *p = (struct load_progress){.plan = plan};
    p->enabled = plan->timeline != NULL && isatty(STDERR_FILENO);
}

/* Of the last second's whole intervals. */
static void show_counted(const struct load_plan *plan, uint64_t now_ns) {
    struct load_timeline *t = plan->timeline;
    uint64_t span = SPAN_NS / t->interval_ns + 1, errors;
    uint64_t index = (now_ns - plan->begin_ns) / t->interval_ns;
    struct histogram h;
    span = span < index ? span : index;
    load_timeline_recent(t, index, span, &h, &errors);
    double seconds = (double)(span * t->interval_ns) / 1e9;
    fprintf(stderr, "\r\033[K%6.1f s   %9.0f/s   errors %llu   p99 %.2f ms",
            (double)(now_ns - plan->begin_ns) / 1e9,
            seconds > 0 ? (double)h.count / seconds : 0, (unsigned long long)errors,
            (double)histogram_quantile(&h, 0.99) / 1e6);
}

void load_progress_show(struct load_progress *p, uint64_t now_ns) {
    if (!p->enabled || now_ns < p->next_ns) {
        return;
    }
    p->next_ns = now_ns + EVERY_NS;
    p->shown = 1;
    if (now_ns < p->plan->begin_ns) {
        fprintf(stderr, "\r\033[Kwarming up");
    } else if (now_ns >= p->plan->end_ns) {
        fprintf(stderr, "\r\033[Kwaiting for the last answers");
    } else {
        show_counted(p->plan, now_ns);
    }
    fflush(stderr);
}

void load_progress_clear(struct load_progress *p) {
    if (p->shown) {
        fprintf(stderr, "\r\033[K");
        fflush(stderr);
    }
}
