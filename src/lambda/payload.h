/* What a function answers, as an HTTP response: payload formats 1.0 and 2.0 (facts:
 * aws 1.2, 1.3).
 */
#ifndef LAMBDA_PAYLOAD_H
#define LAMBDA_PAYLOAD_H

#include "base/arena.h"
#include "penstock/handler.h"

/* Reads the function's output. NULL and *out, which points into the arena and into `text`; else
 * why it is malformed (static, for the log: "bad_status_code"). format: 1 or 2. */
const char *payload_read(unsigned format, struct slice text, struct arena *a,
                         struct penstock_response *out);
/* The output of a streaming runtime: a JSON prelude, eight NULs, the body as bytes, when
 * content_type says so; else the body alone. */
#define PAYLOAD_PRELUDE_MAX 65536 /* with its NULs */
const char *payload_read_streamed(struct slice content_type, struct slice bytes,
                                  struct arena *a, struct penstock_response *out);

/* Whether the content type announces a prelude. */
bool payload_has_prelude(struct slice content_type);
/* The prelude's length with its NULs; 0: not all of it is here. Looks from `from` on. */
size_t payload_find_prelude(struct slice bytes, size_t from);

#endif
