/* The profile: a role with its source, web identity, keys, or a process; in botocore's order
 * (credentials.py: assume-role, web identity, SSO, credentials file, process, config file). */
#include "aws/cred_plan.h"
#include "aws/environment.h"

#include <stdio.h>

struct walk { /* along source_profile */
    struct cred_plan *plan;
    const struct aws_environment *env;
    const struct aws_profiles *profiles;
    const char *visited[CRED_ROLES_MAX];
};

static char *dup_or_null(const char *text) {
    return text ? slice_dup(slice_cstr(text)) : NULL;
}

static const char *get(const struct walk *w, const char *profile, const char *key) {
    return aws_profile_get(w->profiles, profile, key);
}

static enum cred_found refuse(struct walk *w, const char *profile, const char *why) {
    cred_plan_note(w->plan, "profile \"%.60s\": %s", profile, why);
    return CRED_FAILED;
}

static struct cred_role make_role(const char *arn, const char *session_name,
                                  const char *external_id, const char *duration_s) {
    return (struct cred_role){
        .arn = dup_or_null(arn),
        .session_name = dup_or_null(session_name ? session_name : "penstock"),
        .external_id = dup_or_null(external_id),
        .duration_s = dup_or_null(duration_s),
    };
}

static int has_keys(const struct walk *w, const char *profile) {
    return get(w, profile, "aws_access_key_id") && get(w, profile, "aws_secret_access_key");
}

/* Keys of one file; the token comes from the same file. */
static enum cred_found plan_keys(struct walk *w, const char *profile,
                                 enum aws_profile_file file) {
    const char *key = aws_profile_get_from(w->profiles, file, profile, "aws_access_key_id");
    const char *secret =
        aws_profile_get_from(w->profiles, file, profile, "aws_secret_access_key");
    if (!key && !secret) {
        return CRED_SKIP;
    }
    if (!key) {
        return refuse(w, profile, "aws_secret_access_key without aws_access_key_id");
    }
    if (!secret) {
        return refuse(w, profile, "aws_access_key_id without aws_secret_access_key");
    }
    w->plan->kind = CRED_KEYS;
    w->plan->access_key_id = dup_or_null(key);
    w->plan->secret_access_key = dup_or_null(secret);
    w->plan->session_token =
        dup_or_null(aws_profile_get_from(w->profiles, file, profile, "aws_session_token"));
    return CRED_FOUND;
}

static enum cred_found plan_web_identity(struct walk *w, const char *profile) {
    const char *file = get(w, profile, "web_identity_token_file");
    const char *arn = get(w, profile, "role_arn");
    if (!file) {
        return CRED_SKIP;
    }
    if (!arn) {
        return refuse(w, profile, "web_identity_token_file without role_arn");
    }
    w->plan->kind = CRED_WEB_IDENTITY;
    w->plan->token_file = dup_or_null(file);
    w->plan->web_role = make_role(arn, get(w, profile, "role_session_name"), NULL,
                                  get(w, profile, "duration_seconds"));
    return CRED_FOUND;
}

/* A profile's own credentials, its role with a source left aside. */
static enum cred_found plan_own(struct walk *w, const char *profile) {
    const char *command = get(w, profile, "credential_process");
    enum cred_found found = plan_web_identity(w, profile);
    if (found == CRED_SKIP &&
        (get(w, profile, "sso_session") || get(w, profile, "sso_start_url"))) {
        return refuse(w, profile, "SSO needs a person to log in; use a role or a process");
    }
    found = found ? found : plan_keys(w, profile, AWS_FILE_CREDENTIALS);
    if (found == CRED_SKIP && command) {
        w->plan->kind = CRED_PROCESS;
        w->plan->command = dup_or_null(command);
        return CRED_FOUND;
    }
    return found ? found : plan_keys(w, profile, AWS_FILE_CONFIG);
}

static enum cred_found plan_credential_source(struct walk *w, const char *profile,
                                              const char *name) {
    enum cred_found found = CRED_SKIP;
    if (strcmp(name, "Environment") == 0) {
        found = cred_env_plan(w->plan, w->env);
    } else if (strcmp(name, "EcsContainer") == 0) {
        found = cred_container_plan(w->plan, w->env);
    } else if (strcmp(name, "Ec2InstanceMetadata") == 0) {
        found = cred_imds_plan(w->plan, w->env, w->profiles);
    }
    return found == CRED_FOUND
               ? found
               : refuse(w, profile,
                        "credential_source gives none (Environment, EcsContainer or "
                        "Ec2InstanceMetadata expected)");
}

