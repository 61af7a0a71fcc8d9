/* Recorded requests against the events that API Gateway makes of them, field by field: golden/
 * has NAME.http, and NAME.1.json and NAME.2.json for the two payload formats. And the way back:
 * whoever gets such an event by name sees what the request has shown. */
#include "stand_ins.h"

#include "base/log.h"
#include "http/request_parser.h"
#include "lambda/event_read.h"
#include "lambda/impl.h"

#include <json.h>

static const struct recorded {
    const char *name;
    const char *route_key;
    const char *path; /* decoded, without the stage */
    const char *stage;
    const char *param_name;
    const char *param_value;
    const char *variable; /* "mode" */
} recorded[] = {
    {"plain", "GET /music", "/music", "$default", NULL, NULL, NULL},
    {"rich", "POST /music/{Artist}", "/music/AC/DC", "prod", "Artist", "AC/DC", "live"},
    {"binary", "ANY /files/{proxy+}", "/files/a/b c", "$default", "proxy", "a/b c", NULL},
    {"form", "$default", "/form", "$default", NULL, NULL, NULL},
    {"not_utf8", "POST /form", "/form", "$default", NULL, NULL, NULL},
};

static char *read_golden(const char *name, const char *suffix, size_t *len) {
    char path[512];
    const char *slash = strrchr(__FILE__, '/');
    snprintf(path, sizeof(path), "%.*s/golden/%s%s", slash ? (int)(slash - __FILE__) : 1,
             slash ? __FILE__ : ".", name, suffix);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("%s is not there", path);
        return NULL;
    }
    char *bytes = calloc(1, 65536);
    assert_non_null(bytes);
    *len = fread(bytes, 1, 65535, file);
    fclose(file);
    return bytes;
}

/* Compares two trees and says where they differ; the order of members is no matter. */
static int differ(const char *at, struct json_object *got, struct json_object *want) {
    char inner[512];
    int bad = 0;
    if (json_object_get_type(got) != json_object_get_type(want)) {
        print_error("%s: %s, not %s\n", at, json_object_to_json_string(got),
                    json_object_to_json_string(want));
        return 1;
    }
    if (json_object_get_type(want) == json_type_object) {
        json_object_object_foreach(want, key, value) {
            struct json_object *member = NULL;
            snprintf(inner, sizeof(inner), "%s.%s", at, key);
            if (!json_object_object_get_ex(got, key, &member)) {
                print_error("%s is missing\n", inner);
                bad = 1;
            } else {
                bad |= differ(inner, member, value);
            }
        }
        json_object_object_foreach(got, name, unused) {
            (void)unused;
            if (!json_object_object_get_ex(want, name, NULL)) {
                print_error("%s.%s should not be there\n", at, name);
                bad = 1;
            }
        }
        return bad;
    }
    if (json_object_get_type(want) == json_type_array) {
        size_t count = json_object_array_length(want);
        if (json_object_array_length(got) != count) {
            print_error("%s: another number of elements\n", at);
            return 1;
        }
        for (size_t k = 0; k < count; k++) {
            snprintf(inner, sizeof(inner), "%s[%zu]", at, k);
            bad |= differ(inner, json_object_array_get_idx(got, k),
                          json_object_array_get_idx(want, k));
        }
        return bad;
    }
    if (!json_object_equal(got, want)) {
        print_error("%s: %s, not %s\n", at, json_object_to_json_string(got),
                    json_object_to_json_string(want));
        return 1;
    }
    return 0;
}

static void compare(const char *name, const char *version, struct penstock_slice event) {
    char suffix[16];
    size_t len;
    snprintf(suffix, sizeof(suffix), ".%.1s.json", version);
    char *golden = read_golden(name, suffix, &len);
    struct json_object *want = json_tokener_parse(golden);
    assert_non_null(want);
    assert_non_null(event.ptr);
    struct json_tokener *tokener = json_tokener_new();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *got = json_tokener_parse_ex(tokener, event.ptr, (int)event.len);
    if (got == NULL) {
        fail_msg("%s %s: not JSON: %.*s", name, version, (int)event.len, event.ptr);
    }
    if (differ(name, got, want)) {
        fail_msg("%s %s: %.*s", name, version, (int)event.len, event.ptr);
    }
    json_tokener_free(tokener);
    json_object_put(got);
    json_object_put(want);
    free(golden);
}

