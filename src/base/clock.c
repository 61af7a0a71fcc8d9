#include "base/clock.h"

#include "base/error.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#define S_PER_DAY   86400u
#define EPOCH_S_MAX 253402300799ull /* 9999-12-31T23:59:59Z: years have four digits here */

static const char weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct civil {
    unsigned year, month, day; /* month 1..12, day 1..31 */
    unsigned hour, minute, second;
    unsigned weekday; /* 0 = Sunday */
};

static uint64_t now_ns(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t clock_monotonic_ns(void) {
    return now_ns(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ms(void) {
    return now_ns(CLOCK_REALTIME) / NS_PER_MS;
}

/* Days since 1970-01-01 to a date and back, by 400-year eras that begin on 1 March (Howard
 * Hinnant, "chrono-compatible low-level date algorithms"). */
static void civil_from_days(uint32_t days, struct civil *c) {
    uint32_t z = days + 719468;
    uint32_t era = z / 146097;
    uint32_t doe = z - era * 146097;
    uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    uint32_t mp = (5 * doy + 2) / 153;
    c->day = doy - (153 * mp + 2) / 5 + 1;
    c->month = mp < 10 ? mp + 3 : mp - 9;
    c->year = yoe + era * 400 + (c->month <= 2);
    c->weekday = (days + 4) % 7; /* 1970-01-01 was a Thursday */
}

static uint32_t days_from_civil(unsigned year, unsigned month, unsigned day) {
    unsigned y = year - (month <= 2);
    unsigned era = y / 400;
    unsigned yoe = y - era * 400;
    unsigned doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

static struct civil civil_from_epoch(uint64_t epoch_s) {
    struct civil c;
    if (epoch_s > EPOCH_S_MAX) {
        epoch_s = EPOCH_S_MAX;
    }
    uint32_t rest = (uint32_t)(epoch_s % S_PER_DAY);
    civil_from_days((uint32_t)(epoch_s / S_PER_DAY), &c);
    c.hour = rest / 3600;
    c.minute = rest / 60 % 60;
    c.second = rest % 60;
    return c;
}

static char *put2(char *at, unsigned n) {
    at[0] = (char)('0' + n / 10 % 10);
    at[1] = (char)('0' + n % 10);
    return at + 2;
}

static char *put4(char *at, unsigned n) {
    return put2(put2(at, n / 100), n % 100);
}

static char *put_time(char *at, const struct civil *c) {
    at = put2(at, c->hour);
    *at++ = ':';
    at = put2(at, c->minute);
    *at++ = ':';
    return put2(at, c->second);
}

void clock_format_amz(uint64_t epoch_s, char date_time[17], char date[9]) {
    struct civil c = civil_from_epoch(epoch_s);
    char *at = put2(put2(put4(date_time, c.year), c.month), c.day);
    memcpy(date, date_time, 8);
    date[8] = '\0';
    *at++ = 'T';
    at = put2(put2(put2(at, c.hour), c.minute), c.second);
    *at++ = 'Z';
    *at = '\0';
}

void clock_format_http(uint64_t epoch_s, char out[30]) {
    struct civil c = civil_from_epoch(epoch_s);
    memcpy(out, weekdays[c.weekday], 3);
    memcpy(out + 3, ", ", 2);
    put2(out + 5, c.day);
    out[7] = ' ';
    memcpy(out + 8, months[c.month - 1], 3);
    out[11] = ' ';
    put4(out + 12, c.year);
    out[16] = ' ';
    put_time(out + 17, &c);
    memcpy(out + 25, " GMT", 5);
}

void clock_format_clf(uint64_t epoch_s, char out[27]) {
    struct civil c = civil_from_epoch(epoch_s);
    put2(out, c.day);
    out[2] = '/';
    memcpy(out + 3, months[c.month - 1], 3);
    out[6] = '/';
    put4(out + 7, c.year);
    out[11] = ':';
    put_time(out + 12, &c);
    memcpy(out + 20, " +0000", 7);
}

void clock_format_iso8601_ms(uint64_t epoch_ms, char out[25]) {
    struct civil c = civil_from_epoch(epoch_ms / 1000);
    unsigned ms = (unsigned)(epoch_ms % 1000);
    char *at = put4(out, c.year);
    *at++ = '-';
    at = put2(at, c.month);
    *at++ = '-';
    at = put2(at, c.day);
    *at++ = 'T';
    at = put_time(at, &c);
    *at++ = '.';
    *at++ = (char)('0' + ms / 100);
    at = put2(at, ms % 100);
    *at++ = 'Z';
    *at = '\0';
}

/* Exactly `digits` digits. */
static bool take(const char *text, unsigned digits, unsigned *out) {
    unsigned value = 0;
    for (unsigned i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *out = value;
    return true;
}

static bool take_time(const char *text, struct civil *c) {
    return take(text, 2, &c->hour) && text[2] == ':' && take(text + 3, 2, &c->minute) &&
           text[5] == ':' && take(text + 6, 2, &c->second);
}

static unsigned days_in_month(unsigned year, unsigned month) {
    static const unsigned char days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29u : days[month - 1];
}

/* A leap second (60) is taken as the second after it. */
static int epoch_from_civil(const struct civil *c, uint64_t *epoch_s) {
    if (c->year < 1970 || c->month < 1 || c->month > 12 || c->day < 1 ||
        c->day > days_in_month(c->year, c->month) || c->hour > 23 || c->minute > 59 ||
        c->second > 60) {
        return ERR_INVALID;
    }
    *epoch_s = (uint64_t)days_from_civil(c->year, c->month, c->day) * S_PER_DAY +
               c->hour * 3600 + c->minute * 60 + c->second;
    return 0;
}

/* The index of a three-letter name, or `count`. */
static unsigned find_name(const char (*names)[4], unsigned count, const char *text) {
    unsigned i = 0;
    while (i < count && memcmp(names[i], text, 3) != 0) {
        i++;
    }
    return i;
}

int clock_parse_http(const char *text, size_t len, uint64_t *epoch_s) {
    struct civil c;
    if (len != 29 || find_name(weekdays, 7, text) == 7 || memcmp(text + 3, ", ", 2) != 0 ||
        !take(text + 5, 2, &c.day) || text[7] != ' ' || text[11] != ' ' ||
        !take(text + 12, 4, &c.year) || text[16] != ' ' || !take_time(text + 17, &c) ||
        memcmp(text + 25, " GMT", 4) != 0) {
        return ERR_INVALID;
    }
    c.month = find_name(months, 12, text + 8) + 1;
    return epoch_from_civil(&c, epoch_s);
}

int clock_parse_iso8601(const char *text, size_t len, uint64_t *epoch_s) {
    struct civil c;
    if (len < 20 || !take(text, 4, &c.year) || text[4] != '-' || !take(text + 5, 2, &c.month) ||
        text[7] != '-' || !take(text + 8, 2, &c.day) || text[10] != 'T' ||
        !take_time(text + 11, &c) || text[len - 1] != 'Z') {
        return ERR_INVALID;
    }
    if (len > 20 && (text[19] != '.' || len == 21)) {
        return ERR_INVALID;
    }
    for (size_t i = 20; i + 1 < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return ERR_INVALID;
        }
    }
    return epoch_from_civil(&c, epoch_s);
}
