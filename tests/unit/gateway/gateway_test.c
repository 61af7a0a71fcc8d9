/* From a request to the right handler, and the access log: the server is a stand-in here. */
#include "unit/lambda/stand_ins.h"

#include "base/log.h"
#include "gateway/gateway.h"

#include <fcntl.h>

static struct loop loop;
static struct lambda *lambda;
static struct gateway *gateway;
static struct gateway_routes *routes;
static struct gateway_stage stage;
static char seen[512];

static void show(struct penstock_invocation *i, void *state) {
    struct penstock_slice key = penstock_route_key(i);
    struct penstock_slice path = penstock_path(i);
    struct penstock_slice id = penstock_path_parameter(i, "id");
    struct penstock_slice q = penstock_query_parameter(i, "q");
    struct penstock_slice raw = penstock_context(i, "path");
    snprintf(seen, sizeof(seen), "%.*s|%.*s|%.*s|%.*s|%.*s", (int)key.len, key.ptr,
             (int)path.len, path.ptr, (int)raw.len, raw.ptr, (int)id.len, id.ptr ? id.ptr : "",
             (int)q.len, q.ptr ? q.ptr : "");
    if (state == NULL) {
        penstock_respond_message(i, 200, "ok", NULL);
    }
}

static struct lambda_handler shower = {.name = "show", .invoke = show};
static struct lambda_handler waiter = {.name = "wait", .invoke = show, .state = &stage};
static struct lambda_handler writer = {
    .name = "write", .invoke = show, .writes = 1, .body_bytes = 100};

static void add(const char *key, struct lambda_handler *handler) {
    char reason[160];
    assert_int_equal(gateway_routes_add(routes, slice_cstr(key), handler, reason), 0);
}

static void open_stage(const char *name) {
    snprintf(stage.name, sizeof(stage.name), "%s", name);
    struct lambda_options options = {.stage = stage.name, .invocations = 2};
    lambda = lambda_new(&loop, NULL, &options);
    gateway = gateway_new(
        &loop, lambda,
        &(struct gateway_options){.routes = routes, .stage = &stage, .access_log = 1});
}

static int set_up(void **state) {
    (void)state;
    memset(&fake_db, 0, sizeof(fake_db));
    seen[0] = '\0';
    routes = gateway_routes_new();
    add("GET /music/{id}", &shower);
    add("GET /", &shower);
    add("POST /music", &writer);
    add("POST /read", &shower);
    add("PUT /wait", &waiter);
    return loop_init(&loop);
}

static int tear_down(void **state) {
    (void)state;
    gateway_free(gateway);
    lambda_free(lambda);
    gateway_routes_free(routes);
    loop_fini(&loop);
    return 0;
}

static struct fake_request *send_to(const char *method, const char *target, const char *body) {
    struct fake_request *f = fake_request(method, target, body);
    f->events = &gateway_server_events;
    f->owner = gateway;
    gateway_server_events.on_request(gateway, &f->r);
    return f;
}

static void expect(const char *method, const char *target, unsigned status, const char *what) {
    seen[0] = '\0';
    struct fake_request *f = send_to(method, target, NULL);
    if (f->status != status || strcmp(status == 200 ? seen : f->reason, what) != 0) {
        fail_msg("%s %s: %u %s %s", method, target, f->status, f->reason, seen);
    }
    if (status != 200) {
        assert_string_equal(f->content_type, "application/json");
    }
    fake_request_free(f);
}

static void default_stage(void **state) {
    (void)state;
    open_stage("$default");
    expect("GET", "/music/AC%2FDC?q=1&q=a+b", 200,
           "GET /music/{id}|/music/AC/DC|/music/AC%2FDC|AC/DC|a b");
    expect("GET", "/", 200, "GET /|/|/||");
    expect("GET", "/?", 200, "GET /|/|/||");
    expect("GET", "http://api.example.com/?q=x", 200, "GET /|/|/||x");
    expect("GET", "/?&&q=1&", 200, "GET /|/|/||1");
    expect("GET", "/none", 404, "no_route");
    expect("GET", "/music/", 404, "no_route");
    expect("OPTIONS", "*", 404, "no_route");
    expect("GET", "/music/a/../b", 400, "bad_path");
    expect("GET", "/music/%2e%2e", 400, "bad_path");
    expect("GET", "//", 400, "bad_path");
    expect("GET", "/music/%00", 400, "bad_path");
    expect("GET", "/music/%ff", 400, "bad_path");
    expect("GET", "/none/%ff", 400, "bad_path");
    expect("GET", "/?q=%zz", 400, "bad_query");
    expect("GET", "/?q=%ff", 400, "bad_query");
    expect("GET", "/?%00", 400, "bad_query");
}

