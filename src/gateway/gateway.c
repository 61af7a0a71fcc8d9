#include "gateway/gateway.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "gateway/refusal.h"
#include "gateway/request_headers.h"
#include "gateway/request_log.h"
#include "gateway/server_timing.h"
#include "lambda/event_read.h"
#include "server/parts.h"

#include <stdlib.h>

/* What a load balancer of AWS logs for a client that closed before its answer. */
#define STATUS_CLIENT_LEFT 460
#define STATUS_NONE        0 /* we closed the connection before the answer */
/* A body announced as longer is not waited for when the request will be refused. */
#define SHORT_BODY_BYTES 65536

struct gateway {
    struct loop *loop;
    uint8_t generation; /* a ticket of another one is void */
    struct access_room room;
    struct server_answer early; /* what on_head refuses with, until the server has copied it */
    struct lambda *lambda;
    struct gateway_options options;
    struct slice stage; /* "" = no prefix */
    struct request_log log;
    struct gateway_counts counts;
    struct gateway_route_counts *route_counts;
    size_t route_count;
    size_t in_flight;
    struct rng rng; /* trace ids */
    char timing[SERVER_TIMING_MAX];
};

/* request->owner_data: the event comes first, as lambda wants it. */
struct request_data {
    struct lambda_event event;
    size_t route; /* its place in route_counts */
};

/* What on_head decided, for on_request and the log: fits request->ticket. */
struct head_ticket {
    const struct api_key *key;
    uint32_t retry_after_s;
    uint8_t refusal;    /* enum access_refusal */
    uint8_t generation; /* 0: nothing was decided */
};
_Static_assert(sizeof(struct head_ticket) <= sizeof(((struct server_request *)0)->ticket),
               "a ticket must fit");

/* 1 to 255, another for each gateway: a request's head and the rest of it may meet different
 * ones when the configuration is replaced between them. */
static uint8_t next_generation(void) {
    static _Atomic unsigned made;
    return (uint8_t)(made++ % 255 + 1);
}

struct gateway *gateway_new(struct loop *l, struct lambda *lambda,
                            const struct gateway_options *options) {
    struct gateway *g;
    NEED_MEMORY((g = calloc(1, sizeof(*g))) != NULL);
    g->loop = l;
    g->lambda = lambda;
    rng_seed_random(&g->rng);
    g->options = *options;
    g->generation = next_generation();
    g->stage = slice_cstr(options->stage ? options->stage->name : "");
    if (slice_eq(g->stage, SLICE("$default"))) {
        g->stage = SLICE_EMPTY;
    }
    request_log_init(&g->log, options->access_log, options->access_template);
    g->route_count = gateway_routes_count(options->routes);
    NEED_MEMORY((g->route_counts = calloc(g->route_count + 1, sizeof(*g->route_counts))) !=
                NULL);
    return g;
}

void gateway_free(struct gateway *g) {
    request_log_fini(&g->log);
    free(g->route_counts);
    free(g);
}

size_t gateway_in_flight(const struct gateway *g) {
    return g->in_flight;
}

/* Where the key stands: most often where it stood before. `count`: nowhere. */
static size_t find_route(const struct gateway *g, struct slice key, size_t hint) {
    for (size_t n = 0; n < g->route_count; n++) {
        size_t i = (hint + n) % g->route_count;
        if (slice_eq(gateway_routes_key(g->options.routes, i), key)) {
            return i;
        }
    }
    return g->route_count;
}

static void move_answers(struct gateway_route_counts *to, struct gateway_route_counts *from) {
    for (size_t k = 0; k < GATEWAY_STATUSES; k++) {
        to->answers[k] += from->answers[k];
        from->answers[k] = 0;
    }
}

void gateway_succeed(struct gateway *to, struct gateway *from) {
    for (size_t i = 0; i < from->route_count; i++) {
        size_t at = find_route(to, gateway_routes_key(from->options.routes, i), i);
        if (at < to->route_count) { /* a route that is gone takes its count along */
            move_answers(&to->route_counts[at], &from->route_counts[i]);
        }
    }
    move_answers(&to->route_counts[to->route_count], &from->route_counts[from->route_count]);
    gateway_counts_move(&to->counts, &from->counts);
}

void gateway_count(const struct gateway *g, struct gateway_counts *out) {
    *out = g->counts;
}

const struct gateway_route_counts *gateway_count_routes(const struct gateway *g) {
    return g->route_counts;
}

/* ---- before the body is read ---- */

/* A refusal that does not wait for the body costs the connection, and the client a handshake:
 * in an overload that is more than to take a short body in, unread. */
static int is_short(const struct http_request *head) {
    return head->content_length > 0 && head->content_length <= SHORT_BODY_BYTES;
}

