#include "tls/session_cache_impl.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"

#include <stdlib.h>

#define SESSION_AGE_NS (3600 * NS_PER_S)

struct entry {
    struct map_node by_key;
    struct list_node by_use; /* in recent, most recently used first */
    mbedtls_ssl_session session;
    uint64_t saved_ns;
    char key[];
};

struct tls_session_cache {
    struct map entries;
    struct list recent;
    size_t peers;
};

struct tls_session_cache *tls_session_cache_new(size_t peers) {
    struct tls_session_cache *c;
    ASSERT(peers > 0);
    NEED_MEMORY((c = calloc(1, sizeof(*c))) != NULL);
    map_init(&c->entries, peers);
    list_init(&c->recent);
    c->peers = peers;
    return c;
}

static void remove_entry(struct tls_session_cache *c, struct entry *e) {
    map_remove(&c->entries, &e->by_key);
    list_remove(&e->by_use);
    mbedtls_ssl_session_free(&e->session);
    free(e);
}

void tls_session_cache_free(struct tls_session_cache *c) {
    if (c == NULL) {
        return;
    }
    while (!list_empty(&c->recent)) {
        remove_entry(c, container_of(c->recent.first, struct entry, by_use));
    }
    map_fini(&c->entries);
    free(c);
}

size_t tls_session_cache_count(const struct tls_session_cache *c) {
    return c->recent.count;
}

static struct entry *find(const struct tls_session_cache *c, struct slice key) {
    struct map_node *node = map_find(&c->entries, key);
    return node ? container_of(node, struct entry, by_key) : NULL;
}

int session_cache_offer(struct tls_session_cache *c, struct slice key,
                        mbedtls_ssl_context *ssl) {
    struct entry *e = find(c, key);
    if (e == NULL) {
        return 0;
    }
    if (clock_monotonic_ns() - e->saved_ns > SESSION_AGE_NS ||
        mbedtls_ssl_set_session(ssl, &e->session) != 0) {
        remove_entry(c, e);
        return 0;
    }
    list_remove(&e->by_use);
    list_push_front(&c->recent, &e->by_use);
    return 1;
}

void session_cache_save(struct tls_session_cache *c, struct slice key,
                        const mbedtls_ssl_context *ssl) {
    session_cache_drop(c, key);
    if (c->recent.count == c->peers) {
        remove_entry(c, container_of(c->recent.last, struct entry, by_use));
    }
    struct entry *e = calloc(1, sizeof(*e) + key.len);
    if (e == NULL) {
        return; /* the next handshake is a full one */
    }
    mbedtls_ssl_session_init(&e->session);
    if (mbedtls_ssl_get_session(ssl, &e->session) != 0) {
        mbedtls_ssl_session_free(&e->session);
        free(e);
        return;
    }
    e->saved_ns = clock_monotonic_ns();
    memcpy(e->key, key.ptr, key.len);
    map_insert(&c->entries, &e->by_key, slice_of(e->key, key.len));
    list_push_front(&c->recent, &e->by_use);
}

void session_cache_drop(struct tls_session_cache *c, struct slice key) {
    struct entry *e = find(c, key);
    if (e != NULL) {
        remove_entry(c, e);
    }
}
