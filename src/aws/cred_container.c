/* The container's credentials endpoint: ECS (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI) and
 * whatever else speaks the same, EKS Pod Identity among them (..._FULL_URI). Three tries of two
 * seconds; a token file is read again for each. */
#include "aws/cred_fetch.h"
#include "aws/environment.h"
#include "aws/errors.h"
#include "base/error.h"
#include "http/writer.h"

#include <stdio.h>

#define ECS_HOST     "http://169.254.170.2"
#define TRIES        3
#define TIMEOUT_MS   2000
#define PAUSE_MS     1000
#define RELATIVE_URI "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define FULL_URI     "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define TOKEN_FILE   "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
#define TOKEN        "AWS_CONTAINER_AUTHORIZATION_TOKEN"

/* Unencrypted only to this machine and the two addresses that AWS gives. */
static int plain_allowed(const char *host) {
    static const char *const allowed[] = {"localhost", "::1", "169.254.170.2", "169.254.170.23",
                                          "fd00:ec2::23"};
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        if (strcmp(host, allowed[i]) == 0) {
            return 1;
        }
    }
    unsigned a, b, c, d;
    char more;
    return sscanf(host, "%3u.%3u.%3u.%3u%c", &a, &b, &c, &d, &more) == 4 && a == 127 &&
           b < 256 && c < 256 && d < 256;
}

/* Path and query of a URL. */
static char *target_of(struct slice url) {
    struct slice rest = slice_from(url, slice_find(url, '/') + 2);
    size_t start = slice_find(rest, '/');
    struct slice target = slice_from(rest, start);
    return slice_dup(target.len > 0 ? target : SLICE("/"));
}

static enum cred_found plan_url(struct cred_plan *p, const char *relative, const char *full) {
    struct slice url = slice_cstr(full);
    struct slice before_query = slice_of(url.ptr, slice_find(url, '?'));
    if (relative) {
        if (relative[0] != '/' || url_parse_endpoint(SLICE(ECS_HOST), &p->url) != 0) {
            cred_plan_note(p, "container: " RELATIVE_URI " must begin with /");
            return CRED_FAILED;
        }
        p->target = slice_dup(slice_cstr(relative));
    } else if (url_parse_endpoint(before_query, &p->url) != 0) {
        cred_plan_note(p, "container: " FULL_URI " is not a URL");
        return CRED_FAILED;
    } else if (!p->url.tls && !plain_allowed(p->url.host)) {
        cred_plan_note(p,
                       "container: " FULL_URI ": http:// is allowed to a loopback address, "
                       "169.254.170.2, 169.254.170.23 and fd00:ec2::23 only, not to %.100s",
                       p->url.host);
        return CRED_FAILED;
    } else {
        p->target = target_of(url);
    }
    struct slice target = slice_cstr(p->target);
    if (!http_field_value_valid(target) || slice_find(target, ' ') < target.len) {
        cred_plan_note(p, "container: the URI has a character that none may have");
        return CRED_FAILED;
    }
    return CRED_FOUND;
}

enum cred_found cred_container_plan(struct cred_plan *p, const struct aws_environment *env) {
    const char *relative = aws_env(env, RELATIVE_URI);
    const char *full = aws_env(env, FULL_URI);
    const char *file = aws_env(env, TOKEN_FILE);
    const char *token = aws_env(env, TOKEN);
    if (!relative && !full) {
        cred_plan_note(p, "container: neither " RELATIVE_URI " nor " FULL_URI " is set");
        return CRED_SKIP;
    }
    if (plan_url(p, relative, full) != CRED_FOUND) {
        return CRED_FAILED;
    }
    p->kind = CRED_CONTAINER;
    snprintf(p->source, sizeof(p->source), "container");
    p->token_file = file ? slice_dup(slice_cstr(file)) : NULL;
    p->token = token && !file ? slice_dup(slice_cstr(token)) : NULL;
    return CRED_FOUND;
}

/* After a failed try: another one in a while, or the end. f->why is set. */
static void failed(struct cred_fetch *f) {
    if (++f->tries < TRIES && !atomic_load(&f->canceled)) {
        timer_start(&f->pause, PAUSE_MS);
    } else {
        cred_fetch_got(f, NULL);
    }
}

static void on_answer(struct cred_http *h) {
    struct cred_fetch *f = container_of(h, struct cred_fetch, http);
    struct credentials *c = NULL;
    if (h->error) {
        snprintf(f->why, sizeof(f->why), "container: %s: %s", f->plan.url.authority, h->reason);
    } else if (h->status != 200) {
        struct slice name, message;
        aws_error_parse(buffer_slice(&h->body), &name, &message);
        snprintf(f->why, sizeof(f->why), "container: %s answered %u %.*s %.*s",
                 f->plan.url.authority, h->status, CRED_CLIP(name), CRED_CLIP(message));
    } else {
        c = cred_from_json(buffer_slice(&h->body), "Token", f->plan.source, f->why);
    }
    if (c) {
        cred_fetch_got(f, c);
    } else {
        failed(f);
    }
}

static void ask(struct cred_fetch *f, struct slice token) {
    struct cred_http *h = &f->http;
    struct tls_context *tls;
    if (!http_field_value_valid(token)) {
        cred_fetch_fail(f, "container: the authorization token has a character that no header "
                           "may have");
        return;
    }
    if (cred_fetch_tls(f, &f->plan.url, &tls) != 0) {
        cred_fetch_fail(f, "container: no TLS context for https");
        return;
    }
    cred_http_reset(h);
    int e = buffer_printf(&h->request,
                          "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n"
                          "User-Agent: penstock\r\n",
                          f->plan.target, f->plan.url.authority);
    if (token.len > 0) {
        e = e ? e
              : buffer_printf(&h->request, "Authorization: " SLICE_FMT "\r\n",
                              SLICE_ARG(token));
    }
    e = e ? e : buffer_append(&h->request, "\r\n", 2);
    if (e) {
        cred_fetch_fail(f, "container: %s", error_text(e));
        return;
    }
    cred_http_send(h, &f->plan.url, tls, HTTP_GET_, TIMEOUT_MS, on_answer);
}

static void on_token(struct helper_job *job) {
    struct cred_fetch *f = container_of(job, struct cred_fetch, job);
    struct slice token = buffer_slice(&f->text);
    if (f->job_error) {
        failed(f);
        return;
    }
    while (token.len > 0 && strchr(" \t\r\n", token.ptr[token.len - 1])) {
        token.len--;
    }
    ask(f, token);
}

void cred_container_run(struct cred_fetch *f) {
    if (atomic_load(&f->canceled)) {
        cred_fetch_fail(f, "canceled");
    } else if (f->plan.token_file) {
        cred_fetch_read(f, on_token);
    } else {
        ask(f, slice_cstr(f->plan.token));
    }
}
