#include "net/proxy_header.h"

#include <netinet/in.h>
#include <sys/un.h>

#define V2_FIXED       16 /* signature, version and command, family, length */
#define V2_PATH        108
#define TLV_CRC32C     0x03
#define TLV_HEAD       3
#define CRC32C_REVERSE 0x82f63b78u

static const char v1_begin[] = "PROXY ";
static const char v2_begin[] = "\r\n\r\n\0\r\nQUIT\n";
#define V1_BEGIN_LEN (sizeof(v1_begin) - 1)
#define V2_BEGIN_LEN (sizeof(v2_begin) - 1)

static enum proxy_header_result fail(const char **reason, const char *why) {
    *reason = why;
    return PROXY_HEADER_ERROR;
}

static unsigned byte_at(struct slice s, size_t at) {
    return (unsigned char)s.ptr[at];
}

static unsigned u16_at(struct slice s, size_t at) {
    return byte_at(s, at) << 8 | byte_at(s, at + 1);
}

/* As many bytes of `begin` as have come. */
static int begins(struct slice bytes, const char *begin, size_t len) {
    return memcmp(bytes.ptr, begin, bytes.len < len ? bytes.len : len) == 0;
}

/* ---- version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n" ---- */

static int parse_port(struct slice text, uint16_t *port) {
    uint64_t n = 0;
    if (text.len > 5 || (text.len > 1 && text.ptr[0] == '0') || slice_to_u64(text, &n) != 0 ||
        n > UINT16_MAX) {
        return -1;
    }
    *port = (uint16_t)n;
    return 0;
}

static int parse_pair(struct slice ip, struct slice port, int family, struct net_address *out) {
    uint16_t number = 0;
    return parse_port(port, &number) != 0 || net_address_parse_ip(ip, number, out) != 0 ||
                   out->sa.ss_family != family
               ? -1
               : 0;
}

/* What is between "PROXY " and the end of the line. */
static int parse_v1_fields(struct slice rest, struct proxy_header *out) {
    struct slice fields[5];
    size_t count = 0;
    for (; count < 5; count++) {
        if (count == 4) {
            fields[count] = rest; /* a sixth field makes a bad port */
        } else {
            fields[count] = slice_split(rest, ' ', &rest);
        }
        if (count == 0 && slice_eq(fields[0], SLICE("UNKNOWN"))) {
            return 0;
        }
    }
    int family = slice_eq(fields[0], SLICE("TCP4"))   ? AF_INET
                 : slice_eq(fields[0], SLICE("TCP6")) ? AF_INET6
                                                      : AF_UNSPEC;
    if (family == AF_UNSPEC || parse_pair(fields[1], fields[3], family, &out->source) != 0 ||
        parse_pair(fields[2], fields[4], family, &out->destination) != 0) {
        return -1;
    }
    out->has_addresses = 1;
    return 0;
}

static enum proxy_header_result parse_v1(struct slice bytes, struct proxy_header *out,
                                         const char **reason) {
    size_t end = V1_BEGIN_LEN;
    while (end < bytes.len && byte_at(bytes, end) >= 0x20) {
        end++;
    }
    if (end + 2 > PROXY_HEADER_V1_MAX) {
        return fail(reason, "proxy_too_long");
    }
    if (end == bytes.len) {
        return PROXY_HEADER_MORE;
    }
    if (bytes.ptr[end] != '\r') {
        return fail(reason, "proxy_malformed");
    }
    if (end + 1 == bytes.len) {
        return PROXY_HEADER_MORE;
    }
    struct slice fields = slice_of(bytes.ptr + V1_BEGIN_LEN, end - V1_BEGIN_LEN);
    if (bytes.ptr[end + 1] != '\n' || parse_v1_fields(fields, out) != 0) {
        return fail(reason, "proxy_malformed");
    }
    out->len = end + 2;
    return PROXY_HEADER_DONE;
}

/* ---- version 2 ---- */

/* CRC32C (RFC 3720 appendix B.4), a bit at a time: once per connection at most. */
static uint32_t crc32c(uint32_t crc, struct slice bytes) {
    crc = ~crc;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= byte_at(bytes, i);
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? CRC32C_REVERSE : 0);
        }
    }
    return ~crc;
}

/* Of the whole header, with the four bytes of the checksum itself as zeros (section 2.2.3). */
static int checksum_is_right(struct slice header, size_t at) {
    uint32_t crc = crc32c(0, slice_of(header.ptr, at));
    crc = crc32c(crc, slice_of("\0\0\0\0", 4));
    crc = crc32c(crc, slice_from(header, at + 4));
    return crc == ((uint32_t)u16_at(header, at) << 16 | u16_at(header, at + 2));
}

