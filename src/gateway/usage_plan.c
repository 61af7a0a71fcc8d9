#include "gateway/usage_plan.h"

#include <string.h>

#define DAY_S 86400

static const char *const period_names[] = {"", "DAY", "WEEK", "MONTH"};

const char *quota_period_name(enum quota_period period) {
    return period_names[period];
}

enum quota_period quota_period_parse(const char *name) {
    for (unsigned p = QUOTA_DAY; p <= QUOTA_MONTH; p++) {
        if (strcmp(period_names[p], name) == 0) {
            return (enum quota_period)p;
        }
    }
    return QUOTA_NONE;
}

unsigned quota_offset_max(enum quota_period period) {
    return period == QUOTA_WEEK ? 6 : period == QUOTA_MONTH ? 27 : 0;
}

struct date {
    int64_t year;
    unsigned month; /* 1 to 12 */
    unsigned day;   /* 1 to 31 */
};

/* Days since 1970-01-01 to a date of the Gregorian calendar and back, by eras of 400 years that
 * begin in March (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
static struct date date_of(int64_t days) {
    int64_t shifted = days + 719468;
    int64_t era = shifted / 146097;
    unsigned of_era = (unsigned)(shifted - era * 146097);
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned m = (5 * of_year + 2) / 153;
    unsigned month = m < 10 ? m + 3 : m - 9;
    return (struct date){(int64_t)year + era * 400 + (month <= 2), month,
                         of_year - (153 * m + 2) / 5 + 1};
}

static int64_t days_of(struct date d) {
    int64_t year = d.year - (d.month <= 2);
    int64_t era = year / 400;
    unsigned of_era = (unsigned)(year - era * 400);
    unsigned m = d.month > 2 ? d.month - 3 : d.month + 9;
    unsigned of_year = (153 * m + 2) / 5 + d.day - 1;
    return era * 146097 + (int64_t)(of_era * 365 + of_era / 4 - of_era / 100 + of_year) -
           719468;
}

static int64_t month_start(int64_t day, unsigned offset, int64_t *end) {
    struct date d = date_of(day - offset);
    d.day = 1;
    int64_t start = days_of(d) + offset;
    d.month = d.month % 12 + 1;
    d.year += d.month == 1;
    *end = days_of(d) + offset;
    return start;
}

/* 1970-01-01 was a Thursday: four days into a week that begins on Sunday. */
static int64_t week_start(int64_t day, unsigned offset, int64_t *end) {
    int64_t start = day - (day + 4 + 7 - offset) % 7;
    *end = start + 7;
    return start;
}

uint32_t quota_period_start(const struct quota *q, uint64_t epoch_s, uint64_t *end_s) {
    int64_t day = (int64_t)(epoch_s / DAY_S);
    int64_t start = day;
    int64_t end = day + 1;
    switch (q->period) {
    case QUOTA_NONE:
    case QUOTA_DAY:
        break;
    case QUOTA_WEEK:
        start = week_start(day, q->offset, &end);
        break;
    case QUOTA_MONTH:
        start = month_start(day, q->offset, &end);
        break;
    }
    *end_s = (uint64_t)end * DAY_S;
    return start > 0 ? (uint32_t)start : 0;
}
