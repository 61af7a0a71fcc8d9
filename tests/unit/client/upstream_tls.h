/* The scripted server over TLS, with a certificate for table.test made at test time. */
#ifndef UNIT_CLIENT_UPSTREAM_TLS_H
#define UNIT_CLIENT_UPSTREAM_TLS_H

#include "unit/client/upstream.h"

#include "tls/context.h"
#include "unit/tls/certs.h"

enum transport { OVER_TCP, OVER_TLS };

static struct certs certs;
static struct tls_context *tls_client;
static struct tls_context *tls_server;

static inline struct tls_context *tls_serve(struct leaf leaf) {
    char reason[TLS_REASON_MAX];
    struct tls_context *context;
    if (tls_server_context_new(&context, leaf.certificate, leaf.key, reason)) {
        fail_msg("%s", reason);
    }
    return context;
}

static inline int tls_group_setup(void **state) {
    char reason[TLS_REASON_MAX];
    (void)state;
    tls_global_init();
    certs_init(&certs);
    tls_server = tls_serve(certs_leaf(&certs, "good", "table.test", CERT_EC, -1, 30, 0));
    if (tls_client_context_new(&tls_client, certs.ca, reason)) {
        fail_msg("%s", reason);
    }
    return 0;
}

static inline int tls_group_teardown(void **state) {
    (void)state;
    tls_context_free(tls_client);
    tls_context_free(tls_server);
    certs_fini(&certs);
    return 0;
}

static inline void world_over_tls(struct world *w) {
    w->options.tls = tls_client;
    w->up.tls.context = tls_server;
}

#endif
