/* A token bucket (API Gateway: throttling by rate and burst), kept as one number: the moment
 * at which it will be full again. Time is an argument; nothing is allocated.
 *
 * The rule is shared and never changes; the moment is each worker's own. Tokens that were taken
 * elsewhere are taken here too when it is heard of them, also when none is left: then the
 * bucket is in debt and gives none until that is paid, so that over any long time no more than
 * the rate goes through, whatever the workers did not yet know of each other. */
#ifndef GATEWAY_THROTTLE_H
#define GATEWAY_THROTTLE_H

#include <stdint.h>

#define THROTTLE_RATE_MAX  1000000 /* tokens per second */
#define THROTTLE_BURST_MAX 10000000
#define THROTTLE_DEBT_NS   60000000000ull /* at most: paid after so long */

struct throttle {
    uint64_t interval_ns; /* between two tokens; 0 = no throttle */
    uint64_t depth_ns;    /* the burst, as the time it takes to fill */
};

/* rate 0: no throttle. burst 0: as much as the rate. Both within their bounds. */
struct throttle throttle_make(uint64_t rate, uint64_t burst);
/* How long until a token is there; 0: there is one. */
uint64_t throttle_wait_ns(const struct throttle *t, uint64_t full_ns, uint64_t now_ns);
/* The moment at which the bucket is full again after `count` tokens more are gone. */
uint64_t throttle_take(const struct throttle *t, uint64_t full_ns, uint64_t now_ns,
                       uint64_t count);

#endif
