/* Which source is taken, and why the others are not: AWS's order of precedence, and what is
 * wrong enough to stop at. Nothing is asked of any source here. */
#include "support/unit.h"

#include "aws/cred_plan.h"

#include <stdio.h>
#include <stdlib.h>

static char config_path[64], credentials_path[64];

static void write_text(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void files(const char *config, const char *credentials) {
    write_text(config_path, config);
    write_text(credentials_path, credentials);
}

static const char *from_list(void *arg, const char *name) {
    size_t len = strlen(name);
    if (strcmp(name, "AWS_CONFIG_FILE") == 0) {
        return config_path;
    }
    if (strcmp(name, "AWS_SHARED_CREDENTIALS_FILE") == 0) {
        return credentials_path;
    }
    for (const char **v = arg; *v; v++) {
        if (strncmp(*v, name, len) == 0 && (*v)[len] == '=') {
            return *v + len + 1;
        }
    }
    return NULL;
}

#define ENV(...) ((const char *[]){__VA_ARGS__, NULL})
#define NOTHING  "X=1"

static struct cred_plan plan;

static void make(const char **vars) {
    struct aws_environment env = {from_list, vars};
    cred_plan_fini(&plan);
    cred_plan_make(&plan, &env, "eu-west-1");
}

static void expect(const char **vars, enum cred_kind kind, const char *source) {
    make(vars);
    if (plan.kind != kind || strcmp(plan.source, source) != 0) {
        fail_msg("kind %d source \"%s\" (%s), not kind %d source \"%s\"", plan.kind,
                 plan.source, plan.reason, kind, source);
    }
}

static void refuse(const char **vars, const char *why) {
    make(vars);
    assert_int_equal(plan.kind, CRED_NONE);
    if (!strstr(plan.reason, why)) {
        fail_msg("\"%s\" is not in \"%s\"", why, plan.reason);
    }
}

#define ENV_KEYS "AWS_ACCESS_KEY_ID=AKENV", "AWS_SECRET_ACCESS_KEY=s"
#define ENV_WEB  "AWS_WEB_IDENTITY_TOKEN_FILE=/token", "AWS_ROLE_ARN=arn:web"
#define ENV_ECS  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/creds"
#define KEYS     "aws_access_key_id = AK\naws_secret_access_key = s\n"

/* Each source in turn is the first; the ones behind it are all there. */
static void precedence(void **state) {
    (void)state;
    const char *role = "[default]\nrole_arn = arn:r\nsource_profile = base\n"
                       "[profile base]\n" KEYS;
    files(role, "[default]\n" KEYS);
    expect(ENV(ENV_KEYS, ENV_WEB, ENV_ECS), CRED_KEYS, "environment");
    expect(ENV(ENV_WEB, ENV_ECS), CRED_KEYS, "profile:default");
    assert_int_equal(plan.role_count, 1);
    files("[default]\ncredential_process = cmd\n" KEYS, "[default]\n" KEYS);
    expect(ENV(ENV_WEB, ENV_ECS), CRED_WEB_IDENTITY, "web-identity");
    assert_string_equal(plan.web_role.arn, "arn:web");
    expect(ENV(ENV_ECS), CRED_KEYS, "profile:default");
    files("[default]\ncredential_process = cmd\n" KEYS, "");
    expect(ENV(ENV_ECS), CRED_PROCESS, "profile:default");
    assert_string_equal(plan.command, "cmd");
    files("[default]\n" KEYS, "");
    expect(ENV(ENV_ECS), CRED_KEYS, "profile:default");
    files("[default]\nregion = x\n", "");
    expect(ENV(ENV_ECS), CRED_CONTAINER, "container");
    expect(ENV(NOTHING), CRED_IMDS, "imds");
    assert_string_equal(plan.url.authority, "169.254.169.254");
    refuse(ENV("AWS_EC2_METADATA_DISABLED=true"),
           "environment: AWS_ACCESS_KEY_ID is not set; web identity: "
           "AWS_WEB_IDENTITY_TOKEN_FILE is not set; profile \"default\": no role, keys or "
           "process; container: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor "
           "AWS_CONTAINER_CREDENTIALS_FULL_URI is set; imds: AWS_EC2_METADATA_DISABLED is "
           "true");
}

static void keys(void **state) {
    (void)state;
    files("[profile dev]\n" KEYS,
          "[dev]\naws_access_key_id = AKFILE\naws_secret_access_key = s2\n"
          "aws_session_token = t2\n");
    expect(ENV(ENV_KEYS, "AWS_SESSION_TOKEN=t"), CRED_KEYS, "environment");
    assert_string_equal(plan.access_key_id, "AKENV");
    assert_string_equal(plan.session_token, "t");
    expect(ENV("AWS_PROFILE=dev"), CRED_KEYS, "profile:dev");
    assert_string_equal(plan.access_key_id, "AKFILE");
    assert_string_equal(plan.secret_access_key, "s2");
    assert_string_equal(plan.session_token, "t2");
}

static void roles(void **state) {
    (void)state;
    files("[profile a]\nrole_arn = arn:a\nsource_profile = b\nrole_session_name = me\n"
          "external_id = x\nduration_seconds = 1800\n"
          "[profile b]\nrole_arn = arn:b\nsource_profile = c\n"
          "[profile c]\nrole_arn = arn:ignored\nsource_profile = d\n" KEYS
          "[profile self]\nrole_arn = arn:self\nsource_profile = self\n" KEYS
          "[profile web]\nrole_arn = arn:w\nweb_identity_token_file = /w\n"
          "[profile onweb]\nrole_arn = arn:o\nsource_profile = web\n"
          "[profile env]\nrole_arn = arn:e\ncredential_source = Environment\n"
          "[profile ecs]\nrole_arn = arn:e\ncredential_source = EcsContainer\n"
          "[profile ec2]\nrole_arn = arn:e\ncredential_source = Ec2InstanceMetadata\n",
          "");
    expect(ENV("AWS_PROFILE=a"), CRED_KEYS, "profile:a");
    assert_int_equal(plan.role_count, 2);
    assert_string_equal(plan.roles[0].arn, "arn:a");
    assert_string_equal(plan.roles[0].session_name, "me");
    assert_string_equal(plan.roles[0].external_id, "x");
    assert_string_equal(plan.roles[0].duration_s, "1800");
    assert_string_equal(plan.roles[1].arn, "arn:b");
    assert_string_equal(plan.roles[1].session_name, "penstock");
    assert_string_equal(plan.sts.url.authority, "sts.eu-west-1.amazonaws.com");
    expect(ENV("AWS_PROFILE=self"), CRED_KEYS, "profile:self");
    assert_int_equal(plan.role_count, 1);
    expect(ENV("AWS_PROFILE=web"), CRED_WEB_IDENTITY, "profile:web");
    assert_int_equal(plan.role_count, 0);
    expect(ENV("AWS_PROFILE=onweb"), CRED_WEB_IDENTITY, "profile:onweb");
    assert_string_equal(plan.web_role.arn, "arn:w");
    assert_string_equal(plan.roles[0].arn, "arn:o");
    refuse(ENV("AWS_PROFILE=env"), "credential_source gives none");
    expect(ENV("AWS_PROFILE=ecs", ENV_ECS), CRED_CONTAINER, "profile:ecs");
    assert_int_equal(plan.role_count, 1);
    expect(ENV("AWS_PROFILE=ec2"), CRED_IMDS, "profile:ec2");
}

static void stops(void **state) {
    (void)state;
    files("[profile half]\naws_access_key_id = A\n[profile hidden]\naws_secret_access_key = s\n"
          "[profile norole]\nrole_arn = a\n"
          "[profile both]\nrole_arn = a\nsource_profile = x\ncredential_source = Environment\n"
          "[profile gone]\nrole_arn = a\nsource_profile = nowhere\n"
          "[profile x]\nrole_arn = a\nsource_profile = y\n"
          "[profile y]\nrole_arn = a\nsource_profile = x\n"
          "[profile mfa]\nrole_arn = a\nsource_profile = x\nmfa_serial = m\n"
          "[profile sso]\nsso_session = s\n[profile web]\nweb_identity_token_file = /w\n"
          "[profile empty]\nrole_arn = a\nsource_profile = nothing\n[profile nothing]\n",
          "");
    refuse(ENV("AWS_ACCESS_KEY_ID=A"), "AWS_SECRET_ACCESS_KEY is not");
    refuse(ENV("AWS_SECRET_ACCESS_KEY=A"), "but AWS_ACCESS_KEY_ID is not");
    refuse(ENV("AWS_PROFILE=half"), "without aws_secret_access_key");
    refuse(ENV("AWS_PROFILE=hidden"), "without aws_access_key_id");
    refuse(ENV("AWS_PROFILE=norole"), "role_arn needs source_profile or credential_source");
    refuse(ENV("AWS_PROFILE=both"), "role_arn needs source_profile or credential_source");
    refuse(ENV("AWS_PROFILE=gone"), "a profile that does not exist");
    refuse(ENV("AWS_PROFILE=x"), "circle");
    refuse(ENV("AWS_PROFILE=mfa"), "mfa_serial");
    refuse(ENV("AWS_PROFILE=sso"), "SSO needs a person");
    refuse(ENV("AWS_PROFILE=web"), "web_identity_token_file without role_arn");
    refuse(ENV("AWS_PROFILE=empty"), "no credentials for the role of another");
    refuse(ENV("AWS_PROFILE=other", ENV_ECS), "in neither the config nor");
    refuse(ENV("AWS_WEB_IDENTITY_TOKEN_FILE=/t", ENV_ECS), "without AWS_ROLE_ARN");
    files("[default\n", "");
    refuse(ENV(ENV_ECS), "line 1: a section without its ]");
}

static void long_chain(void **state) {
    char config[2000] = "";
    (void)state;
    for (int i = 0; i < 9; i++) {
        sprintf(config + strlen(config),
                "[profile p%d]\nrole_arn = a%d\nsource_profile = p%d\n", i, i, i + 1);
    }
    strcat(config, "[profile p9]\n" KEYS);
    files(config, "");
    expect(ENV("AWS_PROFILE=p1"), CRED_KEYS, "profile:p1");
    assert_int_equal(plan.role_count, 8);
    refuse(ENV("AWS_PROFILE=p0"), "than 8");
}

static void container_hosts(void **state) {
    (void)state;
    static const char *const good[] = {
        "http://localhost/x",        "http://127.0.0.1:9911/",       "http://127.200.0.9/a?b=c",
        "http://[::1]:80/x",         "http://169.254.170.2/v2/x",    "http://169.254.170.23/v1",
        "http://[fd00:ec2::23]/v1/", "https://credentials.example/x"};
    static const char *const bad[] = {
        "http://169.254.169.254/",  "http://example.com/", "http://127.0.0.1.example.com/",
        "http://128.0.0.1/",        "http://127.0.0.256/", "http://[::2]/",
        "ftp://localhost/",         "localhost",           "http://localhost/a b",
        "http://localhost/\r\nX: 1"};
    char var[200];
    files("", "");
    for (size_t i = 0; i < COUNT(good); i++) {
        snprintf(var, sizeof(var), "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s", good[i]);
        expect(ENV(var), CRED_CONTAINER, "container");
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        snprintf(var, sizeof(var), "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s", bad[i]);
        refuse(ENV(var), "container: ");
    }
    expect(ENV("AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1/a?b=c"), CRED_CONTAINER,
           "container");
    assert_string_equal(plan.target, "/a?b=c");
    expect(ENV("AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1"), CRED_CONTAINER,
           "container");
    assert_string_equal(plan.target, "/");
    expect(ENV(ENV_ECS), CRED_CONTAINER, "container");
    assert_string_equal(plan.url.authority, "169.254.170.2");
    assert_string_equal(plan.target, "/creds");
    refuse(ENV("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=creds"), "must begin with /");
}

static void imds_settings(void **state) {
    (void)state;
    files("[profile six]\nec2_metadata_service_endpoint_mode = IPv6\n"
          "ec2_metadata_v1_disabled = true\n",
          "");
    expect(ENV("AWS_PROFILE=six"), CRED_IMDS, "imds");
    assert_string_equal(plan.url.authority, "[fd00:ec2::254]");
    assert_true(plan.v1_disabled);
    expect(ENV("AWS_PROFILE=six", "AWS_EC2_METADATA_V1_DISABLED=false",
               "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:99/base"),
           CRED_IMDS, "imds");
    assert_string_equal(plan.url.authority, "127.0.0.1:99");
    assert_false(plan.v1_disabled);
    refuse(ENV("AWS_EC2_METADATA_DISABLED=perhaps"), "true or false expected");
    refuse(ENV("AWS_EC2_METADATA_SERVICE_ENDPOINT=nowhere"), "not a URL");
}

static int teardown(void **state) {
    (void)state;
    cred_plan_fini(&plan);
    unlink(config_path);
    unlink(credentials_path);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precedence),    cmocka_unit_test(keys),
        cmocka_unit_test(roles),         cmocka_unit_test(stops),
        cmocka_unit_test(long_chain),    cmocka_unit_test(container_hosts),
        cmocka_unit_test(imds_settings),
    };
    strcpy(config_path, "/tmp/penstock-config-XXXXXX");
    strcpy(credentials_path, "/tmp/penstock-keys-XXXXXX");
    close(mkstemp(config_path));
    close(mkstemp(credentials_path));
    return cmocka_run_group_tests(tests, NULL, teardown);
}
