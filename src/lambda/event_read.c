/* What a request would have carried is read from where the formats have it (facts: aws 1.2 and
 * 1.3). 1.0 has all values of a name and the path twice, raw in requestContext; 2.0 has the raw
 * query and path, and repeated headers joined, which nobody can part again. */
#include "lambda/event_read.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/hex.h"
#include "http/writer.h"
#include "model/json_tree.h"

#include <ctype.h>

static const char *const no_memory = "no memory";
static const char *const too_many = "it has over 128 headers or parameters";

struct reading {
    struct json_object *event;
    struct json_object *context;
    struct json_object *http; /* requestContext.http, of 2.0 */
    struct server_request *request;
    struct lambda_event *out;
    struct arena *arena;
};

/* ---- members ---- */

static struct slice text_of(struct json_object *text) {
    return text ? slice_of(json_object_get_string(text),
                           (size_t)json_object_get_string_len(text))
                : SLICE_EMPTY;
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

/* ptr NULL: it is not there. */
static struct slice text_member(struct json_object *map, const char *name) {
    return text_of(member(map, name, json_type_string));
}

static struct json_object *map_member(struct json_object *map, const char *name) {
    return member(map, name, json_type_object);
}

/* ---- names that repeat ---- */

struct collected {
    struct arena *arena;
    bool any_case;
    struct url_pair pairs[EVENT_PAIRS_MAX];
    size_t count;
    const char *wrong;
};

static void add(struct collected *l, struct slice name, struct json_object *value) {
    if (l->wrong != NULL || !json_object_is_type(value, json_type_string)) {
        return;
    }
    if (l->count == EVENT_PAIRS_MAX) {
        l->wrong = too_many;
        return;
    }
    struct slice text = text_of(value);
    struct url_pair pair = {arena_copy(l->arena, name),
                            text.len > 0 ? arena_copy(l->arena, text) : SLICE("")};
    if (pair.name.len != name.len || pair.value.len != text.len) {
        l->wrong = no_memory;
        return;
    }
    l->pairs[l->count++] = pair;
}

static bool has(const struct collected *l, size_t count, struct slice name) {
    for (size_t k = 0; k < count; k++) {
        if (l->any_case ? slice_eq_nocase(l->pairs[k].name, name)
                        : slice_eq(l->pairs[k].name, name)) {
            return true;
        }
    }
    return false;
}

/* {"a":["each","value"]} */
static void add_multi(struct collected *l, struct json_object *map) {
    if (map == NULL) {
        return;
    }
    json_object_object_foreach(map, name, values) {
        bool array = json_object_is_type(values, json_type_array);
        for (size_t k = 0; array && k < json_object_array_length(values); k++) {
            add(l, slice_cstr(name), json_object_array_get_idx(values, k));
        }
    }
}

/* {"a":"value"}, of the names that are not there with all their values. */
static void add_single(struct collected *l, struct json_object *map) {
    if (map == NULL) {
        return;
    }
    if (json_object_object_length(map) > EVENT_PAIRS_MAX) {
        l->wrong = too_many;
        return;
    }
    size_t before = l->count;
    json_object_object_foreach(map, name, value) {
        if (!has(l, before, slice_cstr(name))) {
            add(l, slice_cstr(name), value);
        }
    }
}

/* NULL, or what is wrong. */
static const char *keep(struct collected *l, const struct url_pair **pairs, size_t *count) {
    size_t bytes = l->count * sizeof *l->pairs;
    if (l->wrong != NULL || bytes == 0) {
        return l->wrong;
    }
    struct url_pair *kept = arena_alloc(l->arena, bytes);
    if (kept == NULL) {
        return no_memory;
    }
    memcpy(kept, l->pairs, bytes);
    *pairs = kept;
    *count = l->count;
    return NULL;
}

static const char *read_map(const struct reading *g, const char *name,
                            const struct url_pair **pairs, size_t *count) {
    struct collected l = {.arena = g->arena};
    add_single(&l, map_member(g->event, name));
    return keep(&l, pairs, count);
}

/* ---- headers ---- */

/* 2.0 has them apart. */
static void add_cookies(struct collected *l, struct json_object *cookies) {
    struct buffer all = {0};
    int error = 0;
    if (cookies == NULL || has(l, l->count, SLICE("cookie"))) {
        return;
    }
    for (size_t k = 0; k < json_object_array_length(cookies); k++) {
        struct json_object *cookie = json_object_array_get_idx(cookies, k);
        if (json_object_is_type(cookie, json_type_string)) {
            error =
                error ? error : buffer_append_slice(&all, all.len ? SLICE("; ") : SLICE_EMPTY);
            error = error ? error : buffer_append_slice(&all, text_of(cookie));
        }
    }
    struct slice text = arena_copy(l->arena, buffer_slice(&all));
    if (error != 0 || (all.len > 0 && text.ptr == NULL)) {
        l->wrong = no_memory;
    } else if (l->count == EVENT_PAIRS_MAX) {
        l->wrong = too_many;
    } else if (text.len > 0) {
        l->pairs[l->count++] = (struct url_pair){SLICE("cookie"), text};
    }
    buffer_fini(&all);
}

static const char *use_headers(const struct reading *g, const struct collected *l) {
    struct http_request *http = &g->request->http;
    struct http_header *items = arena_alloc(g->arena, (l->count + 1) * sizeof *items);
    if (items == NULL) {
        return no_memory;
    }
    for (size_t k = 0; k < l->count; k++) {
        items[k] = (struct http_header){l->pairs[k].name, l->pairs[k].value};
        if (!http_field_name_valid(items[k].name) || !http_field_value_valid(items[k].value)) {
            return "it has a header that no request can have";
        }
    }
    http->headers = (struct http_headers){items, l->count};
    http->host = http_header_value(&http->headers, SLICE("host"));
    if (http->host.ptr == NULL) {
        http->host = arena_copy(g->arena, text_member(g->context, "domainName"));
    }
    return NULL;
}

static const char *read_headers(const struct reading *g) {
    struct collected l = {.arena = g->arena, .any_case = true};
    add_multi(&l, map_member(g->event, "multiValueHeaders"));
    add_single(&l, map_member(g->event, "headers"));
    add_cookies(&l, member(g->event, "cookies", json_type_array));
    return l.wrong ? l.wrong : use_headers(g, &l);
}

/* "Root=1-...;Parent=..." -> "1-..." */
static void read_trace(const struct reading *g) {
    struct slice rest = http_header_value(&g->request->http.headers, SLICE("x-amzn-trace-id"));
    while (rest.len > 0) {
        struct slice value;
        struct slice name = slice_split(slice_split(rest, ';', &rest), '=', &value);
        if (slice_eq(slice_trim(name), SLICE("Root"))) {
            g->out->trace_root = value;
        }
    }
}

/* ---- path and query ---- */

static bool is_escape(struct slice s) {
    return s.len > 2 && isxdigit((unsigned char)s.ptr[1]) && isxdigit((unsigned char)s.ptr[2]);
}

int event_put_escaped(struct buffer *out, struct slice text, const char *also) {
    int error = 0;
    for (; text.len > 0 && error == 0; text = slice_from(text, 1)) {
        unsigned char c = (unsigned char)text.ptr[0];
        bool plain = c > ' ' && c < 127 && strchr(also, c) == NULL;
        error = plain && (c != '%' || is_escape(text)) ? buffer_append(out, text.ptr, 1)
                                                       : buffer_printf(out, "%%%02X", c);
    }
    return error;
}

/* ptr NULL: no memory. */
static struct slice escape(const struct reading *g, struct slice text, const char *also) {
    struct buffer b = {0};
    struct slice copy = SLICE_EMPTY;
    if (event_put_escaped(&b, text, also) == 0) {
        copy = arena_copy(g->arena, b.len > 0 ? buffer_slice(&b) : SLICE(""));
    }
    buffer_fini(&b);
    return copy;
}

bool event_strip_stage(struct slice stage, struct slice *path) {
    size_t end = stage.len + 1;
    if (stage.len == 0 || slice_eq(stage, SLICE("$default"))) {
        return true;
    }
    if (path->len < end || memcmp(path->ptr + 1, stage.ptr, stage.len) != 0 ||
        (path->len > end && path->ptr[end] != '/')) {
        return false;
    }
    *path = path->len > end ? slice_from(*path, end) : SLICE("/");
    return true;
}

static const char *use_path(const struct reading *g, struct slice raw) {
    static const char *const bad = "it has a path that no request can have";
    struct slice path = raw;
    if (raw.ptr == NULL) {
        return no_memory;
    }
    if (url_check_path(raw) != 0) {
        return bad;
    }
    g->out->raw_path = g->request->http.target = raw;
    (void)event_strip_stage(g->out->stage, &path);
    int error = url_decode(g->arena, path, &g->out->path);
    return error == ERR_NOMEM ? no_memory : error ? bad : NULL;
}

/* 1.0: what a person has changed is `path`; the raw one counts while it still says the same. */
static const char *read_path_1(const struct reading *g, struct slice path) {
    struct slice raw = text_member(g->context, "path");
    if (raw.len > 0 && use_path(g, escape(g, raw, "?#")) == NULL &&
        slice_eq(g->out->path, path)) {
        return NULL;
    }
    return use_path(g, escape(g, path, "%?#"));
}

static int put_pair(struct buffer *b, const struct url_pair *pair) {
    int error = b->len > 0 ? buffer_append_slice(b, SLICE("&")) : 0;
    error = error ? error : event_put_escaped(b, pair->name, "%#&=+?");
    error = error ? error : buffer_append_slice(b, SLICE("="));
    return error ? error : event_put_escaped(b, pair->value, "%#&+?");
}

/* The raw query of an event that has none. */
static const char *make_raw_query(const struct reading *g) {
    struct buffer b = {0};
    int error = 0;
    for (size_t k = 0; k < g->out->query_parameter_count && error == 0; k++) {
        error = put_pair(&b, &g->out->query_parameters[k]);
    }
    g->out->raw_query = arena_copy(g->arena, buffer_slice(&b));
    bool failed = error != 0 || g->out->raw_query.len != b.len;
    buffer_fini(&b);
    return failed ? no_memory : NULL;
}

static const char *read_raw_query(const struct reading *g, struct slice raw) {
    struct collected l = {.arena = g->arena};
    g->out->raw_query = escape(g, raw, "#");
    if (g->out->raw_query.ptr == NULL) {
        return no_memory;
    }
    int error =
        url_parse_query(g->arena, g->out->raw_query, l.pairs, EVENT_PAIRS_MAX, &l.count);
    if (error != 0) {
        return error == ERR_NOMEM   ? no_memory
               : error == ERR_LIMIT ? too_many
                                    : "it has a query that does not decode";
    }
    return keep(&l, &g->out->query_parameters, &g->out->query_parameter_count);
}

static const char *read_query(const struct reading *g) {
    struct collected l = {.arena = g->arena};
    struct slice raw = text_member(g->event, "rawQueryString");
    if (raw.len > 0) {
        return read_raw_query(g, raw);
    }
    add_multi(&l, map_member(g->event, "multiValueQueryStringParameters"));
    add_single(&l, map_member(g->event, "queryStringParameters"));
    const char *wrong = keep(&l, &g->out->query_parameters, &g->out->query_parameter_count);
    return wrong ? wrong : make_raw_query(g);
}

/* ---- the rest ---- */

static const char *read_body(const struct reading *g) {
    struct http_request *http = &g->request->http;
    struct slice text = text_member(g->event, "body");
    http->has_body = text.len > 0;
    http->body = arena_copy(g->arena, text);
    if (http->body.len != text.len) {
        return no_memory;
    }
    if (json_object_get_boolean(member(g->event, "isBase64Encoded", json_type_boolean))) {
        size_t len;
        unsigned char *bytes = arena_alloc(g->arena, BASE64_DECODED_MAX(text.len));
        if (bytes == NULL) {
            return no_memory;
        }
        if (base64_decode(text, bytes, &len) != 0) {
            return "its body is not base64";
        }
        http->body = slice_of((const char *)bytes, len);
    }
    http->content_length = http->body.len;
    return NULL;
}

static bool is_resource(struct slice s) {
    for (size_t k = 0; k < s.len; k++) {
        unsigned char c = (unsigned char)s.ptr[k];
        if (c <= ' ' || c == 127) {
            return false;
        }
    }
    return s.len > 0 && s.ptr[0] == '/';
}

/* "POST /music/{id}" */
static bool is_route_key(struct slice s) {
    struct slice resource;
    return http_field_name_valid(slice_split(s, ' ', &resource)) && is_resource(resource);
}

/* 1.0 has no route key, but a method and a resource. What is neither is $default. */
static const char *read_route_key(const struct reading *g, struct slice method) {
    struct slice key = text_member(g->event, "routeKey");
    struct slice resource = text_member(g->event, "resource");
    if (key.len == 0 && is_resource(resource)) {
        char *text = arena_printf(g->arena, SLICE_FMT " " SLICE_FMT, SLICE_ARG(method),
                                  SLICE_ARG(resource));
        key = slice_cstr(text);
    } else {
        key = arena_copy(g->arena, is_route_key(key) ? key : SLICE("$default"));
    }
    g->out->route_key = key;
    return key.ptr ? NULL : no_memory;
}

/* Who asked, when, and of which stage. */
static void read_context(const struct reading *g, unsigned format) {
    struct json_object *identity = map_member(g->context, "identity");
    struct json_object *context = g->http ? g->http : g->context;
    struct json_object *when =
        member(g->context, format == 2 ? "timeEpoch" : "requestTimeEpoch", json_type_int);
    int64_t epoch_ms = when ? json_object_get_int64(when) : 0;
    g->request->http.minor = !slice_eq(text_member(context, "protocol"), SLICE("HTTP/1.0"));
    if (net_address_parse_ip(text_member(format == 2 ? g->http : identity, "sourceIp"), 0,
                             &g->request->peer) != 0) {
        g->request->peer = (struct net_address){.len = 0};
    }
    g->out->epoch_ms = epoch_ms > 0 ? (uint64_t)epoch_ms : 0;
    g->out->api_key_id = arena_copy(g->arena, text_member(identity, "apiKeyId"));
    g->out->stage = arena_copy(g->arena, text_member(g->context, "stage"));
}

static const char *read_gateway(const struct reading *g, struct slice method, struct slice path,
                                unsigned format) {
    struct lambda_event *e = g->out;
    struct http_request *http = &g->request->http;
    http->method_text = arena_copy(g->arena, method);
    http->method = http_method_parse(http->method_text);
    if (!http_field_name_valid(http->method_text)) { /* a token, as the name of a field */
        return "it has a method that no request can have";
    }
    read_context(g, format);
    const char *wrong = format == 2 ? use_path(g, escape(g, path, "?#")) : read_path_1(g, path);
    wrong = wrong ? wrong : read_query(g);
    wrong = wrong ? wrong : read_headers(g);
    wrong = wrong ? wrong : read_route_key(g, method);
    wrong = wrong
                ? wrong
                : read_map(g, "pathParameters", &e->path_parameters, &e->path_parameter_count);
    wrong = wrong
                ? wrong
                : read_map(g, "stageVariables", &e->stage_variables, &e->stage_variable_count);
    read_trace(g);
    return wrong ? wrong : read_body(g);
}

static const char *read_plain(struct slice json, struct server_request *r,
                              struct lambda_event *e) {
    r->http.method = HTTP_POST_;
    r->http.method_text = SLICE("POST");
    r->http.minor = 1;
    r->http.target = e->path = e->raw_path = SLICE("/");
    e->route_key = SLICE("$default");
    r->http.has_body = 1;
    r->http.body = arena_copy(&r->arena, json);
    r->http.content_length = r->http.body.len;
    return r->http.body.len == json.len ? NULL : no_memory;
}

const char *event_read(struct slice json, struct server_request *r, struct lambda_event *e,
                       unsigned *format) {
    struct reading g = {.request = r, .out = e, .arena = &r->arena};
    int error = json_tree_read(json, &g.event);
    if (error != 0) {
        return error == ERR_NOMEM ? no_memory : "it is not JSON";
    }
    g.context = map_member(g.event, "requestContext");
    g.http = map_member(g.context, "http");
    struct slice method =
        g.http ? text_member(g.http, "method") : text_member(g.event, "httpMethod");
    struct slice path = text_member(g.event, g.http ? "rawPath" : "path");
    *format = method.ptr == NULL || path.ptr == NULL ? 0 : g.http ? 2 : 1;
    const char *wrong =
        *format ? read_gateway(&g, method, path, *format) : read_plain(json, r, e);
    json_object_put(g.event);
    return wrong;
}
