/* Happy path: uv_getaddrinfo on the thread pool -> on_resolved -> on_done. An address literal
 * skips the pool, which may be busy with slow names: one idle handle brings it to a later turn.
 *
 * Failure modes: no such name, no answer -> ERR_RESOLVE; canceled -> ERR_CANCELED, even when
 * the answer was already there. */
#include "net/resolver.h"

#include "base/error.h"

#include <netdb.h>
#include <stdio.h>

/* getaddrinfo repeats an address that is listed twice in the zone or in /etc/hosts. */
static void add_address(struct resolve_request *r, const struct addrinfo *found) {
    if ((found->ai_family != AF_INET && found->ai_family != AF_INET6) ||
        found->ai_addrlen > sizeof(struct sockaddr_storage) ||
        r->count == RESOLVER_ADDRESSES_MAX) {
        return;
    }
    struct net_address *a = &r->addresses[r->count];
    memset(a, 0, sizeof(*a));
    memcpy(&a->sa, found->ai_addr, found->ai_addrlen);
    a->len = found->ai_addrlen;
    net_address_set_port(a, r->port);
    for (size_t i = 0; i < r->count; i++) {
        if (net_address_equal(&r->addresses[i], a)) {
            return;
        }
    }
    r->count++;
}

static int resolve_error(int status) {
    switch (status) {
    case UV_EAI_MEMORY:
    case UV_ENOMEM:
        return ERR_NOMEM;
    case UV_ECANCELED:
    case UV_EAI_CANCELED:
        return ERR_CANCELED;
    default:
        return ERR_RESOLVE;
    }
}

static void finish(struct resolve_request *r, int error) {
    if (r->canceled) {
        error = ERR_CANCELED;
    }
    if (error == 0 && r->count == 0) {
        error = ERR_RESOLVE;
    }
    if (error != 0) {
        r->count = 0;
    }
    r->on_done(r, error);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
    struct resolve_request *r = container_of(request, struct resolve_request, uv.lookup);
    for (struct addrinfo *a = found; status == 0 && a != NULL; a = a->ai_next) {
        add_address(r, a);
    }
    uv_freeaddrinfo(found);
    finish(r, status == 0 ? 0 : resolve_error(status));
}

static void on_literal_closed(uv_handle_t *handle) {
    finish(container_of((uv_idle_t *)handle, struct resolve_request, uv.literal), 0);
}

static void on_literal(uv_idle_t *idle) {
    uv_close((uv_handle_t *)idle, on_literal_closed);
}

/* "192.0.2.1", "2001:db8::1" or "[2001:db8::1]", as it stands in a URL. */
static int parse_literal(struct resolve_request *r, const char *host) {
    char text[NET_ADDRESS_TEXT_MAX];
    struct slice h = slice_cstr(host);
    if (h.len + 5 > sizeof(text)) {
        return ERR_INVALID;
    }
    int bracket = h.len > 0 && h.ptr[0] != '[' && slice_find(h, ':') < h.len;
    snprintf(text, sizeof(text), bracket ? "[%s]:0" : "%s:0", host);
    if (slice_starts_with(h, SLICE("unix:")) ||
        net_address_parse(slice_cstr(text), &r->addresses[0]) != 0) {
        return ERR_INVALID;
    }
    r->count = 1;
    net_address_set_port(&r->addresses[0], r->port);
    return 0;
}

int resolver_start(struct resolve_request *r, struct loop *l, const char *host, uint16_t port,
                   void (*on_done)(struct resolve_request *r, int error)) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    r->loop = l;
    r->port = port;
    r->on_done = on_done;
    r->canceled = 0;
    r->is_literal = parse_literal(r, host) == 0;
    if (r->is_literal) {
        uv_idle_init(&l->uv, &r->uv.literal);
        uv_idle_start(&r->uv.literal, on_literal);
        return 0;
    }
    r->count = 0;
    int rc = uv_getaddrinfo(&l->uv, &r->uv.lookup, on_resolved, host, NULL, &hints);
    return rc == 0 ? 0 : resolve_error(rc);
}

void resolver_cancel(struct resolve_request *r) {
    r->canceled = 1;
    if (!r->is_literal) {
        (void)uv_cancel((uv_req_t *)&r->uv.lookup); /* a look-up already running goes on */
    }
}
