/* Networks as a configuration names them, and whether an address lies in one. */
#ifndef NET_RANGE_H
#define NET_RANGE_H

#include "net/address.h"

struct net_range {
    sa_family_t family; /* AF_INET, AF_INET6 or AF_UNIX */
    uint8_t prefix;     /* bits of `bytes` that count */
    uint8_t bytes[16];
};

/* A list that somebody else owns. */
struct net_ranges {
    const struct net_range *items;
    size_t count;
};

/* "10.0.0.0/8", "2001:db8::/32", "192.0.2.7", "::1", or "unix" for every peer on a unix socket.
 * 0 or ERR_INVALID, also when bits behind the prefix are set: that is a slip of the pen. */
MUST_CHECK int net_range_parse(struct slice text, struct net_range *out);
/* An IPv4-mapped IPv6 address lies where its IPv4 address does. */
int net_ranges_contain(const struct net_ranges *r, const struct net_address *a);
/* The network that `prefix` bits of the address name, with an IPv4-mapped address as IPv4;
 * AF_UNSPEC when it is no IP address. prefix is cut to the length of the address. */
void net_range_of(const struct net_address *a, unsigned prefix4, unsigned prefix6,
                  struct net_range *out);

#endif
