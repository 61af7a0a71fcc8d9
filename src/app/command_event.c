/* penstock event: sample events of API Gateway, and the way back to the request.
 *
 * A sample is the event of a request that never was: it is made as every event is, for a
 * handler that asks for it. */
#include "app/command.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/rng.h"
#include "http/url.h"
#include "lambda/event_read.h"
#include "model/json_tree.h"

#include <stdio.h>

static void print_event(struct penstock_invocation *i, void *version) {
    struct json_object *event = NULL;
    const char *text = NULL;
    struct penstock_slice json = penstock_event_json(i, version);
    NEED_MEMORY(json.ptr != NULL && json_tree_read(slice_of(json.ptr, json.len), &event) == 0);
    NEED_MEMORY((text = json_object_to_json_string_ext(
                     event, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                JSON_C_TO_STRING_NOSLASHESCAPE)) != NULL);
    (void)puts(text);
    json_object_put(event);
    penstock_respond(i, &(struct penstock_response){.status = 204});
}

static void on_answer(struct server_request *r, const struct server_answer *answer) {
    (void)r;
    (void)answer;
}

static const struct lambda_options sample_options = {.invocations = 1};

static void print_sample(struct server_request *r, struct lambda_event *e,
                         const char *version) {
    struct loop loop;
    const struct lambda_handler handler = {
        .name = "event", .invoke = print_event, .state = (void *)(uintptr_t)version};
    int error = loop_init(&loop);
    NEED_MEMORY(error == 0);
    struct lambda *lambda = lambda_new(&loop, NULL, &sample_options);
    lambda_invoke(lambda, &handler, r, e);
    lambda_free(lambda);
    loop_fini(&loop);
}

/* 0, or ERR_INVALID: no request can have that target. */
static int read_target(struct server_request *r, struct lambda_event *e) {
    struct url_pair *pairs = arena_alloc(&r->arena, EVENT_PAIRS_MAX * sizeof *pairs);
    struct url_target target;
    if (url_split_target(r->http.target, &target) != 0 || target.authority.len > 0 ||
        url_check_path(target.path) != 0 || url_decode(&r->arena, target.path, &e->path) != 0 ||
        url_parse_query(&r->arena, target.query, pairs, EVENT_PAIRS_MAX,
                        &e->query_parameter_count) != 0) {
        return ERR_INVALID;
    }
    e->raw_path = target.path;
    e->raw_query = target.query;
    e->query_parameters = pairs;
    return 0;
}

#define SAMPLE_HEADERS 4

static void fill_request(struct server_request *r, const struct arguments *args,
                         struct http_header headers[SAMPLE_HEADERS]) {
    size_t count = 0;
    struct rng rng;
    int error = net_address_parse_ip(SLICE("127.0.0.1"), 0, &r->peer);
    ASSERT(error == 0);
    rng_seed_random(&rng);
    rng_uuid(&rng, r->request_id);
    r->http.method_text = slice_cstr(args->method ? args->method : "GET");
    r->http.method = http_method_parse(r->http.method_text);
    r->http.target = slice_cstr(args->path ? args->path : "/");
    r->http.minor = 1;
    r->http.host = SLICE("localhost");
    r->http.body = slice_cstr(args->body);
    headers[count++] = (struct http_header){SLICE("Host"), r->http.host};
    headers[count++] = (struct http_header){SLICE("User-Agent"), SLICE("penstock")};
    if (r->http.body.len > 0) {
        const char *len = arena_printf(&r->arena, "%zu", r->http.body.len);
        headers[count++] =
            (struct http_header){SLICE("Content-Type"), SLICE("application/json")};
        headers[count++] = (struct http_header){SLICE("Content-Length"), slice_cstr(len)};
    }
    r->http.headers = (struct http_headers){headers, count};
}

int command_event(const struct arguments *args) {
    struct http_header headers[SAMPLE_HEADERS];
    struct server_request request = {0};
    struct lambda_event event = {.route_key = SLICE("$default"), .on_answer = on_answer};
    int first = args->name && strcmp(args->name, "http-v1") == 0;
    int code = EXIT_GOOD;
    if (!first && (!args->name || strcmp(args->name, "http-v2") != 0)) {
        (void)fprintf(stderr, "penstock: event: expected http-v1 or http-v2\n");
        return EXIT_USAGE;
    }
    arena_init_needed(&request.arena);
    fill_request(&request, args, headers);
    if (read_target(&request, &event) == 0) {
        print_sample(&request, &event, first ? "1.0" : "2.0");
    } else {
        (void)fprintf(stderr, "penstock: --path: expected /path or /path?query as a request "
                              "has them, percent-encoded\n");
        code = EXIT_USAGE;
    }
    arena_reset(&request.arena);
    return code;
}

