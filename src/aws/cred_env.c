/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. */
#include "aws/cred_plan.h"
#include "aws/environment.h"

#include <stdio.h>

static char *dup_or_null(const char *text) {
    return text ? slice_dup(slice_cstr(text)) : NULL;
}

enum cred_found cred_env_plan(struct cred_plan *p, const struct aws_environment *env) {
    const char *key = aws_env(env, "AWS_ACCESS_KEY_ID");
    const char *secret = aws_env(env, "AWS_SECRET_ACCESS_KEY");
    if (!key && !secret) {
        cred_plan_note(p, "environment: AWS_ACCESS_KEY_ID is not set");
        return CRED_SKIP;
    }
    if (!key || !secret) {
        cred_plan_note(p, "environment: %s is set but %s is not",
                       key ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                       key ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
        return CRED_FAILED;
    }
    p->kind = CRED_KEYS;
    snprintf(p->source, sizeof(p->source), "environment");
    p->access_key_id = dup_or_null(key);
    p->secret_access_key = dup_or_null(secret);
    p->session_token = dup_or_null(aws_env(env, "AWS_SESSION_TOKEN"));
    return CRED_FOUND;
}
