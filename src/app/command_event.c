/* penstock event: sample events of API Gateway, and the way back to the request. */
#include "app/command.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/rng.h"
#include "http/url.h"

#include <stdio.h>
#include <time.h>

static struct json_object *text(const char *value) {
    return json_object_new_string(value);
}

static void set(struct json_object *map, const char *name, struct json_object *value) {
    json_object_object_add(map, name, value);
}

static struct json_object *map_of(struct json_object *parent, const char *name) {
    struct json_object *map = json_object_new_object();
    set(parent, name, map);
    return map;
}

/* "04/Mar/2020:19:15:17 +0000" */
static void format_time(uint64_t ms, char out[32]) {
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    (void)strftime(out, 32, "%d/%b/%Y:%H:%M:%S +0000", gmtime_r(&seconds, &tm));
}

struct sample {
    const char *method;
    char path[1024];
    const char *query; /* without the question mark; "" = none */
    const char *body;
    char id[37];
    char time[32];
    int64_t epoch_ms;
};

static struct json_object *query_values(const struct sample *s) {
    struct json_object *values = json_object_new_object();
    struct slice rest = slice_cstr(s->query);
    while (rest.len > 0) {
        struct slice value;
        struct slice pair = slice_split(rest, '&', &rest);
        struct slice name = slice_split(pair, '=', &value);
        char key[256];
        (void)snprintf(key, sizeof key, SLICE_FMT, SLICE_ARG(name));
        set(values, key,
            json_object_new_string_len(value.ptr ? value.ptr : "", (int)value.len));
    }
    return values;
}

static void set_headers(struct json_object *event) {
    struct json_object *headers = map_of(event, "headers");
    set(headers, "content-type", text("application/json"));
    set(headers, "host", text("localhost"));
    set(headers, "user-agent", text("penstock"));
}

static void set_body(struct json_object *event, const struct sample *s) {
    if (s->body) {
        set(event, "body", text(s->body));
    }
    set(event, "isBase64Encoded", json_object_new_boolean(0));
}

static void set_api(struct json_object *context, const struct sample *s) {
    set(context, "accountId", text("000000000000"));
    set(context, "apiId", text("penstock"));
    set(context, "domainName", text("localhost"));
    set(context, "domainPrefix", text("localhost"));
    set(context, "requestId", text(s->id));
    set(context, "stage", text("$default"));
}

static struct json_object *event_2(const struct sample *s) {
    struct json_object *event = json_object_new_object();
    set(event, "version", text("2.0"));
    set(event, "routeKey", text("$default"));
    set(event, "rawPath", text(s->path));
    set(event, "rawQueryString", text(s->query));
    set_headers(event);
    if (s->query[0]) {
        set(event, "queryStringParameters", query_values(s));
    }
    struct json_object *context = map_of(event, "requestContext");
    set_api(context, s);
    struct json_object *http = map_of(context, "http");
    set(http, "method", text(s->method));
    set(http, "path", text(s->path));
    set(http, "protocol", text("HTTP/1.1"));
    set(http, "sourceIp", text("127.0.0.1"));
    set(http, "userAgent", text("penstock"));
    set(context, "routeKey", text("$default"));
    set(context, "time", text(s->time));
    set(context, "timeEpoch", json_object_new_int64(s->epoch_ms));
    set_body(event, s);
    return event;
}

/* In 1.0 what is absent is null. */
static struct json_object *event_1(const struct sample *s) {
    struct json_object *event = json_object_new_object();
    set(event, "version", text("1.0"));
    set(event, "resource", text("$default"));
    set(event, "path", text(s->path));
    set(event, "httpMethod", text(s->method));
    set_headers(event);
    set(event, "queryStringParameters", s->query[0] ? query_values(s) : NULL);
    set(event, "pathParameters", NULL);
    set(event, "stageVariables", NULL);
    struct json_object *context = map_of(event, "requestContext");
    set_api(context, s);
    set(context, "extendedRequestId", text(s->id));
    set(context, "httpMethod", text(s->method));
    struct json_object *identity = map_of(context, "identity");
    set(identity, "sourceIp", text("127.0.0.1"));
    set(identity, "userAgent", text("penstock"));
    set(context, "path", text(s->path));
    set(context, "protocol", text("HTTP/1.1"));
    set(context, "requestTime", text(s->time));
    set(context, "requestTimeEpoch", json_object_new_int64(s->epoch_ms));
    set(context, "resourcePath", text("$default"));
    if (!s->body) {
        set(event, "body", NULL);
    }
    set_body(event, s);
    return event;
}

int command_event(const struct arguments *args) {
    struct sample s = {.method = args->method ? args->method : "GET", .body = args->body};
    const char *target = args->path ? args->path : "/";
    size_t path_len = strcspn(target, "?");
    struct rng rng;
    int first = args->name && strcmp(args->name, "http-v1") == 0;
    if (!first && (!args->name || strcmp(args->name, "http-v2") != 0)) {
        (void)fprintf(stderr, "penstock: event: expected http-v1 or http-v2\n");
        return EXIT_USAGE;
    }
    if (target[0] != '/' || path_len >= sizeof s.path) {
        (void)fprintf(stderr, "penstock: --path: expected /path, at most %zu bytes\n",
                      sizeof s.path - 1);
        return EXIT_USAGE;
    }
    (void)snprintf(s.path, sizeof s.path, "%.*s", (int)path_len, target);
    s.query = target[path_len] ? target + path_len + 1 : "";
    rng_seed_random(&rng);
    rng_uuid(&rng, s.id);
    s.epoch_ms = (int64_t)clock_wall_ms();
    format_time((uint64_t)s.epoch_ms, s.time);
    struct json_object *event = first ? event_1(&s) : event_2(&s);
    (void)puts(json_object_to_json_string_ext(event, JSON_C_TO_STRING_PRETTY |
                                                         JSON_C_TO_STRING_SPACED |
                                                         JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(event);
    return EXIT_GOOD;
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
