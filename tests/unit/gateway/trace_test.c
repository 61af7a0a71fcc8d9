/* Trace ids: taken, made from each other, made anew, replaced. */
#include "gateway/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#define ROOT   "1-5e1b4151-5ac6c58dc39a6b6a1a2b3c4d"
#define ID     "5e1b41515ac6c58dc39a6b6a1a2b3c4d"
#define SPAN   "53995c3f42cd8ad8"
#define PARENT "00-" ID "-" SPAN "-01"
#define EPOCH  0x5fffffff

static char text[TRACE_TEXT_MAX];

static struct trace read_trace(const char *amzn, const char *traceparent) {
    struct rng rng;
    struct trace t;
    rng_seed(&rng, 7);
    memset(text, '#', sizeof(text));
    trace_read(slice_cstr(amzn), slice_cstr(traceparent), EPOCH, &rng, text, &t);
    assert_int_equal(t.root.len, 35);
    assert_int_equal(t.traceparent.len >= 55, 1);
    return t;
}

static void expect_slice(struct slice s, const char *wanted) {
    if (!slice_eq(s, slice_cstr(wanted))) {
        fail_msg("\"" SLICE_FMT "\" is not \"%s\"", SLICE_ARG(s), wanted);
    }
}

/* "Root=1-5fffffff-" and 24 digits, nothing else. */
static void expect_made(struct trace t) {
    assert_int_equal(t.amzn.len, 40);
    assert_true(slice_starts_with(t.amzn, SLICE("Root=1-5fffffff-")));
    assert_int_equal(strspn(t.amzn.ptr + 16, "0123456789abcdef") >= 24, 1);
    assert_true(t.parent_made);
    assert_int_equal(t.traceparent.len, 55);
    assert_memory_equal(t.traceparent.ptr, "00-5fffffff", 11);
    assert_memory_equal(t.traceparent.ptr + 11, t.amzn.ptr + 16, 24);
    assert_memory_equal(t.traceparent.ptr + 52, "-00", 3);
    assert_ptr_equal(t.root.ptr, t.amzn.ptr + 5);
}

static void both_absent(void **state) {
    (void)state;
    expect_made(read_trace(NULL, NULL));
}

static void both_taken(void **state) {
    (void)state;
    struct trace t =
        read_trace("Self=1-67891234-12456789abcdef012345678;Root=" ROOT ";CalledFrom=app",
                   "00-aaaabbbbccccddddaaaabbbbccccdddd-" SPAN "-00");
    expect_slice(t.amzn,
                 "Self=1-67891234-12456789abcdef012345678;Root=" ROOT ";CalledFrom=app");
    expect_slice(t.traceparent, "00-aaaabbbbccccddddaaaabbbbccccdddd-" SPAN "-00");
    expect_slice(t.root, ROOT);
    assert_false(t.parent_made);
    expect_slice(read_trace("Root=" ROOT "; Parent=" SPAN "; Sampled=?", PARENT).root, ROOT);
}

static void one_from_the_other(void **state) {
    (void)state;
    struct trace t = read_trace(NULL, PARENT);
    expect_slice(t.amzn, "Root=" ROOT ";Parent=" SPAN ";Sampled=1");
    expect_slice(t.traceparent, PARENT);
    assert_false(t.parent_made);
    expect_slice(read_trace(NULL, "00-" ID "-" SPAN "-0a").amzn,
                 "Root=" ROOT ";Parent=" SPAN ";Sampled=0");
    expect_slice(read_trace(NULL, "00-" ID "-" SPAN "-0b").amzn,
                 "Root=" ROOT ";Parent=" SPAN ";Sampled=1");
    t = read_trace("Root=" ROOT ";Parent=" SPAN ";Sampled=1", NULL);
    expect_slice(t.traceparent, PARENT);
    assert_true(t.parent_made);
    t = read_trace("Root=" ROOT, NULL);
    assert_true(slice_starts_with(t.traceparent, SLICE("00-" ID "-")));
    assert_memory_equal(t.traceparent.ptr + 52, "-00", 3);
}

static void bad_x_amzn(void **state) {
    static const char *const bad[] = {
        "",
        ";",
        "Root",
        "Root=",
        ROOT,
        "root=" ROOT,
        "Root=2-5e1b4151-5ac6c58dc39a6b6a1a2b3c4d",
        "Root=1-5e1b4151-5ac6c58dc39a6b6a1a2b3c4",
        "Root=1-5e1b4151-5ac6c58dc39a6b6a1a2b3c4dd",
        "Root=1-5e1b4151-5AC6C58DC39A6B6A1A2B3C4D",
        "Root=1-5e1b4151-5ac6c58dc39a6b6a1a2b3c4g",
        "Root=1_5e1b4151-5ac6c58dc39a6b6a1a2b3c4d",
        "Root=1-00000000-000000000000000000000000",
        "Root=" ROOT ";Root=" ROOT,
        "Root=" ROOT ";Parent=12",
        "Root=" ROOT ";Parent=0000000000000000",
        "Root=" ROOT ";Sampled=2",
        "Root=" ROOT ";Sampled=1;Sampled=1",
        "Root=" ROOT ";;Sampled=1",
        "Root=" ROOT ";x",
        "Root=" ROOT ";x=",
        "Root=" ROOT ";x=a b",
        "Root=" ROOT ";x=\xc3\xa9",
        "Parent=" SPAN,
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        expect_made(read_trace(bad[i], NULL));
    }
}

static void bad_traceparent(void **state) {
    static const char *const bad[] = {
        "",
        "00-" ID "-" SPAN,
        "00-" ID "-" SPAN "-1",
        "00-" ID "-" SPAN "-01-",
        "00-" ID "-" SPAN "-01-more",
        "ff-" ID "-" SPAN "-01",
        "0x-" ID "-" SPAN "-01",
        "01-" ID "-" SPAN "-01x",
        "00-5E1B41515AC6C58DC39A6B6A1A2B3C4D-" SPAN "-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" ID "-0000000000000000-01",
        "00_" ID "-" SPAN "-01",
        "00-" ID "_" SPAN "-01",
        "00-" ID "-" SPAN "_01",
        "00-" ID "-" SPAN "-zz",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        expect_made(read_trace(NULL, bad[i]));
    }
    /* a version we do not know may have more to say */
    struct trace t = read_trace(NULL, "cc-" ID "-" SPAN "-01-what-the-future-will-be-like");
    expect_slice(t.traceparent, "cc-" ID "-" SPAN "-01-what-the-future-will-be-like");
    expect_slice(t.root, ROOT);
}

static void longest(void **state) {
    static char value[TRACE_HEADER_MAX + 2] = "Root=" ROOT ";x=";
    (void)state;
    memset(value + strlen(value), 'y', TRACE_HEADER_MAX - strlen(value));
    expect_slice(read_trace(value, PARENT).amzn, value);
    value[TRACE_HEADER_MAX] = 'y';
    struct trace t = read_trace(value, NULL);
    expect_slice(t.amzn, "Root=" ROOT);
    expect_slice(t.root, ROOT);
    assert_true(slice_starts_with(t.traceparent, SLICE("00-" ID "-")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_absent),        cmocka_unit_test(both_taken),
        cmocka_unit_test(one_from_the_other), cmocka_unit_test(bad_x_amzn),
        cmocka_unit_test(bad_traceparent),    cmocka_unit_test(longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