static void check_both(struct penstock_invocation *i, void *state) {
    const struct recorded *r = state;
    i->epoch_ms = 1583349317135;
    compare(r->name, "1.0", penstock_event_json(i, "1.0"));
    compare(r->name, "2.0", penstock_event_json(i, "2.0"));
    assert_null(penstock_event_json(i, "3.0").ptr);
    assert_null(penstock_event_json(i, NULL).ptr);
    penstock_respond_message(i, 200, "checked", NULL);
}

static void fill_request(struct fake_request *f, const struct http_request *http) {
    struct arena *a = &f->r.arena;
    f->r.http = *http;
    f->r.http.target = arena_copy(a, http->target);
    f->r.http.host = arena_copy(a, http->host);
    f->r.http.body = arena_copy(a, http->body);
    for (size_t k = 0; k < http->headers.count; k++) {
        f->headers[k].name = arena_copy(a, http->headers.items[k].name);
        f->headers[k].value = arena_copy(a, http->headers.items[k].value);
    }
    f->r.http.headers.items = f->headers;
}

static void parse_recorded(struct fake_request *f, const char *name) {
    size_t len;
    char *bytes = read_golden(name, ".http", &len);
    struct http_request_parser *p = http_request_parser_new(&http_limits_default);
    size_t used;
    size_t at = 0;
    enum http_parse_result result = HTTP_PARSE_MORE;
    while (result != HTTP_PARSE_DONE) {
        result = http_request_parser_feed(p, bytes + at, len - at, &used);
        at += used;
        if (result == HTTP_PARSE_ERROR || (result == HTTP_PARSE_MORE && at == len)) {
            fail_msg("%s.http: %s", name, http_request_parser_reason(p));
        }
    }
    fill_request(f, http_request_parser_request(p));
    http_request_parser_free(p);
    free(bytes);
}

static void golden(void **state) {
    (void)state;
    static struct loop loop;
    assert_int_equal(loop_init(&loop), 0);
    for (size_t k = 0; k < COUNT(recorded); k++) {
        const struct recorded *r = &recorded[k];
        struct url_pair variable = {SLICE("mode"), slice_cstr(r->variable)};
        struct lambda_options options = {.stage = r->stage,
                                         .stage_variables = &variable,
                                         .stage_variable_count = r->variable ? 1 : 0};
        struct lambda *lambda = lambda_new(&loop, NULL, &options);
        struct fake_request *f = fake_request("GET", "/", NULL);
        parse_recorded(f, r->name);
        struct lambda_event *event = fake_event(f, r->route_key);
        struct url_pair param = {slice_cstr(r->param_name), slice_cstr(r->param_value)};
        event->path = slice_cstr(r->path);
        event->path_parameters = &param;
        event->path_parameter_count = r->param_name ? 1 : 0;
        struct lambda_handler handler = {
            .name = "golden", .invoke = check_both, .state = (void *)(uintptr_t)r};
        lambda_invoke(lambda, &handler, &f->r, event);
        assert_int_equal(f->status, 200);
        fake_request_free(f);
        lambda_free(lambda);
    }
    loop_fini(&loop);
}

/* ---- read back ---- */

struct read_back {
    const struct recorded *recorded;
    const char *version;
};

