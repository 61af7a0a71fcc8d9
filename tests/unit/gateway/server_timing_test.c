/* The Server-Timing field, and that its room is enough. */
#include "gateway/server_timing.h"

#include "support/unit.h"

static void expect(uint64_t total_ns, struct op_phases phases, const char *expected) {
    char text[SERVER_TIMING_MAX];
    struct slice s = server_timing(text, total_ns, &phases);
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.ptr, expected, s.len);
}

static void phases(void **state) {
    (void)state;
    expect(1234567, (struct op_phases){500000, 4200, 700001},
           "total;dur=1.234, queue;dur=0.500, sign;dur=0.004, wait;dur=0.700");
    expect(0, (struct op_phases){0}, "total;dur=0.000");
    expect(UINT64_MAX, (struct op_phases){UINT64_MAX, UINT64_MAX, UINT64_MAX},
           "total;dur=18446744073709.551, queue;dur=18446744073709.551, "
           "sign;dur=18446744073709.551, wait;dur=18446744073709.551");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(phases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
