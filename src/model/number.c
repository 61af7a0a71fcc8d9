#include "model/number.h"

#include <stdio.h>

/* Exponents are clamped here: far out of range, far from overflow. */
#define EXPONENT_CLAMP 1000000000

static inline bool digit(const char *p, const char *end) {
    return p < end && *p >= '0' && *p <= '9';
}

/* A run of digits; keeps the first and last that are not 0. */
static const char *read_digits(const char *p, const char *end, struct number *n) {
    for (; digit(p, end); p++) {
        if (*p != '0') {
            n->last = p;
            if (!n->first) {
                n->first = p;
            }
        }
    }
    return p;
}

/* Behind the "e": the value, and *p behind its digits; false when there are none. */
static bool read_exponent(const char **p, const char *end, int64_t *value) {
    bool negative = *p < end && **p == '-';
    if (*p < end && (**p == '-' || **p == '+')) {
        (*p)++;
    }
    if (!digit(*p, end)) {
        return false;
    }
    for (; digit(*p, end); (*p)++) {
        if (*value < EXPONENT_CLAMP) {
            *value = *value * 10 + (**p - '0');
        }
    }
    *value = negative ? -*value : *value;
    return true;
}

/* From the places of the digits and the point. */
static void measure(struct number *n, const char *point, int64_t exponent) {
    n->digits = (size_t)(n->last - n->first) + 1;
    if (n->first < point) {
        n->exponent = exponent + (point - n->first) - 1;
        n->digits -= n->last > point;
    } else {
        n->exponent = exponent - (n->first - point);
    }
}

const char *number_read(const char *at, const char *end, struct number *n) {
    const char *p = at, *point;
    int64_t exponent = 0;
    const char *reason = NULL;

    n->first = n->last = NULL;
    n->digits = 0;
    n->exponent = 0;
    n->negative = p < end && *p == '-';
    p += n->negative;
    if (!digit(p, end)) {
        reason = "expected a digit";
    } else if (*p == '0') {
        p++;
    } else {
        p = read_digits(p, end, n);
    }
    point = p;
    if (!reason && p < end && *p == '.') {
        p++;
        reason = digit(p, end) ? NULL : "expected a digit after the decimal point";
        p = read_digits(p, end, n);
    }
    if (!reason && p < end && (*p | 0x20) == 'e') {
        p++;
        reason = read_exponent(&p, end, &exponent) ? NULL : "expected a digit in the exponent";
    }
    if (n->first) {
        measure(n, point, exponent);
    } else {
        n->negative = false;
    }
    n->text = slice_of(at, (size_t)(p - at));
    return reason;
}

const char *number_check(const struct number *n) {
    if (n->digits > NUMBER_DIGITS_MAX) {
        return "number has more than 38 significant digits";
    }
    if (n->first && (n->exponent < NUMBER_EXPONENT_MIN || n->exponent > NUMBER_EXPONENT_MAX)) {
        return "number is out of DynamoDB's range, 1E-130 to "
               "9.9999999999999999999999999999999999999E+125";
    }
    return NULL;
}

size_t number_normal(const struct number *n, char out[NUMBER_NORMAL_MAX]) {
    char *w = out;
    int last_exponent = (int)n->exponent - (int)n->digits + 1;

    if (!n->first) {
        out[0] = '0';
        return 1;
    }
    if (n->negative) {
        *w++ = '-';
    }
    for (const char *p = n->first; p <= n->last; p++) {
        if (*p != '.') {
            *w++ = *p;
        }
    }
    if (last_exponent != 0) {
        w += snprintf(w, (size_t)(out + NUMBER_NORMAL_MAX - w), "E%d", last_exponent);
    }
    return (size_t)(w - out);
}
