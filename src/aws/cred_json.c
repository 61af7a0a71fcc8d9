#include "aws/cred_fetch.h"
#include "aws/environment.h"
#include "aws/json_scan.h"
#include "base/clock.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define DATE_LEN 19 /* "2015-08-30T12:36:00" */

/* Seconds east of Greenwich of "+02:00" or "-0130". */
static int parse_zone(struct slice zone, int64_t *out) {
    char digits[5] = {0};
    size_t n = 0;
    if (zone.len < 5 || (zone.ptr[0] != '+' && zone.ptr[0] != '-')) {
        return ERR_INVALID;
    }
    for (size_t i = 1; i < zone.len; i++) {
        if (i == 3 && zone.ptr[i] == ':') {
            continue;
        }
        if (n == 4 || zone.ptr[i] < '0' || zone.ptr[i] > '9') {
            return ERR_INVALID;
        }
        digits[n++] = (char)(zone.ptr[i] - '0');
    }
    *out = (digits[0] * 10 + digits[1]) * 3600 + (digits[2] * 10 + digits[3]) * 60;
    *out = zone.ptr[0] == '-' ? -*out : *out;
    return n == 4 ? 0 : ERR_INVALID;
}

/* "...Z", or with the offset that programs in Python like to write. */
static int parse_expiration(struct slice text, uint64_t *epoch_s) {
    char utc[DATE_LEN + 1];
    int64_t offset = 0;
    if (clock_parse_iso8601(text.ptr, text.len, epoch_s) == 0) {
        return 0;
    }
    if (text.len <= DATE_LEN) {
        return ERR_INVALID;
    }
    struct slice zone = slice_from(text, DATE_LEN);
    if (zone.ptr[0] == '.') {
        size_t digits = strspn(zone.ptr + 1, "0123456789");
        zone = slice_from(zone, 1 + digits < zone.len ? 1 + digits : zone.len);
    }
    memcpy(utc, text.ptr, DATE_LEN);
    utc[DATE_LEN] = 'Z';
    if (parse_zone(zone, &offset) != 0 || clock_parse_iso8601(utc, sizeof(utc), epoch_s) != 0) {
        return ERR_INVALID;
    }
    *epoch_s = (uint64_t)((int64_t)*epoch_s - offset);
    return 0;
}

struct parts {
    struct buffer key, secret, token, expiration;
};

static int read_optional(struct slice text, struct slice name, struct buffer *out) {
    int e = json_scan_string(text, name, out);
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int read_parts(struct slice text, const char *token_name, struct parts *p) {
    int e = json_scan_string(text, SLICE("AccessKeyId"), &p->key);
    e = e ? e : json_scan_string(text, SLICE("SecretAccessKey"), &p->secret);
    e = e ? e : read_optional(text, slice_cstr(token_name), &p->token);
    return e ? e : read_optional(text, SLICE("Expiration"), &p->expiration);
}

struct credentials *cred_from_json(struct slice text, const char *token_name,
                                   const char *source, char why[CRED_REASON_MAX]) {
    struct parts p = {0};
    struct credentials *c = NULL;
    uint64_t expires_s = 0;
    struct slice expiration;
    int e = read_parts(text, token_name, &p);
    expiration = buffer_slice(&p.expiration);
    if (e) {
        snprintf(why, CRED_REASON_MAX, "%s: no AccessKeyId and SecretAccessKey in the answer",
                 source);
    } else if (expiration.len > 0 && parse_expiration(expiration, &expires_s) != 0) {
        snprintf(why, CRED_REASON_MAX, "%s: Expiration is not a date", source);
    } else {
        c = credentials_new(buffer_slice(&p.key), buffer_slice(&p.secret),
                            buffer_slice(&p.token), source, expires_s, why);
    }
    aws_wipe_buffer(&p.key);
    aws_wipe_buffer(&p.secret);
    aws_wipe_buffer(&p.token);
    aws_wipe_buffer(&p.expiration);
    return c;
}
