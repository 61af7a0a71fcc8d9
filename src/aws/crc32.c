#include "aws/crc32.h"

#include "base/error.h"

#include <zlib.h>

uint32_t aws_crc32(struct slice bytes) {
    return (uint32_t)crc32_z(0, (const unsigned char *)bytes.ptr, bytes.len);
}

int aws_crc32_check(struct slice field, struct slice body) {
    uint64_t expected;
    if (!field.ptr) {
        return 0;
    }
    if (slice_to_u64(field, &expected) != 0 || expected != aws_crc32(body)) {
        return ERR_PROTOCOL;
    }
    return 0;
}
