/* penstock event: sample events of API Gateway, and the way back to the request.
 *
 * A sample is the event of a request that never was: it is made as every event is, for a
 * handler that asks for it. */
#include "app/command.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "http/url.h"
#include "http/writer.h"
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
    if (!http_field_name_valid(request.http.method_text)) { /* a token, too */
        (void)fprintf(stderr, "penstock: --method: expected a method as POST\n");
        code = EXIT_USAGE;
    } else if (read_target(&request, &event) == 0) {
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

/* Those of the message itself are ours to say. */
static bool is_ours(struct slice name) {
    static const char *const ours[] = {"content-length", "transfer-encoding", "connection",
                                       "host", "expect"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (slice_eq_nocase(name, slice_cstr(ours[i]))) {
            return true;
        }
    }
    return false;
}

static int put_headers(struct buffer *out, const struct http_request *http) {
    struct slice host = url_authority_valid(http->host) ? http->host : SLICE("localhost");
    int error = buffer_printf(
        out, "Host: " SLICE_FMT "\r\nConnection: close\r\nContent-Length: %zu\r\n",
        SLICE_ARG(host), http->body.len);
    for (size_t i = 0; i < http->headers.count && error == 0; i++) {
        const struct http_header *h = &http->headers.items[i];
        error = is_ours(h->name) ? 0
                                 : buffer_printf(out, SLICE_FMT ": " SLICE_FMT "\r\n",
                                                 SLICE_ARG(h->name), SLICE_ARG(h->value));
    }
    return error;
}

/* path: without a stage. */
static int put_request(struct buffer *out, const struct http_request *http, struct slice path,
                       const struct lambda_event *e, const char *stage) {
    bool staged = strcmp(stage, "$default") != 0;
    int error = buffer_printf(out, SLICE_FMT " %s%s" SLICE_FMT "%s" SLICE_FMT " HTTP/1.1\r\n",
                              SLICE_ARG(http->method_text), staged ? "/" : "",
                              staged ? stage : "", SLICE_ARG(path),
                              e->raw_query.len > 0 ? "?" : "", SLICE_ARG(e->raw_query));
    error = error ? error : put_headers(out, http);
    error = error ? error : buffer_append(out, "\r\n", 2);
    return error ? error : buffer_append_slice(out, http->body);
}

/* The event's own stage gives way to the one that is served. */
static int put_event(struct buffer *out, const struct config *c, struct server_request *r,
                     const struct lambda_event *e, char reason[EVENT_REASON_MAX]) {
    struct gateway_match match;
    struct slice path = e->raw_path;
    (void)event_strip_stage(e->stage, &path);
    if (gateway_routes_match(c->router, r->http.method, path, &r->arena, &match) != 0) {
        (void)snprintf(reason, EVENT_REASON_MAX,
                       "is of %.40s %.200s: that is no request of the route " SLICE_FMT,
                       arena_cstr(&r->arena, r->http.method_text), arena_cstr(&r->arena, path),
                       SLICE_ARG(gateway_routes_key(c->router, 0)));
        return ERR_NOT_FOUND;
    }
    int error = put_request(out, &r->http, path, e, c->stage.name);
    NEED_MEMORY(error == 0);
    return 0;
}

int event_to_http(struct slice json, const struct config *c, struct buffer *out,
                  char reason[EVENT_REASON_MAX]) {
    struct server_request r = {0};
    struct lambda_event e = {0};
    unsigned format = 0;
    int error = ERR_INVALID;
    arena_init_needed(&r.arena);
    const char *wrong = event_read(json, &r, &e, &format);
    if (wrong == NULL && format == 0) {
        wrong = "it has no method and path: expected an event of API Gateway (see penstock "
                "event)";
    }
    if (wrong == NULL) {
        error = put_event(out, c, &r, &e, reason);
    } else {
        (void)snprintf(reason, EVENT_REASON_MAX, "%s", wrong);
    }
    arena_reset(&r.arena);
    return error;
}
