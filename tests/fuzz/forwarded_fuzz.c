/* links: server net loop tls http base */
/* Forwarded headers: the input is two fields, split at the first NUL; the first byte says which
 * kind and how many hops. The client that
 * comes out is always an address, the port always one. */
#include "server/forwarded.h"

static void read_both(const struct server_trust *trust, struct slice first,
                      struct slice second) {
    struct http_header items[] = {
        {trust->forwarded ? SLICE("Forwarded") : SLICE("X-Forwarded-For"), first},
        {SLICE("X-Forwarded-Proto"), second},
        {SLICE("X-Forwarded-Port"), second},
        {trust->forwarded ? SLICE("forwarded") : SLICE("x-forwarded-for"), second},
    };
    struct http_headers headers = {items, 4};
    struct forwarded f = {.port = 8080};
    int error = net_address_parse_ip(SLICE("10.0.0.1"), 1, &f.client);
    ASSERT(error == 0);
    forwarded_read(trust, &headers, &f);
    ASSERT(f.client.sa.ss_family == AF_INET || f.client.sa.ss_family == AF_INET6);
    ASSERT(f.port > 0 && (f.tls == 0 || f.tls == 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct net_range ten;
    struct slice rest;
    int error = net_range_parse(SLICE("10.0.0.0/8"), &ten);
    ASSERT(error == 0);
    if (size < 1) {
        return 0;
    }
    struct server_trust trust = {{&ten, 1}, 1 + (data[0] >> 1) % 16, data[0] & 1};
    struct slice first = slice_split(slice_of((const char *)data + 1, size - 1), '\0', &rest);
    read_both(&trust, first, rest);
    return 0;
}