static enum proxy_header_result check_tlvs(struct slice header, size_t at,
                                           const char **reason) {
    int checked = 0;
    while (at < header.len) {
        size_t left = header.len - at;
        if (left < TLV_HEAD || left - TLV_HEAD < u16_at(header, at + 1)) {
            return fail(reason, "proxy_malformed");
        }
        unsigned type = byte_at(header, at);
        unsigned len = u16_at(header, at + 1);
        at += TLV_HEAD;
        if (type == TLV_CRC32C) {
            if (len != 4 || checked) {
                return fail(reason, "proxy_malformed");
            }
            if (!checksum_is_right(header, at)) {
                return fail(reason, "proxy_checksum");
            }
            checked = 1;
        }
        at += len;
    }
    return PROXY_HEADER_DONE;
}

static void read_ip4(struct slice bytes, size_t ip, size_t port, struct net_address *out) {
    struct sockaddr_in *in = (struct sockaddr_in *)&out->sa;
    in->sin_family = AF_INET;
    memcpy(&in->sin_addr, bytes.ptr + ip, 4);
    memcpy(&in->sin_port, bytes.ptr + port, 2);
    out->len = sizeof(*in);
}

static void read_ip6(struct slice bytes, size_t ip, size_t port, struct net_address *out) {
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->sa;
    in6->sin6_family = AF_INET6;
    memcpy(&in6->sin6_addr, bytes.ptr + ip, 16);
    memcpy(&in6->sin6_port, bytes.ptr + port, 2);
    out->len = sizeof(*in6);
}

static void read_path(struct slice bytes, size_t path, struct net_address *out) {
    struct sockaddr_un *un = (struct sockaddr_un *)&out->sa;
    _Static_assert(sizeof(un->sun_path) >= V2_PATH, "a path fits");
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, bytes.ptr + path, V2_PATH);
    out->len = sizeof(*un);
}

/* The addresses, which begin at V2_FIXED, and where they end. */
static enum proxy_header_result read_addresses(struct slice header, struct proxy_header *out,
                                               size_t *end, const char **reason) {
    static const struct {
        unsigned code; /* family and transport, section 2.2 */
        unsigned len;
    } kinds[] = {{0x00, 0}, {0x11, 12}, {0x21, 36}, {0x31, 2 * V2_PATH}};
    unsigned code = byte_at(header, 13);
    size_t k = 0;
    while (k < 4 && kinds[k].code != code) {
        k++;
    }
    if (k == 4) {
        return fail(reason, "proxy_unsupported");
    }
    *end = V2_FIXED + kinds[k].len;
    if (header.len < *end) {
        return fail(reason, "proxy_malformed");
    }
    if (k == 1) {
        read_ip4(header, V2_FIXED, V2_FIXED + 8, &out->source);
        read_ip4(header, V2_FIXED + 4, V2_FIXED + 10, &out->destination);
    } else if (k == 2) {
        read_ip6(header, V2_FIXED, V2_FIXED + 32, &out->source);
        read_ip6(header, V2_FIXED + 16, V2_FIXED + 34, &out->destination);
    } else if (k == 3) {
        read_path(header, V2_FIXED, &out->source);
        read_path(header, V2_FIXED + V2_PATH, &out->destination);
    }
    out->has_addresses = k > 0;
    return PROXY_HEADER_DONE;
}

static enum proxy_header_result parse_v2(struct slice bytes, struct proxy_header *out,
                                         const char **reason) {
    if (bytes.len > 12 && (byte_at(bytes, 12) & 0xfeu) != 0x20) {
        return fail(reason, "proxy_unsupported");
    }
    if (bytes.len < V2_FIXED) {
        return PROXY_HEADER_MORE;
    }
    out->len = V2_FIXED + (size_t)u16_at(bytes, 14);
    if (out->len > PROXY_HEADER_V2_MAX) {
        return fail(reason, "proxy_too_long");
    }
    if (bytes.len < out->len) {
        return PROXY_HEADER_MORE;
    }
    if (byte_at(bytes, 12) == 0x20) { /* LOCAL: the rest of the header is skipped unread */
        return PROXY_HEADER_DONE;
    }
    struct slice header = slice_of(bytes.ptr, out->len);
    size_t end = V2_FIXED;
    enum proxy_header_result result = read_addresses(header, out, &end, reason);
    return result == PROXY_HEADER_DONE ? check_tlvs(header, end, reason) : result;
}

enum proxy_header_result proxy_header_parse(struct slice bytes, struct proxy_header *out,
                                            const char **reason) {
    memset(out, 0, sizeof(*out));
    *reason = NULL;
    if (bytes.len == 0) {
        return PROXY_HEADER_MORE;
    }
    if (begins(bytes, v1_begin, V1_BEGIN_LEN)) {
        return bytes.len < V1_BEGIN_LEN ? PROXY_HEADER_MORE : parse_v1(bytes, out, reason);
    }
    if (begins(bytes, v2_begin, V2_BEGIN_LEN)) {
        return bytes.len < V2_BEGIN_LEN ? PROXY_HEADER_MORE : parse_v2(bytes, out, reason);
    }
    return fail(reason, "proxy_missing");
}
