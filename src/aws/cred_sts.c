/* STS: AssumeRole, signed with the credentials at hand, and AssumeRoleWithWebIdentity, which a
 * token signs. Form fields in, XML out (docs.aws.amazon.com/STS/latest/APIReference). */
#include "aws/cred_fetch.h"
#include "aws/environment.h"
#include "aws/sigv4.h"
#include "base/clock.h"
#include "base/error.h"

#include <stdio.h>

#define TIMEOUT_MS   5000
#define CONTENT_TYPE "application/x-www-form-urlencoded; charset=utf-8"

/* --- the answer --- */

/* What stands between <name> and </name>; ptr NULL when nothing does. */
static struct slice xml_text(struct slice xml, const char *name) {
    char open[64], close[64];
    snprintf(open, sizeof(open), "<%s>", name);
    snprintf(close, sizeof(close), "</%s>", name);
    const char *start = xml.len ? memmem(xml.ptr, xml.len, open, strlen(open)) : NULL;
    if (!start) {
        return SLICE_EMPTY;
    }
    start += strlen(open);
    size_t rest = (size_t)(xml.ptr + xml.len - start);
    const char *end = memmem(start, rest, close, strlen(close));
    return end ? slice_of(start, (size_t)(end - start)) : SLICE_EMPTY;
}

static struct credentials *parse_answer(struct cred_fetch *f) {
    struct slice xml = xml_text(buffer_slice(&f->http.body), "Credentials");
    struct slice key = slice_trim(xml_text(xml, "AccessKeyId"));
    struct slice secret = slice_trim(xml_text(xml, "SecretAccessKey"));
    struct slice token = slice_trim(xml_text(xml, "SessionToken"));
    struct slice expiration = slice_trim(xml_text(xml, "Expiration"));
    uint64_t expires_s;
    if (slice_find(xml, '&') < xml.len || expiration.len == 0 || token.len == 0 ||
        clock_parse_iso8601(expiration.ptr, expiration.len, &expires_s) != 0) {
        snprintf(f->why, sizeof(f->why), "%s: sts: no credentials in the answer",
                 f->plan.source);
        return NULL;
    }
    return credentials_new(key, secret, token, f->plan.source, expires_s, f->why);
}

static void on_answer(struct cred_http *h) {
    struct cred_fetch *f = container_of(h, struct cred_fetch, http);
    const char *where = f->plan.sts.url.authority;
    if (h->error) {
        cred_fetch_fail(f, "%s: sts: %s: %s", f->plan.source, where, h->reason);
    } else if (h->status != 200) {
        struct slice xml = buffer_slice(&h->body);
        struct slice code = xml_text(xml, "Code"), message = xml_text(xml, "Message");
        cred_fetch_fail(f, "%s: sts: %s refused role %.160s: %u %.*s %.*s", f->plan.source,
                        where, f->role->arn, h->status, CRED_CLIP(code), CRED_CLIP(message));
    } else {
        cred_fetch_got(f, parse_answer(f));
    }
}

/* --- the question --- */