static void named_stage(void **state) {
    (void)state;
    open_stage("prod");
    expect("GET", "/prod/music/1?q=2", 200, "GET /music/{id}|/music/1|/prod/music/1|1|2");
    expect("GET", "/prod/", 200, "GET /|/|/prod/||");
    expect("GET", "/prod", 200, "GET /|/|/prod||");
    expect("GET", "/music/1", 404, "no_stage");
    expect("GET", "/product", 404, "no_stage");
    expect("GET", "/pro", 404, "no_stage");
    expect("GET", "/", 404, "no_stage");
    expect("GET", "/test/music/1", 404, "no_stage");
    expect("GET", "/test/../prod/music/1", 400, "bad_path");
}

static void method_not_allowed(void **state) {
    (void)state;
    open_stage("$default");
    add("DELETE /music", &shower);
    struct fake_request *f = send_to("PATCH", "/music", NULL);
    assert_int_equal(f->status, 405);
    assert_string_equal(f->fields, "Allow: POST, DELETE\n");
    assert_string_equal(f->reason, "method_not_allowed");
    fake_request_free(f);
}

static void too_many_query_parameters(void **state) {
    (void)state;
    open_stage("$default");
    char target[2000] = "/?q=1";
    for (int k = 1; k < GATEWAY_QUERY_MAX; k++) {
        strcat(target, "&q=1");
    }
    expect("GET", target, 200, "GET /|/|/||1");
    strcat(target, "&q=1");
    expect("GET", target, 400, "bad_query");
}

static unsigned head(const char *method, const char *target, int has_body, size_t *limit) {
    struct fake_request *f = fake_request(method, target, NULL);
    f->r.http.has_body = (uint8_t)has_body;
    struct server_head out = {.body_limit = 1000};
    unsigned status = gateway_server_events.on_head(gateway, &f->r.http, &out);
    *limit = out.body_limit;
    fake_request_free(f);
    return status;
}

static void early_refusal(void **state) {
    (void)state;
    open_stage("prod");
    size_t limit;
    assert_int_equal(head("POST", "/prod/music", 1, &limit), 0);
    assert_int_equal(limit, 100); /* the route's own */
    assert_int_equal(head("POST", "/prod/read", 1, &limit), 0);
    assert_int_equal(limit, 1000);
    fake_db.busy = 1;
    assert_int_equal(head("POST", "/prod/music", 1, &limit), 503);
    assert_int_equal(head("POST", "/prod/music?x=1", 1, &limit), 503);
    assert_int_equal(head("POST", "/prod/read", 1, &limit), 0); /* needs no pipeline */
    struct fake_request *brief = fake_request("POST", "/prod/music", "{}");
    brief->r.http.has_body = 1;
    brief->r.http.content_length = 2;
    struct server_head out = {.body_limit = 1000};
    assert_int_equal(gateway_server_events.on_head(gateway, &brief->r.http, &out), 0);
    brief->events = &gateway_server_events;
    brief->owner = gateway;
    gateway_server_events.on_request(gateway, &brief->r);
    assert_int_equal(brief->status, 503);
    assert_string_equal(brief->fields, "Retry-After: 1\n");
    assert_string_equal(brief->reason, "busy");
    fake_request_free(brief);
    assert_int_equal(head("POST", "/prod/music", 0, &limit), 0);
    assert_int_equal(head("POST", "/music", 1, &limit), 0); /* 404 later */
    assert_int_equal(head("POST", "/prod/%zz", 1, &limit), 0);
    fake_db.busy = 0;
    struct fake_request *a = send_to("PUT", "/prod/wait", NULL);
    struct fake_request *b = send_to("PUT", "/prod/wait", NULL);
    assert_int_equal(head("POST", "/prod/read", 1, &limit), 503); /* invocations are full */
    struct gateway_counts counts;
    gateway_count(gateway, &counts);
    assert_int_equal(counts.refused_early, 4);
    struct penstock_invocation *first = ((struct lambda_event *)a->r.owner_data)->invocation;
    struct penstock_invocation *second = ((struct lambda_event *)b->r.owner_data)->invocation;
    penstock_respond_message(first, 200, "ok", NULL);
    penstock_respond_message(second, 400, "no", NULL);
    gateway_count(gateway, &counts);
    uint64_t answered = 0;
    for (size_t i = 0; i <= BUCKETS_BOUNDS; i++) {
        answered += counts.total_ns.counts[i];
    }
    assert_int_equal(answered, 3); /* the busy one, too */
    fake_request_free(a);
    fake_request_free(b);
}

