/* $context templates: what they say, what a client cannot make them say, what is refused. */
#include "gateway/access_template.h"

#include "gateway/access.h"

#include "support/unit.h"

static struct server_request request;
static struct http_header fields[1];
static struct access_entry entry;

static void set_up(const char *agent) {
    memset(&request, 0, sizeof request);
    memcpy(request.request_id, "00000000-0000-4000-8000-000000000001", 37);
    int error = net_address_parse(SLICE("203.0.113.7:5000"), &request.peer);
    assert_int_equal(error, 0);
    fields[0] = (struct http_header){SLICE("User-Agent"), slice_cstr(agent)};
    request.http = (struct http_request){.method_text = SLICE("POST"),
                                         .target = SLICE("/prod/music?secret=1"),
                                         .minor = 1,
                                         .host = SLICE("api.example.com:8080"),
                                         .headers = {fields, 1},
                                         .body = SLICE("0123456789")};
    entry = (struct access_entry){.wall_ms = 1583349317135,
                                  .duration_ns = 12345678,
                                  .request = &request,
                                  .route_key = SLICE("POST /music"),
                                  .trace_root = SLICE("1-5e6722a7-cc56xmpl46db7ae02d4da47e"),
                                  .status = 201,
                                  .bytes = 30,
                                  .stage = "prod",
                                  .api_key_id = SLICE("partner"),
                                  .integrated = 1,
                                  .integration_ns = 11000000};
}

static void expect(const char *text, const char *line) {
    struct buffer out = {0};
    char reason[240] = "";
    struct access_template *t = access_template_new(slice_cstr(text), reason);
    assert_string_equal(reason, "");
    assert_non_null(t);
    int error = access_template_format(t, &entry, &out);
    assert_int_equal(error, 0);
    error = buffer_append(&out, "", 1);
    assert_int_equal(error, 0);
    assert_string_equal(buffer_begin(&out), line);
    buffer_fini(&out);
    access_template_free(t);
}

/* The presets of the console. */
static void presets(void **state) {
    (void)state;
    set_up("curl/8");
    expect("$context.identity.sourceIp $context.identity.caller $context.identity.user "
           "[$context.requestTime] \"$context.httpMethod $context.resourcePath "
           "$context.protocol\" $context.status $context.responseLength $context.requestId",
           "203.0.113.7 - - [04/Mar/2020:19:15:17 +0000] \"POST /music HTTP/1.1\" 201 30 "
           "00000000-0000-4000-8000-000000000001");
    expect("{ \"requestId\":\"$context.requestId\", \"ip\":\"$context.identity.sourceIp\", "
           "\"routeKey\":\"$context.routeKey\", \"status\":\"$context.status\" }",
           "{ \"requestId\":\"00000000-0000-4000-8000-000000000001\", \"ip\":\"203.0.113.7\", "
           "\"routeKey\":\"POST /music\", \"status\":\"201\" }");
    expect("<r id=\"$context.requestId\"><s>$context.status</s></r>",
           "<r id=\"00000000-0000-4000-8000-000000000001\"><s>201</s></r>");
    expect("$context.identity.sourceIp,$context.httpMethod,$context.status",
           "203.0.113.7,POST,201");
}

static void values(void **state) {
    (void)state;
    set_up("curl/8");
    expect("$context.path|$context.stage|$context.domainName|$context.domainPrefix",
           "/prod/music|prod|api.example.com|api");
    expect("$context.requestTimeEpoch|$context.responseLatency|$context.integrationLatency",
           "1583349317135|12|11");
    expect("$context.identity.userAgent|$context.identity.apiKeyId|$context.identity.apiKey",
           "curl/8|partner|-");
    expect("$context.xrayTraceId|$context.dataProcessed|$context.extendedRequestId",
           "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e|40|00000000-0000-4000-8000-000000000001");
    expect("$context.accountId $context.apiId $context.integrationStatus",
           "000000000000 penstock 201");
    expect("$context.authorizer.claims.cognito:username|$context.waf.status|"
           "$context.resourceId",
           "-|-|-");
}

static void expect_error(unsigned status, const char *reason, struct slice body, int integrated,
                         const char *line) {
    entry.status = status;
    entry.reason = reason;
    entry.body = body;
    entry.integrated = integrated;
    expect("$context.error.message|$context.error.messageString|$context.error.responseType",
           line);
}

static void refusals(void **state) {
    (void)state;
    set_up("curl/8");
    expect_error(429, "route_throttled", server_error_body(429), 0,
                 "Too Many Requests|\"Too Many Requests\"|THROTTLED");
    expect("$context.integrationErrorMessage $context.integration.latency", "- -");
    expect_error(403, "api_key_unknown", server_error_body(403), 0,
                 "Forbidden|\"Forbidden\"|INVALID_API_KEY");
    expect_error(404, "no_route", server_error_body(404), 0,
                 "Not Found|\"Not Found\"|RESOURCE_NOT_FOUND");
    expect_error(413, "body_too_large", server_error_body(413), 0,
                 "Request Too Long|\"Request Too Long\"|REQUEST_TOO_LARGE");
    expect_error(400, "bad_path", server_error_body(400), 0,
                 "Bad Request|\"Bad Request\"|DEFAULT_4XX");
    expect_error(503, "busy", server_error_body(503), 0,
                 "Service Unavailable|\"Service Unavailable\"|DEFAULT_5XX");
    struct access_room room;
    struct server_answer quota = access_answer(ACCESS_PLAN_QUOTA, 60, &room);
    expect_error(quota.status, quota.reason, quota.body, 0,
                 "Limit Exceeded|\"Limit Exceeded\"|QUOTA_EXCEEDED");
}