/* "&name=value", percent-encoded; nothing for NULL. */
static int append_field(struct buffer *out, const char *name, const char *value) {
    static const char keep[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                               "0123456789-_.~";
    if (!value) {
        return 0;
    }
    int e = buffer_printf(out, "&%s=", name);
    for (const char *p = value; *p && !e; p++) {
        e = strchr(keep, *p) ? buffer_append(out, p, 1)
                             : buffer_printf(out, "%%%02X", (unsigned char)*p);
    }
    return e;
}

static int append_form(struct buffer *out, const char *action, const struct cred_role *role,
                       const char *web_token) {
    int e = buffer_printf(out, "Action=%s&Version=2011-06-15", action);
    e = e ? e : append_field(out, "RoleArn", role->arn);
    e = e ? e : append_field(out, "RoleSessionName", role->session_name);
    e = e ? e : append_field(out, "ExternalId", role->external_id);
    e = e ? e : append_field(out, "DurationSeconds", role->duration_s);
    return e ? e : append_field(out, "WebIdentityToken", web_token);
}

static int append_head(struct cred_fetch *f, struct slice date, struct slice authorization,
                       struct slice body) {
    struct buffer *out = &f->http.request;
    int e = buffer_printf(out,
                          "POST / HTTP/1.1\r\nHost: %s\r\nUser-Agent: penstock\r\n"
                          "Content-Type: " CONTENT_TYPE "\r\nContent-Length: %zu\r\n",
                          f->plan.sts.url.authority, body.len);
    if (authorization.len > 0) {
        e = e ? e
              : buffer_printf(out,
                              "X-Amz-Date: " SLICE_FMT "\r\nAuthorization: " SLICE_FMT "\r\n",
                              SLICE_ARG(date), SLICE_ARG(authorization));
        if (f->base->session_token[0]) {
            e = e ? e
                  : buffer_printf(out, "X-Amz-Security-Token: %s\r\n", f->base->session_token);
        }
    }
    e = e ? e : buffer_append(out, "\r\n", 2);
    return e ? e : buffer_append_slice(out, body);
}

/* Signs with f->base. */
static int authorize(struct cred_fetch *f, struct slice body, char date_time[17],
                     struct buffer *authorization) {
    char date[9];
    uint64_t now_s = loop_wall_ms(f->loop) / 1000;
    const struct credentials *c = f->base;
    clock_format_amz(now_s, date_time, date);
    const struct http_header headers[] = {
        {SLICE("host"), slice_cstr(f->plan.sts.url.authority)},
        {SLICE("content-type"), SLICE(CONTENT_TYPE)},
        {SLICE("x-amz-date"), slice_cstr(date_time)},
        {SLICE("x-amz-security-token"), slice_cstr(c->session_token)},
    };
    const struct sigv4_key key = {
        slice_cstr(c->access_key_id), slice_cstr(c->secret_access_key),
        slice_cstr(c->session_token), slice_cstr(f->plan.sts.signing_region), SLICE("sts")};
    const struct sigv4_request r = {.method = SLICE("POST"),
                                    .path = SLICE("/"),
                                    .headers = {headers, c->session_token[0] ? 4 : 3},
                                    .body = body,
                                    .normalize_path = 1};
    return sigv4_authorization(&key, &r, now_s, authorization);
}

static void ask(struct cred_fetch *f, const char *action, const struct cred_role *role,
                const char *web_token) {
    struct buffer body = {0}, authorization = {0};
    struct tls_context *tls;
    char date_time[17] = "";
    f->role = role;
    cred_http_reset(&f->http);
    int e = append_form(&body, action, role, web_token);
    if (!e && !web_token) {
        e = authorize(f, buffer_slice(&body), date_time, &authorization);
    }
    e = e ? e
          : append_head(f, slice_cstr(date_time), buffer_slice(&authorization),
                        buffer_slice(&body));
    e = e ? e : cred_fetch_tls(f, &f->plan.sts.url, &tls);
    aws_wipe_buffer(&body);
    buffer_fini(&authorization);
    if (e) {
        cred_fetch_fail(f, "%s: sts: %s", f->plan.source,
                        e == ERR_TLS ? "no TLS context for https" : error_text(e));
        return;
    }
    cred_http_send(&f->http, &f->plan.sts.url, tls, HTTP_POST_, TIMEOUT_MS, on_answer);
}

void cred_sts_assume(struct cred_fetch *f, const struct cred_role *role) {
    ask(f, "AssumeRole", role, NULL);
}

static void on_token(struct helper_job *job) {
    struct cred_fetch *f = container_of(job, struct cred_fetch, job);
    if (f->job_error) {
        cred_fetch_got(f, NULL);
        return;
    }
    char *token = slice_dup(buffer_slice(&f->text));
    size_t len = strlen(token);
    while (len > 0 && strchr(" \t\r\n", token[len - 1])) {
        token[--len] = '\0';
    }
    ask(f, "AssumeRoleWithWebIdentity", &f->plan.web_role, token);
    aws_wipe_string(token);
}

void cred_web_identity_run(struct cred_fetch *f) {
    cred_fetch_read(f, on_token);
}
