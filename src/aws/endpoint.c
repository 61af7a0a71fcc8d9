/* Where a service is. First the URLs somebody configured, then the service's rule set as
 * botocore carries it (endpoint-rule-set-1.json), whose error texts are kept. */
#include "aws/endpoint.h"

#include "aws/environment.h"
#include "aws/profile.h"
#include "base/error.h"

#include <stdio.h>

struct service {
    const char *name;     /* in host names and in the profile's `services` section */
    const char *variable; /* AWS_ENDPOINT_URL_<SERVICE> */
    const char *setting;  /* our own key, for messages */
    int has_local;        /* region "local" means http://localhost:8000 */
};

static const struct service dynamodb = {"dynamodb", "AWS_ENDPOINT_URL_DYNAMODB",
                                        "dynamodb.endpoint", 1};
static const struct service sts = {"sts", "AWS_ENDPOINT_URL_STS", "", 0};

/* By the first words of the region; what none fits is in the first partition. */
static const struct partition {
    const char *prefix;
    const char *suffix;
    const char *dual_stack_suffix; /* NULL: not supported */
    int plain_fips;                /* FIPS hosts have no "-fips" */
} partitions[] = {
    {"", "amazonaws.com", "api.aws", 0},
    {"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", 0},
    {"us-gov-", "amazonaws.com", "api.aws", 1},
    {"us-iso-", "c2s.ic.gov", NULL, 0},
    {"us-isob-", "sc2s.sgov.gov", NULL, 0},
    {"eu-isoe-", "cloud.adc-e.uk", NULL, 0},
    {"us-isof-", "csp.hci.ic.gov", NULL, 0},
};

struct wish { /* what was asked for, from wherever */
    const char *url;
    const char *url_source; /* for messages */
    const char *region;
    int fips;
    int dual_stack;
};

static int fail(char reason[AWS_REASON_MAX], int error, const char *text) {
    snprintf(reason, AWS_REASON_MAX, "%s", text);
    return error;
}

static const struct partition *partition_of(const char *region) {
    for (size_t i = 1; i < sizeof(partitions) / sizeof(partitions[0]); i++) {
        if (strncmp(region, partitions[i].prefix, strlen(partitions[i].prefix)) == 0) {
            return &partitions[i];
        }
    }
    return &partitions[0];
}

/* A label of a host name (RFC 1123): it becomes part of one. */
static int region_valid(const char *region) {
    size_t len = strlen(region);
    size_t fits = strspn(region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789-");
    return len > 0 && len < 64 && fits == len && region[0] != '-' && region[len - 1] != '-';
}

/* A setting that the environment or the profile may hold. */
static int read_flag(const struct aws_environment *env, const struct aws_profiles *p,
                     const char *variable, const char *key, int *out,
                     char reason[AWS_REASON_MAX]) {
    if (aws_env(env, variable)) {
        return aws_env_flag(env, variable, out, reason);
    }
    return aws_parse_flag(key, aws_profile_get(p, aws_profile_name(env), key), out, reason);
}

static int wish_url(const struct service *s, const struct aws_environment *env,
                    const struct aws_profiles *p, struct wish *w, char reason[AWS_REASON_MAX]) {
    int ignore;
    const char *profile = aws_profile_name(env);
    int e = read_flag(env, p, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                      "ignore_configured_endpoint_urls", &ignore, reason);
    if (e || ignore || w->url) {
        return e;
    }
    const char *services = aws_profile_get(p, profile, "services");
    const struct {
        const char *source, *url;
    } candidates[] = {
        {s->variable, aws_env(env, s->variable)},
        {"AWS_ENDPOINT_URL", aws_env(env, "AWS_ENDPOINT_URL")},
        {"endpoint_url of the profile's services section",
         services ? aws_profile_service(p, services, s->name, "endpoint_url") : NULL},
        {"endpoint_url of the profile", aws_profile_get(p, profile, "endpoint_url")},
    };
    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]) && !w->url; i++) {
        w->url = candidates[i].url;
        w->url_source = candidates[i].source;
    }
    return 0;
}

static int wish_region(const struct service *s, const struct aws_environment *env,
                       const struct aws_profiles *p, struct wish *w,
                       char reason[AWS_REASON_MAX]) {
    const char *const regions[] = {w->region, aws_env(env, "AWS_REGION"),
                                   aws_env(env, "AWS_DEFAULT_REGION"),
                                   aws_profile_get(p, aws_profile_name(env), "region")};
    w->region = NULL;
    for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]) && !w->region; i++) {
        w->region = regions[i];
    }
    if (!w->region) {
        snprintf(reason, AWS_REASON_MAX,
                 "Invalid Configuration: Missing Region: set dynamodb.region, AWS_REGION, or "
                 "region in profile \"%.60s\"",
                 aws_profile_name(env));
        return ERR_NOT_FOUND;
    }
    if (!region_valid(w->region)) {
        snprintf(reason, AWS_REASON_MAX,
                 "region \"%.70s\" is not a region's name (letters, digits and hyphens)",
                 w->region);
        return ERR_INVALID;
    }
    if (!s->has_local && strcmp(w->region, "local") == 0) {
        w->region = "us-east-1";
    }
    return 0;
}

