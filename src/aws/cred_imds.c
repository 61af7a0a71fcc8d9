/* The EC2 instance metadata service, version 2: a token first, then the role's name, then its
 * credentials; version 1 where the token is refused and v1 is not disabled. One try, one
 * second: where there is no such service the chain must not hang. */
#include "aws/cred_fetch.h"
#include "aws/environment.h"
#include "aws/json_scan.h"
#include "base/error.h"
#include "base/rng.h"
#include "http/writer.h"

#include <stdio.h>

#define TIMEOUT_MS  1000
#define IPV4        "http://169.254.169.254"
#define IPV6        "http://[fd00:ec2::254]"
#define CREDENTIALS "/latest/meta-data/iam/security-credentials/"

static enum cred_found refuse(struct cred_plan *p, const char *why) {
    cred_plan_note(p, "imds: %s", why);
    return CRED_FAILED;
}

static const char *setting(const struct aws_environment *env,
                           const struct aws_profiles *profiles, const char *variable,
                           const char *key) {
    const char *value = aws_env(env, variable);
    return value ? value : aws_profile_get(profiles, aws_profile_name(env), key);
}

static const char *endpoint_of(const struct aws_environment *env,
                               const struct aws_profiles *profiles) {
    const char *url = setting(env, profiles, "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                              "ec2_metadata_service_endpoint");
    const char *mode = setting(env, profiles, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
                               "ec2_metadata_service_endpoint_mode");
    if (url) {
        return url;
    }
    return mode && strcasecmp(mode, "ipv6") == 0 ? IPV6 : IPV4;
}

enum cred_found cred_imds_plan(struct cred_plan *p, const struct aws_environment *env,
                               const struct aws_profiles *profiles) {
    int disabled;
    char why[AWS_REASON_MAX];
    if (aws_env_flag(env, "AWS_EC2_METADATA_DISABLED", &disabled, why) != 0) {
        return refuse(p, why);
    }
    if (disabled) {
        cred_plan_note(p, "imds: AWS_EC2_METADATA_DISABLED is true");
        return CRED_SKIP;
    }
    const char *no_v1 =
        setting(env, profiles, "AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled");
    if (aws_parse_flag("AWS_EC2_METADATA_V1_DISABLED", no_v1, &p->v1_disabled, why) != 0) {
        return refuse(p, why);
    }
    if (url_parse_endpoint(slice_cstr(endpoint_of(env, profiles)), &p->url) != 0) {
        return refuse(p, "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL");
    }
    p->kind = CRED_IMDS;
    snprintf(p->source, sizeof(p->source), "imds");
    return CRED_FOUND;
}

/* The endpoint's own path goes before ours. */
static struct slice base_path(const struct cred_fetch *f) {
    struct slice path = slice_cstr(f->plan.url.path);
    path.len -= path.len > 0 && path.ptr[path.len - 1] == '/';
    return path;
}

static void ask(struct cred_fetch *f, enum http_method method, struct slice path,
                const char *field, struct slice value, void (*on_answer)(struct cred_http *h)) {
    struct cred_http *h = &f->http;
    struct tls_context *tls;
    cred_http_reset(h);
    int e = cred_fetch_tls(f, &f->plan.url, &tls);
    e = e ? e
          : buffer_printf(&h->request,
                          "%s " SLICE_FMT SLICE_FMT
                          " HTTP/1.1\r\nHost: %s\r\nUser-Agent: penstock\r\n",
                          http_method_name(method), SLICE_ARG(base_path(f)), SLICE_ARG(path),
                          f->plan.url.authority);
    if (!e && value.len > 0) {
        e = buffer_printf(&h->request, "%s: " SLICE_FMT "\r\n", field, SLICE_ARG(value));
    }
    if (!e && method == HTTP_PUT_) {
        e = buffer_printf(&h->request, "Content-Length: 0\r\n");
    }
    e = e ? e : buffer_append(&h->request, "\r\n", 2);
    if (e) {
        cred_fetch_fail(f, "imds: %s", error_text(e));
        return;
    }
    cred_http_send(h, &f->plan.url, tls, method, TIMEOUT_MS, on_answer);
}

static void get(struct cred_fetch *f, struct slice path,
                void (*on_answer)(struct cred_http *h)) {
    ask(f, HTTP_GET_, path, "X-aws-ec2-metadata-token", buffer_slice(&f->imds_token),
        on_answer);
}

static void fail(struct cred_fetch *f, const char *what) {
    const struct cred_http *h = &f->http;
    char status[32];
    snprintf(status, sizeof(status), "answered %u", h->status);
    cred_fetch_fail(f, "imds: %s: %s %s", what, f->plan.url.authority,
                    h->error ? h->reason : status);
}

/* What came has expired, and the service says so itself: in an outage of what renews them, AWS
 * asks to go on with them and to look again in a while. */
static void stretch(struct cred_fetch *f, struct credentials *c) {
    uint64_t now_s = loop_wall_ms(f->loop) / 1000;
    struct rng r;
    if (c && c->expires_s > 0 && c->expires_s <= now_s) {
        rng_seed_random(&r);
        c->expires_s = now_s + CRED_REFRESH_BEFORE_S + 120 + rng_below(&r, 481);
    }
}

static void on_credentials(struct cred_http *h) {
    struct cred_fetch *f = container_of(h, struct cred_fetch, http);
    struct slice body = buffer_slice(&h->body);
    if (h->error || h->status != 200) {
        fail(f, "credentials of the role");
        return;
    }
    struct slice code = json_scan_member(body, SLICE("Code"));
    if (code.len > 0 && !slice_eq(code, SLICE("Success"))) {
        cred_fetch_fail(f, "imds: the role's credentials: " SLICE_FMT,
                        SLICE_ARG(slice_of(code.ptr, code.len < 80 ? code.len : 80)));
        return;
    }
    struct credentials *c = cred_from_json(body, "Token", f->plan.source, f->why);
    stretch(f, c);
    cred_fetch_got(f, c);
}

static int role_valid(struct slice role) {
    return role.len > 0 && role.len <= 128 && http_field_value_valid(role) &&
           slice_find(role, ' ') == role.len && slice_find(role, '\t') == role.len;
}

static void on_role(struct cred_http *h) {
    struct cred_fetch *f = container_of(h, struct cred_fetch, http);
    struct slice ignored, body = buffer_slice(&h->body);
    if (!h->error && h->status == 404) {
        cred_fetch_fail(f, "imds: the instance has no role");
        return;
    }
    if (h->error || h->status != 200) {
        fail(f, "name of the role");
        return;
    }
    struct slice role = slice_trim(slice_split(body, '\n', &ignored));
    if (!role_valid(role)) {
        cred_fetch_fail(f, "imds: the name of the role is not one");
        return;
    }
    if (buffer_printf(&f->imds_role, CREDENTIALS SLICE_FMT, SLICE_ARG(role)) != 0) {
        cred_fetch_fail(f, "imds: %s", error_text(ERR_NOMEM));
        return;
    }
    get(f, buffer_slice(&f->imds_role), on_credentials);
}

static int token_refused(const struct cred_http *h) {
    return h->status == 403 || h->status == 404 || h->status == 405;
}

static void on_token(struct cred_http *h) {
    struct cred_fetch *f = container_of(h, struct cred_fetch, http);
    struct slice token = buffer_slice(&h->body);
    int answered = !h->error && h->status == 200;
    if (!h->error && !answered && !token_refused(h)) {
        fail(f, "token");
        return;
    }
    if (!answered && f->plan.v1_disabled) {
        cred_fetch_fail(f, "imds: no token from %s (%s), and version 1 is disabled",
                        f->plan.url.authority, h->error ? h->reason : "refused");
        return;
    }
    if (answered && (!http_field_value_valid(token) || token.len == 0)) {
        cred_fetch_fail(f, "imds: the token is not one");
        return;
    }
    if (answered && buffer_append_slice(&f->imds_token, token) != 0) {
        cred_fetch_fail(f, "imds: %s", error_text(ERR_NOMEM));
        return;
    }
    get(f, SLICE(CREDENTIALS), on_role);
}

void cred_imds_run(struct cred_fetch *f) {
    ask(f, HTTP_PUT_, SLICE("/latest/api/token"), "X-aws-ec2-metadata-token-ttl-seconds",
        SLICE("21600"), on_token);
}
