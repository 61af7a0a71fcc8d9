#include "load_timeline.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

void load_timeline_init(struct load_timeline *t, uint64_t interval_ns) {
    memset(t, 0, sizeof *t);
    pthread_mutex_init(&t->mutex, NULL);
    t->interval_ns = interval_ns;
    t->open = calloc(LOAD_TIMELINE_OPEN, sizeof *t->open);
    ASSERT(t->open != NULL);
}

void load_timeline_fini(struct load_timeline *t) {
    pthread_mutex_destroy(&t->mutex);
    free(t->points);
    free(t->open);
}

static struct load_point *point_at(struct load_timeline *t, uint64_t index) {
    if (index >= t->room) {
        size_t room = index * 2 + 64;
        t->points = realloc(t->points, room * sizeof *t->points);
        ASSERT(t->points != NULL);
        memset(t->points + t->room, 0, (room - t->room) * sizeof *t->points);
        t->room = room;
    }
    if (index >= t->count) {
        t->count = index + 1;
    }
    return &t->points[index];
}

/* A straggler's share comes after the reduction: the worse of both stands for the percentiles
 * then. */
static void reduce_into(struct load_point *p, const struct histogram *h, uint64_t errors) {
    uint64_t p50_ns = histogram_quantile(h, 0.5), p99_ns = histogram_quantile(h, 0.99);
    p->count += h->count;
    p->errors += errors;
    p->p50_ns = p50_ns > p->p50_ns ? p50_ns : p->p50_ns;
    p->p99_ns = p99_ns > p->p99_ns ? p99_ns : p->p99_ns;
    p->max_ns = h->max > p->max_ns ? h->max : p->max_ns;
}

static void reduce(struct load_timeline *t, struct load_interval *i) {
    if (i->used) {
        reduce_into(point_at(t, i->index), &i->latency, i->errors);
        i->used = 0;
    }
}

void load_timeline_add(struct load_timeline *t, uint64_t index, const struct histogram *latency,
                       uint64_t errors) {
    pthread_mutex_lock(&t->mutex);
    struct load_interval *i = &t->open[index % LOAD_TIMELINE_OPEN];
    if (i->used && i->index > index) {
        reduce_into(point_at(t, index), latency, errors);
    } else {
        if (!i->used || i->index < index) {
            reduce(t, i);
            memset(i, 0, sizeof *i);
            i->used = 1;
            i->index = index;
        }
        histogram_merge(&i->latency, latency);
        i->errors += errors;
    }
    pthread_mutex_unlock(&t->mutex);
}

void load_timeline_recent(struct load_timeline *t, uint64_t index, uint64_t span,
                          struct histogram *latency, uint64_t *errors) {
    histogram_reset(latency);
    *errors = 0;
    pthread_mutex_lock(&t->mutex);
    for (unsigned k = 0; k < LOAD_TIMELINE_OPEN; k++) {
        const struct load_interval *i = &t->open[k];
        if (i->used && i->index < index && i->index + span >= index) {
            histogram_merge(latency, &i->latency);
            *errors += i->errors;
        }
    }
    pthread_mutex_unlock(&t->mutex);
}

void load_timeline_finish(struct load_timeline *t) {
    for (unsigned k = 0; k < LOAD_TIMELINE_OPEN; k++) {
        reduce(t, &t->open[k]);
    }
}
