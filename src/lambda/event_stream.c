#include "lambda/event_stream.h"

#define PRELUDE_LEN 12 /* two lengths and their checksum */
#define CRC_LEN     4
#define TYPE_STRING 7

static char *put_u32(char *out, size_t n) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        *out++ = (char)(n >> shift & 0xff);
    }
    return out;
}

static char *put_slice(char *out, struct slice s) {
    if (s.len > 0) {
        memcpy(out, s.ptr, s.len);
    }
    return out + s.len;
}

static size_t header_len(struct slice name, struct slice value) {
    return 1 + name.len + 1 + 2 + value.len;
}

static char *put_header(char *out, struct slice name, struct slice value) {
    *out++ = (char)name.len;
    out = put_slice(out, name);
    *out++ = TYPE_STRING;
    *out++ = (char)(value.len >> 8 & 0xff);
    *out++ = (char)(value.len & 0xff);
    return put_slice(out, value);
}

int event_stream_append(struct buffer *out, event_stream_crc_fn crc, struct slice event_type,
                        struct slice content_type, struct slice payload) {
    const struct slice headers[][2] = {{SLICE(":message-type"), SLICE("event")},
                                       {SLICE(":event-type"), event_type},
                                       {SLICE(":content-type"), content_type}};
    size_t headers_len = 0;
    for (size_t k = 0; k < 3; k++) {
        headers_len += header_len(headers[k][0], headers[k][1]);
    }
    size_t total = PRELUDE_LEN + headers_len + payload.len + CRC_LEN;
    int error = buffer_reserve(out, total);
    if (error != 0) {
        return error;
    }
    char *start = buffer_tail(out);
    char *at = put_u32(put_u32(start, total), headers_len);
    at = put_u32(at, crc(slice_of(start, PRELUDE_LEN - CRC_LEN)));
    for (size_t k = 0; k < 3; k++) {
        at = put_header(at, headers[k][0], headers[k][1]);
    }
    at = put_slice(at, payload);
    put_u32(at, crc(slice_of(start, total - CRC_LEN)));
    buffer_grow(out, total);
    return 0;
}
