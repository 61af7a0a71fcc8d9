#include "net/range.h"

#include "base/error.h"

#define BITS_4 32
#define BITS_6 128

/* Clears the bits behind the prefix; returns whether there were any. */
static int clear_rest(uint8_t bytes[16], unsigned prefix) {
    int any = 0;
    for (unsigned bit = prefix; bit < BITS_6; bit++) {
        uint8_t mask = (uint8_t)(0x80u >> (bit % 8));
        any |= bytes[bit / 8] & mask;
        bytes[bit / 8] &= (uint8_t)~mask;
    }
    return any;
}

static int same_prefix(const uint8_t *a, const uint8_t *b, unsigned prefix) {
    unsigned whole = prefix / 8;
    unsigned mask = 0xff00u >> (prefix % 8) & 0xffu;
    return memcmp(a, b, whole) == 0 &&
           (prefix % 8 == 0 || ((unsigned)(a[whole] ^ b[whole]) & mask) == 0);
}

static unsigned family_bits(sa_family_t family) {
    return family == AF_INET ? BITS_4 : BITS_6;
}

void net_range_of(const struct net_address *a, unsigned prefix4, unsigned prefix6,
                  struct net_range *out) {
    const uint8_t *bytes = NULL;
    *out = (struct net_range){.family = net_address_ip(a, &bytes)};
    if (out->family == AF_UNSPEC) {
        return;
    }
    unsigned bits = family_bits(out->family);
    unsigned prefix = out->family == AF_INET ? prefix4 : prefix6;
    out->prefix = (uint8_t)(prefix < bits ? prefix : bits);
    memcpy(out->bytes, bytes, bits / 8);
    (void)clear_rest(out->bytes, out->prefix);
}

int net_range_parse(struct slice text, struct net_range *out) {
    struct net_address address;
    struct slice digits;
    uint64_t prefix = 0;
    if (slice_eq(text, SLICE("unix"))) {
        *out = (struct net_range){.family = AF_UNIX};
        return 0;
    }
    size_t slash = slice_find(text, '/');
    struct slice ip = slice_of(text.ptr, slash);
    digits = slice_from(text, slash + 1);
    if (net_address_parse_ip(ip, 0, &address) != 0) {
        return ERR_INVALID;
    }
    net_range_of(&address, BITS_4, BITS_6, out);
    if (slash == text.len) {
        return 0;
    }
    if (address.sa.ss_family != out->family || digits.len > 3 ||
        slice_to_u64(digits, &prefix) != 0 || prefix > out->prefix) {
        return ERR_INVALID;
    }
    out->prefix = (uint8_t)prefix;
    return clear_rest(out->bytes, out->prefix) ? ERR_INVALID : 0;
}

int net_ranges_contain(const struct net_ranges *r, const struct net_address *a) {
    const uint8_t *bytes = NULL;
    sa_family_t family = net_address_is_unix(a) ? AF_UNIX : net_address_ip(a, &bytes);
    for (size_t i = 0; i < r->count; i++) {
        const struct net_range *range = &r->items[i];
        if (range->family == family &&
            (family == AF_UNIX ||
             (bytes != NULL && same_prefix(bytes, range->bytes, range->prefix)))) {
            return 1;
        }
    }
    return 0;
}