static struct access_verdict decide(struct gateway *g, size_t route,
                                    const struct http_headers *headers) {
    struct access_verdict v =
        access_decide(g->options.access, g->options.meters, route, headers,
                      loop_now_ns(g->loop), loop_wall_ms(g->loop) / 1000);
    g->counts.refusals[v.refusal]++;
    return v;
}

static const struct cors *cors_of(const struct gateway *g) {
    return g->options.access ? g->options.access->cors : NULL;
}

/* Whether it is a preflight that is answered here. */
static int takes_preflight(const struct gateway *g, const struct http_request *head) {
    return cors_of(g) != NULL && cors_is_preflight(head);
}

/* Whose request this is going to be, and its place; NULL: nobody's, or it is not for a handler.
 */
static const struct lambda_handler *
find_handler(const struct gateway *g, const struct http_request *head, size_t *route) {
    struct url_target target;
    if (url_split_target(head->target, &target) != 0 ||
        !event_strip_stage(g->stage, &target.path) || takes_preflight(g, head)) {
        return NULL;
    }
    return gateway_routes_find(g->options.routes, head->method, target.path, route);
}

/* Decides who may call; 0, or the status to refuse with now. */
static unsigned decide_at_head(struct gateway *g, const struct http_request *head, size_t route,
                               struct server_head *out) {
    struct access_verdict v = decide(g, route, &head->headers);
    struct head_ticket ticket = {v.key, v.retry_after_s, (uint8_t)v.refusal, g->generation};
    memcpy(out->ticket, &ticket, sizeof ticket);
    if (v.refusal == ACCESS_NONE || (is_short(head) && !head->expect_continue)) {
        return 0;
    }
    g->early = access_answer(v.refusal, v.retry_after_s, &g->room);
    out->answer = &g->early;
    return g->early.status;
}

static int ticket_of(const struct gateway *g, const struct server_request *r,
                     struct head_ticket *out) {
    memcpy(out, r->ticket, sizeof *out);
    return out->generation == g->generation;
}

static unsigned on_head(void *owner, const struct http_request *head, struct server_head *out) {
    struct gateway *g = owner;
    size_t route;
    const struct lambda_handler *h = head->has_body ? find_handler(g, head, &route) : NULL;
    if (h == NULL) {
        return 0; /* on_request answers it */
    }
    unsigned refused = g->options.access ? decide_at_head(g, head, route, out) : 0;
    if (refused != 0) {
        return refused;
    }
    if (lambda_busy(g->lambda, h) && !is_short(head)) {
        g->counts.refused_early++;
        return 503;
    }
    if (h->body_bytes > 0) {
        out->body_limit = h->body_bytes;
    }
    return 0;
}

/* ---- the request ---- */

static int parse_query(struct server_request *r, struct slice raw, struct lambda_event *event) {
    if (raw.len == 0) {
        return 0;
    }
    struct url_pair pairs[GATEWAY_QUERY_MAX];
    size_t count;
    int error = url_parse_query(&r->arena, raw, pairs, GATEWAY_QUERY_MAX, &count);
    if (error != 0 || count == 0) {
        return error;
    }
    struct url_pair *kept = arena_alloc(&r->arena, count * sizeof(*pairs));
    if (kept == NULL) {
        return ERR_NOMEM;
    }
    memcpy(kept, pairs, count * sizeof(*pairs));
    event->query_parameters = kept;
    event->query_parameter_count = count;
    return 0;
}

static int keep_params(struct server_request *r, const struct gateway_match *match,
                       struct lambda_event *event) {
    if (match->param_count == 0) {
        return 0;
    }
    size_t len = match->param_count * sizeof(*match->params);
    struct url_pair *kept = arena_alloc(&r->arena, len);
    if (kept == NULL) {
        return ERR_NOMEM;
    }
    memcpy(kept, match->params, len);
    event->path_parameters = kept;
    event->path_parameter_count = match->param_count;
    return 0;
}

/* Fills in the event and the handler. 0, or the status to refuse with and why; 204: it is a
 * preflight. */
static unsigned read_request(const struct gateway *g, struct server_request *r,
                             struct lambda_event *event, struct gateway_match *match,
                             const char **reason) {
    struct url_target target;
    *reason = "bad_path";
    if (url_split_target(r->http.target, &target) != 0) {
        return 400;
    }
    struct slice path = target.path;
    if (slice_eq(path, SLICE("*"))) { /* OPTIONS *: the server as a whole, and no route */
        *reason = "no_route";
        return 404;
    }
    /* Before the stage is looked at: a bad path is 400 on every stage. */
    if (url_check_path(path) != 0) {
        return 400;
    }
    event->raw_path = path;
    event->raw_query = target.query;
    if (!event_strip_stage(g->stage, &path)) {
        *reason = "no_stage";
        return 404;
    }
    if (takes_preflight(g, &r->http)) {
        return 204;
    }
    int error = url_decode(&r->arena, path, &event->path);
    error =
        error ? error
              : gateway_routes_match(g->options.routes, r->http.method, path, &r->arena, match);
    if (error == ERR_UNSUPPORTED) {
        return 405;
    }
    if (error == ERR_NOT_FOUND) {
        *reason = "no_route";
        return 404;
    }
    if (error == 0) {
        event->route_key = match->route_key;
        *reason = "bad_query";
        error = parse_query(r, target.query, event);
    }
    error = error ? error : keep_params(r, match, event);
    if (error == ERR_NOMEM) {
        *reason = "no_memory";
        return 503;
    }
    return error != 0 ? 400 : 0;
}

