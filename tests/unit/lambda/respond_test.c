/* The table of answers (DESIGN 3.4), and what happens to answers that may not go out. */
#include "stand_ins.h"

#include "base/log.h"

static struct loop loop;
static struct lambda *lambda;

static int set_up(void **state) {
    (void)state;
    memset(&fake_db, 0, sizeof(fake_db));
    int error = loop_init(&loop);
    lambda = lambda_new(&loop, NULL, &(struct lambda_options){0});
    return error;
}

static int tear_down(void **state) {
    (void)state;
    lambda_free(lambda);
    loop_fini(&loop);
    return 0;
}

static struct fake_request *invoke(penstock_invoke_fn fn, void *state) {
    static struct lambda_handler h;
    h = (struct lambda_handler){.name = "test", .invoke = fn, .state = state};
    struct fake_request *f = fake_request("GET", "/", NULL);
    lambda_invoke(lambda, &h, &f->r, fake_event(f, "GET /"));
    assert_int_equal(lambda_in_flight(lambda), 0);
    return f;
}

static void give_response(struct penstock_invocation *i, void *state) {
    penstock_respond(i, state);
}

static void give_outcome(struct penstock_invocation *i, void *state) {
    penstock_respond_outcome(i, state);
}

#define PS(literal) ((struct penstock_slice){(literal), sizeof(literal) - 1})

static void outcomes(void **state) {
    (void)state;
    static const struct {
        enum penstock_outcome outcome;
        unsigned status;
        const char *body;
        const char *fields;
        const char *reason;
    } cases[] = {
        {PENSTOCK_CONDITION_FAILED, 409, "{\"message\":\"The conditional request failed\"}", "",
         "condition_failed"},
        {PENSTOCK_REFUSED, 400, "{\"message\":\"said \\\"no\\\"\"}", "", "dynamodb_refused"},
        {PENSTOCK_THROTTLED, 429, "{\"message\":\"Too Many Requests\"}", "Retry-After: 2\n",
         "dynamodb_throttled"},
        {PENSTOCK_BUSY, 503, "{\"message\":\"Service Unavailable\"}", "Retry-After: 2\n",
         "pipeline_busy"},
        {PENSTOCK_UNAVAILABLE, 503, "{\"message\":\"Service Unavailable\"}", "Retry-After: 2\n",
         "dynamodb_unavailable"},
        {PENSTOCK_DENIED, 500, "{\"message\":\"Internal server error\"}", "",
         "dynamodb_denied"},
        {PENSTOCK_UNKNOWN, 502, "{\"message\":\"Internal server error\"}",
         "x-penstock-outcome: unknown\n", "write_unknown"},
        {PENSTOCK_UNKNOWN_TIMEOUT, 504, "{\"message\":\"Endpoint request timed out\"}",
         "x-penstock-outcome: unknown\n", "write_unknown_timeout"},
        {PENSTOCK_TIMEOUT, 504, "{\"message\":\"Endpoint request timed out\"}", "",
         "dynamodb_timeout"},
    };
    for (size_t k = 0; k < COUNT(cases); k++) {
        struct penstock_result result = {.outcome = cases[k].outcome,
                                         .message = PS("said \"no\""),
                                         .error_name = PS("SomeException"),
                                         .retry_after_ms = 1001};
        struct fake_request *f = invoke(give_outcome, &result);
        assert_int_equal(f->status, cases[k].status);
        assert_string_equal(f->body, cases[k].body);
        assert_string_equal(f->fields, cases[k].fields);
        assert_string_equal(f->reason, cases[k].reason);
        assert_string_equal(f->content_type, "application/json");
        fake_request_free(f);
    }
}

