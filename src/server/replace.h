/* What a server may be given anew while it serves: a reload. In effect at once, for what begins
 * from then on. */
#ifndef SERVER_REPLACE_H
#define SERVER_REPLACE_H

#include "server/server.h"

/* Requests handed out before stay with the owner they were handed to, to their end. */
void server_set_owner(struct server *s, void *owner);
/* All but `connections`. Deadlines that run keep their time. */
void server_set_options(struct server *s, const struct server_options *options);
/* For the connections to come of the listener added as the nth, from 0. */
void server_set_listener(struct server *s, size_t nth, struct tls_context *tls,
                         const struct net_ranges *proxies);

#endif
