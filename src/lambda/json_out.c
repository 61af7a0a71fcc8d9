#include "lambda/json_out.h"

#include "base/hex.h"
#include "lambda/text.h"

void out_put(struct json_out *j, struct slice s) {
    j->error = j->error ? j->error : buffer_append_slice(j->to, s);
}

void out_string(struct json_out *j, struct slice s) {
    j->error = j->error ? j->error : text_json_string(j->to, s);
}

void out_separate(struct json_out *j) {
    if (j->comma) {
        out_put(j, SLICE(","));
    }
    j->comma = true;
}

void out_begin(struct json_out *j, struct slice bracket) {
    out_put(j, bracket);
    j->comma = false;
}

void out_end(struct json_out *j, struct slice bracket) {
    out_put(j, bracket);
    j->comma = true;
}

void out_name(struct json_out *j, struct slice text) {
    out_separate(j);
    out_string(j, text);
    out_put(j, SLICE(":"));
}

void out_member(struct json_out *j, const char *key, struct slice value) {
    out_name(j, slice_cstr(key));
    out_string(j, value);
}

void out_member_raw(struct json_out *j, const char *key, struct slice value) {
    out_name(j, slice_cstr(key));
    out_put(j, value);
}

void out_member_object(struct json_out *j, const char *key) {
    out_name(j, slice_cstr(key));
    out_begin(j, SLICE("{"));
}

void out_base64(struct json_out *j, struct slice bytes) {
    size_t len = BASE64_ENCODED_LEN(bytes.len);
    out_put(j, SLICE("\""));
    j->error = j->error ? j->error : buffer_reserve(j->to, len);
    if (j->error == 0) {
        buffer_grow(j->to, base64_encode((const unsigned char *)bytes.ptr, bytes.len,
                                         buffer_tail(j->to)));
    }
    out_put(j, SLICE("\""));
}

/* ---- names that repeat: headers and query parameters seen as one list of pairs ---- */

static struct slice pair_name(const struct out_pairs *p, size_t k) {
    return p->headers ? p->headers[k].name : p->pairs[k].name;
}

static struct slice pair_value(const struct out_pairs *p, size_t k) {
    return p->headers ? p->headers[k].value : p->pairs[k].value;
}

static bool same_name(const struct out_pairs *p, size_t a, size_t b) {
    return p->headers ? slice_eq_nocase(pair_name(p, a), pair_name(p, b))
                      : slice_eq(pair_name(p, a), pair_name(p, b));
}

static bool skipped(const struct out_pairs *p, size_t k) {
    return p->skip.len > 0 && slice_eq_nocase(pair_name(p, k), p->skip);
}

/* The first of its name: the one that stands for all. */
static bool leads(const struct out_pairs *p, size_t k) {
    if (skipped(p, k)) {
        return false;
    }
    for (size_t before = 0; before < k; before++) {
        if (same_name(p, before, k)) {
            return false;
        }
    }
    return true;
}

static size_t last_of(const struct out_pairs *p, size_t k) {
    size_t last = k;
    for (size_t at = k + 1; at < p->count; at++) {
        last = same_name(p, at, k) ? at : last;
    }
    return last;
}

static bool any(const struct out_pairs *p) {
    for (size_t k = 0; k < p->count; k++) {
        if (!skipped(p, k)) {
            return true;
        }
    }
    return false;
}

void out_single_values(struct json_out *j, const char *key, const struct out_pairs *p) {
    if (p->count == 0) {
        out_member_raw(j, key, SLICE("null"));
        return;
    }
    out_member_object(j, key);
    for (size_t k = 0; k < p->count; k++) {
        if (leads(p, k)) {
            out_name(j, pair_name(p, k));
            out_string(j, pair_value(p, last_of(p, k)));
        }
    }
    out_end(j, SLICE("}"));
}

/* ["each","value"] of the name at k, from there on */
static void values_of(struct json_out *j, const struct out_pairs *p, size_t k) {
    out_begin(j, SLICE("["));
    for (size_t at = k; at < p->count; at++) {
        if (same_name(p, at, k)) {
            out_separate(j);
            out_string(j, pair_value(p, at));
        }
    }
    out_end(j, SLICE("]"));
}

void out_multi_values(struct json_out *j, const char *key, const struct out_pairs *p) {
    if (p->count == 0) {
        out_member_raw(j, key, SLICE("null"));
        return;
    }
    out_member_object(j, key);
    for (size_t k = 0; k < p->count; k++) {
        if (!leads(p, k)) {
            continue;
        }
        out_name(j, pair_name(p, k));
        values_of(j, p, k);
    }
    out_end(j, SLICE("}"));
}

static void put_lower(struct json_out *j, struct slice s) {
    size_t start = j->to->len;
    out_string(j, s);
    char *text = buffer_begin(j->to);
    for (size_t k = start; j->error == 0 && k < j->to->len; k++) {
        text[k] = text[k] >= 'A' && text[k] <= 'Z' ? (char)(text[k] | 0x20) : text[k];
    }
}

static void put_escaped(struct json_out *j, struct slice s) {
    j->error = j->error ? j->error : text_json_escape(j->to, s);
}

void out_joined_values(struct json_out *j, const char *key, const struct out_pairs *p) {
    if (!any(p)) {
        return;
    }
    out_member_object(j, key);
    for (size_t k = 0; k < p->count; k++) {
        if (!leads(p, k)) {
            continue;
        }
        out_separate(j);
        if (p->lower) {
            put_lower(j, pair_name(p, k));
        } else {
            out_string(j, pair_name(p, k));
        }
        out_put(j, SLICE(":\""));
        for (size_t at = k; at < p->count; at++) {
            if (same_name(p, at, k)) {
                out_put(j, at == k ? SLICE_EMPTY : SLICE(","));
                put_escaped(j, pair_value(p, at));
            }
        }
        out_put(j, SLICE("\""));
    }
    out_end(j, SLICE("}"));
}

void out_skipped_values(struct json_out *j, const char *key, const struct out_pairs *p) {
    for (size_t k = 0; k < p->count; k++) {
        if (skipped(p, k)) {
            out_name(j, slice_cstr(key));
            values_of(j, p, k);
            return;
        }
    }
}
