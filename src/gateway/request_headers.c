#include "gateway/request_headers.h"

#include "base/error.h"

enum replaced { NONE, FORWARDED, AMZN, TRACEPARENT, TRACESTATE };

/* By length first: of the usual names none is as long as these. */
static enum replaced replaced_by_us(struct slice name) {
    switch (name.len) {
    case 9:
        return slice_eq_nocase(name, SLICE("forwarded")) ? FORWARDED : NONE;
    case 10:
        return slice_eq_nocase(name, SLICE("tracestate")) ? TRACESTATE : NONE;
    case 11:
        return slice_eq_nocase(name, SLICE("traceparent")) ? TRACEPARENT : NONE;
    case 15:
        return slice_eq_nocase(name, SLICE("x-amzn-trace-id"))   ? AMZN
               : slice_eq_nocase(name, SLICE("x-forwarded-for")) ? FORWARDED
                                                                 : NONE;
    case 16:
        return slice_eq_nocase(name, SLICE("x-forwarded-port")) ? FORWARDED : NONE;
    case 17:
        return slice_eq_nocase(name, SLICE("x-forwarded-proto")) ? FORWARDED : NONE;
    default:
        return NONE;
    }
}

/* Two of a kind are none: which of them is meant? */
static void take(struct slice *to, int *count, struct slice value) {
    *to = ++*count == 1 ? value : SLICE_EMPTY;
}

struct found {
    struct slice amzn;
    struct slice traceparent;
    int amzn_count;
    int traceparent_count;
    int tracestates;
};

static void note(struct found *f, enum replaced what, struct slice value) {
    if (what == AMZN) {
        take(&f->amzn, &f->amzn_count, value);
    } else if (what == TRACEPARENT) {
        take(&f->traceparent, &f->traceparent_count, value);
    }
    f->tracestates += what == TRACESTATE;
}

/* Closes the gaps; returns how many are left. */
static size_t remove_replaced(struct http_header *items, size_t count, struct found *f) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        enum replaced what = replaced_by_us(items[i].name);
        note(f, what, items[i].value);
        if (what == NONE || what == TRACESTATE) {
            items[kept++] = items[i];
        }
    }
    return kept;
}

static size_t remove_tracestate(struct http_header *items, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (replaced_by_us(items[i].name) != TRACESTATE) {
            items[kept++] = items[i];
        }
    }
    return kept;
}

/* The digits, at the end of the buffer. */
static struct slice port_text(uint16_t port, char text[NET_ADDRESS_TEXT_MAX]) {
    size_t at = NET_ADDRESS_TEXT_MAX;
    for (unsigned n = port; at == NET_ADDRESS_TEXT_MAX || n > 0; n /= 10) {
        text[--at] = (char)('0' + n % 10);
    }
    return slice_of(text + at, NET_ADDRESS_TEXT_MAX - at);
}

/* A peer on a unix socket has neither an address nor a port. */
static int add_forwarded(struct server_request *r, struct http_header *items, size_t *count) {
    char text[NET_ADDRESS_TEXT_MAX];
    if (r->peer.sa.ss_family == AF_INET || r->peer.sa.ss_family == AF_INET6) {
        net_address_format_ip(&r->peer, text);
        struct slice ip = arena_copy(&r->arena, slice_cstr(text));
        items[(*count)++] = (struct http_header){SLICE("X-Forwarded-For"), ip};
        if (ip.ptr == NULL) {
            return ERR_NOMEM;
        }
    }
    if (r->port > 0) {
        struct slice port = arena_copy(&r->arena, port_text(r->port, text));
        items[(*count)++] = (struct http_header){SLICE("X-Forwarded-Port"), port};
        if (port.ptr == NULL) {
            return ERR_NOMEM;
        }
    }
    items[(*count)++] = (struct http_header){SLICE("X-Forwarded-Proto"),
                                             r->tls ? SLICE("https") : SLICE("http")};
    return 0;
}

int request_headers_complete(struct server_request *r, uint64_t epoch_s, struct rng *rng,
                             struct slice *root) {
    /* The array is the request's own, with SERVER_HEADER_ROOM behind its end. */
    struct http_header *items = (struct http_header *)(uintptr_t)r->http.headers.items;
    struct found f = {0};
    struct trace trace;
    char *text = arena_alloc(&r->arena, TRACE_TEXT_MAX);
    if (text == NULL) {
        return ERR_NOMEM;
    }
    size_t count = remove_replaced(items, r->http.headers.count, &f);
    trace_read(f.amzn, f.traceparent, epoch_s, rng, text, &trace);
    if (f.tracestates > 0 && trace.parent_made) {
        count = remove_tracestate(items, count);
    }
    int error = add_forwarded(r, items, &count);
    items[count++] = (struct http_header){SLICE("X-Amzn-Trace-Id"), trace.amzn};
    items[count++] = (struct http_header){SLICE("traceparent"), trace.traceparent};
    ASSERT(count <= r->http.headers.count + SERVER_HEADER_ROOM);
    r->http.headers.count = count;
    *root = trace.root;
    return error;
}

struct slice request_headers_trace_root(const struct http_headers *headers, uint64_t epoch_s,
                                        struct rng *rng, char text[TRACE_TEXT_MAX]) {
    struct found f = {0};
    struct trace trace;
    for (size_t i = 0; i < headers->count; i++) {
        note(&f, replaced_by_us(headers->items[i].name), headers->items[i].value);
    }
    trace_read(f.amzn, f.traceparent, epoch_s, rng, text, &trace);
    return trace.root;
}