/* ---- the access log, as it goes to standard error ---- */

static char lines[8192];
static int saved_stderr;
static FILE *capture;

static void capture_start(void) {
    fflush(stderr);
    log_threshold = LOG_INFO;
    capture = tmpfile();
    assert_non_null(capture);
    saved_stderr = dup(STDERR_FILENO);
    dup2(fileno(capture), STDERR_FILENO);
}

static void capture_stop(void) {
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    log_threshold = LOG_OFF;
    rewind(capture);
    lines[fread(lines, 1, sizeof(lines) - 1, capture)] = '\0';
    fclose(capture);
}

static void access_lines(void **state) {
    (void)state;
    open_stage("$default");
    capture_start();
    struct fake_request *f = fake_request("GET", "/music/a%22?secret=1", NULL);
    fake_header(f, "User-Agent", "age\"nt\xff");
    f->events = &gateway_server_events;
    f->owner = gateway;
    gateway_server_events.on_request(gateway, &f->r);
    fake_request_free(f);
    fake_request_free(send_to("GET", "/none", NULL));
    /* Of what is no request the server has the line. */
    struct server_answered unparsed = {.status = 400, .body_bytes = 25, .reason = "obs_fold"};
    assert_int_equal(gateway_server_events.on_answered(gateway, NULL, &unparsed), 0);
    struct fake_request *gone = send_to("PUT", "/wait", NULL);
    struct penstock_invocation *i = ((struct lambda_event *)gone->r.owner_data)->invocation;
    gateway_server_events.on_abandon(gateway, &gone->r, NULL);
    penstock_respond_message(i, 200, "dropped", NULL);
    assert_int_equal(gone->answers, 0);
    fake_request_free(gone);
    capture_stop();
    static const char *const parts[] = {
        ("\"event\":\"request\",\"request_id\":\"00000000-0000-4000-8000-000000000001\","
         "\"method\":\"GET\",\"path\":\"/music/a%22\",\"route_key\":\"GET /music/{id}\","
         "\"ip\":\"203.0.113.7\",\"trace_id\":\"1-"),
        ("\",\"user_agent\":\"age\\\"nt\xef\xbf\xbd\",\"status\":200,"
         "\"bytes\":16,\"duration_us\":"),
        "\"path\":\"/none\",\"ip\":\"203.0.113.7\",\"trace_id\":\"1-",
        "\"status\":404,",
        "\"reason\":\"no_route\"}\n",
        "\"route_key\":\"PUT /wait\",\"ip\":\"203.0.113.7\",\"trace_id\":\"1-",
        "\"status\":460,\"bytes\":0,",
        "\"reason\":\"client_left\"}\n",
    };
    const char *at = lines;
    for (size_t k = 0; k < COUNT(parts); k++) {
        const char *found = strstr(at, parts[k]);
        if (found == NULL) {
            fail_msg("%s is not in\n%s", parts[k], lines);
        }
        at = found + 1;
    }
    assert_null(strstr(lines, "secret"));
    assert_null(strstr(lines, "obs_fold"));
    struct gateway_counts counts;
    gateway_count(gateway, &counts);
    assert_int_equal(counts.client_left, 1);
}

/* What the server refused before it was handed out has its route and its trace all the same. */
static void refused_at_the_head(void **state) {
    (void)state;
    static const struct {
        const char *method, *target, *name, *value, *part;
    } cases[] = {
        {"POST", "/prod/music", "X-Amzn-Trace-Id", "Root=1-5e1b4151-5ac6c58dc39a6b6a1a2b3c4d",
         "\"route_key\":\"POST /music\",\"ip\":\"203.0.113.7\","
         "\"trace_id\":\"1-5e1b4151-5ac6c58dc39a6b6a1a2b3c4d\""},
        {"GET", "/prod/music/7", "traceparent",
         "00-5e1b41515ac6c58dc39a6b6a1a2b3c4d-53995c3f42cd8ad8-01",
         "\"route_key\":\"GET /music/{id}\",\"ip\":\"203.0.113.7\","
         "\"trace_id\":\"1-5e1b4151-5ac6c58dc39a6b6a1a2b3c4d\""},
        {"POST", "/prod/none", "X-Amzn-Trace-Id", "garbage",
         "\"path\":\"/prod/none\",\"ip\":\"203.0.113.7\",\"trace_id\":\"1-"},
        {"POST", "/music", "X-Amzn-Trace-Id", "", "\"path\":\"/music\",\"ip\":"},
    };
    open_stage("prod");
    gateway_free(gateway);
    gateway = gateway_new(
        &loop, lambda,
        &(struct gateway_options){.routes = routes, .stage = &stage, .access_log = 1});
    for (size_t k = 0; k < COUNT(cases); k++) {
        struct fake_request *f = fake_request(cases[k].method, cases[k].target, "{}");
        fake_header(f, cases[k].name, cases[k].value);
        struct server_answered a = {.status = 413, .reason = "body_too_large"};
        capture_start();
        assert_int_equal(gateway_server_events.on_answered(gateway, &f->r, &a), 1);
        capture_stop();
        if (strstr(lines, cases[k].part) == NULL) {
            fail_msg("%s is not in\n%s", cases[k].part, lines);
        }
        fake_request_free(f);
    }
    const struct gateway_route_counts *counts = gateway_count_routes(gateway);
    size_t slot = gateway_status_slot(413);
    assert_int_equal(counts[2].answers[slot], 1);
    assert_int_equal(counts[0].answers[slot], 1);
    assert_int_equal(counts[gateway_routes_count(routes)].answers[slot], 2);
    assert_int_equal(gateway_in_flight(gateway), 0);
}