/* What on_head has decided where there was a body, else now. */
static struct access_verdict may_call(struct gateway *g, const struct server_request *r,
                                      size_t route) {
    struct head_ticket ticket;
    if (ticket_of(g, r, &ticket)) {
        return (struct access_verdict){(enum access_refusal)ticket.refusal,
                                       ticket.retry_after_s, ticket.key};
    }
    return decide(g, route, &r->http.headers);
}

/* 0 when the request was refused. */
static int admit(struct gateway *g, struct server_request *r, const struct gateway_match *match,
                 struct lambda_event *event) {
    if (g->options.access == NULL) {
        return 1;
    }
    struct access_verdict v = may_call(g, r, match->index);
    event->api_key_id = slice_cstr(v.key ? v.key->name : NULL); /* also of one refused */
    if (v.refusal != ACCESS_NONE) {
        struct access_room room;
        struct server_answer answer = access_answer(v.refusal, v.retry_after_s, &room);
        server_respond(r, &answer);
        return 0;
    }
    return 1;
}

static void answer_preflight(struct gateway *g, struct server_request *r) {
    struct http_header fields[CORS_FIELDS_MAX];
    size_t count = cors_preflight(cors_of(g), &r->http.headers, fields);
    g->counts.preflights++;
    server_respond(
        r, &(struct server_answer){.status = 204, .headers = fields, .header_count = count});
}

static void serve(struct gateway *g, struct server_request *r,
                  const struct gateway_match *match, struct lambda_event *event) {
    if (!admit(g, r, match, event)) {
        return;
    }
    if (lambda_busy(g->lambda, match->target)) {
        g->counts.refused_early++;
        refusal_send_busy(r);
    } else {
        lambda_invoke(g->lambda, match->target, r, event);
    }
}

static void on_request(void *owner, struct server_request *r) {
    struct gateway *g = owner;
    r->owner_data = NULL;
    struct request_data *data = arena_zalloc(&r->arena, sizeof(*data));
    if (data == NULL) {
        refusal_send(r, 503, "no_memory");
        return;
    }
    struct lambda_event *event = &data->event;
    struct gateway_match match;
    data->route = g->route_count;
    r->owner_data = event;
    g->in_flight++;
    const char *reason = "no_memory";
    unsigned status = 503;
    if (request_headers_complete(r, loop_wall_ms(g->loop) / 1000, &g->rng,
                                 &event->trace_root) == 0) {
        status = read_request(g, r, event, &match, &reason);
    }
    if (status == 0 && match.index < g->route_count) { /* else added after gateway_new */
        data->route = match.index;
    }
    if (status == 204) {
        answer_preflight(g, r);
    } else if (status == 405) {
        refusal_send_method(r, match.allowed_methods);
    } else if (status != 0) {
        refusal_send(r, status, reason);
    } else {
        serve(g, r, &match, event);
    }
}

/* ---- the end of it ---- */

/* What came no further than its head. */
static void describe_head(struct gateway *g, const struct server_request *r,
                          char text[TRACE_TEXT_MAX], struct access_entry *e) {
    struct head_ticket ticket;
    size_t route;
    if (find_handler(g, &r->http, &route) != NULL) {
        e->route_key = gateway_routes_key(g->options.routes, route);
    }
    if (ticket_of(g, r, &ticket)) {
        e->api_key_id = slice_cstr(ticket.key ? ticket.key->name : NULL);
    }
    e->trace_root =
        request_headers_trace_root(&r->http.headers, e->wall_ms / 1000, &g->rng, text);
}

static struct access_entry entry_of(const struct gateway *g, const struct server_request *r,
                                    const struct server_answered *a) {
    struct access_entry e = {.wall_ms = loop_wall_ms(g->loop),
                             .request = r,
                             .status = a->status,
                             .bytes = a->body_bytes,
                             .body = a->body,
                             .reason = a->reason,
                             .stage = g->options.stage ? g->options.stage->name : NULL};
    const struct lambda_event *event = r ? r->owner_data : NULL;
    uint64_t now = clock_monotonic_ns();
    if (r != NULL) {
        e.duration_ns = now > r->start_ns ? now - r->start_ns : 0;
    }
    if (event != NULL) {
        e.route_key = event->route_key;
        e.trace_root = event->trace_root;
        e.api_key_id = event->api_key_id;
        e.integrated = event->handler != NULL;
        e.integration_ns =
            e.integrated && now > event->invoked_ns ? now - event->invoked_ns : 0;
    }
    return e;
}

