/* Reads JSON that somebody else wrote: answers of a target, an older report. Nothing is copied;
 * values are raw slices of the text. */
#ifndef BENCH_LOAD_JSON_H
#define BENCH_LOAD_JSON_H

#include "base/assert.h"
#include "base/slice.h"

struct load_json {
    const char *at;
    const char *end;
};

/* The one value of a text, trimmed of white space: 0, or ERR_INVALID. */
MUST_CHECK int load_json_text(struct slice text, struct slice *value);
/* A member of an object by name; an empty slice when it is no object or has none. */
struct slice load_json_member(struct slice object, const char *name);
/* Starts on the contents of an array (or object); next: 1 with the following element (of an
 * object: its name with quotes, too), 0 at the end or when it is none. */
struct load_json load_json_each(struct slice container);
int load_json_next(struct load_json *j, struct slice *name, struct slice *value);
/* The number, or `otherwise`. */
double load_json_number(struct slice value, double otherwise);
/* The characters of a string value as UTF-8 (of a number: its text) into out; the length, or -1
 * when it is neither or does not fit. */
int load_json_characters(struct slice value, char *out, size_t cap);
/* Whether `actual` says what `expected` says: numbers by value, objects whatever their order;
 * of the outermost object, `actual` may have further members. */
int load_json_covers(struct slice actual, struct slice expected);

#endif
