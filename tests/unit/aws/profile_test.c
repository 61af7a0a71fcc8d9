/* The shared config and credentials files: what is read, which wins, what is refused. */
#include "aws/profile.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct aws_profiles *parse(const char *config, const char *credentials) {
    char reason[AWS_REASON_MAX] = "";
    struct aws_profiles *p = aws_profiles_new();
    int e = aws_profiles_parse(p, AWS_FILE_CONFIG, slice_cstr(config), reason);
    e = e ? e : aws_profiles_parse(p, AWS_FILE_CREDENTIALS, slice_cstr(credentials), reason);
    if (e) {
        fail_msg("%s", reason);
    }
    return p;
}

static void expect(const struct aws_profiles *p, const char *profile, const char *key,
                   const char *value) {
    const char *got = aws_profile_get(p, profile, key);
    if (value ? !got || strcmp(got, value) != 0 : got != NULL) {
        fail_msg("[%s] %s: %s, not %s", profile, key, got ? got : "-", value ? value : "-");
    }
}

static void test_sections(void **state) {
    (void)state;
    struct aws_profiles *p = parse(
        "\xef\xbb\xbf# a comment\n; another\n[default]\nregion = eu-west-1\n\n"
        "[profile dev]\r\nregion=us-east-1 # here\r\nRole_ARN = arn:aws:iam::1:role/a;b\r\n"
        "[profile \"with space\"]\nregion = r2\n[profile 'single']\nregion = r3\n"
        "[other]\nregion = nobody\n\n[sso-session x]\nsso_region = y\n"
        "[profile dev]\noutput = json\nregion = us-west-2\n[profile empty]\n",
        "[dev]\naws_access_key_id = AK\naws_secret_access_key = a+b/c=d\n"
        "[profile odd]\naws_access_key_id = ODD\n[onlyhere]\n  # indented comment\n");
    expect(p, "default", "region", "eu-west-1");
    expect(p, "dev", "region", "us-west-2");
    expect(p, "dev", "output", "json");
    expect(p, "dev", "role_arn", "arn:aws:iam::1:role/a;b");
    expect(p, "dev", "aws_access_key_id", "AK");
    expect(p, "dev", "aws_secret_access_key", "a+b/c=d");
    expect(p, "with space", "region", "r2");
    expect(p, "single", "region", "r3");
    expect(p, "other", "region", NULL);
    expect(p, "odd", "aws_access_key_id", NULL);
    assert_true(aws_profile_exists(p, "empty"));
    assert_true(aws_profile_exists(p, "onlyhere"));
    assert_true(aws_profile_exists(p, "default"));
    assert_false(aws_profile_exists(p, "other"));
    assert_false(aws_profile_exists(p, "x"));
    aws_profiles_free(p);
}

static void test_precedence(void **state) {
    (void)state;
    struct aws_profiles *p = parse("[default]\nregion = plain\noutput = text\n"
                                   "[profile default]\nregion = named\n"
                                   "aws_access_key_id = CONFIG\n",
                                   "[default]\naws_access_key_id = CREDENTIALS\n");
    expect(p, "default", "region", "named");
    expect(p, "default", "output", NULL); /* the whole plain section gives way */
    expect(p, "default", "aws_access_key_id", "CREDENTIALS");
    assert_string_equal(
        aws_profile_get_from(p, AWS_FILE_CONFIG, "default", "aws_access_key_id"), "CONFIG");
    aws_profiles_free(p);
}

static void test_nested(void **state) {
    (void)state;
    struct aws_profiles *p = parse(
        "[profile dev]\nservices = local\nmore = one\n  two\n\t three\ns3 =\n"
        "  max = 3\n[services local]\ndynamodb =\n  endpoint_url = http://localhost:8000\n"
        "  other = 1\nsts = \n  endpoint_url = http://localhost:9000 ; here\n",
        "");
    expect(p, "dev", "more", "one\ntwo\nthree");
    expect(p, "dev", "max", NULL);
    assert_string_equal(aws_profile_service(p, "local", "dynamodb", "endpoint_url"),
                        "http://localhost:8000");
    assert_string_equal(aws_profile_service(p, "local", "sts", "endpoint_url"),
                        "http://localhost:9000");
    assert_null(aws_profile_service(p, "local", "s3", "endpoint_url"));
    assert_null(aws_profile_service(p, "remote", "sts", "endpoint_url"));
    aws_profiles_free(p);
}

static void expect_refused(const char *text, const char *why) {
    char reason[AWS_REASON_MAX] = "";
    struct aws_profiles *p = aws_profiles_new();
    assert_int_equal(aws_profiles_parse(p, AWS_FILE_CONFIG, slice_cstr(text), reason),
                     ERR_INVALID);
    assert_string_equal(reason, why);
    aws_profiles_free(p);
}

static void test_refused(void **state) {
    (void)state;
    expect_refused("a = b\n", "line 1: a value before the first section");
    expect_refused("\n[default\n", "line 2: a section without its ]");
    expect_refused("[default]\nregion\n", "line 2: key = value expected");
    expect_refused("[default]\n= x\n", "line 2: a value without a key");
    expect_refused("[default]\n  x = y\n", "line 2: an indented line that continues nothing");
    expect_refused("[default]\ns3 =\n  x\n", "line 3: key = value expected");
}

static char home[64];

static const char *in_home(void *arg, const char *name) {
    (void)arg;
    return strcmp(name, "HOME") == 0 ? home : NULL;
}

static const char *elsewhere(void *arg, const char *name) {
    static char path[128];
    (void)arg;
    if (strcmp(name, "AWS_CONFIG_FILE") == 0) {
        return "~/other";
    }
    if (strcmp(name, "AWS_SHARED_CREDENTIALS_FILE") == 0) {
        snprintf(path, sizeof(path), "%s/keys", home);
        return path;
    }
    return in_home(arg, name);
}

static void write_file(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", home, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_load(void **state) {
    (void)state;
    char reason[AWS_REASON_MAX] = "", command[128];
    struct aws_environment usual = {in_home, NULL}, other = {elsewhere, NULL};
    struct aws_profiles *p = NULL;
    snprintf(home, sizeof(home), "/tmp/penstock-profile-XXXXXX");
    assert_non_null(mkdtemp(home));
    assert_int_equal(aws_profiles_load(&usual, &p, reason), 0); /* nothing there: empty */
    assert_false(aws_profile_exists(p, "default"));
    aws_profiles_free(p);
    snprintf(command, sizeof(command), "mkdir %s/.aws", home);
    assert_int_equal(system(command), 0);
    write_file(".aws/config", "[default]\nregion = one\n");
    write_file(".aws/credentials", "[default]\naws_access_key_id = two\n");
    write_file("other", "[default]\nregion = three\n");
    write_file("keys", "[default]\naws_access_key_id = four\n");
    assert_int_equal(aws_profiles_load(&usual, &p, reason), 0);
    expect(p, "default", "region", "one");
    expect(p, "default", "aws_access_key_id", "two");
    aws_profiles_free(p);
    assert_int_equal(aws_profiles_load(&other, &p, reason), 0);
    expect(p, "default", "region", "three");
    expect(p, "default", "aws_access_key_id", "four");
    aws_profiles_free(p);
    write_file("keys", "[default]\nnonsense\n");
    assert_int_equal(aws_profiles_load(&other, &p, reason), ERR_INVALID);
    assert_non_null(strstr(reason, "/keys: line 2: key = value expected"));
    snprintf(command, sizeof(command), "rm -r %s", home);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sections), cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_nested),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
