/* Streamed responses of real processes: in parts or kept, slow takers, limits, and every way to
 * break off. */
#include "function_fixture.h"

static size_t taken;
static size_t parts;
static bool full; /* what the taker says */
static char type[64];

static bool on_part(struct function_call *c, struct slice content_type, struct slice bytes) {
    (void)c;
    assert_true(bytes.len > 0);
    taken += bytes.len;
    parts++;
    snprintf(type, sizeof(type), SLICE_FMT, SLICE_ARG(content_type));
    return !full;
}

static struct test_call one;

static void begin(const char *event) {
    taken = parts = 0;
    full = false;
    memset(&one, 0, sizeof(one));
    snprintf(one.request_id, sizeof(one.request_id), "00000000-0000-4000-8000-000000000abc");
    one.call.payload = slice_cstr(event);
    one.call.request_id = one.request_id;
    one.call.done = on_done;
    one.call.part = on_part;
    assert_int_equal(function_submit(function, &one.call), 0);
}

static enum function_outcome stream(const char *event) {
    begin(event);
    wait_for(&one, 1);
    return one.outcome;
}

static void comes_in_parts(void **state) {
    (void)state;
    start((struct function_options){0});
    assert_int_equal(stream("{\"do\":\"parts\",\"count\":3}"), FUNCTION_OK);
    assert_int_equal(taken, 15);
    assert_int_equal(one.payload_len, 0);
    assert_true(one.streaming);
    assert_string_equal(type, "text/x");
    expect_logged("HTTP/1.1 202");
    assert_int_equal(stream("{\"do\":\"parts\",\"count\":0}"), FUNCTION_OK);
    assert_int_equal(parts, 0);
    assert_int_equal(stream("{}"), FUNCTION_OK); /* a whole one goes to done */
    assert_int_equal(parts, 0);
    assert_true(one.payload_len > 0);
    assert_int_equal(counts().started, 1);
}

static void kept_where_nobody_takes_parts(void **state) {
    (void)state;
    start((struct function_options){.timeout_ms = 15000});
    struct test_call *t = call("{\"do\":\"parts\",\"count\":3}");
    assert_int_equal(t->outcome, FUNCTION_OK);
    assert_string_equal(t->payload, "xxxxxxxxxxxxxxx");
    t = call("{\"do\":\"parts\",\"bytes\":6291556}");
    assert_int_equal(t->outcome, FUNCTION_OK);
    assert_int_equal(t->payload_len, FUNCTION_PAYLOAD_MAX);
    t = call("{\"do\":\"parts\",\"bytes\":6291557}");
    assert_int_equal(t->outcome, FUNCTION_TOO_LARGE);
    assert_string_equal(t->error_type, "Function.ResponseSizeTooLarge");
    expect_logged("HTTP/1.1 413");
    assert_int_equal(call("{}")->outcome, FUNCTION_OK);
}

static void a_slow_taker_stops_the_process(void **state) {
    (void)state;
    start((struct function_options){.timeout_ms = 15000});
    begin("{\"do\":\"parts\",\"count\":400,\"bytes\":65536}");
    full = true;
    while (parts == 0) {
        run_ms(1);
    }
    size_t before = 0;
    while (taken > before) { /* what had come already */
        before = taken;
        run_ms(50);
    }
    assert_true(taken <= 4 * 65536);
    assert_int_equal(one.done, 0);
    full = false;
    function_call_resume(&one.call);
    wait_for(&one, 1);
    assert_int_equal(one.outcome, FUNCTION_OK);
    assert_int_equal(taken, 400 * 65536);
}

static void limit(void **state) {
    (void)state;
    start((struct function_options){.stream_max = 1000});
    assert_int_equal(stream("{\"do\":\"parts\",\"count\":10,\"bytes\":100}"), FUNCTION_OK);
    assert_int_equal(taken, 1000);
    assert_int_equal(stream("{\"do\":\"parts\",\"bytes\":1001}"), FUNCTION_TOO_LARGE);
    expect_logged("HTTP/1.1 413");
    assert_int_equal(stream("{}"), FUNCTION_OK);
}

static void error_in_the_trailer(void **state) {
    (void)state;
    start((struct function_options){0});
    assert_int_equal(stream("{\"do\":\"parts\",\"end\":\"error\"}"), FUNCTION_ERROR);
    assert_int_equal(taken, 5);
    assert_string_equal(one.error_type, "Function.Broken");
    assert_string_equal(one.payload, "{\"errorMessage\": \"it broke\"}");
    expect_logged("HTTP/1.1 202");
    struct test_call *t = call("{\"do\":\"parts\",\"end\":\"error\"}"); /* kept: the same */
    assert_int_equal(t->outcome, FUNCTION_ERROR);
    assert_string_equal(t->payload, "{\"errorMessage\": \"it broke\"}");
    assert_int_equal(counts().started, 1);
}

static void breaks_off(void **state) {
    (void)state;
    start((struct function_options){.timeout_ms = 1500});
    assert_int_equal(stream("{\"do\":\"parts\",\"end\":\"cut\"}"), FUNCTION_BAD_RESPONSE);
    assert_int_equal(taken, 5);
    assert_string_equal(one.error_type, "Runtime.TruncatedHTTPRequest");
    assert_int_equal(stream("{}"), FUNCTION_OK);
    assert_int_equal(counts().started, 1); /* the process goes on */
    assert_int_equal(stream("{\"do\":\"parts\",\"end\":\"hang\"}"), FUNCTION_TIMEOUT);
    assert_int_equal(taken, 5);
    assert_int_equal(stream("{}"), FUNCTION_OK);
    assert_int_equal(counts().started, 2); /* that one was killed */
}

/* While one response is arriving, there is no other. */
static void a_second_response_is_refused(void **state) {
    (void)state;
    start((struct function_options){0});
    assert_int_equal(stream("{\"do\":\"parts\",\"end\":\"again\"}"), FUNCTION_OK);
    expect_logged("InvalidStateTransition");
    assert_int_equal(taken, 5);
}

static void client_context(void **state) {
    (void)state;
    start((struct function_options){0});
    one = (struct test_call){0};
    begin("{\"do\":\"headers\"}");
    wait_for(&one, 1);
    assert_null(strstr(one.payload, "Client-Context"));
    memset(&one, 0, sizeof(one));
    snprintf(one.request_id, sizeof(one.request_id), "00000000-0000-4000-8000-000000000abd");
    one.call.payload = SLICE("{\"do\":\"headers\"}");
    one.call.client_context = SLICE("{\"a\":1}");
    one.call.request_id = one.request_id;
    one.call.done = on_done;
    assert_int_equal(function_submit(function, &one.call), 0);
    wait_for(&one, 1);
    assert_non_null(
        strstr(one.payload, "\"Lambda-Runtime-Client-Context\": \"{\\\"a\\\":1}\""));
}

static void closed_in_the_middle(void **state) {
    (void)state;
    start((struct function_options){0});
    begin("{\"do\":\"parts\",\"end\":\"hang\"}");
    while (taken == 0) {
        run_ms(1);
    }
    close_function();
    assert_int_equal(one.done, 1);
    assert_int_not_equal(one.outcome, FUNCTION_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        T(comes_in_parts),
        T(kept_where_nobody_takes_parts),
        T(a_slow_taker_stops_the_process),
        T(limit),
        T(error_in_the_trailer),
        T(breaks_off),
        T(a_second_response_is_refused),
        T(client_context),
        T(closed_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
