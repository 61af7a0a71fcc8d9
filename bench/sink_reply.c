#include "sink_reply.h"

#define HEAD_MAX       512u
#define REQUEST_ID_LEN 52u

size_t sink_reply_bound(const struct sink_answer *a) {
    return HEAD_MAX + a->body.len;
}

static char *put(char *at, struct slice s) {
    memcpy(at, s.ptr, s.len);
    return at + s.len;
}

static char *put_u64(char *at, uint64_t n) {
    char digits[20];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    return put(at, slice_of(digits + i, sizeof digits - i));
}

/* 52 of A-Z and 0-9, as DynamoDB's look. */
static char *put_request_id(char *at, struct rng *rng) {
    static const char letters[32] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    for (unsigned i = 0; i < REQUEST_ID_LEN / 13; i++) {
        uint64_t bits = rng_u64(rng);
        for (unsigned k = 0; k < 13; k++) {
            *at++ = letters[bits & 31];
            bits >>= 4; /* 13 letters overlap in the 64 bits: unique is enough */
        }
    }
    return at;
}

static char *put_status(char *at, unsigned status) {
    if (status == 200) {
        return put(at, SLICE("HTTP/1.1 200 OK\r\n"));
    }
    at = put(at, SLICE("HTTP/1.1 "));
    at = put_u64(at, status);
    *at++ = ' ';
    at = put(at, slice_cstr(http_status_reason(status)));
    return put(at, SLICE("\r\n"));
}

size_t sink_reply_write(char *out, const struct sink_answer *a, enum sink_then then,
                        const char *date, struct rng *rng) {
    char *at = put_status(out, a->status);
    at = put(at, SLICE("Server: penstock-sink\r\nDate: "));
    at = put(at, slice_cstr(date));
    at = put(at, SLICE("\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: "));
    at = put_u64(at, a->body.len);
    at =
        put(at, then == SINK_CLOSE ? SLICE("\r\nConnection: close\r\nx-amzn-RequestId: ")
                                   : SLICE("\r\nConnection: keep-alive\r\nx-amzn-RequestId: "));
    at = put_request_id(at, rng);
    at = put(at, SLICE("\r\nx-amz-crc32: "));
    at = put_u64(at, a->crc32);
    at = put(at, SLICE("\r\n\r\n"));
    return (size_t)(put(at, a->body) - out);
}