static enum cred_found plan_role(struct walk *w, const char *profile);

static enum cred_found plan_source_profile(struct walk *w, const char *profile,
                                           const char *source) {
    if (!aws_profile_exists(w->profiles, source)) {
        return refuse(w, profile, "source_profile names a profile that does not exist");
    }
    if (has_keys(w, source) || !get(w, source, "role_arn")) {
        enum cred_found found = plan_own(w, source);
        return found == CRED_SKIP ? refuse(w, source, "no credentials for the role of another")
                                  : found;
    }
    for (size_t i = 0; i < w->plan->role_count; i++) {
        if (strcmp(w->visited[i], source) == 0) {
            return refuse(w, profile, "source_profile goes round in a circle");
        }
    }
    return plan_role(w, source);
}

/* A role that is assumed with other credentials: noted, then its source is followed. */
static enum cred_found plan_role(struct walk *w, const char *profile) {
    struct cred_plan *p = w->plan;
    const char *source_profile = get(w, profile, "source_profile");
    const char *credential_source = get(w, profile, "credential_source");
    if (get(w, profile, "web_identity_token_file")) {
        return plan_web_identity(w, profile);
    }
    if (get(w, profile, "mfa_serial")) {
        return refuse(w, profile, "mfa_serial: a service cannot ask for a code");
    }
    if (!source_profile == !credential_source) {
        return refuse(w, profile, "role_arn needs source_profile or credential_source");
    }
    if (p->role_count == CRED_ROLES_MAX) {
        return refuse(w, profile, "more roles one behind the other than 8");
    }
    w->visited[p->role_count] = profile;
    p->roles[p->role_count++] =
        make_role(get(w, profile, "role_arn"), get(w, profile, "role_session_name"),
                  get(w, profile, "external_id"), get(w, profile, "duration_seconds"));
    return source_profile ? plan_source_profile(w, profile, source_profile)
                          : plan_credential_source(w, profile, credential_source);
}

/* AWS_WEB_IDENTITY_TOKEN_FILE: as Kubernetes gives it. */
static enum cred_found plan_web_identity_env(struct cred_plan *p,
                                             const struct aws_environment *env) {
    const char *file = aws_env(env, "AWS_WEB_IDENTITY_TOKEN_FILE");
    const char *arn = aws_env(env, "AWS_ROLE_ARN");
    if (!file) {
        cred_plan_note(p, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set");
        return CRED_SKIP;
    }
    if (!arn) {
        cred_plan_note(p, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE without AWS_ROLE_ARN");
        return CRED_FAILED;
    }
    p->kind = CRED_WEB_IDENTITY;
    p->token_file = dup_or_null(file);
    p->web_role = make_role(arn, aws_env(env, "AWS_ROLE_SESSION_NAME"), NULL, NULL);
    snprintf(p->source, sizeof(p->source), "web-identity");
    return CRED_FOUND;
}

enum cred_found cred_profile_plan(struct cred_plan *p, const struct aws_environment *env,
                                  const struct aws_profiles *profiles) {
    struct walk w = {.plan = p, .env = env, .profiles = profiles};
    const char *profile = aws_profile_name(env);
    enum cred_found found = CRED_SKIP;
    int exists = aws_profile_exists(profiles, profile);
    if (!exists && strcmp(profile, "default") != 0) {
        return refuse(&w, profile, "in neither the config nor the credentials file");
    }
    if (get(&w, profile, "role_arn") && !get(&w, profile, "web_identity_token_file")) {
        found = plan_role(&w, profile);
    } else {
        found = plan_web_identity_env(p, env);
        if (found != CRED_SKIP) {
            return found;
        }
        found = plan_own(&w, profile);
    }
    if (found == CRED_FOUND) {
        snprintf(p->source, sizeof(p->source), "profile:%.80s", profile);
    } else if (found == CRED_SKIP) {
        cred_plan_note(p, "profile \"%.60s\": %s", profile,
                       exists ? "no role, keys or process" : "does not exist");
    }
    return found;
}