/* 1 when a line has the reason. */
static int log_end(struct gateway *g, const struct server_request *r,
                   const struct server_answered *a, int abandoned) {
    if (log_threshold > LOG_INFO || (!g->log.access && a->reason == NULL)) {
        return 0;
    }
    char trace[TRACE_TEXT_MAX];
    struct access_entry e = entry_of(g, r, a);
    if (r != NULL && r->owner_data == NULL) {
        describe_head(g, r, trace, &e);
    }
    e.abandoned = abandoned;
    return request_log_write(&g->log, &e);
}

/* Where it counts, also when it came no further than its head. */
static size_t counted_route(const struct gateway *g, const struct server_request *r) {
    const struct request_data *data = r ? r->owner_data : NULL;
    size_t route;
    if (data != NULL) {
        return data->route;
    }
    return r != NULL && find_handler(g, &r->http, &route) != NULL && route < g->route_count
               ? route
               : g->route_count;
}

static int on_answered(void *owner, const struct server_request *r,
                       const struct server_answered *a) {
    struct gateway *g = owner;
    g->in_flight -= r != NULL && r->owner_data != NULL;
    g->route_counts[counted_route(g, r)].answers[gateway_status_slot(a->status)]++;
    if (r != NULL) {
        buckets_add(&g->counts.total_ns, buckets_wait_ns, loop_now_ns(g->loop) - r->start_ns);
    }
    if (a->reason != NULL) {
        gateway_count_reason(&g->counts.answers, a->reason);
    }
    return log_end(g, r, a, 0);
}

static void on_abandon(void *owner, struct server_request *r, const char *reason) {
    struct gateway *g = owner;
    struct server_answered none = {.status = STATUS_NONE, .reason = reason};
    g->in_flight -= r->owner_data != NULL;
    if (reason != NULL) {
        gateway_count_reason(&g->counts.cut_off, reason);
    } else {
        g->counts.client_left++;
        none = (struct server_answered){.status = STATUS_CLIENT_LEFT, .reason = "client_left"};
    }
    (void)log_end(g, r, &none, 1);
    lambda_abandon(r);
}

static void on_room(void *owner, struct server_request *r) {
    (void)owner;
    lambda_room(r);
}

static const struct server_parts_events parts_events = {.on_room = on_room};

/* What the handler's route asks for: server_timing. True: the field is in *out. */
static int timing_field(struct gateway *g, const struct server_request *r,
                        struct http_header *out) {
    const struct lambda_event *event = r->owner_data;
    if (event == NULL || event->handler == NULL || !event->handler->server_timing) {
        return 0;
    }
    uint64_t now = clock_monotonic_ns();
    uint64_t total_ns = now > r->start_ns ? now - r->start_ns : 0;
    *out = (struct http_header){SLICE("Server-Timing"),
                                server_timing(g->timing, total_ns, &event->phases)};
    return 1;
}

static size_t cors_answer(const struct gateway *g, const struct server_request *r,
                          const struct server_answer *answer, struct http_header *out) {
    size_t count = 0;
    for (size_t i = 0; i < answer->header_count; i++) {
        if (!cors_owns_field(answer->headers[i].name)) {
            out[count++] = answer->headers[i];
        }
    }
    return count + cors_fields(cors_of(g), &r->http.headers, out + count);
}

/* The fields that CORS adds, without those of the handler that are CORS's; and Server-Timing.
 */
static size_t on_fields(void *owner, const struct server_request *r,
                        const struct server_answer *answer,
                        struct http_header out[SERVER_FIELDS_MAX]) {
    struct gateway *g = owner;
    struct http_header timing;
    int timed = timing_field(g, r, &timing);
    int cors = cors_of(g) != NULL && !cors_is_preflight(&r->http);
    size_t count = answer->header_count;
    if (!cors && !timed) {
        return SERVER_FIELDS_SAME;
    }
    if (cors) {
        count = cors_answer(g, r, answer, out);
    } else {
        memcpy(out, answer->headers, count * sizeof *out);
    }
    if (timed && count < SERVER_FIELDS_MAX) {
        out[count++] = timing;
    }
    return count;
}

const struct server_events gateway_server_events = {
    .parts = &parts_events,
    .on_head = on_head,
    .on_request = on_request,
    .on_abandon = on_abandon,
    .on_answered = on_answered,
    .on_fields = on_fields,
};