static void check_read(struct penstock_invocation *i, void *state) {
    const struct read_back *b = state;
    const struct recorded *r = b->recorded;
    struct penstock_slice path = penstock_path(i);
    compare(r->name, b->version, penstock_event_json(i, b->version));
    assert_true(slice_eq(slice_in(path), slice_cstr(r->path)));
    if (r->param_name != NULL) {
        struct penstock_slice value = penstock_path_parameter(i, r->param_name);
        assert_true(slice_eq(slice_in(value), slice_cstr(r->param_value)));
    }
    struct penstock_slice mode = penstock_stage_variable(i, "mode");
    assert_true(slice_eq(slice_in(mode), slice_cstr(r->variable)));
    struct penstock_slice stage = penstock_context(i, "stage");
    assert_true(slice_eq(slice_in(stage), slice_cstr(r->stage)));
    penstock_respond(i, &(struct penstock_response){.status = 200});
}

/* A request that has nothing yet. */
static struct fake_request *bare_request(void) {
    struct fake_request *f = fake_request("GET", "/", NULL);
    memset(&f->r.http, 0, sizeof(f->r.http));
    memset(&f->r.peer, 0, sizeof(f->r.peer));
    return f;
}

static void golden_events_are_read_back(void **state) {
    (void)state;
    static struct loop loop;
    assert_int_equal(loop_init(&loop), 0);
    struct lambda *lambda = lambda_new(&loop, NULL, &(struct lambda_options){0});
    for (size_t k = 0; k < 2 * COUNT(recorded); k++) {
        struct read_back b = {&recorded[k / 2], k % 2 ? "2.0" : "1.0"};
        size_t len;
        unsigned format;
        struct lambda_event event = {0};
        struct fake_request *f = bare_request();
        char *json = read_golden(b.recorded->name, k % 2 ? ".2.json" : ".1.json", &len);
        const char *wrong = event_read(slice_of(json, len), &f->r, &event, &format);
        free(json);
        assert_null(wrong);
        assert_int_equal(format, k % 2 + 1);
        struct lambda_handler handler = {.name = "read", .invoke = check_read, .state = &b};
        lambda_invoke(lambda, &handler, &f->r, &event);
        assert_int_equal(f->status, 200);
        fake_request_free(f);
    }
    lambda_free(lambda);
    loop_fini(&loop);
}

#define EVENT_1(members) "{\"httpMethod\":\"GET\"," members "}"
#define EVENT_2(members) "{\"requestContext\":{\"http\":{\"method\":\"GET\"}}," members "}"

/* Events nobody has recorded, and what a handler sees of them. */
static void events_by_hand(void **state) {
    (void)state;
    static const struct {
        const char *json, *path, *raw_path, *raw_query, *route_key;
    } cases[] = {
        {EVENT_1("\"path\":\"/a%b c/\xc3\xa4\",\"resource\":\"/a\""), "/a%b c/\xc3\xa4",
         "/a%25b%20c/%C3%A4", "", "GET /a"},
        {EVENT_1(
             "\"path\":\"/b\",\"requestContext\":{\"path\":\"/prod/a\",\"stage\":\"prod\"}"),
         "/b", "/b", "", "$default"}, /* the path was changed, and counts */
        {EVENT_1("\"path\":\"/prod/a\",\"requestContext\":{\"path\":\"/prod/a\",\"stage\":"
                 "\"prod\"}"),
         "/a", "/prod/a", "", "$default"}, /* 1.0 of an HTTP API */
        {EVENT_1("\"path\":\"/\",\"queryStringParameters\":{\"a&\":\"1 +\",\"b\":null},"
                 "\"multiValueQueryStringParameters\":{\"c\":[\"x\",\"y\",1]}"),
         "/", "/", "c=x&c=y&a%26=1%20%2B", "$default"},
        {EVENT_2("\"rawPath\":\"/100% a%2Fb\",\"routeKey\":\"ANY /{x}\""), "/100% a/b",
         "/100%25%20a%2Fb", "", "ANY /{x}"},
        {EVENT_2("\"rawPath\":\"/a\",\"rawQueryString\":\"x=1&x=2 #\","
                 "\"queryStringParameters\":{\"x\":\"1,2\"}"),
         "/a", "/a", "x=1&x=2%20%23", "$default"},
        {EVENT_2("\"rawPath\":\"/a\",\"queryStringParameters\":{\"x\":\"1,2\"}"), "/a", "/a",
         "x=1,2", "$default"},
        {EVENT_2("\"rawPath\":\"/a\",\"routeKey\":\"GET a\""), "/a", "/a", "", "$default"},
        {EVENT_1("\"path\":\"/a\",\"resource\":\"/a\\u0000b\""), "/a", "/a", "", "$default"},
    };
    for (size_t k = 0; k < COUNT(cases); k++) {
        struct fake_request *f = bare_request();
        struct lambda_event e = {0};
        unsigned format;
        assert_null(event_read(slice_cstr(cases[k].json), &f->r, &e, &format));
        assert_true(slice_eq(e.path, slice_cstr(cases[k].path)));
        assert_true(slice_eq(e.raw_path, slice_cstr(cases[k].raw_path)));
        assert_true(slice_eq(e.raw_query, slice_cstr(cases[k].raw_query)));
        assert_true(slice_eq(e.route_key, slice_cstr(cases[k].route_key)));
        assert_int_equal(f->r.http.method, HTTP_GET_);
        fake_request_free(f);
    }
}

