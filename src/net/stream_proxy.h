/* A stream whose peer is a load balancer that says, before everything else, whom it speaks for.
 */
#ifndef NET_STREAM_PROXY_H
#define NET_STREAM_PROXY_H

#include "net/proxy_header.h"
#include "net/stream.h"

/* Before stream_accept: the peer begins with a PROXY header (net/proxy_header.h), before TLS.
 * on_proxied follows and then the handshake or on_open, or on_open with an error. What comes in
 * one segment behind the header reaches on_data even if the owner has stopped reading
 * meanwhile. 0 or ERR_NOMEM. */
MUST_CHECK int stream_expect_proxy(struct stream *s,
                                   void (*on_proxied)(struct stream *s,
                                                      const struct proxy_header *header));
/* Why on_open came with an error: the code of proxy_header_parse, "proxy_incomplete" when the
 * peer left in the middle of its header; else NULL. Valid until on_close. */
const char *stream_proxy_reason(const struct stream *s);

#endif