static void outcome_without_words(void **state) {
    (void)state;
    struct penstock_result result = {.outcome = PENSTOCK_REFUSED};
    struct fake_request *f = invoke(give_outcome, &result);
    assert_string_equal(f->body, "{\"message\":\"Bad Request\"}");
    fake_request_free(f);
    result.outcome = PENSTOCK_BUSY; /* Retry-After is never 0 */
    f = invoke(give_outcome, &result);
    assert_string_equal(f->fields, "Retry-After: 1\n");
    fake_request_free(f);
    result.outcome = PENSTOCK_OK; /* the handler's to answer */
    f = invoke(give_outcome, &result);
    assert_int_equal(f->status, 502);
    assert_string_equal(f->reason, "bad_outcome");
    fake_request_free(f);
    result.outcome = (enum penstock_outcome)99;
    f = invoke(give_outcome, &result);
    assert_int_equal(f->status, 502);
    fake_request_free(f);
}

static void good_answers(void **state) {
    (void)state;
    const struct penstock_header_field fields[] = {
        {PS("X-One"), PS("1")},
        {PS("Connection"), PS("keep-alive")}, /* the connection's, left out */
        {PS("content-length"), PS("99")},
        {PS("Transfer-Encoding"), PS("chunked")},
        {PS("Set-Cookie"), PS("a=1")},
        {PS("Set-Cookie"), PS("b=2")},
        {PS("CONTENT-TYPE"), PS("text/plain")},
        {PS("x-amzn-RequestId"), PS("forged")},
    };
    struct penstock_response r = {
        .status = 200, .headers = fields, .header_count = COUNT(fields), .body = PS("hello")};
    struct fake_request *f = invoke(give_response, &r);
    assert_int_equal(f->status, 200);
    assert_string_equal(f->fields, "X-One: 1\nSet-Cookie: a=1\nSet-Cookie: b=2\n");
    assert_string_equal(f->content_type, "text/plain");
    assert_string_equal(f->body, "hello");
    assert_string_equal(f->reason, "");
    fake_request_free(f);

    r = (struct penstock_response){.status = 200, .body = PS("{}")};
    f = invoke(give_response, &r);
    assert_string_equal(f->content_type, "application/json");
    fake_request_free(f);

    r = (struct penstock_response){.status = 200};
    f = invoke(give_response, &r);
    assert_string_equal(f->content_type, "");
    fake_request_free(f);

    r = (struct penstock_response){.status = 204, .body = PS("nothing may be here")};
    f = invoke(give_response, &r);
    assert_int_equal(f->status, 204);
    assert_int_equal(f->body_len, 0);
    fake_request_free(f);
}

static void bad_answers(void **state) {
    (void)state;
    static const struct penstock_header_field split = {{"X-A", 3},
                                                       {"a\r\nSet-Cookie: x=1", 18}},
                                              nul = {{"X-A", 3}, {"a\0b", 3}},
                                              name = {{"X A", 3}, {"1", 1}},
                                              empty = {{"", 0}, {"1", 1}},
                                              colon = {{"X:A", 3}, {"1", 1}},
                                              null_name = {{NULL, 3}, {"1", 1}},
                                              null_value = {{"X-A", 3}, {NULL, 1}},
                                              type = {{"Content-Type", 12}, {"a\nb", 3}};
    static struct penstock_header_field many[HTTP_HEADERS_MAX + 1];
    const struct {
        struct penstock_response r;
        const char *reason;
    } cases[] = {
        {{.status = 0}, "status_out_of_range"},
        {{.status = 100}, "status_out_of_range"},
        {{.status = 199}, "status_out_of_range"},
        {{.status = 600}, "status_out_of_range"},
        {{.status = -200}, "status_out_of_range"},
        {{.status = 200, .headers = &split, .header_count = 1}, "bad_header_value"},
        {{.status = 200, .headers = &nul, .header_count = 1}, "bad_header_value"},
        {{.status = 200, .headers = &name, .header_count = 1}, "bad_header_name"},
        {{.status = 200, .headers = &empty, .header_count = 1}, "bad_header_name"},
        {{.status = 200, .headers = &colon, .header_count = 1}, "bad_header_name"},
        {{.status = 200, .headers = &null_name, .header_count = 1}, "bad_header_name"},
        {{.status = 200, .headers = &null_value, .header_count = 1}, "bad_header_value"},
        {{.status = 200, .headers = &type, .header_count = 1}, "bad_header_value"},
        {{.status = 200, .headers = NULL, .header_count = 1}, "bad_slice"},
        {{.status = 200, .headers = many, .header_count = COUNT(many)}, "too_many_headers"},
        {{.status = 200, .body = {NULL, 5}}, "bad_slice"},
        {{.status = 200, .content_type = {"a\r\nb", 4}, .body = {"x", 1}}, "bad_content_type"},
    };
    for (size_t k = 0; k < COUNT(cases); k++) {
        struct penstock_response r = cases[k].r;
        struct fake_request *f = invoke(give_response, &r);
        assert_int_equal(f->status, 502);
        assert_string_equal(f->body, "{\"message\":\"Internal server error\"}");
        assert_string_equal(f->reason, cases[k].reason);
        assert_string_equal(f->fields, "");
        fake_request_free(f);
    }
    struct lambda_counts counts;
    lambda_count(lambda, &counts);
    assert_int_equal(counts.bad_answers, COUNT(cases));
}