/* Of a name with all its values and one value the former count, in any case of a header. */
static void headers_by_hand(void **state) {
    (void)state;
    struct fake_request *f = bare_request();
    struct lambda_event e = {0};
    unsigned format;
    assert_null(event_read(
        SLICE(EVENT_1("\"path\":\"/\",\"multiValueHeaders\":{\"X-A\":[\"1\",\"2\"]},"
                      "\"headers\":{\"x-a\":\"2\",\"X-Amzn-Trace-Id\":\"Self=1;Root=1-2-3\"},"
                      "\"cookies\":[\"a=1\",2,\"b=2\"]")),
        &f->r, &e, &format));
    static const char *const fields[][2] = {{"X-A", "1"},
                                            {"X-A", "2"},
                                            {"X-Amzn-Trace-Id", "Self=1;Root=1-2-3"},
                                            {"cookie", "a=1; b=2"}};
    assert_int_equal(f->r.http.headers.count, COUNT(fields));
    for (size_t k = 0; k < COUNT(fields); k++) {
        assert_true(slice_eq(f->r.http.headers.items[k].name, slice_cstr(fields[k][0])));
        assert_true(slice_eq(f->r.http.headers.items[k].value, slice_cstr(fields[k][1])));
    }
    assert_true(slice_eq(e.trace_root, SLICE("1-2-3")));
    fake_request_free(f);
}

static void what_no_request_can_have(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{", "JSON"},
        {"{} {}", "JSON"},
        {EVENT_2("\"rawPath\":\"/a/../b\""), "path"},
        {EVENT_2("\"rawPath\":\"a\""), "path"},
        {EVENT_2("\"rawPath\":\"/%00\""), "path"},
        {EVENT_1("\"path\":\"/a/%2e%2e/./b\""), "path"},
        {EVENT_2("\"rawPath\":\"/\",\"rawQueryString\":\"a=%ff\""), "query"},
        {EVENT_2("\"rawPath\":\"/\",\"headers\":{\"a b\":\"1\"}"), "header"},
        {EVENT_2("\"rawPath\":\"/\",\"headers\":{\"a\":\"1\\r\\nb: 2\"}"), "header"},
        {EVENT_2("\"rawPath\":\"/\",\"cookies\":[\"a\\n\"]"), "header"},
        {"{\"httpMethod\":\"A B\",\"path\":\"/\"}", "method"},
        {EVENT_2("\"rawPath\":\"/\",\"body\":\"?\",\"isBase64Encoded\":true"), "base64"},
    };
    for (size_t k = 0; k < COUNT(cases); k++) {
        struct fake_request *f = bare_request();
        struct lambda_event e = {0};
        unsigned format;
        const char *wrong = event_read(slice_cstr(cases[k][0]), &f->r, &e, &format);
        assert_non_null(wrong);
        assert_non_null(strstr(wrong, cases[k][1]));
        fake_request_free(f);
    }
}

