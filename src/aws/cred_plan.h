/* Where credentials will come from: the outcome of looking at the environment and the profile,
 * before anything is asked. AWS's order; the first source that is configured is the one, and
 * when it fails the next is not tried: another identity would be a surprise. */
#ifndef AWS_CRED_PLAN_H
#define AWS_CRED_PLAN_H

#include "aws/endpoint.h"
#include "aws/profile.h"

#define CRED_ROLES_MAX  8    /* roles assumed one with the other */
#define CRED_REASON_MAX 1024 /* why each source gave nothing */

enum cred_kind {
    CRED_NONE, /* no source is configured, or one is and it is wrong: see reason */
    CRED_KEYS, /* environment or profile: nothing to ask */
    CRED_PROCESS,
    CRED_WEB_IDENTITY,
    CRED_CONTAINER,
    CRED_IMDS,
};

struct cred_role {
    char *arn;
    char *session_name;
    char *external_id; /* NULL = none */
    char *duration_s;  /* NULL = the service's default */
};

struct cred_plan {
    enum cred_kind kind;
    char source[96];              /* "environment", "profile:dev" ...: for logs */
    char reason[CRED_REASON_MAX]; /* why the sources before were passed over, "; " between */
    char *access_key_id;          /* KEYS */
    char *secret_access_key;
    char *session_token;
    char *command;             /* PROCESS */
    char *token_file;          /* WEB_IDENTITY; CONTAINER: NULL = `token` */
    char *token;               /* CONTAINER: the Authorization field; NULL = none */
    char *target;              /* CONTAINER: path and query */
    struct cred_role web_role; /* WEB_IDENTITY */
    struct url_endpoint url;   /* CONTAINER, IMDS */
    int v1_disabled;           /* IMDS */
    struct cred_role roles[CRED_ROLES_MAX]; /* then assumed, the last one first */
    size_t role_count;
    struct aws_endpoint sts; /* for any of the roles */
};

enum cred_found { CRED_SKIP, CRED_FOUND, CRED_FAILED };

/* Reads the environment and the files and decides. Blocks: not for a loop. `region` is where
 * STS is asked. */
void cred_plan_make(struct cred_plan *p, const struct aws_environment *env, const char *region);
/* Wipes; the plan is zero then. */
void cred_plan_fini(struct cred_plan *p);

/* One more reason, "source: text". */
void cred_plan_note(struct cred_plan *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The sources. Each sets what it needs in the plan, or notes why not. */
enum cred_found cred_env_plan(struct cred_plan *p, const struct aws_environment *env);
enum cred_found cred_profile_plan(struct cred_plan *p, const struct aws_environment *env,
                                  const struct aws_profiles *profiles);
enum cred_found cred_container_plan(struct cred_plan *p, const struct aws_environment *env);
enum cred_found cred_imds_plan(struct cred_plan *p, const struct aws_environment *env,
                               const struct aws_profiles *profiles);

#endif
