/* Numbers as text: JSON's grammar, DynamoDB's range, one normal form. Never through a double.
 */
#ifndef MODEL_NUMBER_H
#define MODEL_NUMBER_H

#include "base/slice.h"

#define NUMBER_DIGITS_MAX   38
#define NUMBER_EXPONENT_MIN (-130)
#define NUMBER_EXPONENT_MAX 125
#define NUMBER_NORMAL_MAX   48  /* bytes of number_normal */
#define NUMBER_TEXT_MAX     160 /* longer spellings are sent in normal form */

struct number {
    struct slice text;
    const char *first; /* first and last digit that is not 0; NULL for zero */
    const char *last;
    size_t digits;    /* from first to last, the point not counted */
    int64_t exponent; /* of the first: 9.5e3 has 3 */
    bool negative;
};

/* Reads the number at `at`; its text ends where the number does. NULL, or what is wrong with
 * its syntax (at text.ptr + text.len). */
const char *number_read(const char *at, const char *end, struct number *n);
/* NULL, or why DynamoDB would refuse it. */
const char *number_check(const struct number *n);
/* Equal numbers have equal normal forms ("-15E-1", "0"): again a JSON number. Call number_check
 * first. Returns its bytes; no NUL. */
size_t number_normal(const struct number *n, char out[NUMBER_NORMAL_MAX]);

/* By DynamoDB's rules of size: a byte for two digits, one more, and one for a sign. */
static inline size_t number_bytes(const struct number *n) {
    return (n->digits + 1) / 2 + 1 + n->negative;
}

#endif
