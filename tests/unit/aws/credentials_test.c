/* The credentials chain against fake endpoints: every source, refresh, what is kept when a
 * source is down, and the end at any moment. No secret may reach the log: every secret here has
 * SECRET in it, and the last test looks at all that was logged. */
#include "support/unit.h"

#include "aws/credentials.h"
#include "base/clock.h"
#include "net/stream.h"

#include "fake_http.h"

#include <fcntl.h>

#define VARS_MAX 16

static struct loop l;
static struct stream_hub hub;
static struct credentials_chain *chain;
static struct credentials *last; /* our reference */
static int changes, failures, closed;
static char reason[2048];
static char vars[VARS_MAX][256];
static int var_count;
static char config_path[64], file_path[64], log_path[64];
static struct fake fake;

/* --- the chain under test --- */

static const char *from_vars(void *arg, const char *name) {
    size_t len = strlen(name);
    (void)arg;
    if (strcmp(name, "AWS_CONFIG_FILE") == 0) {
        return config_path;
    }
    for (int i = 0; i < var_count; i++) {
        if (strncmp(vars[i], name, len) == 0 && vars[i][len] == '=') {
            return vars[i] + len + 1;
        }
    }
    return NULL;
}

static void set(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void set(const char *format, ...) {
    va_list args;
    va_start(args, format);
    assert_true(var_count < VARS_MAX);
    vsnprintf(vars[var_count++], sizeof(vars[0]), format, args);
    va_end(args);
}

static void write_text(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void on_change(void *arg, struct credentials *c) {
    assert_ptr_equal(arg, &chain);
    credentials_unref(last);
    last = credentials_ref(c);
    changes++;
}

static void on_failure(void *arg, const char *why) {
    assert_ptr_equal(arg, &chain);
    snprintf(reason, sizeof(reason), "%s", why);
    assert_null(strstr(why, "SECRET"));
    failures++;
}

static void start(void) {
    struct credentials_options options = {.env = {from_vars, NULL},
                                          .region = "eu-west-1",
                                          .on_change = on_change,
                                          .on_failure = on_failure,
                                          .arg = &chain};
    chain = credentials_chain_new(&l, &hub, &options);
    assert_int_equal(changes + failures, 0); /* never from inside */
}

static int setup(void **state) {
    (void)state;
    changes = failures = closed = var_count = 0;
    reason[0] = '\0';
    last = NULL;
    chain = NULL;
    write_text(config_path, "");
    atomic_store(&fake.mode, 0);
    atomic_store(&fake.requests, 0);
    assert_int_equal(loop_init(&l), 0);
    stream_hub_init(&hub, &l);
    return 0;
}

static void turn(void) {
    loop_turn(&l);
    usleep(500);
}

/* Turns until *value is at least `least`; fails after ten seconds. */
static void wait_for(const int *value, int least) {
    uint64_t until = clock_monotonic_ns() + 10 * NS_PER_S;
    while (*value < least) {
        if (clock_monotonic_ns() > until) {
            fail_msg("nothing happened: %d changes, %d failures, \"%s\"", changes, failures,
                     reason);
        }
        turn();
    }
}

static void turn_for_ms(uint64_t ms) {
    uint64_t until = clock_monotonic_ns() + ms * NS_PER_MS;
    while (clock_monotonic_ns() < until) {
        turn();
    }
}

static void on_closed(void *arg) {
    assert_ptr_equal(arg, &chain);
    closed++;
}

static void stop(void) {
    if (chain) {
        credentials_chain_close(chain, on_closed, &chain);
        assert_int_equal(closed, 0);
        wait_for(&closed, 1);
        credentials_chain_free(chain);
        chain = NULL;
    }
}

static int teardown(void **state) {
    (void)state;
    stop();
    credentials_unref(last);
    stream_hub_fini(&hub);
    loop_fini(&l);
    return 0;
}

static void expect(const char *key, const char *secret, const char *token, const char *source) {
    assert_non_null(last);
    assert_string_equal(last->access_key_id, key);
    assert_string_equal(last->secret_access_key, secret);
    assert_string_equal(last->session_token, token);
    assert_string_equal(last->source, source);
}

static void expect_reason(const char *text) {
    if (!strstr(reason, text)) {
        fail_msg("\"%s\" is not in \"%s\"", text, reason);
    }
}

static void date_in(char out[25], int seconds) {
    clock_format_iso8601_ms(clock_wall_ms() + (uint64_t)(seconds * 1000), out);
}

/* --- what needs no question --- */

static void environment(void **state) {
    (void)state;
    set("AWS_ACCESS_KEY_ID=AKENV");
    set("AWS_SECRET_ACCESS_KEY=SECRET1");
    set("AWS_SESSION_TOKEN=TOKENSECRET");
    start();
    loop_turn(&l); /* the very next turn */
    assert_int_equal(changes, 1);
    expect("AKENV", "SECRET1", "TOKENSECRET", "environment");
    assert_int_equal(last->expires_s, 0);
}

static void profile_keys(void **state) {
    (void)state;
    write_text(config_path, "[profile dev]\naws_access_key_id = AKDEV\n"
                            "aws_secret_access_key = SECRET2\n");
    set("AWS_PROFILE=dev");
    start();
    loop_turn(&l);
    assert_int_equal(changes, 1);
    expect("AKDEV", "SECRET2", "", "profile:dev");
}

/* A refused key that was replaced in the file: found at the next refresh; what did not change
 * is not announced. */
static void refresh_reads_again(void **state) {
    (void)state;
    write_text(config_path, "[default]\naws_access_key_id = AK1\n"
                            "aws_secret_access_key = SECRET3\n");
    start();
    wait_for(&changes, 1);
    credentials_chain_refresh(chain);
    turn_for_ms(1200);
    assert_int_equal(changes, 1);
    write_text(config_path, "[default]\naws_access_key_id = AK2\n"
                            "aws_secret_access_key = SECRET3\n");
    credentials_chain_refresh(chain);
    wait_for(&changes, 2);
    expect("AK2", "SECRET3", "", "profile:default");
}

static void nothing_anywhere(void **state) {
    (void)state;
    set("AWS_EC2_METADATA_DISABLED=true");
    start();
    wait_for(&failures, 1);
    expect_reason("environment: AWS_ACCESS_KEY_ID is not set");
    expect_reason("imds: AWS_EC2_METADATA_DISABLED is true");
    /* and then it appears */
    write_text(config_path, "[default]\naws_access_key_id = AK1\n"
                            "aws_secret_access_key = SECRET3\n");
    wait_for(&changes, 1);
}

static void header_unsafe(void **state) {
    (void)state;
    set("AWS_ACCESS_KEY_ID=AK\r\nX-Evil: 1");
    set("AWS_SECRET_ACCESS_KEY=SECRET1");
    start();
    wait_for(&failures, 1);
    expect_reason("a character that no header may have");
}

/* --- credential_process --- */

static void process(const char *command) {
    char config[600];
    snprintf(config, sizeof(config), "[default]\ncredential_process = %s\n", command);
    write_text(config_path, config);
    start();
}

static void process_prints(void **state) {
    (void)state;
    process("printf '{\"Version\": 1, \"AccessKeyId\": \"AKPROC\", \"SecretAccessKey\": "
            "\"SECRET\\\\u0034\", \"SessionToken\": \"TSECRET\", \"Expiration\": "
            "\"2099-01-01T02:00:00+02:00\"}'");
    wait_for(&changes, 1);
    expect("AKPROC", "SECRET4", "TSECRET", "profile:default");
    assert_int_equal(last->expires_s, 4070908800u);
}

static void process_fails(void **state) {
    (void)state;
    process("echo SECRET; exit 3");
    wait_for(&failures, 1);
    expect_reason("profile:default: credential_process ended with status 3");
}

static void process_killed(void **state) {
    (void)state;
    process("kill -9 $$");
    wait_for(&failures, 1);
    expect_reason("ended by signal 9");
}

static void process_prints_nonsense(void **state) {
    (void)state;
    process("echo hello SECRET");
    wait_for(&failures, 1);
    expect_reason("no JSON with \"Version\": 1");
}

static void process_prints_much(void **state) {
    (void)state;
    process("yes SECRET");
    wait_for(&failures, 1);
    expect_reason("a size limit was exceeded");
}

static void process_expired(void **state) {
    (void)state;
    process("echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"SECRET\","
            "\"Expiration\":\"2001-01-01T00:00:00Z\"}'");
    wait_for(&failures, 1);
    expect_reason("have expired");
}

/* The end does not wait for a process, nor for its children. */
static void process_at_the_end(void **state) {
    char command[200];
    (void)state;
    unlink(file_path);
    snprintf(command, sizeof(command), "(sleep 2; touch %s) & sleep 50", file_path);
    process(command);
    turn_for_ms(300);
    uint64_t before = clock_monotonic_ns();
    stop();
    assert_true(clock_monotonic_ns() - before < NS_PER_S);
    usleep(2500000);
    assert_int_not_equal(access(file_path, F_OK), 0);
}

/* --- STS --- */

#define STS_ANSWER                                                                             \
    "<%sResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><%sResult>"               \
    "<AssumedRoleUser><Arn>x</Arn></AssumedRoleUser><Credentials>\n"                           \
    "  <AccessKeyId>%s</AccessKeyId>\n  <SecretAccessKey>SECRET+/=</SecretAccessKey>\n"        \
    "  <SessionToken>TOKENSECRET==</SessionToken>\n  <Expiration>%s</Expiration>\n"            \
    "</Credentials></%sResult></%sResponse>"

/* mode 0: answers; 1: refuses; 2: closes without a word; 3: 200 and nonsense */
static int answer_sts(struct fake *f, const char *request, char body[FAKE_MAX]) {
    char date[25];
    const char *action =
        strstr(request, "WebIdentityToken=") ? "AssumeRoleWithWebIdentity" : "AssumeRole";
    const char *key = strstr(request, "RoleArn=arn%3Aouter") ? "ASIAOUTER" : "ASIAINNER";
    date_in(date, 3600);
    switch (atomic_load(&f->mode)) {
    case 1:
        strcpy(body, "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
                     "<Message>not you</Message></Error></ErrorResponse>");
        return 403;
    case 2:
        return 0;
    case 3:
        strcpy(body, "<html><Credentials><AccessKeyId>A</AccessKeyId></html>");
        return 200;
    default:
        snprintf(body, FAKE_MAX, STS_ANSWER, action, action, key, date, action, action);
        return 200;
    }
}

static void start_role(void) {
    fake.answer = answer_sts;
    write_text(config_path,
               "[default]\nrole_arn = arn:outer\nsource_profile = middle\n"
               "external_id = a b&c\n"
               "[profile middle]\nrole_arn = arn:inner\nsource_profile = base\n"
               "[profile base]\naws_access_key_id = AKBASE\naws_secret_access_key = SECRET5\n");
    set("AWS_ENDPOINT_URL_STS=http://127.0.0.1:%u", fake.port);
    start();
}

static void role_chain(void **state) {
    (void)state;
    start_role();
    wait_for(&changes, 1);
    expect("ASIAOUTER", "SECRET+/=", "TOKENSECRET==", "profile:default");
    assert_true(last->expires_s > clock_wall_ms() / 1000 + 3500);
    assert_int_equal(atomic_load(&fake.requests), 2);
    /* the outer role was asked for with the inner one's credentials */
    assert_true(fake_last_has(&fake, "Credential=ASIAINNER/"));
    assert_true(fake_last_has(&fake, "/eu-west-1/sts/aws4_request"));
    assert_true(fake_last_has(&fake, "X-Amz-Security-Token: TOKENSECRET=="));
    assert_true(fake_last_has(
        &fake, "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token"));
    assert_true(fake_last_has(&fake, "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aouter&"
                                     "RoleSessionName=penstock&ExternalId=a%20b%26c"));
}

static void role_refused(void **state) {
    (void)state;
    atomic_store(&fake.mode, 1);
    start_role();
    wait_for(&failures, 1);
    expect_reason("refused role arn:inner: 403 AccessDenied not you");
    assert_true(fake_last_has(&fake, "Credential=AKBASE/"));
}

static void role_no_answer(void **state) {
    (void)state;
    atomic_store(&fake.mode, 2);
    start_role();
    wait_for(&failures, 1);
    expect_reason("profile:default: sts: 127.0.0.1:");
    atomic_store(&fake.mode, 3);
    wait_for(&failures, 2);
    expect_reason("sts: no credentials in the answer");
    atomic_store(&fake.mode, 0);
    wait_for(&changes, 1);
}

static void role_needs_tls(void **state) {
    (void)state;
    start_role();
    stop();
    closed = 0;
    var_count = 0;
    start();
    wait_for(&failures, 1);
    expect_reason("no TLS context for https");
}

static void web_identity(void **state) {
    (void)state;
    fake.answer = answer_sts;
    write_text(file_path, "WEB.SECRET-1\n");
    set("AWS_WEB_IDENTITY_TOKEN_FILE=%s", file_path);
    set("AWS_ROLE_ARN=arn:web");
    set("AWS_ROLE_SESSION_NAME=pod");
    set("AWS_ENDPOINT_URL_STS=http://127.0.0.1:%u", fake.port);
    start();
    wait_for(&changes, 1);
    expect("ASIAINNER", "SECRET+/=", "TOKENSECRET==", "web-identity");
    assert_true(fake_last_has(&fake, "Action=AssumeRoleWithWebIdentity&"));
    assert_true(fake_last_has(&fake, "&RoleSessionName=pod&WebIdentityToken=WEB.SECRET-1"));
    assert_false(fake_last_has(&fake, "Authorization:"));
    write_text(file_path, "WEB.SECRET-2"); /* Kubernetes renews it */
    credentials_chain_refresh(chain);
    turn_for_ms(1300);
    assert_true(fake_last_has(&fake, "WebIdentityToken=WEB.SECRET-2"));
    unlink(file_path);
    credentials_chain_refresh(chain);
    wait_for(&failures, 1);
    expect_reason("No such file");
}

/* --- the container's endpoint --- */

/* mode: how many requests fail first; 100: all; 101: no JSON; 102: lives four seconds */
static int answer_container(struct fake *f, const char *request, char body[FAKE_MAX]) {
    char date[25];
    int n = atomic_load(&f->requests), mode = atomic_load(&f->mode);
    (void)request;
    if (n < mode && mode <= 100) {
        strcpy(body, "{\"code\":\"TryLater\",\"message\":\"not now\"}");
        return 503;
    }
    date_in(date, mode == 102 ? 4 : 7200);
    snprintf(body, FAKE_MAX,
             mode == 101 ? "%d SECRET %s"
                         : "{\"AccessKeyId\":\"AKECS%d\",\"SecretAccessKey\":\"SECRET6\","
                           "\"Token\":\"TOKENSECRET\",\"Expiration\":\"%s\",\"RoleArn\":\"r\"}",
             n, date);
    return 200;
}

static void start_container(int mode) {
    fake.answer = answer_container;
    atomic_store(&fake.mode, mode);
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:%u/v1/creds?x=y", fake.port);
    start();
}

static void container_token_file(void **state) {
    (void)state;
    write_text(file_path, "AUTHSECRET1\n");
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%s", file_path);
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN=other");
    start_container(0);
    wait_for(&changes, 1);
    expect("AKECS0", "SECRET6", "TOKENSECRET", "container");
    assert_true(fake_last_has(&fake, "GET /v1/creds?x=y HTTP/1.1\r\n"));
    assert_true(fake_last_has(&fake, "\r\nAuthorization: AUTHSECRET1\r\n"));
    write_text(file_path, "AUTHSECRET2");
    credentials_chain_refresh(chain);
    wait_for(&changes, 2);
    assert_true(fake_last_has(&fake, "\r\nAuthorization: AUTHSECRET2\r\n"));
}

static void container_token(void **state) {
    (void)state;
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN=AUTHSECRET3");
    start_container(0);
    wait_for(&changes, 1);
    assert_true(fake_last_has(&fake, "\r\nAuthorization: AUTHSECRET3\r\n"));
}

static void container_bad_token(void **state) {
    (void)state;
    write_text(file_path, "A\r\nX: SECRET");
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%s", file_path);
    start_container(0);
    wait_for(&failures, 1);
    expect_reason("the authorization token has a character");
    assert_int_equal(atomic_load(&fake.requests), 0);
}

static void container_three_tries(void **state) {
    (void)state;
    start_container(2);
    wait_for(&changes, 1);
    expect("AKECS2", "SECRET6", "TOKENSECRET", "container");
    assert_int_equal(failures, 0);
}

/* A source that is down: what it gave last is kept, and asked for again. */
static void down_keeps_the_last(void **state) {
    (void)state;
    start_container(0);
    wait_for(&changes, 1);
    struct credentials *good = last;
    atomic_store(&fake.mode, 100);
    credentials_chain_refresh(chain);
    wait_for(&failures, 1);
    expect_reason("container: 127.0.0.1:");
    expect_reason("answered 503 TryLater not now");
    assert_int_equal(atomic_load(&fake.requests), 4); /* three tries */
    assert_ptr_equal(last, good);
    assert_int_equal(changes, 1);
    atomic_store(&fake.mode, 0);
    wait_for(&changes, 2); /* by itself */
    expect("AKECS4", "SECRET6", "TOKENSECRET", "container");
}

static void container_closed_in_a_pause(void **state) {
    (void)state;
    start_container(100);
    turn_for_ms(300); /* one try is over, the next is due in 700 ms */
    assert_int_equal(atomic_load(&fake.requests), 1);
    uint64_t before = clock_monotonic_ns();
    stop();
    assert_true(clock_monotonic_ns() - before < 300 * NS_PER_MS);
    assert_int_equal(failures, 0);
}

static void container_nonsense(void **state) {
    (void)state;
    start_container(101);
    wait_for(&failures, 1);
    expect_reason("no AccessKeyId and SecretAccessKey in the answer");
}

static void refreshed_before_they_expire(void **state) {
    (void)state;
    uint64_t begun = clock_monotonic_ns();
    start_container(102);
    wait_for(&changes, 3);
    assert_true(clock_monotonic_ns() - begun > 2 * NS_PER_S);
    assert_int_equal(failures, 0);
    expect("AKECS2", "SECRET6", "TOKENSECRET", "container");
    assert_true(last->expires_s * 1000 > clock_wall_ms());
}

/* The service refuses our credentials from every worker at once. */
static void refresh_once_a_second(void **state) {
    (void)state;
    start_container(0);
    wait_for(&changes, 1);
    uint64_t until = clock_monotonic_ns() + 1500 * NS_PER_MS;
    while (clock_monotonic_ns() < until) {
        credentials_chain_refresh(chain);
        turn();
    }
    assert_in_range(atomic_load(&fake.requests), 2, 3);
}

/* --- IMDS --- */

enum { V2, V1, TOKEN_BAD, EXPIRED, NO_ROLE, ROLE_BAD, CODE_BAD };

static int answer_imds(struct fake *f, const char *request, char body[FAKE_MAX]) {
    int mode = atomic_load(&f->mode);
    char date[25];
    if (strncmp(request, "PUT ", 4) == 0) {
        if (!strstr(request, "PUT /base/latest/api/token HTTP/1.1\r\n") ||
            !strstr(request, "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n")) {
            return 500;
        }
        strcpy(body, "TOKENSECRET");
        return mode == TOKEN_BAD ? 400 : mode == V1 ? 403 : 200;
    }
    int has_token = strstr(request, "X-aws-ec2-metadata-token: TOKENSECRET\r\n") != NULL;
    if (has_token != (mode != V1)) {
        return 401;
    }
    if (strstr(request, "GET /base/latest/meta-data/iam/security-credentials/ HTTP/1.1")) {
        strcpy(body, mode == ROLE_BAD ? "a b c" : "my-role\n");
        return mode == NO_ROLE ? 404 : 200;
    }
    if (!strstr(request, "GET /base/latest/meta-data/iam/security-credentials/my-role HTTP")) {
        return 500;
    }
    date_in(date, mode == EXPIRED ? -60 : 7200);
    snprintf(body, FAKE_MAX,
             "{\n  \"Code\" : \"%s\",\n  \"LastUpdated\" : \"2012-04-26T16:39:16Z\",\n"
             "  \"Type\" : \"AWS-HMAC\",\n  \"AccessKeyId\" : \"ASIAIMDS\",\n"
             "  \"SecretAccessKey\" : \"SECRET7\",\n  \"Token\" : \"TSECRET\",\n"
             "  \"Expiration\" : \"%s\"\n}",
             mode == CODE_BAD ? "AssumeRoleUnauthorizedAccess" : "Success", date);
    return 200;
}

static void start_imds(int mode) {
    fake.answer = answer_imds;
    atomic_store(&fake.mode, mode);
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:%u/base/", fake.port);
    start();
}

static void imds_v2(void **state) {
    (void)state;
    start_imds(V2);
    wait_for(&changes, 1);
    expect("ASIAIMDS", "SECRET7", "TSECRET", "imds");
    assert_int_equal(atomic_load(&fake.requests), 3);
}

static void imds_v1(void **state) {
    (void)state;
    start_imds(V1);
    wait_for(&changes, 1);
    expect("ASIAIMDS", "SECRET7", "TSECRET", "imds");
}

static void imds_v1_disabled(void **state) {
    (void)state;
    set("AWS_EC2_METADATA_V1_DISABLED=true");
    start_imds(V1);
    wait_for(&failures, 1);
    expect_reason("(refused), and version 1 is disabled");
    expect_reason("environment: AWS_ACCESS_KEY_ID is not set");
    assert_int_equal(atomic_load(&fake.requests), 1);
}

static void imds_failures(void **state) {
    (void)state;
    static const struct {
        int mode;
        const char *reason;
    } cases[] = {
        {TOKEN_BAD, "imds: token: 127.0.0.1"},
        {NO_ROLE, "imds: the instance has no role"},
        {ROLE_BAD, "imds: the name of the role is not one"},
        {CODE_BAD, "AssumeRoleUnauthorizedAccess"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        failures = closed = var_count = 0;
        start_imds(cases[i].mode);
        wait_for(&failures, 1);
        expect_reason(cases[i].reason);
        stop();
    }
}

/* In an outage the service hands out what has expired: used on, asked for again in a while. */
static void imds_stretches(void **state) {
    (void)state;
    start_imds(EXPIRED);
    wait_for(&changes, 1);
    expect("ASIAIMDS", "SECRET7", "TSECRET", "imds");
    uint64_t now = clock_wall_ms() / 1000;
    assert_in_range(last->expires_s, now + 900 + 115, now + 900 + 601);
}

static void imds_nobody_there(void **state) {
    (void)state;
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1/");
    start();
    wait_for(&failures, 1);
    expect_reason("imds: ");
}

/* Closed after n turns, for every n of a fetch: nothing is left behind. */
static void closed_at_any_moment(void **state) {
    (void)state;
    for (int turns = 0; turns < 60; turns++) {
        closed = changes = var_count = 0;
        start_imds(V2);
        for (int i = 0; i < turns; i++) {
            loop_turn(&l);
            usleep(100);
        }
        int before = changes;
        stop();
        assert_int_equal(changes, before);
    }
}

static size_t read_log(char *text, size_t cap) {
    FILE *f = fopen(log_path, "r");
    size_t len = f ? fread(text, 1, cap - 1, f) : 0;
    if (f) {
        fclose(f);
    }
    text[len] = '\0';
    return len;
}

static char text[1 << 20];

static void show_log(void) {
    read_log(text, sizeof(text));
    fputs(text, stderr);
}

static void nothing_secret_was_logged(void **state) {
    (void)state;
    size_t len = read_log(text, sizeof(text));
    assert_true(len > 0 && len < sizeof(text) - 1);
    assert_non_null(strstr(text, "credentials_failed"));
    assert_non_null(strstr(text, "profile:default"));
    assert_null(strstr(text, "SECRET"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(environment),
        CASE(profile_keys),
        CASE(refresh_reads_again),
        CASE(nothing_anywhere),
        CASE(header_unsafe),
        CASE(process_prints),
        CASE(process_fails),
        CASE(process_killed),
        CASE(process_prints_nonsense),
        CASE(process_prints_much),
        CASE(process_expired),
        CASE(process_at_the_end),
        CASE(role_chain),
        CASE(role_refused),
        CASE(role_no_answer),
        CASE(role_needs_tls),
        CASE(web_identity),
        CASE(container_token_file),
        CASE(container_token),
        CASE(container_bad_token),
        CASE(container_three_tries),
        CASE(container_closed_in_a_pause),
        CASE(container_nonsense),
        CASE(down_keeps_the_last),
        CASE(refreshed_before_they_expire),
        CASE(refresh_once_a_second),
        CASE(imds_v2),
        CASE(imds_v1),
        CASE(imds_v1_disabled),
        CASE(imds_failures),
        CASE(imds_stretches),
        CASE(imds_nobody_there),
        CASE(closed_at_any_moment),
        cmocka_unit_test(nothing_secret_was_logged),
    };
    strcpy(config_path, "/tmp/penstock-config-XXXXXX");
    strcpy(file_path, "/tmp/penstock-token-XXXXXX");
    strcpy(log_path, "/tmp/penstock-log-XXXXXX");
    close(mkstemp(config_path));
    close(mkstemp(file_path));
    int log_fd = mkstemp(log_path);
    int terminal = dup(STDERR_FILENO);
    dup2(log_fd, STDERR_FILENO);
    fake_start(&fake, answer_imds);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fake_stop(&fake);
    dup2(terminal, STDERR_FILENO);
    if (failed) { /* what cmocka said is in there */
        show_log();
    }
    unlink(config_path);
    unlink(file_path);
    unlink(log_path);
    return failed;
}
