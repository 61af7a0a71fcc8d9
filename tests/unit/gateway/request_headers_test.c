/* What a handler finds in its headers: what is true, whatever the client wrote there. */
#include "gateway/request_headers.h"

#include "unit/lambda/stand_ins.h"

#define EPOCH  0x5fffffff
#define ROOT   "1-5e1b4151-5ac6c58dc39a6b6a1a2b3c4d"
#define PARENT "00-aaaabbbbccccddddaaaabbbbccccdddd-53995c3f42cd8ad8-01"

static struct fake_request *f;
static struct slice root;

static void complete(void) {
    struct rng rng;
    rng_seed(&rng, 1);
    assert_int_equal(request_headers_complete(&f->r, EPOCH, &rng, &root), 0);
}

static size_t count_of(const char *name) {
    size_t count = 0;
    for (size_t k = 0; k < f->r.http.headers.count; k++) {
        count += slice_eq_nocase(f->r.http.headers.items[k].name, slice_cstr(name));
    }
    return count;
}

static void expect(const char *name, const char *value) {
    struct slice got = http_header_value(&f->r.http.headers, slice_cstr(name));
    if (!slice_eq(got, slice_cstr(value)) || count_of(name) != 1) {
        fail_msg("%s: \"" SLICE_FMT "\", not \"%s\"", name, SLICE_ARG(got), value);
    }
}

static int set_up(void **state) {
    (void)state;
    f = fake_request("GET", "/", NULL);
    f->r.port = 8080;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    fake_request_free(f);
    return 0;
}

static void every_request_has_them(void **state) {
    (void)state;
    size_t before = f->r.http.headers.count;
    fake_header(f, "Accept", "*/*");
    f->r.tls = 1;
    complete();
    expect("Accept", "*/*");
    expect("X-Forwarded-For", "203.0.113.7");
    expect("X-Forwarded-Port", "8080");
    expect("X-Forwarded-Proto", "https");
    assert_int_equal(count_of("x-amzn-trace-id"), 1);
    assert_int_equal(count_of("traceparent"), 1);
    assert_int_equal(f->r.http.headers.count, before + 1 + SERVER_HEADER_ROOM);
    assert_true(slice_starts_with(root, SLICE("1-5fffffff-")));
}

static void claims_are_replaced(void **state) {
    (void)state;
    fake_header(f, "x-forwarded-for", "127.0.0.1");
    fake_header(f, "X-Forwarded-For", "10.0.0.1");
    fake_header(f, "Cookie", "a=b");
    fake_header(f, "X-FORWARDED-PROTO", "https");
    fake_header(f, "X-Forwarded-Port", "443");
    fake_header(f, "Forwarded", "for=127.0.0.1");
    fake_header(f, "X-Forwarded-Host", "kept.example.com");
    complete();
    expect("X-Forwarded-For", "203.0.113.7");
    expect("X-Forwarded-Proto", "http");
    expect("X-Forwarded-Port", "8080");
    expect("Cookie", "a=b");
    expect("X-Forwarded-Host", "kept.example.com");
    assert_int_equal(count_of("forwarded"), 0);
}

static void traces_are_passed_on(void **state) {
    (void)state;
    fake_header(f, "X-Amzn-Trace-Id", "Root=" ROOT ";Sampled=1");
    fake_header(f, "tracestate", "vendor=1");
    fake_header(f, "traceparent", PARENT);
    fake_header(f, "Tracestate", "other=2");
    complete();
    expect("X-Amzn-Trace-Id", "Root=" ROOT ";Sampled=1");
    expect("traceparent", PARENT);
    assert_int_equal(count_of("tracestate"), 2);
    assert_true(slice_eq(root, SLICE(ROOT)));
}

static void two_of_a_kind_are_none(void **state) {
    (void)state;
    fake_header(f, "X-Amzn-Trace-Id", "Root=" ROOT);
    fake_header(f, "x-amzn-trace-id", "Root=" ROOT);
    fake_header(f, "traceparent", PARENT);
    fake_header(f, "traceparent", PARENT);
    fake_header(f, "tracestate", "vendor=1");
    complete();
    assert_true(slice_starts_with(root, SLICE("1-5fffffff-")));
    assert_int_equal(count_of("traceparent"), 1);
    assert_int_equal(count_of("tracestate"), 0);
}

static void no_address_no_port(void **state) {
    (void)state;
    memset(&f->r.peer, 0, sizeof(f->r.peer));
    f->r.peer.sa.ss_family = AF_UNIX;
    f->r.port = 0;
    fake_header(f, "X-Forwarded-For", "127.0.0.1");
    complete();
    assert_int_equal(count_of("X-Forwarded-For"), 0);
    assert_int_equal(count_of("X-Forwarded-Port"), 0);
    expect("X-Forwarded-Proto", "http");
}

static void as_many_as_there_may_be(void **state) {
    (void)state;
    while (f->header_count < HTTP_HEADERS_MAX) {
        fake_header(f, "X", "y");
    }
    complete();
    assert_int_equal(f->r.http.headers.count, HTTP_HEADERS_MAX + SERVER_HEADER_ROOM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_request_has_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(claims_are_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(traces_are_passed_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_of_a_kind_are_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_address_no_port, set_up, tear_down),
        cmocka_unit_test_setup_teardown(as_many_as_there_may_be, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