static int use_custom(const struct wish *w, struct aws_endpoint *out,
                      char reason[AWS_REASON_MAX]) {
    if (w->fips) {
        return fail(reason, ERR_INVALID,
                    "Invalid Configuration: FIPS and custom endpoint are not supported");
    }
    if (w->dual_stack) {
        return fail(reason, ERR_INVALID,
                    "Invalid Configuration: Dualstack and custom endpoint are not supported");
    }
    if (url_parse_endpoint(slice_cstr(w->url), &out->url) != 0) {
        snprintf(reason, AWS_REASON_MAX,
                 "%s: \"%.100s\" is not of the form https://host[:port]", w->url_source,
                 w->url);
        return ERR_INVALID;
    }
    if (strcmp(out->url.path, "/") != 0) {
        snprintf(reason, AWS_REASON_MAX, "%s: \"%.100s\" has a path; the service is asked at /",
                 w->url_source, w->url);
        return ERR_INVALID;
    }
    return 0;
}

static int use_local(const struct wish *w, struct aws_endpoint *out,
                     char reason[AWS_REASON_MAX]) {
    if (w->fips) {
        return fail(reason, ERR_INVALID,
                    "Invalid Configuration: FIPS and local endpoint are not supported");
    }
    if (w->dual_stack) {
        return fail(reason, ERR_INVALID,
                    "Invalid Configuration: Dualstack and local endpoint are not supported");
    }
    snprintf(out->signing_region, sizeof(out->signing_region), "us-east-1");
    return url_parse_endpoint(SLICE("http://localhost:8000"), &out->url);
}

static int use_region(const struct service *s, const struct wish *w, struct aws_endpoint *out,
                      char reason[AWS_REASON_MAX]) {
    char url[256];
    const struct partition *p = partition_of(w->region);
    if (w->dual_stack && !p->dual_stack_suffix) {
        return fail(reason, ERR_INVALID,
                    w->fips ? "FIPS and DualStack are enabled, but this partition does not "
                              "support one or both"
                            : "DualStack is enabled but this partition does not support "
                              "DualStack");
    }
    int marked = w->fips && (w->dual_stack || !p->plain_fips);
    snprintf(url, sizeof(url), "https://%s%s.%s.%s", s->name, marked ? "-fips" : "", w->region,
             w->dual_stack ? p->dual_stack_suffix : p->suffix);
    return url_parse_endpoint(slice_cstr(url), &out->url);
}

static int resolve(const struct service *s, const struct aws_environment *env,
                   const struct aws_profiles *p, struct wish *w, struct aws_endpoint *out,
                   char reason[AWS_REASON_MAX]) {
    int e = wish_region(s, env, p, w, reason);
    e = e ? e : wish_url(s, env, p, w, reason);
    e = e ? e
          : read_flag(env, p, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", &w->fips, reason);
    e = e ? e
          : read_flag(env, p, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint",
                      &w->dual_stack, reason);
    if (e) {
        return e;
    }
    *out = (struct aws_endpoint){0};
    snprintf(out->region, sizeof(out->region), "%s", w->region);
    snprintf(out->signing_region, sizeof(out->signing_region), "%s", w->region);
    if (w->url) {
        return use_custom(w, out, reason);
    }
    if (s->has_local && strcmp(w->region, "local") == 0) {
        return use_local(w, out, reason);
    }
    return use_region(s, w, out, reason);
}

static const char *given(const char *text) {
    return text && text[0] ? text : NULL;
}

int aws_endpoint_resolve(const struct aws_environment *env, const char *config_endpoint,
                         const char *config_region, struct aws_endpoint *out,
                         char reason[AWS_REASON_MAX]) {
    struct aws_profiles *profiles = NULL;
    struct wish w = {.url = given(config_endpoint),
                     .url_source = dynamodb.setting,
                     .region = given(config_region)};
    reason[0] = '\0';
    int e = aws_profiles_load(env, &profiles, reason);
    e = e ? e : resolve(&dynamodb, env, profiles, &w, out, reason);
    aws_profiles_free(profiles);
    return e;
}

int aws_endpoint_resolve_sts(const struct aws_environment *env,
                             const struct aws_profiles *profiles, const char *region,
                             struct aws_endpoint *out, char reason[AWS_REASON_MAX]) {
    struct wish w = {.region = given(region)};
    reason[0] = '\0';
    return resolve(&sts, env, profiles, &w, out, reason);
}