/* ---- the way back ---- */

static const char *member(struct json_object *map, const char *name) {
    struct json_object *value = NULL;
    if (!map || !json_object_object_get_ex(map, name, &value) ||
        !json_object_is_type(value, json_type_string)) {
        return NULL;
    }
    return json_object_get_string(value);
}

static struct json_object *map_in(struct json_object *map, const char *name) {
    struct json_object *value = NULL;
    return map && json_object_object_get_ex(map, name, &value) &&
                   json_object_is_type(value, json_type_object)
               ? value
               : NULL;
}

/* What may not stand in a request target is percent-encoded; an escape stays what it is. */
static int put_target(struct buffer *out, const char *part, const char *also) {
    int error = 0;
    for (const char *p = part; *p && !error; p++) {
        unsigned char c = (unsigned char)*p;
        error = c <= ' ' || c >= 127 || strchr(also, c) ? buffer_printf(out, "%%%02X", c)
                                                        : buffer_append(out, p, 1);
    }
    return error;
}

static int put_query(struct json_object *event, struct buffer *out) {
    const char *raw = member(event, "rawQueryString");
    struct json_object *values = map_in(event, "queryStringParameters");
    int error = 0;
    if (raw) {
        error = raw[0] ? buffer_append(out, "?", 1) : 0;
        return error ? error : put_target(out, raw, "#");
    }
    char separator = '?';
    if (values) {
        json_object_object_foreach(values, name, value) {
            error = error ? error : buffer_append(out, &separator, 1);
            error = error ? error : put_target(out, name, "#&=%+?");
            error = error ? error : buffer_append(out, "=", 1);
            error = error ? error : put_target(out, json_object_get_string(value), "#&%+");
            separator = '&';
        }
    }
    return error;
}

static int put_base64(struct buffer *out, struct slice text) {
    size_t len = 0;
    int error = buffer_reserve(out, text.len);
    if (error == 0) {
        error = base64_decode(text, (unsigned char *)buffer_tail(out), &len);
        buffer_grow(out, error ? 0 : len);
    }
    return error;
}

static int put_body(struct json_object *event, struct buffer *out) {
    struct json_object *base64 = NULL;
    const char *body = member(event, "body");
    (void)json_object_object_get_ex(event, "isBase64Encoded", &base64);
    if (!body) {
        return 0;
    }
    return base64 && json_object_get_boolean(base64) ? put_base64(out, slice_cstr(body))
                                                     : buffer_append(out, body, strlen(body));
}

/* Those of the message itself are ours to say. */
static int put_headers(struct json_object *event, struct buffer *out) {
    static const char *const ours[] = {"content-length", "transfer-encoding", "connection",
                                       "host", "expect"};
    struct json_object *headers = map_in(event, "headers");
    int error = 0;
    if (headers) {
        json_object_object_foreach(headers, name, value) {
            const char *value_text = json_object_get_string(value);
            int skip = strpbrk(name, "\r\n: ") != NULL || strpbrk(value_text, "\r\n") != NULL;
            for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
                skip |= slice_eq_nocase(slice_cstr(name), slice_cstr(ours[i]));
            }
            if (!skip) {
                error = error ? error : buffer_printf(out, "%s: %s\r\n", name, value_text);
            }
        }
    }
    return error;
}

const char *event_to_http(struct json_object *event, struct buffer *out) {
    struct json_object *http = map_in(map_in(event, "requestContext"), "http");
    const char *method = member(event, "httpMethod");
    const char *path = member(event, "rawPath");
    struct buffer body = {0};
    method = method ? method : member(http, "method");
    path = path ? path : member(event, "path");
    if (!method || !path || strpbrk(method, " \r\n") || path[0] != '/') {
        return "it has no method and path: expected an event of API Gateway (see penstock "
               "event)";
    }
    int error = put_body(event, &body);
    error = error ? error : buffer_printf(out, "%s ", method);
    error = error ? error : put_target(out, path, "?#");
    error = error ? error : put_query(event, out);
    error = error ? error
                  : buffer_printf(out,
                                  " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                  "Content-Length: %zu\r\n",
                                  buffer_slice(&body).len);
    error = error ? error : put_headers(event, out);
    error = error ? error : buffer_append(out, "\r\n", 2);
    error = error ? error : buffer_append_slice(out, buffer_slice(&body));
    buffer_fini(&body);
    return error == ERR_NOMEM ? "out of memory" : error ? "its body is not base64" : NULL;
}
