/* Walks the JSON of a request once, as fast as it can and no stricter than it must: strings and
 * brackets are matched, the rest is taken as it is. */
#ifndef BENCH_SINK_JSON_H
#define BENCH_SINK_JSON_H

#include "base/assert.h"
#include "base/slice.h"

struct sink_json {
    const char *at;
    const char *end;
};

/* Of an absent text, too: that has nothing in it. */
static inline struct sink_json sink_json_of(struct slice text) {
    const char *at = text.len ? text.ptr : "";
    return (struct sink_json){at, at + text.len};
}

/* The next byte that is no white space, or 0 at the end. */
char sink_json_peek(struct sink_json *j);
/* Takes that byte when it is `c`. */
bool sink_json_take(struct sink_json *j, char c);
/* The next value, raw: 0, or ERR_INVALID. */
MUST_CHECK int sink_json_value(struct sink_json *j, struct slice *raw);
/* The contents of the next string, escapes kept: 0, or ERR_INVALID. */
MUST_CHECK int sink_json_string(struct sink_json *j, struct slice *contents);
/* Inside an object, after its "{": the next name, with its colon taken. 0; ERR_NOT_FOUND after
 * the closing brace, which is taken, too; ERR_INVALID. `first` is 1 before the first member,
 * and cleared. */
MUST_CHECK int sink_json_name(struct sink_json *j, bool *first, struct slice *name);
/* Inside an array, after its "[": 0 when an element follows, else the same. */
MUST_CHECK int sink_json_element(struct sink_json *j, bool *first);

#endif
