/* An event of API Gateway (payload format 1.0 or 2.0; facts: aws 1.2 and 1.3) back into the
 * request it tells of, for a handler in C that is invoked by name. Anything else, the way
 * Lambda itself gives events to functions, is the body of POST /. */
#include "lambda/invoke_impl.h"

#include "base/error.h"
#include "model/json_tree.h"

static struct slice copy(struct arena *a, struct json_object *text) {
    return arena_copy(
        a, slice_of(json_object_get_string(text), (size_t)json_object_get_string_len(text)));
}

/* The member of that name when it is of that type; NULL. */
static struct json_object *member(struct json_object *map, const char *name,
                                  enum json_type type) {
    struct json_object *value = NULL;
    return map != NULL && json_object_object_get_ex(map, name, &value) &&
                   json_object_is_type(value, type)
               ? value
               : NULL;
}

static struct json_object *text_member(struct json_object *map, const char *name) {
    return member(map, name, json_type_string);
}

static const struct url_pair *read_pairs(struct json_object *map, struct arena *a,
                                         size_t *count) {
    *count = 0;
    size_t room = map ? (size_t)json_object_object_length(map) : 0;
    struct url_pair *pairs = arena_alloc(a, (room + 1) * sizeof(*pairs));
    if (pairs == NULL || map == NULL) {
        return pairs;
    }
    json_object_object_foreach(map, name, value) {
        if (json_object_is_type(value, json_type_string)) {
            pairs[*count].name = arena_copy(a, slice_cstr(name));
            pairs[(*count)++].value = copy(a, value);
        }
    }
    return pairs;
}

static int read_headers(struct json_object *map, struct server_request *r) {
    size_t count;
    const struct url_pair *pairs = read_pairs(map, &r->arena, &count);
    struct http_header *items = arena_alloc(&r->arena, (count + 1) * sizeof(*items));
    if (pairs == NULL || items == NULL || count > HTTP_HEADERS_MAX) {
        return ERR_NOMEM;
    }
    for (size_t k = 0; k < count; k++) {
        items[k] = (struct http_header){pairs[k].name, pairs[k].value};
    }
    r->http.headers = (struct http_headers){items, count};
    r->http.host = http_header_value(&r->http.headers, SLICE("Host"));
    return 0;
}

static int read_body(struct json_object *event, struct server_request *r) {
    struct json_object *text = text_member(event, "body");
    if (text == NULL) {
        return 0;
    }
    r->http.has_body = 1;
    r->http.body = copy(&r->arena, text);
    if (json_object_get_boolean(member(event, "isBase64Encoded", json_type_boolean))) {
        size_t len;
        unsigned char *bytes = arena_alloc(&r->arena, BASE64_DECODED_MAX(r->http.body.len));
        if (bytes == NULL || base64_decode(r->http.body, bytes, &len) != 0) {
            return ERR_INVALID;
        }
        r->http.body = slice_of((const char *)bytes, len);
    }
    return 0;
}

static int read_gateway(struct json_object *event, struct json_object *method,
                        struct json_object *path, struct server_request *r,
                        struct lambda_event *e) {
    struct arena *a = &r->arena;
    struct json_object *key = text_member(event, "routeKey");
    struct json_object *query = text_member(event, "rawQueryString");
    r->http.method_text = copy(a, method);
    r->http.method = http_method_parse(r->http.method_text);
    e->raw_path = e->path = r->http.target = copy(a, path);
    e->raw_query = query ? copy(a, query) : SLICE_EMPTY;
    e->route_key = key ? copy(a, key) : SLICE("$default");
    e->path_parameters = read_pairs(member(event, "pathParameters", json_type_object), a,
                                    &e->path_parameter_count);
    e->query_parameters = read_pairs(member(event, "queryStringParameters", json_type_object),
                                     a, &e->query_parameter_count);
    int error = read_headers(member(event, "headers", json_type_object), r);
    return error ? error : read_body(event, r);
}

static void read_plain(struct slice json, struct server_request *r, struct lambda_event *e) {
    r->http.method = HTTP_POST_;
    r->http.method_text = SLICE("POST");
    r->http.target = e->path = e->raw_path = SLICE("/");
    e->route_key = SLICE("$default");
    r->http.has_body = 1;
    r->http.body = arena_copy(&r->arena, json);
}

int event_read(struct slice json, struct server_request *r, struct lambda_event *e) {
    struct json_object *event;
    if (json_tree_read(json, &event) == ERR_NOMEM) {
        return ERR_NOMEM;
    }
    struct json_object *context = member(event, "requestContext", json_type_object);
    struct json_object *http = member(context, "http", json_type_object);
    struct json_object *method =
        http ? text_member(http, "method") : text_member(event, "httpMethod");
    struct json_object *path =
        http ? text_member(event, "rawPath") : text_member(event, "path");
    int error = 0;
    r->http.minor = 1;
    if (method != NULL && path != NULL) {
        error = read_gateway(event, method, path, r, e);
    } else {
        read_plain(json, r, e);
    }
    json_object_put(event);
    return error;
}
