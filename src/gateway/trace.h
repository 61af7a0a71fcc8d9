/* Trace ids: X-Amzn-Trace-Id (AWS X-Ray developer guide, "Tracing header"; Elastic Load
 * Balancing user guide, "Request tracing") and traceparent (W3C Trace Context, section 3.2).
 *
 * What is valid is taken, what is absent or bad is made: from the other of the two if that is
 * valid ("1-T-I" and 32 digits are the same id), else anew. */
#ifndef GATEWAY_TRACE_H
#define GATEWAY_TRACE_H

#include "base/rng.h"
#include "base/slice.h"

/* Of X-Amzn-Trace-Id: of a longer one only the root is kept, as an ALB does beyond 7 KB. */
#define TRACE_HEADER_MAX 1024
#define TRACE_TEXT_MAX   136 /* of what is made */

struct trace {
    struct slice amzn;        /* X-Amzn-Trace-Id: "Root=1-5e1b4151-5ac6c58dc39a6b6a1a2b3c4d" */
    struct slice traceparent; /* "00-5e1b41515ac6c58dc39a6b6a1a2b3c4d-53995c3f42cd8ad8-01" */
    struct slice root;        /* "1-5e1b4151-5ac6c58dc39a6b6a1a2b3c4d", in amzn */
    int parent_made;          /* tracestate, if there was one, belongs to no traceparent */
};

/* The values as sent, without a pointer when absent. What comes out points into them or into
 * `text`. */
void trace_read(struct slice amzn, struct slice traceparent, uint64_t epoch_s, struct rng *rng,
                char text[TRACE_TEXT_MAX], struct trace *out);

#endif
