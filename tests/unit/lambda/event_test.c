/* The accessors of penstock/handler.h. */
#include "stand_ins.h"

#include "base/clock.h"
#include "base/log.h"

static const struct url_pair stage_variables[] = {{{"mode", 4}, {"live", 4}},
                                                  {{"empty", 5}, {"", 0}}};

static int is(struct penstock_slice s, const char *text) {
    int same = s.ptr != NULL && s.len == strlen(text) && memcmp(s.ptr, text, s.len) == 0;
    if (!same) {
        print_error("\"%.*s\" is not \"%s\"\n", (int)s.len, s.ptr ? s.ptr : "", text);
    }
    return same;
}

static void look(struct penstock_invocation *i, void *state) {
    (void)state;
    assert_true(is(penstock_method(i), "POST"));
    assert_true(is(penstock_path(i), "/music/AC/DC"));
    assert_true(is(penstock_route_key(i), "POST /music/{Artist}"));
    assert_true(is(penstock_path_parameter(i, "Artist"), "AC/DC"));
    assert_null(penstock_path_parameter(i, "artist").ptr);
    assert_true(is(penstock_query_parameter(i, "a"), "2")); /* the last */
    assert_true(is(penstock_query_parameter(i, "none"), ""));
    assert_null(penstock_query_parameter(i, "b").ptr);
    assert_true(is(penstock_header(i, "x-TAG"), "one")); /* the first, any case */
    assert_true(is(penstock_header(i, "X-Empty"), ""));
    assert_null(penstock_header(i, "X-None").ptr);
    assert_true(is(penstock_body(i), "{\"x\":1}"));
    assert_ptr_equal(penstock_body(i).ptr, penstock_body(i).ptr);
    assert_true(is(penstock_stage_variable(i, "mode"), "live"));
    assert_true(is(penstock_stage_variable(i, "empty"), ""));
    assert_null(penstock_stage_variable(i, "Mode").ptr);
    assert_true(is(penstock_function_name(i), "enrich"));
    assert_true(is(penstock_request_id(i), "00000000-0000-4000-8000-000000000001"));
    uint64_t left = penstock_remaining_ms(i);
    assert_true(left > 2000 && left <= 3000);

    static const char *const context[][2] = {
        {"requestId", "00000000-0000-4000-8000-000000000001"},
        {"extendedRequestId", "00000000-0000-4000-8000-000000000001"},
        {"stage", "prod"},
        {"routeKey", "POST /music/{Artist}"},
        {"resourcePath", "/music/{Artist}"},
        {"httpMethod", "POST"},
        {"path", "/prod/music/AC%2FDC"},
        {"protocol", "HTTP/1.1"},
        {"identity.sourceIp", "203.0.113.7"},
        {"identity.userAgent", "agent/1.0"},
        {"domainName", "api.example.com"},
        {"domainPrefix", "api"},
        {"accountId", "123456789012"},
        {"apiId", "abc"},
    };
    for (size_t k = 0; k < COUNT(context); k++) {
        assert_true(is(penstock_context(i, context[k][0]), context[k][1]));
    }
    assert_null(penstock_context(i, "identity.user").ptr);
    assert_null(penstock_context(i, "").ptr);
    uint64_t epoch;
    struct penstock_slice text = penstock_context(i, "requestTimeEpoch");
    assert_int_equal(slice_to_u64(slice_of(text.ptr, text.len), &epoch), 0);
    assert_true(epoch <= clock_wall_ms() && epoch + 10000 > clock_wall_ms());
    char clf[27];
    clock_format_clf(epoch / 1000, clf);
    assert_true(is(penstock_context(i, "requestTime"), clf));

    penstock_log(i, PENSTOCK_INFO, "a line");
    penstock_log(i, (enum penstock_log_level)77, "a line");
    penstock_respond_message(i, 200, "looked", NULL);
}

static void accessors(void **state) {
    (void)state;
    static struct loop loop;
    assert_int_equal(loop_init(&loop), 0);
    struct lambda_options options = {.stage = "prod",
                                     .stage_variables = stage_variables,
                                     .stage_variable_count = COUNT(stage_variables),
                                     .account_id = "123456789012",
                                     .api_id = "abc",
                                     .worker = 3};
    struct lambda *lambda = lambda_new(&loop, NULL, &options);
    assert_int_equal(lambda_worker(lambda), 3);
    struct fake_request *f =
        fake_request("POST", "/prod/music/AC%2FDC?a=1&none=&a=2", "{\"x\":1}");
    fake_header(f, "X-Tag", "one");
    fake_header(f, "x-tag", "two");
    fake_header(f, "X-Empty", "");
    fake_header(f, "User-Agent", "agent/1.0");
    struct lambda_event *event = fake_event(f, "POST /music/{Artist}");
    struct url_pair param = {SLICE("Artist"), SLICE("AC/DC")};
    event->path = SLICE("/music/AC/DC");
    event->path_parameters = &param;
    event->path_parameter_count = 1;
    struct lambda_handler h = {.name = "enrich", .invoke = look, .timeout_ms = 3000};
    lambda_invoke(lambda, &h, &f->r, event);
    assert_int_equal(f->status, 200);
    fake_request_free(f);
    lambda_free(lambda);
    loop_fini(&loop);
}

static void look_at_little(struct penstock_invocation *i, void *state) {
    const char *domain = state;
    assert_true(is(penstock_context(i, "domainName"), domain));
    assert_true(is(penstock_context(i, "protocol"), "HTTP/1.0"));
    assert_true(is(penstock_context(i, "accountId"), "000000000000"));
    assert_true(is(penstock_context(i, "apiId"), "penstock"));
    assert_true(is(penstock_context(i, "stage"), "$default"));
    assert_true(is(penstock_context(i, "resourcePath"), "$default"));
    assert_null(penstock_context(i, "identity.userAgent").ptr);
    assert_true(is(penstock_body(i), "")); /* there is none: empty, not absent */
    penstock_respond_message(i, 200, "looked", NULL);
}

static void little_is_there(void **state) {
    (void)state;
    static struct loop loop;
    assert_int_equal(loop_init(&loop), 0);
    struct lambda *lambda = lambda_new(&loop, NULL, &(struct lambda_options){0});
    static const char *const hosts[][2] = {{"localhost", "localhost"},
                                           {"localhost:80", "localhost"},
                                           {"10.0.0.1:8080", "10.0.0.1"},
                                           {"10.0.0.1", "10.0.0.1"},
                                           {"[::1]:8080", "[::1]"},
                                           {"[::1]", "[::1]"},
                                           {"host:", "host"},
                                           {"8080", "8080"}};
    for (size_t k = 0; k < COUNT(hosts); k++) {
        struct fake_request *f = fake_request("GET", "/", NULL);
        f->r.http.minor = 0;
        f->r.http.host = slice_cstr(hosts[k][0]);
        struct lambda_handler h = {
            .name = "x", .invoke = look_at_little, .state = (void *)(uintptr_t)hosts[k][1]};
        lambda_invoke(lambda, &h, &f->r, fake_event(f, "$default"));
        assert_int_equal(f->status, 200);
        fake_request_free(f);
    }
    lambda_free(lambda);
    loop_fini(&loop);
}

int main(void) {
    log_threshold = LOG_OFF;
    const struct CMUnitTest tests[] = {cmocka_unit_test(accessors),
                                       cmocka_unit_test(little_is_there)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
