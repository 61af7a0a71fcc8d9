/* links: lambda */
/* Events given to handlers in C by name, any JSON. Beyond not crashing: what is read as an
 * event of API Gateway has a request's path, query and headers; written for its handler and
 * read once (which joins what repeats), it is the same however often it is written and read. */
#include "base/error.h"
#include "http/writer.h"
#include "lambda/event_read.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop loop;
static struct lambda *lambda;

static void keep_event(struct penstock_invocation *i, void *kept) {
    struct slice *out = kept;
    struct penstock_slice method = penstock_method(i);
    int first = slice_eq(*out, SLICE("1.0"));
    struct penstock_slice json = penstock_event_json(i, first ? "1.0" : "2.0");
    ASSERT(method.len > 0 && json.ptr != NULL);
    *out = slice_of(slice_dup(slice_of(json.ptr, json.len)), json.len);
    penstock_respond(i, &(struct penstock_response){.status = 204});
}

static void on_answer(struct server_request *r, const struct server_answer *answer) {
    ASSERT(answer->status == 204);
    arena_reset(&r->arena);
}

static void check(const struct server_request *r, const struct lambda_event *e) {
    ASSERT(url_check_path(e->raw_path) == 0 && e->path.len > 0 && e->path.ptr[0] == '/');
    for (size_t k = 0; k < e->raw_query.len; k++) {
        unsigned char c = (unsigned char)e->raw_query.ptr[k];
        ASSERT(c > ' ' && c < 127 && c != '#');
    }
    for (size_t k = 0; k < r->http.headers.count; k++) {
        ASSERT(http_field_name_valid(r->http.headers.items[k].name));
        ASSERT(http_field_value_valid(r->http.headers.items[k].value));
    }
    ASSERT(e->query_parameter_count <= EVENT_PAIRS_MAX);
}

/* The event as its handler sees it, for free; ptr NULL: it is none. */
static struct slice see(struct slice json) {
    struct server_request r = {.request_id = "00000000-0000-4000-8000-000000000001"};
    struct lambda_event e = {.on_answer = on_answer};
    unsigned format = 0;
    struct slice seen = SLICE_EMPTY;
    arena_init(&r.arena, NULL, 0, 67108864);
    const char *wrong = event_read(json, &r, &e, &format);
    if (wrong != NULL || format == 0) {
        arena_reset(&r.arena);
        return seen;
    }
    check(&r, &e);
    e.epoch_ms = 1583349317135;
    seen = format == 1 ? SLICE("1.0") : SLICE("2.0");
    struct lambda_handler handler = {.name = "keep", .invoke = keep_event, .state = &seen};
    lambda_invoke(lambda, &handler, &r, &e);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (lambda == NULL) {
        int error = loop_init(&loop);
        ASSERT(error == 0);
        lambda = lambda_new(&loop, NULL, &(struct lambda_options){0});
    }
    struct slice seen[3] = {see(slice_of((const char *)data, size))};
    if (seen[0].ptr != NULL) {
        seen[1] = see(seen[0]);
        ASSERT(seen[1].ptr != NULL);
        seen[2] = see(seen[1]);
        ASSERT(slice_eq(seen[1], seen[2]));
    }
    for (size_t k = 0; k < 3; k++) {
        free((void *)(uintptr_t)seen[k].ptr);
    }
    return 0;
}
