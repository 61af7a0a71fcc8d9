#include "gateway/meter.h"

#include "base/assert.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define DAY_S 86400

void meters_grow(struct meters *m, size_t count) {
    if (count <= m->count) {
        return;
    }
    m->items = memory_grow(m->items, count * sizeof *m->items);
    m->dirty = memory_grow(m->dirty, count * sizeof *m->dirty);
    memset(m->items + m->count, 0, (count - m->count) * sizeof *m->items);
    m->count = count;
}

void meters_init(struct meters *m, size_t count) {
    *m = (struct meters){0};
    meters_grow(m, count);
}

void meters_copy(struct meters *m, const struct meters *from) {
    meters_init(m, from->count);
    for (size_t i = 0; i < from->count; i++) {
        m->items[i] = from->items[i];
        m->items[i].unsent = 0;
    }
}

void meters_fini(struct meters *m) {
    free(m->items);
    free(m->dirty);
    *m = (struct meters){0};
}

/* Goes to the period of now when the meter's is over. A period to come stays (the clock went
 * back a little), unless it is more than one ahead (the clock was wrong). */
static void roll(const struct quota *q, struct meter *m, uint64_t epoch_s, uint64_t *end_s) {
    uint32_t start = quota_period_start(q, epoch_s, end_s);
    uint64_t next_end;
    int ahead = m->period > start && quota_period_start(q, *end_s, &next_end) != m->period;
    if (m->period < start || ahead) {
        m->period = start;
        m->used = 0;
    }
}

static uint32_t seconds_until(uint64_t end_s, uint64_t epoch_s) {
    return end_s > epoch_s ? (uint32_t)(end_s - epoch_s) : 1;
}

enum meter_limit meter_check(const struct meter_rule *rule, struct meter *m, uint64_t now_ns,
                             uint64_t epoch_s, uint32_t *retry_after_s) {
    uint64_t end_s;
    if (rule->throttle.interval_ns > 0) {
        uint64_t wait_ns = throttle_wait_ns(&rule->throttle, m->full_ns, now_ns);
        if (wait_ns > 0) {
            *retry_after_s = (uint32_t)((wait_ns + NS_PER_S - 1) / NS_PER_S);
            return METER_RATE;
        }
    }
    if (rule->quota.period != QUOTA_NONE) {
        roll(&rule->quota, m, epoch_s, &end_s);
        if (m->used >= rule->quota.limit) {
            *retry_after_s = seconds_until(end_s, epoch_s);
            return METER_QUOTA;
        }
    }
    return METER_FREE;
}

void meter_learn(struct meters *m, uint32_t id, const struct meter_rule *rule, uint64_t now_ns,
                 uint64_t epoch_s, uint32_t count) {
    struct meter *meter = &m->items[id];
    uint64_t end_s;
    ASSERT(id < m->count);
    meter->full_ns = throttle_take(&rule->throttle, meter->full_ns, now_ns, count);
    if (rule->quota.period != QUOTA_NONE) {
        roll(&rule->quota, meter, epoch_s, &end_s);
        meter->used += count;
    }
}

void meters_keep_unsent(struct meters *m, uint32_t id, uint32_t count) {
    struct meter *meter = &m->items[id];
    if (meter->unsent == 0) {
        m->dirty[m->dirty_count++] = id;
    }
    meter->unsent = count > UINT32_MAX - meter->unsent ? UINT32_MAX : meter->unsent + count;
}

void meter_take(struct meters *m, uint32_t id, const struct meter_rule *rule, uint64_t now_ns,
                uint64_t epoch_s, uint32_t count) {
    meter_learn(m, id, rule, now_ns, epoch_s, count);
    meters_keep_unsent(m, id, count);
}

size_t meters_unsent(struct meters *m, struct meter_count *out, size_t max) {
    size_t count = m->dirty_count < max ? m->dirty_count : max;
    for (size_t i = 0; i < count; i++) {
        uint32_t id = m->dirty[--m->dirty_count];
        out[i] = (struct meter_count){id, m->items[id].unsent};
        m->items[id].unsent = 0;
    }
    return count;
}
