#include "server/forwarded.h"

#define PORT_HTTP  80
#define PORT_HTTPS 443

/* The entries of a list field from the right, over all fields of that name (RFC 9110 section
 * 5.3: they are one list). */
struct walk {
    const struct http_headers *headers;
    struct slice name;
    size_t field; /* fields before this one are not yet begun */
    struct slice rest;
    int more; /* `rest` has an entry, if an empty one */
};

static int next_field(struct walk *w) {
    while (w->field > 0) {
        const struct http_header *h = &w->headers->items[--w->field];
        if (slice_eq_nocase(h->name, w->name)) {
            w->rest = h->value;
            w->more = 1;
            return 1;
        }
    }
    return 0;
}

/* A comma within quotes separates nothing. Seen from the right that holds as long as the entry
 * is well-formed; one with an escape or a stray quote in it is refused by whoever reads it. */
static int next_entry(struct walk *w, struct slice *entry) {
    int quoted = 0;
    if (!w->more && !next_field(w)) {
        return 0;
    }
    size_t at = w->rest.len;
    while (at > 0 && (quoted || w->rest.ptr[at - 1] != ',')) {
        quoted ^= w->rest.ptr[at - 1] == '"';
        at--;
    }
    *entry = slice_trim(slice_from(w->rest, at));
    w->more = at > 0;
    w->rest = slice_of(w->rest.ptr, at > 0 ? at - 1 : 0);
    return 1;
}

/* "192.0.2.1", "192.0.2.1:8080", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:8080". */
static int parse_node(struct slice text, struct net_address *out) {
    if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']') {
        return net_address_parse_ip(slice_of(text.ptr + 1, text.len - 2), 0, out) == 0 &&
               out->sa.ss_family == AF_INET6;
    }
    return net_address_parse_ip(text, 0, out) == 0 ||
           (net_address_parse(text, out) == 0 && !net_address_is_unix(out));
}

static int parse_scheme(struct slice text, int *tls) {
    if (slice_eq_nocase(text, SLICE("https"))) {
        *tls = 1;
    } else if (slice_eq_nocase(text, SLICE("http"))) {
        *tls = 0;
    } else {
        return 0;
    }
    return 1;
}

static void set_scheme(struct forwarded *f, struct slice text) {
    if (parse_scheme(text, &f->tls)) {
        f->port = f->tls ? PORT_HTTPS : PORT_HTTP;
    }
}

/* ---- Forwarded: for="[2001:db8::1]:4711";proto=https;by=203.0.113.43 ---- */

/* A token, or a quoted string without escapes: neither an address nor a scheme needs any. */
static int unquote(struct slice *value) {
    if (value->len >= 2 && value->ptr[0] == '"' && value->ptr[value->len - 1] == '"') {
        *value = slice_of(value->ptr + 1, value->len - 2);
    }
    return slice_find(*value, '"') == value->len && slice_find(*value, '\\') == value->len;
}

/* The values of for= and proto= (each at most once). 0 when the element is not well-formed. */
static int parse_element(struct slice element, struct slice *node, struct slice *scheme) {
    *node = *scheme = SLICE_EMPTY;
    while (element.len > 0) {
        struct slice value;
        struct slice name = slice_split(slice_split(element, ';', &element), '=', &value);
        struct slice *to = slice_eq_nocase(slice_trim(name), SLICE("for"))     ? node
                           : slice_eq_nocase(slice_trim(name), SLICE("proto")) ? scheme
                                                                               : NULL;
        value = slice_trim(value);
        if (!unquote(&value) || (to != NULL && to->ptr != NULL)) {
            return 0;
        }
        if (to != NULL) {
            *to = value;
        }
    }
    return 1;
}

/* ---- both ---- */

/* One entry further from us; 0 where the walk ends before it. */
static int step(const struct server_trust *trust, struct walk *w, struct forwarded *f) {
    struct slice entry;
    struct slice scheme = SLICE_EMPTY;
    struct net_address client;
    if (!next_entry(w, &entry)) {
        return 0;
    }
    if (trust->forwarded && !parse_element(entry, &entry, &scheme)) {
        return 0;
    }
    if (!parse_node(entry, &client)) {
        return 0;
    }
    f->client = client;
    set_scheme(f, scheme);
    return 1;
}

static struct slice last_value(const struct http_headers *headers, struct slice name) {
    struct walk w = {.headers = headers, .name = name, .field = headers->count};
    struct slice value = SLICE_EMPTY;
    return next_entry(&w, &value) ? value : SLICE_EMPTY;
}

static void read_x_proto_port(const struct http_headers *headers, struct forwarded *f) {
    uint64_t port = 0;
    set_scheme(f, last_value(headers, SLICE("x-forwarded-proto")));
    struct slice text = last_value(headers, SLICE("x-forwarded-port"));
    if (slice_to_u64(text, &port) == 0 && port > 0 && port <= UINT16_MAX) {
        f->port = (uint16_t)port;
    }
}

void forwarded_read(const struct server_trust *trust, const struct http_headers *headers,
                    struct forwarded *f) {
    struct walk w = {.headers = headers,
                     .name = trust->forwarded ? SLICE("forwarded") : SLICE("x-forwarded-for"),
                     .field = headers->count};
    if (trust->addresses.count == 0 || !net_ranges_contain(&trust->addresses, &f->client)) {
        return;
    }
    if (!trust->forwarded) {
        read_x_proto_port(headers, f);
    }
    for (unsigned hop = 0; hop < trust->hops; hop++) {
        if (!step(trust, &w, f) || !net_ranges_contain(&trust->addresses, &f->client)) {
            return;
        }
    }
}
