/* The order of the checks and what each refusal says, through the gateway's own events: the
 * server is a stand-in. */
#include "unit/lambda/stand_ins.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/gateway.h"

#define GOOD     "good-key-0123456789"
#define DISABLED "disabled-key-012345"

static struct loop loop;
static struct lambda *lambda;
static struct gateway *gateway;
static struct gateway_routes *routes;
static struct gateway_stage stage = {.name = "$default"};
static struct gateway_access access_rules;
static struct meters meters;
static struct api_key keys[2];
static struct api_key_ring *ring;
static int calls;

/* A digest that is good enough for two keys. */
static void digest(const void *bytes, size_t len, unsigned char out[API_KEY_DIGEST_LEN]) {
    memset(out, (int)len, API_KEY_DIGEST_LEN);
    memcpy(out, bytes, len < API_KEY_DIGEST_LEN ? len : API_KEY_DIGEST_LEN);
}

static void answer(struct penstock_invocation *i, void *state) {
    (void)state;
    calls++;
    penstock_respond_message(i, 200, "ok", NULL);
}

static struct lambda_handler handler = {.name = "answer", .invoke = answer, .body_bytes = 50};

static void add(const char *key) {
    char reason[160];
    assert_int_equal(gateway_routes_add(routes, slice_cstr(key), &handler, reason), 0);
}

enum { STAGE_METER, ROUTE_METER, KEY_METER, METERS };
static struct meter_rule rules[METERS];
static const struct access_route route_rules[] = {
    {0, METER_NONE}, {1, METER_NONE}, {0, ROUTE_METER}, {1, ROUTE_METER}};

static int set_up(void **state) {
    static const struct usage_plan plan = {.name = "plan"};
    (void)state;
    calls = 0;
    memset(&fake_db, 0, sizeof fake_db);
    memset(rules, 0, sizeof rules);
    routes = gateway_routes_new();
    add("GET /open");
    add("POST /key");
    add("POST /slow");
    add("ANY /both");
    keys[0] =
        (struct api_key){.name = "alice", .enabled = 1, .plan = &plan, .meter = KEY_METER};
    keys[1] = (struct api_key){.name = "bob", .enabled = 0, .plan = &plan, .meter = KEY_METER};
    digest(GOOD, strlen(GOOD), keys[0].digest);
    digest(DISABLED, strlen(DISABLED), keys[1].digest);
    ring = api_key_ring_new(keys, 2, digest);
    access_rules = (struct gateway_access){.keys = ring,
                                           .rules = rules,
                                           .meter_count = METERS,
                                           .stage_meter = METER_NONE,
                                           .routes = route_rules,
                                           .route_count = COUNT(route_rules)};
    meters_init(&meters, METERS);
    assert_int_equal(loop_init(&loop), 0);
    lambda = lambda_new(&loop, NULL, &(struct lambda_options){.stage = stage.name});
    gateway = gateway_new(
        &loop, lambda,
        &(struct gateway_options){
            .routes = routes, .stage = &stage, .access = &access_rules, .meters = &meters});
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    gateway_free(gateway);
    lambda_free(lambda);
    loop_fini(&loop);
    gateway_routes_free(routes);
    api_key_ring_free(ring);
    meters_fini(&meters);
    return 0;
}

static struct fake_request *make(const char *method, const char *target, const char *key,
                                 const char *body) {
    struct fake_request *f = fake_request(method, target, body);
    f->events = &gateway_server_events;
    f->owner = gateway;
    f->r.http.content_length = f->r.http.body.len;
    if (key) {
        fake_header(f, "X-API-Key", key);
    }
    return f;
}

/* As the server does it: the head, then the request. */
static unsigned send_head(struct fake_request *f) {
    struct server_head out = {.body_limit = 1000};
    unsigned status = gateway_server_events.on_head(gateway, &f->r.http, &out);
    memcpy(f->r.ticket, out.ticket, sizeof out.ticket);
    if (status != 0) {
        assert_non_null(out.answer);
        assert_int_equal(out.answer->status, status);
        snprintf(f->reason, sizeof f->reason, "%s", out.answer->reason);
    }
    return status;
}

static void expect_fields(const char *method, const char *target, const char *key,
                          const char *body, unsigned status, const char *reason,
                          const char *fields) {
    struct fake_request *f = make(method, target, key, body);
    assert_int_equal(send_head(f), 0);
    gateway_server_events.on_request(gateway, &f->r);
    if (f->status != status || strcmp(f->reason, reason) != 0 ||
        (fields && strcmp(f->fields, fields) != 0)) {
        fail_msg("%s %s: %u %s\n%s", method, target, f->status, f->reason, f->fields);
    }
    fake_request_free(f);
}

