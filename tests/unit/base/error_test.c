#include "base/error.h"

#include "support/unit.h"

#include <ctype.h>

struct code {
    int error;
    const char *upper;
    const char *text;
};

static const struct code codes[] = {
#define X(name, value, text) {ERR_##name, #name, text},
    ERROR_MAP(X)
#undef X
};

static void every_code_has_its_text_and_lower_case_name(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(codes); i++) {
        assert_true(codes[i].error < 0);
        assert_string_equal(error_text(codes[i].error), codes[i].text);
        const char *name = error_name(codes[i].error);
        assert_int_equal(strlen(name), strlen(codes[i].upper));
        for (size_t k = 0; name[k]; k++) {
            assert_int_equal(toupper((unsigned char)name[k]), codes[i].upper[k]);
            assert_false(isupper((unsigned char)name[k]));
        }
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(codes[i].error, codes[k].error);
        }
    }
}

static void others_are_never_null(void **state) {
    (void)state;
    const int others[] = {0, 1, -999, 2147483647, -2147483647 - 1};
    for (size_t i = 0; i < COUNT(others); i++) {
        assert_non_null(error_text(others[i]));
        assert_non_null(error_name(others[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_text_and_lower_case_name),
        cmocka_unit_test(others_are_never_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