/* 460 is a client's; what we cut off has the reason for it, and counts apart. */
static void cut_off(void **state) {
    (void)state;
    open_stage("$default");
    static const char *const reasons[] = {"shutdown", "write_timeout", NULL};
    for (int access = 1; access >= 0; access--) {
        gateway_free(gateway);
        gateway = gateway_new(
            &loop, lambda,
            &(struct gateway_options){.routes = routes, .stage = &stage, .access_log = access});
        capture_start();
        for (size_t k = 0; k < COUNT(reasons); k++) {
            struct fake_request *f = send_to("PUT", "/wait", NULL);
            struct penstock_invocation *i =
                ((struct lambda_event *)f->r.owner_data)->invocation;
            gateway_server_events.on_abandon(gateway, &f->r, reasons[k]);
            penstock_respond_message(i, 200, "dropped", NULL);
            fake_request_free(f);
        }
        capture_stop();
        static const char *const parts[2][3] = {
            {"\"event\":\"request_abandoned\",\"reason\":\"shutdown\",\"status\":0,",
             "\"event\":\"request_abandoned\",\"reason\":\"write_timeout\",\"status\":0,",
             "\"event\":\"request_abandoned\",\"reason\":\"client_left\",\"status\":460,"},
            {"\"reason\":\"shutdown\"}\n", "\"reason\":\"write_timeout\"}\n",
             "\"status\":460,"}};
        for (size_t k = 0; k < COUNT(parts[access]); k++) {
            if (strstr(lines, parts[access][k]) == NULL) {
                fail_msg("%s is not in\n%s", parts[access][k], lines);
            }
        }
        assert_int_equal(strstr(lines, "\"status\":0,") != NULL, 1);
        struct gateway_counts counts;
        gateway_count(gateway, &counts);
        assert_int_equal(counts.client_left, 1);
        assert_int_equal(counts.answers.count, 0);
        assert_int_equal(counts.cut_off.count, 2);
        assert_string_equal(counts.cut_off.items[0].name, "shutdown");
        assert_int_equal(counts.cut_off.items[1].count, 1);
        assert_int_equal(gateway_in_flight(gateway), 0);
    }
}

static void long_fields_are_cut(void **state) {
    (void)state;
    open_stage("$default");
    static char target[9000];
    memset(target, 'a', sizeof(target) - 1);
    target[0] = '/';
    static char agent[9000];
    memset(agent, '"', sizeof(agent) - 1);
    capture_start();
    struct fake_request *f = fake_request("GET", target, NULL);
    fake_header(f, "User-Agent", agent);
    f->events = &gateway_server_events;
    f->owner = gateway;
    gateway_server_events.on_request(gateway, &f->r);
    capture_stop();
    fake_request_free(f);
    assert_true(strlen(lines) < 2500 && strlen(lines) > 1024);
    assert_string_equal(lines + strlen(lines) - 21, "\"reason\":\"no_route\"}\n");
}

static void the_log_can_be_off(void **state) {
    (void)state;
    open_stage("$default");
    gateway_free(gateway);
    gateway = gateway_new(&loop, lambda,
                          &(struct gateway_options){.routes = routes, .stage = &stage});
    capture_start();
    fake_request_free(send_to("GET", "/", NULL));
    capture_stop();
    assert_string_equal(lines, "");
}

int main(void) {
    log_threshold = LOG_OFF;
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(default_stage),
        T(named_stage),
        T(method_not_allowed),
        T(too_many_query_parameters),
        T(early_refusal),
        T(access_lines),
        T(cut_off),
        T(refused_at_the_head),
        T(long_fields_are_cut),
        T(the_log_can_be_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
