#include "net/address.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/un.h>

static int parse_port(struct slice digits, uint16_t *port) {
    uint64_t n;
    if (digits.len > 5 || slice_to_u64(digits, &n) != 0 || n > UINT16_MAX) {
        return ERR_INVALID;
    }
    *port = (uint16_t)n;
    return 0;
}

static int parse_unix(struct slice path, struct net_address *out) {
    struct sockaddr_un *un = (struct sockaddr_un *)&out->sa;
    if (path.len == 0 || path.len >= sizeof(un->sun_path) ||
        memchr(path.ptr, '\0', path.len) != NULL) {
        return ERR_INVALID;
    }
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path.ptr, path.len);
    un->sun_path[path.len] = '\0';
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
    return 0;
}

static int parse_ip(struct slice host, uint16_t port, int family, struct net_address *out) {
    char text[INET6_ADDRSTRLEN];
    if (host.len == 0 || host.len >= sizeof(text) || memchr(host.ptr, '\0', host.len) != NULL) {
        return ERR_INVALID;
    }
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    if (family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->sa;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        out->len = sizeof(*in6);
        return inet_pton(AF_INET6, text, &in6->sin6_addr) == 1 ? 0 : ERR_INVALID;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)&out->sa;
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    out->len = sizeof(*in);
    return inet_pton(AF_INET, text, &in->sin_addr) == 1 ? 0 : ERR_INVALID;
}

int net_address_parse_ip(struct slice ip, uint16_t port, struct net_address *out) {
    int family = slice_find(ip, ':') < ip.len ? AF_INET6 : AF_INET;
    memset(out, 0, sizeof(*out));
    return parse_ip(ip, port, family, out);
}

int net_address_parse(struct slice text, struct net_address *out) {
    struct slice path, host, rest;
    uint16_t port;
    memset(out, 0, sizeof(*out));
    if (slice_starts_with(text, SLICE("unix:"))) {
        path = slice_from(text, 5);
        return parse_unix(path, out);
    }
    int family = AF_INET;
    if (text.len > 0 && text.ptr[0] == '[') {
        size_t end = slice_find(text, ']');
        if (end + 1 >= text.len || text.ptr[end + 1] != ':') {
            return ERR_INVALID;
        }
        host = slice_of(text.ptr + 1, end - 1);
        rest = slice_from(text, end + 2);
        family = AF_INET6;
    } else {
        host = slice_split(text, ':', &rest);
    }
    if (parse_port(rest, &port) != 0) {
        return ERR_INVALID;
    }
    return parse_ip(host, port, family, out);
}

int net_address_is_unix(const struct net_address *a) {
    return a->sa.ss_family == AF_UNIX;
}

sa_family_t net_address_ip(const struct net_address *a, const uint8_t **bytes) {
    if (a->sa.ss_family == AF_INET) {
        *bytes = (const uint8_t *)&((const struct sockaddr_in *)&a->sa)->sin_addr;
        return AF_INET;
    }
    if (a->sa.ss_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)&a->sa)->sin6_addr;
        int mapped = IN6_IS_ADDR_V4MAPPED(in6);
        *bytes = in6->s6_addr + (mapped ? 12 : 0);
        return mapped ? AF_INET : AF_INET6;
    }
    return AF_UNSPEC;
}

/* By hand: it is done for every request, and inet_ntop calls snprintf. */
static void format_ipv4(const uint8_t bytes[4], char *out) {
    for (int i = 0; i < 4; i++) {
        unsigned n = bytes[i];
        if (n >= 100) {
            *out++ = (char)('0' + n / 100);
        }
        if (n >= 10) {
            *out++ = (char)('0' + n / 10 % 10);
        }
        *out++ = (char)('0' + n % 10);
        *out++ = i < 3 ? '.' : '\0';
    }
}

void net_address_format_ip(const struct net_address *a, char out[NET_ADDRESS_TEXT_MAX]) {
    const uint8_t *bytes;
    sa_family_t family = net_address_ip(a, &bytes);
    if (family == AF_INET) {
        format_ipv4(bytes, out);
    } else if (net_address_is_unix(a)) {
        memcpy(out, "unix", 5);
    } else if (family == AF_UNSPEC || !inet_ntop(family, bytes, out, NET_ADDRESS_TEXT_MAX)) {
        memcpy(out, "unknown", 8);
    }
}

void net_address_format(const struct net_address *a, char out[NET_ADDRESS_TEXT_MAX]) {
    char ip[NET_ADDRESS_TEXT_MAX];
    net_address_format_ip(a, ip);
    if (a->sa.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)&a->sa;
        int named = a->len > offsetof(struct sockaddr_un, sun_path) && un->sun_path[0] != '\0';
        snprintf(out, NET_ADDRESS_TEXT_MAX, named ? "unix:%.*s" : "unix",
                 (int)sizeof(un->sun_path), un->sun_path);
    } else if (a->sa.ss_family == AF_INET6) {
        const char *mapped = strchr(ip, ':') == NULL ? "::ffff:" : "";
        snprintf(out, NET_ADDRESS_TEXT_MAX, "[%s%.*s]:%u", mapped, INET6_ADDRSTRLEN, ip,
                 net_address_port(a));
    } else if (a->sa.ss_family == AF_INET) {
        snprintf(out, NET_ADDRESS_TEXT_MAX, "%.*s:%u", INET_ADDRSTRLEN, ip,
                 net_address_port(a));
    } else {
        memcpy(out, ip, sizeof(ip));
    }
}

int net_address_is_loopback(const struct net_address *a) {
    const uint8_t *bytes;
    switch (net_address_ip(a, &bytes)) {
    case AF_INET:
        return bytes[0] == IN_LOOPBACKNET;
    case AF_INET6:
        return memcmp(bytes, &in6addr_loopback, sizeof(in6addr_loopback)) == 0;
    default:
        return net_address_is_unix(a);
    }
}

void net_address_set_port(struct net_address *a, uint16_t port) {
    if (a->sa.ss_family == AF_INET) {
        ((struct sockaddr_in *)&a->sa)->sin_port = htons(port);
    } else if (a->sa.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)&a->sa)->sin6_port = htons(port);
    }
}

uint16_t net_address_port(const struct net_address *a) {
    if (a->sa.ss_family == AF_INET) {
        return ntohs(((const struct sockaddr_in *)&a->sa)->sin_port);
    }
    if (a->sa.ss_family == AF_INET6) {
        return ntohs(((const struct sockaddr_in6 *)&a->sa)->sin6_port);
    }
    return 0;
}

int net_address_equal(const struct net_address *a, const struct net_address *b) {
    return a->len == b->len && memcmp(&a->sa, &b->sa, a->len) == 0;
}
