/* Text with placeholders: {{seq}} {{uuid}} {{rand LOW HIGH}} {{key zipf N [EXPONENT]}}
 * {{key uniform N}} and, in paths, {{body MEMBER}}.
 *
 * A value depends on the run's seed, the number of the request and the placeholder's own words,
 * nothing else: the same words give the same value throughout one request (body, path, path to
 * verify), and what was sent can be made again afterwards. One more word makes another value:
 * {{uuid a}}, {{rand 1 6 second}}. */
#ifndef BENCH_LOAD_TEMPLATE_H
#define BENCH_LOAD_TEMPLATE_H

#include "base/assert.h"
#include "base/slice.h"

struct load_template_part;

struct load_template {
    char *text; /* what the literal parts point into */
    struct load_template_part *parts;
    size_t count;
    size_t fixed_bound; /* bytes at most, {{body}} left out */
    size_t body_parts;  /* how many {{body}} */
    int constant;       /* no placeholder at all */
    int unique;         /* has {{seq}} or {{uuid}}: no two requests make the same text */
};

struct load_context {
    uint64_t seed; /* of the run */
    uint64_t seq;
    struct slice body; /* of the request, for {{body}} */
};

enum load_template_use { LOAD_TEMPLATE_PATH, LOAD_TEMPLATE_BODY };

#define LOAD_TEMPLATE_REASON_MAX 160

/* 0, or ERR_INVALID with the reason. */
MUST_CHECK int load_template_parse(struct load_template *t, struct slice text,
                                   enum load_template_use use,
                                   char reason[LOAD_TEMPLATE_REASON_MAX]);
void load_template_fini(struct load_template *t);
/* Bytes that load_template_write needs at most, when the body has so many. */
size_t load_template_bound(const struct load_template *t, size_t body_len);
/* Returns the bytes written. */
size_t load_template_write(const struct load_template *t, const struct load_context *c,
                           char *out);

#endif
