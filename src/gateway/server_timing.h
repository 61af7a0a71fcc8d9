/* The Server-Timing field (W3C Server Timing, section 2): where the time of one request went,
 * in milliseconds. Only routes that ask for it send one: it tells strangers how we are doing.
 */
#ifndef GATEWAY_SERVER_TIMING_H
#define GATEWAY_SERVER_TIMING_H

#include "lambda/invocation.h"

#define SERVER_TIMING_MAX 160

/* "total;dur=1.234, queue;dur=0.500, sign;dur=0.004, wait;dur=0.700" in `text`; phases that did
 * not happen are left out. */
struct slice server_timing(char text[SERVER_TIMING_MAX], uint64_t total_ns,
                           const struct op_phases *phases);

#endif
