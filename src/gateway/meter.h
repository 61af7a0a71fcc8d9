/* What was used of the limits: one meter for the stage, each route and each key with a plan,
 * known by a number that is the same in every worker and stays over a reload. Rules (what is
 * allowed) are immutable and shared; meters (what was used) are each worker's own.
 *
 * Workers share nothing: each counts what it admits on meters of its own and tells the others,
 * through the main thread, which replies with what they admitted (app/usage.h says how often).
 * So each worker decides at once, may admit what the others admitted in the last few
 * milliseconds, and pays that back: rates are exact in the long run, quotas are passed by that
 * much at most. Sans-IO; no allocation but in meters_init and meters_grow. */
#ifndef GATEWAY_METER_H
#define GATEWAY_METER_H

#include "gateway/usage_plan.h"

#include <stddef.h>

#define METER_NONE UINT32_MAX

struct meter_rule { /* zeroed: no limit */
    struct throttle throttle;
    struct quota quota;
};

struct meter {
    uint64_t full_ns; /* of the bucket, see throttle.h */
    uint64_t used;    /* of the quota, in the period */
    uint32_t period;  /* the day it began */
    uint32_t unsent;  /* admitted here and not yet told */
};

struct meters {
    struct meter *items;
    size_t count;
    uint32_t *dirty; /* those with `unsent`, each once */
    size_t dirty_count;
};

struct meter_count {
    uint32_t meter;
    uint32_t count;
};

enum meter_limit { METER_FREE, METER_RATE, METER_QUOTA };

/* All three abort when memory is out. */
void meters_init(struct meters *m, size_t count);
void meters_grow(struct meters *m, size_t count);
/* The same numbers, nothing unsent. */
void meters_copy(struct meters *m, const struct meters *from);
void meters_fini(struct meters *m);

/* Which limit refuses a request now, if any, and in how many seconds it may be asked again. */
enum meter_limit meter_check(const struct meter_rule *rule, struct meter *m, uint64_t now_ns,
                             uint64_t epoch_s, uint32_t *retry_after_s);
/* Admits `count` here: they will be told. */
void meter_take(struct meters *m, uint32_t id, const struct meter_rule *rule, uint64_t now_ns,
                uint64_t epoch_s, uint32_t count);
/* They were admitted elsewhere. */
void meter_learn(struct meters *m, uint32_t id, const struct meter_rule *rule, uint64_t now_ns,
                 uint64_t epoch_s, uint32_t count);
/* Takes up to `max` counts that are to be told; how many. What does not fit waits. */
size_t meters_unsent(struct meters *m, struct meter_count *out, size_t max);
/* Counts that could not be told: they are to be told again. */
void meters_keep_unsent(struct meters *m, uint32_t id, uint32_t count);

#endif
