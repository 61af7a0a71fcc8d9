/* Socket addresses as values: IPv4, IPv6 or a unix path. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include "base/assert.h"
#include "base/slice.h"

#include <sys/socket.h>

struct net_address {
    struct sockaddr_storage sa;
    socklen_t len;
};

#define NET_ADDRESS_TEXT_MAX 128

/* "127.0.0.1:8080", "[::]:8080", "unix:/run/x.sock": 0 or ERR_INVALID. No names: those go to
 * net/resolver.h. */
MUST_CHECK int net_address_parse(struct slice text, struct net_address *out);
/* "192.0.2.1" or "2001:db8::1", without brackets: 0 or ERR_INVALID. */
MUST_CHECK int net_address_parse_ip(struct slice ip, uint16_t port, struct net_address *out);
/* AF_INET and its 4 bytes, or AF_INET6 and its 16, in the address; AF_UNSPEC: it is no IP
 * address. An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2), which a dual-stack listener
 * has for every IPv4 client, is IPv4. */
sa_family_t net_address_ip(const struct net_address *a, const uint8_t **bytes);
/* NUL-terminated, with the port ("unix:/path", or "unix" for an unnamed peer; "unknown" for
 * no address). */
void net_address_format(const struct net_address *a, char out[NET_ADDRESS_TEXT_MAX]);
/* The IP alone (or "unix"), for sourceIp; of a mapped address the IPv4 form. */
void net_address_format_ip(const struct net_address *a, char out[NET_ADDRESS_TEXT_MAX]);
int net_address_is_unix(const struct net_address *a);
/* Reachable from this machine only: 127/8, ::1, or a unix socket. */
int net_address_is_loopback(const struct net_address *a);
/* A unix address has no port: 0, and setting it does nothing. */
void net_address_set_port(struct net_address *a, uint16_t port);
uint16_t net_address_port(const struct net_address *a);
int net_address_equal(const struct net_address *a, const struct net_address *b);

#endif