/* {"x":["0","1",...]} of that many values, and as many names. */
static char *many(const char *member, bool names, size_t count) {
    char *json = calloc(count + 10, 16);
    assert_non_null(json);
    int at = sprintf(json, "{\"httpMethod\":\"GET\",\"path\":\"/\",\"%s\":{%s", member,
                     names ? "" : "\"x\":[");
    for (size_t k = 0; k < count; k++) {
        at += sprintf(json + at, names ? "%s\"n%zu\":\"\"" : "%s\"%zu\"", k ? "," : "", k);
    }
    sprintf(json + at, names ? "}}" : "]}}");
    return json;
}

static void lists_are_bounded(void **state) {
    (void)state;
    static const struct {
        const char *member;
        bool names;
    } cases[] = {{"headers", true},
                 {"multiValueHeaders", false},
                 {"queryStringParameters", true},
                 {"multiValueQueryStringParameters", false},
                 {"pathParameters", true},
                 {"stageVariables", true}};
    for (size_t k = 0; k < 2 * COUNT(cases); k++) {
        struct fake_request *f = bare_request();
        struct lambda_event e = {0};
        unsigned format;
        char *json = many(cases[k / 2].member, cases[k / 2].names, EVENT_PAIRS_MAX + k % 2);
        const char *wrong = event_read(slice_cstr(json), &f->r, &e, &format);
        assert_true((wrong != NULL) == (k % 2 == 1));
        free(json);
        fake_request_free(f);
    }
}

static void echo_event(struct penstock_invocation *i, void *state) {
    (void)state;
    struct penstock_slice event = penstock_event_json(i, "2.0");
    penstock_respond(i, &(struct penstock_response){.status = 200, .body = event});
}

/* Base64 of every length and text of every byte come through whole. */
static void bodies_of_any_kind(void **state) {
    (void)state;
    static struct loop loop;
    assert_int_equal(loop_init(&loop), 0);
    struct lambda *lambda = lambda_new(&loop, NULL, &(struct lambda_options){0});
    for (size_t len = 1; len < 300; len += 7) {
        char body[300];
        for (size_t k = 0; k < len; k++) {
            body[k] = (char)(k % 127 + 1);
        }
        struct fake_request *f = fake_request("POST", "/", NULL);
        f->r.http.body = slice_of(body, len);
        fake_header(f, "content-type", len % 2 ? "text/plain" : "image/png");
        struct lambda_handler handler = {.name = "echo", .invoke = echo_event};
        lambda_invoke(lambda, &handler, &f->r, fake_event(f, "POST /"));
        struct json_object *event = json_tokener_parse(f->body);
        assert_non_null(event);
        struct json_object *text = json_object_object_get(event, "body");
        int encoded = json_object_get_boolean(json_object_object_get(event, "isBase64Encoded"));
        assert_int_equal(encoded, len % 2 == 0);
        size_t text_len = (size_t)json_object_get_string_len(text);
        if (encoded) {
            assert_int_equal(text_len, (len + 2) / 3 * 4);
        } else {
            assert_int_equal(text_len, len);
            assert_memory_equal(json_object_get_string(text), body, len);
        }
        json_object_put(event);
        fake_request_free(f);
    }
    lambda_free(lambda);
    loop_fini(&loop);
}

int main(void) {
    log_threshold = LOG_OFF;
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden),
                                       cmocka_unit_test(golden_events_are_read_back),
                                       cmocka_unit_test(events_by_hand),
                                       cmocka_unit_test(headers_by_hand),
                                       cmocka_unit_test(what_no_request_can_have),
                                       cmocka_unit_test(lists_are_bounded),
                                       cmocka_unit_test(bodies_of_any_kind)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
