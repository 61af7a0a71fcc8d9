/* Where DynamoDB is: every source of a URL, every rule of the rule set, every refusal. */
#include "aws/endpoint.h"
#include "aws/profile.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char config_path[64];

static void write_config(const char *text) {
    FILE *f = fopen(config_path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* arg: "NAME=value" strings, ended by NULL. */
static const char *from_list(void *arg, const char *name) {
    size_t len = strlen(name);
    if (strcmp(name, "AWS_CONFIG_FILE") == 0) {
        return config_path;
    }
    for (const char **v = arg; *v; v++) {
        if (strncmp(*v, name, len) == 0 && (*v)[len] == '=') {
            return *v + len + 1;
        }
    }
    return NULL;
}

#define ENV(...) ((const char *[]){__VA_ARGS__, NULL})

static int resolve(const char **vars, const char *url, const char *region,
                   struct aws_endpoint *out, char reason[AWS_REASON_MAX]) {
    struct aws_environment env = {from_list, vars};
    return aws_endpoint_resolve(&env, url, region, out, reason);
}

static void expect(const char **vars, const char *url, const char *region, const char *want,
                   const char *signing_region) {
    char reason[AWS_REASON_MAX] = "", got[400];
    struct aws_endpoint e;
    if (resolve(vars, url, region, &e, reason) != 0) {
        fail_msg("%s: %s", want, reason);
    }
    snprintf(got, sizeof(got), "%s://%s", e.url.tls ? "https" : "http", e.url.authority);
    assert_string_equal(got, want);
    assert_string_equal(e.signing_region, signing_region);
}

static void refuse(const char **vars, const char *url, const char *region, int error,
                   const char *want) {
    char reason[AWS_REASON_MAX] = "";
    struct aws_endpoint e;
    assert_int_equal(resolve(vars, url, region, &e, reason), error);
    if (!strstr(reason, want)) {
        fail_msg("\"%s\" is not in \"%s\"", want, reason);
    }
}

#define FIPS "AWS_USE_FIPS_ENDPOINT=true"
#define DUAL "AWS_USE_DUALSTACK_ENDPOINT=True"
#define NONE "X=1"

static void test_rules(void **state) {
    (void)state;
    write_config("");
    expect(ENV(NONE), "", "eu-west-1", "https://dynamodb.eu-west-1.amazonaws.com", "eu-west-1");
    expect(ENV(NONE), "", "cn-north-1", "https://dynamodb.cn-north-1.amazonaws.com.cn",
           "cn-north-1");
    expect(ENV(NONE), "", "us-gov-west-1", "https://dynamodb.us-gov-west-1.amazonaws.com",
           "us-gov-west-1");
    expect(ENV(NONE), "", "us-isob-east-1", "https://dynamodb.us-isob-east-1.sc2s.sgov.gov",
           "us-isob-east-1");
    expect(ENV(NONE), "", "xx-new-9", "https://dynamodb.xx-new-9.amazonaws.com", "xx-new-9");
    expect(ENV(FIPS), "", "us-east-1", "https://dynamodb-fips.us-east-1.amazonaws.com",
           "us-east-1");
    expect(ENV(FIPS), "", "us-gov-west-1", "https://dynamodb.us-gov-west-1.amazonaws.com",
           "us-gov-west-1");
    expect(ENV(FIPS, DUAL), "", "us-gov-west-1", "https://dynamodb-fips.us-gov-west-1.api.aws",
           "us-gov-west-1");
    expect(ENV(DUAL), "", "us-east-1", "https://dynamodb.us-east-1.api.aws", "us-east-1");
    expect(ENV(DUAL), "", "cn-north-1",
           "https://dynamodb.cn-north-1.api.amazonwebservices.com.cn", "cn-north-1");
    expect(ENV(NONE), "", "local", "http://localhost:8000", "us-east-1");
}

static void test_refused(void **state) {
    (void)state;
    write_config("");
    refuse(ENV(FIPS), "http://localhost:8000", "us-east-1", ERR_INVALID,
           "Invalid Configuration: FIPS and custom endpoint are not supported");
    refuse(ENV(DUAL), "http://localhost:8000", "us-east-1", ERR_INVALID,
           "Invalid Configuration: Dualstack and custom endpoint are not supported");
    refuse(ENV(FIPS), "", "local", ERR_INVALID,
           "Invalid Configuration: FIPS and local endpoint are not supported");
    refuse(ENV(DUAL), "", "local", ERR_INVALID,
           "Invalid Configuration: Dualstack and local endpoint are not supported");
    refuse(ENV(DUAL), "", "us-iso-east-1", ERR_INVALID,
           "DualStack is enabled but this partition does not support DualStack");
    refuse(ENV(DUAL, FIPS), "", "us-iso-east-1", ERR_INVALID,
           "FIPS and DualStack are enabled, but this partition does not support one or both");
    refuse(ENV(NONE), "", "", ERR_NOT_FOUND, "Invalid Configuration: Missing Region");
    refuse(ENV("AWS_PROFILE=dev"), "", "", ERR_NOT_FOUND,
           "AWS_REGION, or region in profile "
           "\"dev\"");
    refuse(ENV(NONE), "", "us east", ERR_INVALID, "region \"us east\"");
    refuse(ENV(NONE), "", "evil.example/", ERR_INVALID, "is not a region's name");
    refuse(ENV("AWS_USE_FIPS_ENDPOINT=yes"), "", "us-east-1", ERR_INVALID,
           "AWS_USE_FIPS_ENDPOINT is \"yes\": true or false expected");
    refuse(ENV(NONE), "localhost:8000", "us-east-1", ERR_INVALID,
           "dynamodb.endpoint: \"localhost:8000\" is not of the form https://host[:port]");
    refuse(ENV("AWS_ENDPOINT_URL=ftp://x"), "", "us-east-1", ERR_INVALID, "AWS_ENDPOINT_URL: ");
    refuse(ENV(NONE), "http://localhost:70000", "us-east-1", ERR_INVALID,
           "dynamodb.endpoint: ");
    refuse(ENV(NONE), "https://proxy/dynamo", "us-east-1", ERR_INVALID, "has a path");
    write_config("[default\n");
    refuse(ENV(NONE), "", "us-east-1", ERR_INVALID, "line 1: a section without its ]");
}

static void test_url_sources(void **state) {
    (void)state;
    write_config("[default]\nendpoint_url = http://plain\n"
                 "[profile dev]\nservices = s\nendpoint_url = http://profile\nregion = r-9\n"
                 "[services s]\ndynamodb =\n  endpoint_url = http://services\n"
                 "[profile off]\nignore_configured_endpoint_urls = true\n"
                 "endpoint_url = http://profile\n");
    expect(ENV("AWS_ENDPOINT_URL_DYNAMODB=http://one", "AWS_ENDPOINT_URL=http://two"),
           "http://zero:81", "r", "http://zero:81", "r");
    expect(ENV("AWS_ENDPOINT_URL_DYNAMODB=http://one", "AWS_ENDPOINT_URL=http://two"), "", "r",
           "http://one", "r");
    expect(ENV("AWS_ENDPOINT_URL=http://two", "AWS_PROFILE=dev"), "", "r", "http://two", "r");
    expect(ENV("AWS_PROFILE=dev"), "", "", "http://services", "r-9");
    expect(ENV(NONE), "", "r", "http://plain", "r");
    expect(ENV("AWS_ENDPOINT_URL=http://two", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"), "",
           "r", "https://dynamodb.r.amazonaws.com", "r");
    expect(ENV("AWS_PROFILE=off", "AWS_ENDPOINT_URL=http://two"), "", "r",
           "https://dynamodb.r.amazonaws.com", "r");
    /* what the configuration file says outright is not ignored */
    expect(ENV("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"), "http://zero", "r", "http://zero",
           "r");
    expect(ENV(NONE), "https://localhost:8000/", "local", "https://localhost:8000", "local");
}

static void test_region_sources(void **state) {
    (void)state;
    write_config("[default]\nregion = d-1\n[profile dev]\nregion = p-1\n");
    const char *both[] = {"AWS_REGION=a-1", "AWS_DEFAULT_REGION=b-1", "AWS_PROFILE=dev", NULL};
    expect(both, "", "c-1", "https://dynamodb.c-1.amazonaws.com", "c-1");
    expect(both, "", "", "https://dynamodb.a-1.amazonaws.com", "a-1");
    expect(both + 1, "", NULL, "https://dynamodb.b-1.amazonaws.com", "b-1");
    expect(both + 2, "", "", "https://dynamodb.p-1.amazonaws.com", "p-1");
    expect(both + 3, "", "", "https://dynamodb.d-1.amazonaws.com", "d-1");
}

static void expect_sts(const char **vars, const char *region, const char *want) {
    char reason[AWS_REASON_MAX] = "";
    struct aws_environment env = {from_list, vars};
    struct aws_profiles *p = NULL;
    struct aws_endpoint e;
    assert_int_equal(aws_profiles_load(&env, &p, reason), 0);
    assert_int_equal(aws_endpoint_resolve_sts(&env, p, region, &e, reason), 0);
    assert_string_equal(e.url.authority, want);
    aws_profiles_free(p);
}

static void test_sts(void **state) {
    (void)state;
    write_config("");
    expect_sts(ENV(NONE), "eu-west-1", "sts.eu-west-1.amazonaws.com");
    expect_sts(ENV(FIPS), "us-east-2", "sts-fips.us-east-2.amazonaws.com");
    expect_sts(ENV(NONE), "cn-north-1", "sts.cn-north-1.amazonaws.com.cn");
    expect_sts(ENV(NONE), "local", "sts.us-east-1.amazonaws.com");
    expect_sts(ENV("AWS_ENDPOINT_URL_DYNAMODB=http://d"), "r-1", "sts.r-1.amazonaws.com");
    expect_sts(ENV("AWS_ENDPOINT_URL=http://all:1", "AWS_ENDPOINT_URL_STS=http://sts:2"), "r",
               "sts:2");
    expect_sts(ENV("AWS_ENDPOINT_URL=http://all:1"), "r", "all:1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),       cmocka_unit_test(test_refused),
        cmocka_unit_test(test_url_sources), cmocka_unit_test(test_region_sources),
        cmocka_unit_test(test_sts),
    };
    snprintf(config_path, sizeof(config_path), "/tmp/penstock-endpoint-XXXXXX");
    int fd = mkstemp(config_path);
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(config_path);
    return failed;
}
