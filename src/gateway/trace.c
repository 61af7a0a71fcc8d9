#include "gateway/trace.h"

#include "base/hex.h"

#define ID_LEN     32 /* the digits of a trace id */
#define EPOCH_LEN  8
#define SPAN_LEN   16
#define ROOT_LEN   (2 + EPOCH_LEN + 1 + ID_LEN - EPOCH_LEN)
#define PARENT_LEN (2 + 1 + ID_LEN + 1 + SPAN_LEN + 1 + 2)

static bool is_hex(struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
            return false;
        }
    }
    return true;
}

static bool is_zero(struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '0') {
            return false;
        }
    }
    return true;
}

static bool is_id(struct slice s, size_t len) {
    return s.len == len && is_hex(s) && !is_zero(s);
}

/* ---- X-Amzn-Trace-Id: Root=1-8 digits-24 digits;Parent=16 digits;Sampled=1;... ---- */

struct amzn {
    struct slice root;
    struct slice parent;
    struct slice sampled;
};

static bool root_valid(struct slice s) {
    char digits[ID_LEN];
    if (s.len != ROOT_LEN || s.ptr[0] != '1' || s.ptr[1] != '-' ||
        s.ptr[2 + EPOCH_LEN] != '-') {
        return false;
    }
    memcpy(digits, s.ptr + 2, EPOCH_LEN);
    memcpy(digits + EPOCH_LEN, s.ptr + 3 + EPOCH_LEN, ID_LEN - EPOCH_LEN);
    return is_id(slice_of(digits, ID_LEN), ID_LEN);
}

static bool sampled_valid(struct slice s) {
    return s.len == 1 && (s.ptr[0] == '0' || s.ptr[0] == '1' || s.ptr[0] == '?');
}

/* Other fields are kept as they are: any visible characters. */
static bool is_visible(struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~') {
            return false;
        }
    }
    return s.len > 0;
}

static bool parse_field(struct slice field, struct amzn *out) {
    struct slice value;
    struct slice name = slice_split(slice_trim(field), '=', &value);
    struct slice *to = slice_eq(name, SLICE("Root"))      ? &out->root
                       : slice_eq(name, SLICE("Parent"))  ? &out->parent
                       : slice_eq(name, SLICE("Sampled")) ? &out->sampled
                                                          : NULL;
    if (to == NULL) {
        return is_visible(name) && is_visible(value);
    }
    bool valid = to == &out->root     ? root_valid(value)
                 : to == &out->parent ? is_id(value, SPAN_LEN)
                                      : sampled_valid(value);
    bool first = to->ptr == NULL;
    *to = value;
    return valid && first;
}

static bool parse_amzn(struct slice text, struct amzn *out) {
    *out = (struct amzn){SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY};
    while (text.len > 0) {
        if (!parse_field(slice_split(text, ';', &text), out)) {
            return false;
        }
    }
    return out->root.ptr != NULL;
}

/* ---- traceparent: version-trace id-parent id-flags ---- */

static bool parent_valid(struct slice s) {
    if (s.len < PARENT_LEN || !is_hex(slice_of(s.ptr, 2)) ||
        slice_starts_with(s, SLICE("ff")) || s.ptr[2] != '-' || s.ptr[3 + ID_LEN] != '-' ||
        s.ptr[4 + ID_LEN + SPAN_LEN] != '-' || !is_hex(slice_of(s.ptr + PARENT_LEN - 2, 2))) {
        return false;
    }
    /* A later version may have more behind a dash. */
    bool ends = s.len == PARENT_LEN || (!slice_starts_with(s, SLICE("00")) &&
                                        s.ptr[PARENT_LEN] == '-' && is_visible(s));
    return ends && is_id(slice_of(s.ptr + 3, ID_LEN), ID_LEN) &&
           is_id(slice_of(s.ptr + 4 + ID_LEN, SPAN_LEN), SPAN_LEN);
}

static bool is_odd(char digit) {
    return ((digit <= '9' ? digit - '0' : digit - 'a' + 10) & 1) != 0;
}

/* ---- making ---- */

static char *put(char *to, const char *bytes, size_t len) {
    memcpy(to, bytes, len);
    return to + len;
}

static char *put_hex(char *to, uint64_t value) {
    hex_u64(value, to);
    return to + 16;
}

/* "Root=1-T-I" of the 32 digits: the root begins behind five characters. */
static char *put_root(char *to, const char *digits) {
    to = put(to, "Root=1-", 7);
    to = put(to, digits, EPOCH_LEN);
    *to++ = '-';
    return put(to, digits + EPOCH_LEN, ID_LEN - EPOCH_LEN);
}

static char *make_amzn(char *to, struct slice traceparent, uint64_t epoch_s, struct rng *rng) {
    char digits[ID_LEN];
    if (traceparent.ptr != NULL) {
        bool sampled = is_odd(traceparent.ptr[PARENT_LEN - 1]);
        to = put_root(to, traceparent.ptr + 3);
        to = put(to, ";Parent=", 8);
        to = put(to, traceparent.ptr + 4 + ID_LEN, SPAN_LEN);
        return put(to, sampled ? ";Sampled=1" : ";Sampled=0", 10);
    }
    (void)put_hex(put_hex(digits, epoch_s << 32 | rng_u64(rng) >> 32), rng_u64(rng));
    return put_root(to, digits);
}

static char *make_parent(char *to, const struct amzn *amzn, struct rng *rng) {
    bool sampled = amzn->sampled.len == 1 && amzn->sampled.ptr[0] == '1';
    to = put(to, "00-", 3);
    to = put(to, amzn->root.ptr + 2, EPOCH_LEN);
    to = put(to, amzn->root.ptr + 3 + EPOCH_LEN, ID_LEN - EPOCH_LEN);
    *to++ = '-';
    to = amzn->parent.ptr != NULL ? put(to, amzn->parent.ptr, SPAN_LEN)
                                  : put_hex(to, rng_u64(rng) | 1);
    return put(to, sampled ? "-01" : "-00", 3);
}

void trace_read(struct slice amzn, struct slice traceparent, uint64_t epoch_s, struct rng *rng,
                char text[TRACE_TEXT_MAX], struct trace *out) {
    struct amzn parts;
    char *at = text;
    if (!parent_valid(traceparent)) {
        traceparent = SLICE_EMPTY;
    }
    if (!parse_amzn(amzn, &parts)) {
        at = make_amzn(text, traceparent, epoch_s, rng);
        amzn = slice_of(text, (size_t)(at - text));
        parts = (struct amzn){.root = slice_of(text + 5, ROOT_LEN)};
    } else if (amzn.len > TRACE_HEADER_MAX) {
        at = put(put(text, "Root=", 5), parts.root.ptr, ROOT_LEN);
        amzn = slice_of(text, (size_t)(at - text));
        parts = (struct amzn){.root = slice_of(text + 5, ROOT_LEN)};
    }
    out->parent_made = traceparent.ptr == NULL;
    if (out->parent_made) {
        char *end = make_parent(at, &parts, rng);
        traceparent = slice_of(at, (size_t)(end - at));
    }
    out->amzn = amzn;
    out->traceparent = traceparent;
    out->root = parts.root;
}
