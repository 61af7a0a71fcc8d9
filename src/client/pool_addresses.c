/* Where the endpoint is: all addresses of the name, used in turn.
 *
 * Happy path: the name is looked up at once and then every resolve_ms; connections are opened
 * to the addresses round robin. An address that stays in the answer keeps what is known of it.
 * Failure modes:
 * - the look-up fails or answers nothing: the last good addresses stay, it is tried again after
 *   the retry pause, doubled each time.
 * - an address fails: it is left alone for the retry pause, doubled each time until it has
 *   answered an exchange; the others are used meanwhile, and the name is looked up again. */
#include "client/pool_impl.h"

#include <string.h>

#define PAUSE_MAX_MS     5000
#define LOOK_UP_AGAIN_MS 1000  /* at most this often because of failures */
#define FORGET_MS        60000 /* after so long, a failure is a first one again */
#define PAUSE_DOUBLINGS  12

static uint64_t pause_ns(const struct pool *p, unsigned failures) {
    unsigned doublings = failures > PAUSE_DOUBLINGS ? PAUSE_DOUBLINGS : failures;
    uint64_t ms = p->options.retry_pause_ms << (doublings > 0 ? doublings - 1 : 0);
    return (ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : ms) * NS_PER_MS;
}

static struct pool_address *find(struct pool_address *among, size_t count,
                                 const struct net_address *to) {
    for (size_t i = 0; i < count; i++) {
        if (net_address_equal(&among[i].address, to)) {
            return &among[i];
        }
    }
    return NULL;
}

static void take_addresses(struct pool *p, const struct resolve_request *r) {
    struct pool_addresses *as = &p->addresses;
    struct pool_address before[RESOLVER_ADDRESSES_MAX];
    size_t before_count = as->count;
    memcpy(before, as->known, before_count * sizeof before[0]);
    as->count = 0;
    for (size_t i = 0; i < r->count && i < RESOLVER_ADDRESSES_MAX; i++) {
        if (find(as->known, as->count, &r->addresses[i])) {
            continue; /* getaddrinfo repeats itself when /etc/hosts does */
        }
        const struct pool_address *old = find(before, before_count, &r->addresses[i]);
        as->known[as->count++] = old ? *old : (struct pool_address){.address = r->addresses[i]};
    }
    if (before_count == 0) {
        /* Workers start together: each with another address. */
        as->next = (size_t)rng_below(&p->rng, as->count);
    }
}

static void on_resolved(struct resolve_request *r, int error) {
    struct pool *p = r->owner;
    struct pool_addresses *as = &p->addresses;
    as->resolving = 0;
    p->handles--;
    if (p->closing) {
        pool_maybe_closed(p);
        return;
    }
    if (error == 0 && r->count > 0) {
        take_addresses(p, r);
        as->failures = 0;
        as->refresh_ns = loop_now_ns(p->loop) + p->options.resolve_ms * NS_PER_MS;
    } else {
        as->failures++;
        as->refresh_ns = loop_now_ns(p->loop) + pause_ns(p, as->failures);
        snprintf(p->last_error, sizeof p->last_error, "%s: %s", p->options.host,
                 error_text(error ? error : ERR_RESOLVE));
        log_event(LOG_WARN, "upstream_resolve_failed", log_str("host", p->options.host),
                  log_str("error", error_name(error ? error : ERR_RESOLVE)),
                  log_u64("kept", as->count));
    }
    pool_set_alarm(p, as->refresh_ns);
    pool_after_event(p);
}

void pool_addresses_start(struct pool *p) {
    struct pool_addresses *as = &p->addresses;
    as->asked_ns = loop_now_ns(p->loop);
    int error =
        resolver_start(&as->request, p->loop, p->options.host, p->options.port, on_resolved);
    as->request.owner = p;
    if (error) {
        as->failures++;
        as->refresh_ns = loop_now_ns(p->loop) + pause_ns(p, as->failures);
        pool_set_alarm(p, as->refresh_ns);
        return;
    }
    as->resolving = 1;
    as->refresh_ns = POOL_NEVER; /* on_resolved says when */
    p->handles++;
}

void pool_addresses_cancel(struct pool *p) {
    if (p->addresses.resolving) {
        resolver_cancel(&p->addresses.request);
    }
}

void pool_addresses_tick(struct pool *p) {
    struct pool_addresses *as = &p->addresses;
    if (!as->resolving && loop_now_ns(p->loop) >= as->refresh_ns) {
        pool_addresses_start(p);
    }
}

const struct net_address *pool_addresses_pick(struct pool *p, uint64_t *wait_until) {
    struct pool_addresses *as = &p->addresses;
    *wait_until = POOL_NEVER; /* nothing known: on_resolved goes on */
    for (size_t i = 0; i < as->count; i++) {
        size_t at = (as->next + i) % as->count;
        struct pool_address *a = &as->known[at];
        if (a->not_before_ns <= loop_now_ns(p->loop)) {
            as->next = (at + 1) % as->count;
            return &a->address;
        }
        if (a->not_before_ns < *wait_until) {
            *wait_until = a->not_before_ns;
        }
    }
    return NULL;
}

int pool_addresses_all_failing(const struct pool *p) {
    for (size_t i = 0; i < p->addresses.count; i++) {
        if (p->addresses.known[i].failures == 0) {
            return 0;
        }
    }
    return 1;
}

void pool_addresses_failed(struct pool *p, const struct net_address *to) {
    struct pool_addresses *as = &p->addresses;
    uint64_t now = loop_now_ns(p->loop);
    struct pool_address *a = find(as->known, as->count, to);
    if (a) {
        int forgotten = now > a->not_before_ns + FORGET_MS * NS_PER_MS;
        a->failures = forgotten ? 1 : a->failures + 1;
        a->not_before_ns = now + pause_ns(p, a->failures);
    }
    /* Perhaps it has moved. Not while a look-up is under way, and not all the time. */
    uint64_t again = as->asked_ns + LOOK_UP_AGAIN_MS * NS_PER_MS;
    if (!as->resolving && as->refresh_ns > again) {
        as->refresh_ns = again;
        pool_set_alarm(p, again);
    }
}

void pool_addresses_proved(struct pool *p, const struct net_address *to) {
    struct pool_address *a = find(p->addresses.known, p->addresses.count, to);
    if (a) {
        a->failures = 0;
        a->not_before_ns = 0;
    }
}