static void expect(const char *method, const char *target, const char *key, const char *body,
                   unsigned status, const char *reason) {
    expect_fields(method, target, key, body, status, reason, NULL);
}

static void keys_at_the_door(void **state) {
    (void)state;
    static const char forbidden[] = "x-amzn-errortype: ForbiddenException\n";
    static const char *const bodies[] = {NULL, "{}"};
    for (size_t i = 0; i < COUNT(bodies); i++) {
        const char *b = bodies[i];
        expect("PUT", "/both", GOOD, b, 200, "");
        expect_fields("PUT", "/both", NULL, b, 403, "api_key_missing", forbidden);
        expect_fields("PUT", "/both", "", b, 403, "api_key_missing", forbidden);
        expect_fields("PUT", "/both", "wrong-key-0123456789", b, 403, "api_key_unknown",
                      forbidden);
        expect_fields("PUT", "/both", DISABLED, b, 403, "api_key_disabled", forbidden);
    }
    char longest[API_KEY_LEN_MAX + 2];
    memset(longest, 'k', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    expect("POST", "/key", longest, "{}", 403, "api_key_unknown");
    expect("GET", "/open", NULL, NULL, 200, "");
    expect("GET", "/open", "wrong-key-0123456789", NULL, 200, ""); /* nobody asked */
    expect("GET", "/none", NULL, NULL, 404, "no_route");           /* the route first */
    struct fake_request *two = make("POST", "/key", GOOD, NULL);
    fake_header(two, "x-api-key", GOOD);
    gateway_server_events.on_request(gateway, &two->r);
    assert_string_equal(two->reason, "api_key_unknown");
    fake_request_free(two);
    assert_int_equal(calls, 4);
}

static void order_of_limits(void **state) {
    (void)state;
    rules[KEY_METER] = (struct meter_rule){throttle_make(1, 3), {QUOTA_MONTH, 0, 2}};
    rules[ROUTE_METER].throttle = throttle_make(1, 1);
    access_rules.stage_meter = STAGE_METER;
    rules[STAGE_METER].throttle = throttle_make(1, 2);
    expect("PUT", "/both", GOOD, "{}", 200, "");
    expect_fields("PUT", "/both", GOOD, "{}", 429, "route_throttled",
                  "x-amzn-errortype: TooManyRequestsException\nRetry-After: 1\n");
    expect("POST", "/key", GOOD, "{}", 200, "");
    expect("PUT", "/both", GOOD, "{}", 429, "usage_plan_quota"); /* the plan first */
    expect("PUT", "/both", NULL, "{}", 403, "api_key_missing");  /* and the key before it */
    expect("GET", "/open", NULL, NULL, 429, "stage_throttled");
    rules[KEY_METER].quota.limit = 3;
    rules[STAGE_METER].throttle = throttle_make(1, 10);
    expect("POST", "/key", GOOD, "{}", 200, "");
    expect_fields("POST", "/key", GOOD, "{}", 429, "usage_plan_throttled",
                  "x-amzn-errortype: TooManyRequestsException\nRetry-After: 1\n");
    struct gateway_counts counts;
    gateway_count(gateway, &counts);
    assert_int_equal(counts.refusals[ACCESS_PLAN_RATE], 1);
    assert_int_equal(counts.refusals[ACCESS_PLAN_QUOTA], 1);
    assert_int_equal(counts.refusals[ACCESS_ROUTE_RATE], 1);
    assert_int_equal(counts.refusals[ACCESS_STAGE_RATE], 1);
    assert_int_equal(counts.refusals[ACCESS_KEY_MISSING], 1);
    const uint64_t *answers = gateway_count_routes(gateway)[3].answers;
    assert_int_equal(answers[gateway_status_slot(429)], 2);
    assert_int_equal(answers[gateway_status_slot(403)], 1);
}

/* A refused request costs nothing: the quota is the caller's for requests that went through. */
static void refused_is_not_counted(void **state) {
    (void)state;
    rules[KEY_METER].quota = (struct quota){QUOTA_MONTH, 0, 100};
    rules[ROUTE_METER].throttle = throttle_make(1, 1);
    for (int i = 0; i < 5; i++) {
        expect("PUT", "/both", GOOD, "{}", i ? 429 : 200, i ? "route_throttled" : "");
    }
    assert_int_equal(meters.items[KEY_METER].used, 1);
    assert_int_equal(calls, 1);
}

static void quota_says_limit_exceeded(void **state) {
    (void)state;
    struct access_room room;
    struct server_answer a = access_answer(ACCESS_PLAN_QUOTA, 86399, &room);
    assert_int_equal(a.status, 429);
    assert_true(slice_eq(a.body, SLICE("{\"message\":\"Limit Exceeded\"}")));
    assert_true(slice_eq(a.headers[0].value, SLICE("LimitExceededException")));
    assert_true(slice_eq(a.headers[1].value, SLICE("86399")));
}

/* A body that is not short, or that waits for 100 Continue, is refused before it comes; a short
 * one is taken in, and the decision is not made twice. */
static void at_the_head(void **state) {
    (void)state;
    rules[KEY_METER].quota = (struct quota){QUOTA_DAY, 0, 2};
    struct fake_request *f = make("POST", "/key", "wrong-key-0123456789", "{}");
    f->r.http.content_length = 1 << 20;
    assert_int_equal(send_head(f), 403);
    assert_string_equal(f->reason, "api_key_unknown");
    f->r.http.content_length = 2;
    f->r.http.expect_continue = 1;
    assert_int_equal(send_head(f), 403);
    struct server_answered refused = {
        .status = 403, .body_bytes = 23, .body = server_error_body(403), .reason = f->reason};
    gateway_server_events.on_answered(gateway, &f->r, &refused);
    assert_int_equal(gateway_count_routes(gateway)[1].answers[gateway_status_slot(403)], 1);
    fake_request_free(f);
    expect("POST", "/key", GOOD, "{}", 200, "");
    expect("POST", "/key", GOOD, "{}", 200, "");
    assert_int_equal(meters.items[KEY_METER].used, 2);
    expect("POST", "/key", GOOD, "{}", 429, "usage_plan_quota");
    f = make("POST", "/key", GOOD, "{}");
    f->r.http.content_length = 1 << 20;
    assert_int_equal(send_head(f), 429);
    fake_request_free(f);
    /* The body's limit comes last. */
    struct server_head out = {.body_limit = 1000};
    f = make("POST", "/slow", NULL, "{}");
    assert_int_equal(gateway_server_events.on_head(gateway, &f->r.http, &out), 0);
    assert_int_equal(out.body_limit, 50);
    fake_request_free(f);
}

static void preflight_comes_first(void **state) {
    (void)state;
    const struct slice origins[] = {SLICE("https://a.example")};
    const struct cors cors = {.origins = origins, .origin_count = 1, .methods = SLICE("PUT")};
    access_rules.cors = &cors;
    access_rules.stage_meter = STAGE_METER;
    rules[STAGE_METER].throttle = throttle_make(1, 1);
    for (int i = 0; i < 3; i++) {
        struct fake_request *f = make("OPTIONS", i == 2 ? "/none" : "/both", NULL, NULL);
        fake_header(f, "Origin", "https://a.example");
        fake_header(f, "Access-Control-Request-Method", "PUT");
        gateway_server_events.on_request(gateway, &f->r);
        assert_int_equal(f->status, 204);
        assert_string_equal(f->fields, "vary: Origin\n"
                                       "access-control-allow-origin: https://a.example\n"
                                       "access-control-allow-methods: PUT\n");
        fake_request_free(f);
    }
    assert_int_equal(calls, 0);
    /* OPTIONS that is none goes the way of all requests. */
    expect("OPTIONS", "/both", GOOD, NULL, 200, "");
    struct gateway_counts counts;
    gateway_count(gateway, &counts);
    assert_int_equal(counts.preflights, 3);
}

static void handlers_fields_are_replaced(void **state) {
    (void)state;
    const struct slice origins[] = {SLICE("*")};
    const struct cors cors = {.origins = origins, .origin_count = 1};
    const struct http_header given[] = {{SLICE("X-Own"), SLICE("1")},
                                        {SLICE("Access-Control-Allow-Origin"), SLICE("evil")}};
    struct server_answer a = {.status = 200, .headers = given, .header_count = 2};
    struct http_header out[SERVER_FIELDS_MAX];
    struct fake_request *f = make("GET", "/open", NULL, NULL);
    assert_true(gateway_server_events.on_fields(gateway, &f->r, &a, out) == SERVER_FIELDS_SAME);
    access_rules.cors = &cors;
    assert_int_equal(gateway_server_events.on_fields(gateway, &f->r, &a, out), 1);
    fake_header(f, "origin", "https://a.example");
    assert_int_equal(gateway_server_events.on_fields(gateway, &f->r, &a, out), 2);
    assert_true(slice_eq(out[1].value, SLICE("*")));
    fake_request_free(f);
}

int main(void) {
    log_threshold = LOG_OFF;
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(keys_at_the_door),
        T(order_of_limits),
        T(refused_is_not_counted),
        T(quota_says_limit_exceeded),
        T(at_the_head),
        T(preflight_comes_first),
        T(handlers_fields_are_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