static void stored_then_nonsense(struct penstock_invocation *i, void *arg,
                                 const struct penstock_result *result) {
    (void)arg;
    (void)result;
    penstock_respond(i, &(struct penstock_response){.status = 99});
}

static void put_then_nonsense(struct penstock_invocation *i, void *state) {
    (void)state;
    struct penstock_request r = {.operation = PENSTOCK_PUT_ITEM, .table = "Music"};
    assert_int_equal(penstock_dynamodb(i, &r, stored_then_nonsense, NULL), 0);
}

/* Our own 502 may not say that nothing happened when the write was stored. */
static void nonsense_after_a_write(void **state) {
    (void)state;
    struct lambda_handler h = {.name = "test", .invoke = put_then_nonsense};
    struct fake_request *f = fake_request("GET", "/", NULL);
    lambda_invoke(lambda, &h, &f->r, fake_event(f, "GET /"));
    fake_settle(OUTCOME_OK);
    assert_int_equal(f->status, 502);
    assert_string_equal(f->fields, "x-penstock-outcome: unknown\n");
    fake_request_free(f);
}

struct message {
    int status;
    const char *text;
    const char *reason;
};

static void give_message(struct penstock_invocation *i, void *state) {
    struct message *m = state;
    penstock_respond_message(i, m->status, m->text, m->reason);
}

static void messages(void **state) {
    (void)state;
    static const struct {
        struct message m;
        unsigned status;
        const char *body;
        const char *fields;
        const char *reason;
    } cases[] = {
        {{400, "Artist: \"x\"\n", "bad_item"},
         400,
         "{\"message\":\"Artist: \\\"x\\\"\\n\"}",
         "",
         "bad_item"},
        {{404, "Not Found", NULL}, 404, "{\"message\":\"Not Found\"}", "", ""},
        {{429, "Too Many Requests", "x"},
         429,
         "{\"message\":\"Too Many Requests\"}",
         "Retry-After: 1\n",
         "x"},
        {{503, NULL, "x"}, 503, "{\"message\":\"\"}", "Retry-After: 1\n", "x"},
        {{400, "\xff\xc3\xa4\x01", "x"},
         400,
         "{\"message\":\"\xef\xbf\xbd\xc3\xa4\\u0001\"}",
         "",
         "x"},
        {{204, "dropped", NULL}, 204, "", "", ""},
        {{700, "x", "y"},
         502,
         "{\"message\":\"Internal server error\"}",
         "",
         "status_out_of_range"},
    };
    for (size_t k = 0; k < COUNT(cases); k++) {
        struct message m = cases[k].m;
        struct fake_request *f = invoke(give_message, &m);
        assert_int_equal(f->status, cases[k].status);
        assert_string_equal(f->body, cases[k].body);
        assert_string_equal(f->fields, cases[k].fields);
        assert_string_equal(f->reason, cases[k].reason);
        fake_request_free(f);
    }
}

int main(void) {
    log_threshold = LOG_OFF;
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(outcomes),    T(outcome_without_words),  T(good_answers),
        T(bad_answers), T(nonsense_after_a_write), T(messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
