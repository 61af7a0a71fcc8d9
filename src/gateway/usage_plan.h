/* Usage plans as API Gateway has them: what each key of the plan may ask for, by rate and by
 * quota. The definition only; what was used is in a meter (access.h).
 *
 * Periods begin at 00:00 UTC: of every day, of Sunday, of the first of the month; `offset`
 * moves that by whole days (docs.aws.amazon.com, QuotaSettings: with a period of WEEK, 0 starts
 * on Sunday and 1 on Monday; DAY has none, MONTH 0 to 27). */
#ifndef GATEWAY_USAGE_PLAN_H
#define GATEWAY_USAGE_PLAN_H

#include "gateway/throttle.h"

enum quota_period { QUOTA_NONE, QUOTA_DAY, QUOTA_WEEK, QUOTA_MONTH };

struct quota {
    enum quota_period period; /* QUOTA_NONE: no quota */
    unsigned offset;          /* days */
    uint64_t limit;           /* requests in a period */
};

struct usage_plan {
    const char *name;
    struct throttle throttle; /* of each key */
    struct quota quota;       /* of each key */
};

/* "DAY", "WEEK", "MONTH"; "" for QUOTA_NONE. */
const char *quota_period_name(enum quota_period period);
enum quota_period quota_period_parse(const char *name);
/* Days an offset may have: 0 to this. */
unsigned quota_offset_max(enum quota_period period);
/* The day (since 1970-01-01) on which the period began that a moment is in; *end_s is when it
 * ends, in epoch seconds. */
uint32_t quota_period_start(const struct quota *q, uint64_t epoch_s, uint64_t *end_s);

#endif
