#include "aws/skew.h"

#include "base/clock.h"

#define ANSWER_DELAY_S 15

int aws_skew_update(struct slice date, uint64_t now_s, enum aws_error_kind kind,
                    int64_t *offset_s) {
    uint64_t theirs;
    if (date.len == 0 || clock_parse_http(date.ptr, date.len, &theirs) != 0) {
        return 0;
    }
    int64_t offset = (int64_t)theirs - (int64_t)now_s;
    int64_t apart = offset > *offset_s ? offset - *offset_s : *offset_s - offset;
    int refused = kind == AWS_CLOCK_SKEW || kind == AWS_CREDENTIALS || kind == AWS_ACCESS;
    if (apart < (refused ? ANSWER_DELAY_S : AWS_SKEW_LIMIT_S)) {
        return 0;
    }
    *offset_s = offset;
    return 1;
}
