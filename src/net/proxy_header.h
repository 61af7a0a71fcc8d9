/* The header of the PROXY protocol, versions 1 and 2, in which a load balancer says whom it
 * speaks for (haproxy's proxy-protocol.txt, sections 2.1 and 2.2). Bytes in, addresses out.
 *
 * Strict where the text leaves room: a version 1 line has single spaces, no leading zeros and
 * no control bytes; of version 2 the families TCP over IPv4, over IPv6 and unix stream are
 * taken. */
#ifndef NET_PROXY_HEADER_H
#define NET_PROXY_HEADER_H

#include "net/address.h"

#define PROXY_HEADER_V1_MAX 107  /* with its CRLF; section 2.1 */
#define PROXY_HEADER_V2_MAX 4112 /* 16 fixed bytes, and 4 KiB of addresses and TLVs */
#define PROXY_HEADER_MAX    PROXY_HEADER_V2_MAX

enum proxy_header_result { PROXY_HEADER_MORE, PROXY_HEADER_DONE, PROXY_HEADER_ERROR };

struct proxy_header {
    size_t len; /* of the header: what follows it is the connection's own */
    /* 0: the proxy speaks for itself (version 1 UNKNOWN; version 2 LOCAL, as health checks use,
     * or no family): the socket's own addresses stand, and those below are zeroed. */
    int has_addresses;
    struct net_address source;
    struct net_address destination;
};

/* `bytes`: all that has come of the connection so far. MORE is never said of PROXY_HEADER_MAX
 * bytes or more. On ERROR *reason is a static code: proxy_missing, proxy_malformed,
 * proxy_too_long, proxy_unsupported (version, command or family) or proxy_checksum. TLVs are
 * skipped, but must fit; a CRC32C among them must be right. */
enum proxy_header_result proxy_header_parse(struct slice bytes, struct proxy_header *out,
                                            const char **reason);

#endif
