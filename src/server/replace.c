#include "server/replace.h"

#include "server/server_impl.h"

void server_set_owner(struct server *s, void *owner) {
    s->owner = owner;
}

void server_set_options(struct server *s, const struct server_options *options) {
    size_t connections = s->options.connections;
    ASSERT(options->pipeline_depth > 0);
    s->options = *options;
    s->options.connections = connections;
    server_set_timeouts(s);
}

void server_set_listener(struct server *s, size_t nth, struct tls_context *tls,
                         const struct net_ranges *proxies) {
    LIST_FOR_EACH (node, &s->listeners) {
        struct server_listener *l = container_of(node, struct server_listener, node);
        if (nth-- == 0) {
            ASSERT((l->tls != NULL) == (tls != NULL));
            l->tls = tls;
            l->proxies = proxies;
            return;
        }
    }
}