/* A handler was asked. Where it failed we answer; what it says itself is its own. */
static void integrations(void **state) {
    (void)state;
    set_up("curl/8");
    expect_error(
        504, "function_timeout", SLICE("{\"message\":\"Endpoint request timed out\"}"), 1,
        "Endpoint request timed out|\"Endpoint request timed out\"|INTEGRATION_TIMEOUT");
    expect_error(502, "function_exited", SLICE("{\"message\":\"Internal server error\"}"), 1,
                 "Internal server error|\"Internal server error\"|INTEGRATION_FAILURE");
    expect_error(429, "function_throttled", SLICE("{\"message\":\"Too Many Requests\"}"), 1,
                 "Too Many Requests|\"Too Many Requests\"|THROTTLED");
    expect_error(503, "pipeline_busy", server_error_body(503), 1,
                 "Service Unavailable|\"Service Unavailable\"|INTEGRATION_FAILURE");
    expect("$context.integrationErrorMessage", "pipeline_busy");
    expect_error(404, "no_such_item", server_error_body(404), 1, "-|-|-");
    expect_error(400, "invalid_request", SLICE("{\"message\":\"secret: not a number\"}"), 1,
                 "-|-|-");
    expect_error(503, "maintenance", SLICE("{\"message\":\"Back at noon\"}"), 1, "-|-|-");
    expect_error(201, NULL, SLICE("{}"), 1, "-|-|-");
    expect_error(502, "function_exited", SLICE_EMPTY, 1, "-|-|-"); /* it had begun */
}

/* We closed its connection: there is no status. */
static void cut_off(void **state) {
    (void)state;
    set_up("curl/8");
    entry.status = 0;
    entry.bytes = 0;
    entry.reason = "shutdown";
    expect("$context.status $context.integrationStatus $context.integrationErrorMessage",
           "- - shutdown");
}

/* The head could not be parsed. */
static void without_a_request(void **state) {
    (void)state;
    entry = (struct access_entry){
        .wall_ms = 0, .status = 400, .body = server_error_body(400), .reason = "obs_fold"};
    expect("$context.requestId $context.identity.sourceIp $context.path $context.routeKey "
           "$context.protocol $context.httpMethod $context.identity.userAgent "
           "$context.domainName $context.xrayTraceId $context.stage $context.status",
           "- - - - - - - - - - 400");
    expect("$context.error.messageString", "\"Bad Request\"");
}

static void nothing_is_injected(void **state) {
    (void)state;
    set_up("a\"b\\c\r\nevil\x01\xff\t");
    expect("\"$context.identity.userAgent\"",
           "\"a\\\"b\\\\c\\r\\nevil\\u0001\xef\xbf\xbd\\t\"");
}

static void only_text(void **state) {
    (void)state;
    set_up("x");
    expect("cost: 5$ $ $- $$", "cost: 5$ $ $- $$");
    expect("$context.status.$context.status:$context.status-x", "201.201:201-x");
    expect("a line of a block\n", "a line of a block");
}

static void long_lines_are_cut(void **state) {
    (void)state;
    char text[2048] = "";
    char agent[1000];
    memset(agent, '"', sizeof agent);
    agent[sizeof agent - 1] = '\0';
    set_up(agent);
    for (int i = 0; i < 60; i++) {
        strcat(text, "$context.identity.userAgent ");
    }
    char reason[240];
    struct access_template *t = access_template_new(slice_cstr(text), reason);
    struct buffer out = {0};
    assert_non_null(t);
    int error = access_template_format(t, &entry, &out);
    assert_int_equal(error, 0);
    assert_int_equal(out.len, ACCESS_LINE_MAX);
    buffer_fini(&out);
    access_template_free(t);
}

static void refuse(const char *text, const char *why) {
    char reason[240] = "";
    assert_null(access_template_new(slice_cstr(text), reason));
    if (strstr(reason, why) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", why, reason);
    }
}

static void what_is_refused(void **state) {
    (void)state;
    char text[ACCESS_TEMPLATE_MAX + 2];
    refuse("x $context.requestid",
           "at character 3: unknown variable $context.requestid; did you "
           "mean $context.requestId?");
    refuse("$context.identity.sourceip", "did you mean $context.identity.sourceIp?");
    refuse("$context.", "expected $context.NAME");
    refuse("$context", "expected $context.NAME");
    refuse("${context.status}", "expected $context.NAME");
    refuse("$input.body", "expected $context.NAME");
    refuse("$stageVariables.x", "expected $context.NAME");
    refuse("a\nb", "at character 2: expected one line");
    refuse("", "expected 1 to 3072 bytes");
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    refuse(text, "got 3073");
    text[0] = '\0';
    for (int i = 0; i < 65; i++) {
        strcat(text, "$context.status,");
    }
    refuse(text, "expected at most 128 variables");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets),
        cmocka_unit_test(values),
        cmocka_unit_test(refusals),
        cmocka_unit_test(integrations),
        cmocka_unit_test(cut_off),
        cmocka_unit_test(without_a_request),
        cmocka_unit_test(nothing_is_injected),
        cmocka_unit_test(only_text),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
