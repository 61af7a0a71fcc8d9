#include "aws/cred_plan.h"

#include "aws/environment.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void cred_plan_note(struct cred_plan *p, const char *format, ...) {
    size_t len = strlen(p->reason);
    va_list args;
    va_start(args, format);
    if (len > 0 && len + 2 < sizeof(p->reason)) {
        memcpy(p->reason + len, "; ", 3);
        len += 2;
    }
    vsnprintf(p->reason + len, sizeof(p->reason) - len, format, args);
    va_end(args);
}

static void role_fini(struct cred_role *r) {
    free(r->arn);
    free(r->session_name);
    free(r->external_id);
    free(r->duration_s);
}

void cred_plan_fini(struct cred_plan *p) {
    free(p->access_key_id);
    aws_wipe_string(p->secret_access_key);
    aws_wipe_string(p->session_token);
    aws_wipe_string(p->command);
    free(p->token_file);
    aws_wipe_string(p->token);
    free(p->target);
    role_fini(&p->web_role);
    for (size_t i = 0; i < p->role_count; i++) {
        role_fini(&p->roles[i]);
    }
    *p = (struct cred_plan){0};
}

static enum cred_found find_source(struct cred_plan *p, const struct aws_environment *env,
                                   const struct aws_profiles *profiles) {
    enum cred_found found = cred_profile_plan(p, env, profiles);
    if (found == CRED_SKIP) {
        found = cred_container_plan(p, env);
    }
    return found == CRED_SKIP ? cred_imds_plan(p, env, profiles) : found;
}

static enum cred_found find_sts(struct cred_plan *p, const struct aws_environment *env,
                                const struct aws_profiles *profiles, const char *region) {
    char why[AWS_REASON_MAX];
    if (p->role_count == 0 && p->kind != CRED_WEB_IDENTITY) {
        return CRED_FOUND;
    }
    if (aws_endpoint_resolve_sts(env, profiles, region, &p->sts, why) != 0) {
        cred_plan_note(p, "sts: %s", why);
        return CRED_FAILED;
    }
    return CRED_FOUND;
}

void cred_plan_make(struct cred_plan *p, const struct aws_environment *env,
                    const char *region) {
    struct aws_profiles *profiles = NULL;
    char why[AWS_REASON_MAX] = "";
    *p = (struct cred_plan){0};
    enum cred_found found = cred_env_plan(p, env);
    if (found == CRED_SKIP && aws_profiles_load(env, &profiles, why) != 0) {
        cred_plan_note(p, "profile: %s", why);
        found = CRED_FAILED;
    }
    if (found == CRED_SKIP) {
        found = find_source(p, env, profiles);
        found = found == CRED_FOUND ? find_sts(p, env, profiles, region) : found;
    }
    aws_profiles_free(profiles);
    if (found != CRED_FOUND) {
        p->kind = CRED_NONE;
    }
}
