#include "http/message.h"

#include "support/unit.h"

static void methods(void **state) {
    (void)state;
    for (enum http_method m = HTTP_GET_; m < HTTP_OTHER_; m++) {
        assert_int_equal(http_method_parse(slice_cstr(http_method_name(m))), m);
    }
    assert_string_equal(http_method_name(HTTP_OTHER_), "");
    assert_int_equal(http_method_parse(SLICE("get")), HTTP_OTHER_);
    assert_int_equal(http_method_parse(SLICE("")), HTTP_OTHER_);
    assert_int_equal(http_method_parse(SLICE("GETT")), HTTP_OTHER_);
}

static void headers(void **state) {
    (void)state;
    struct http_header items[] = {
        {SLICE("A"), SLICE("1")}, {SLICE("a"), SLICE("2")}, {SLICE("B"), SLICE("")}};
    struct http_headers h = {items, COUNT(items)};
    assert_ptr_equal(http_header_find(&h, SLICE("a")), &items[0]);
    assert_non_null(http_header_value(&h, SLICE("b")).ptr);
    assert_null(http_header_value(&h, SLICE("c")).ptr);
}

static void reasons(void **state) {
    (void)state;
    assert_string_equal(http_status_reason(201), "Created");
    assert_string_equal(http_status_reason(431), "Request Header Fields Too Large");
    assert_string_equal(http_status_reason(299), "");
    assert_string_equal(http_status_reason(0), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods),
        cmocka_unit_test(headers),
        cmocka_unit_test(reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
