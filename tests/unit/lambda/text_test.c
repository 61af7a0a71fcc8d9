#include "support/unit.h"

#include "lambda/text.h"

static void json_strings(void **state) {
    (void)state;
    static const struct {
        const char *in;
        size_t len;
        const char *out;
    } cases[] = {
        {"", 0, "\"\""},
        {"plain", 5, "\"plain\""},
        {"a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\""},
        {"\b\t\n\f\r", 5, "\"\\b\\t\\n\\f\\r\""},
        {"\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\""},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x8e\xb5", 9, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x8e\xb5\""},
        {"\xff", 1, "\"\xef\xbf\xbd\""},
        {"a\xc3", 2, "\"a\xef\xbf\xbd\""},                               /* cut short */
        {"\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* overlong */
        {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* surrogate */
        {"\xe2\x82\"", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\\\"\""},
    };
    struct buffer b = {0};
    for (size_t k = 0; k < COUNT(cases); k++) {
        buffer_reset(&b, 1000);
        assert_int_equal(text_json_string(&b, slice_of(cases[k].in, cases[k].len)), 0);
        assert_int_equal(b.len, strlen(cases[k].out));
        assert_memory_equal(buffer_begin(&b), cases[k].out, b.len);
        assert_true(b.len <= TEXT_JSON_BOUND(cases[k].len));
    }
    buffer_fini(&b);
}

static void utf8(void **state) {
    (void)state;
    assert_true(text_utf8_valid(SLICE_EMPTY));
    assert_true(text_utf8_valid(SLICE("a\xc3\xa4\xf4\x8f\xbf\xbf")));
    assert_false(text_utf8_valid(SLICE("a\xc3")));
    assert_false(text_utf8_valid(SLICE("\xf4\x90\x80\x80")));
    assert_false(text_utf8_valid(SLICE("\x80")));
}

static void media_types(void **state) {
    (void)state;
    static const char *const text[] = {
        "text/plain",
        "TEXT/HTML; charset=utf-8",
        "application/json",
        "application/json;charset=UTF-8",
        "Application/Problem+JSON",
        "application/xml",
        "application/atom+xml",
        "image/svg+xml",
        "application/javascript",
        "application/x-www-form-urlencoded",
    };
    static const char *const other[] = {
        "",          "application/octet-stream",
        "image/png", "application/jsonp",
        "text/",     "json",
        "+jso",      "multipart/form-data; boundary=text/plain",
        "textual",   "application/x-www-form-urlencodedx",
    };
    for (size_t k = 0; k < COUNT(text); k++) {
        assert_true(text_media_type(slice_cstr(text[k])));
    }
    for (size_t k = 0; k < COUNT(other); k++) {
        assert_false(text_media_type(slice_cstr(other[k])));
    }
    assert_false(text_media_type(SLICE_EMPTY));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(json_strings), cmocka_unit_test(utf8),
                                       cmocka_unit_test(media_types)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
