/* Where DynamoDB is (facts: aws section 3.4): configuration, then AWS_ENDPOINT_URL_DYNAMODB,
 * then AWS_ENDPOINT_URL, then the profile, then the region's rule with FIPS and dual-stack. */
#ifndef AWS_ENDPOINT_H
#define AWS_ENDPOINT_H

#include "base/assert.h"
#include "http/url.h"

#define AWS_REASON_MAX 256

struct aws_environment { /* getenv by default; tests give their own */
    const char *(*get)(void *arg, const char *name);
    void *arg;
};

struct aws_endpoint {
    struct url_endpoint url;
    char region[64]; /* where the endpoint is */
    char
        signing_region[64]; /* "us-east-1" where the rule of region "local" gave the endpoint */
};

struct aws_profiles;

/* config_endpoint and config_region may be empty. The profile is AWS_PROFILE or
 * default. 0, or ERR_INVALID / ERR_NOT_FOUND with a reason that says what to set. Reads the
 * shared config file: call at start, not on a loop. */
MUST_CHECK int aws_endpoint_resolve(const struct aws_environment *env,
                                    const char *config_endpoint, const char *config_region,
                                    struct aws_endpoint *out, char reason[AWS_REASON_MAX]);
/* The same for STS in that region ("local" is us-east-1), by files that were read already. */
MUST_CHECK int aws_endpoint_resolve_sts(const struct aws_environment *env,
                                        const struct aws_profiles *profiles, const char *region,
                                        struct aws_endpoint *out, char reason[AWS_REASON_MAX]);

#endif
