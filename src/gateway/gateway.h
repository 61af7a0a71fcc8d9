/* API Gateway's part of one worker: from a server_request to an invocation of the right
 * handler, and the answer back. The route table is immutable and shared by the workers.
 *
 * Happy path: on_head (who may call, a body's limit; 503 while its handler is busy) ->
 * on_request: split, check and decode the path, strip the stage, match, who may call (when
 * there was no body to ask for it earlier), parse the query -> lambda_invoke -> on_fields: CORS
 * -> on_answered: one access log line. A preflight of CORS is answered before the match.
 * Failure modes: 400 (the path or query does not decode), 403, 404, 405 with Allow, 429. */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "gateway/counts.h"
#include "lambda/invocation.h"
#include "server/server.h"

struct access_template;
struct gateway_routes;

/* Route keys as API Gateway's HTTP API: "METHOD /path/{param}", "ANY /x/{proxy+}", "$default".
 * 0; ERR_INVALID / ERR_EXISTS with a reason. `target` is what a match returns.
 *
 * What matches: first a route whose every segment matches, then the longest greedy one, then
 * $default; segment by segment a literal goes before a parameter, and at one path the method
 * goes before ANY. A more special path that has not the method gives way to a less special one
 * that has. Parameters take one whole segment or, greedy, all that is left, never nothing;
 * "/a/" is not
 * "/a". Segments are split before they are decoded, so %2F is no slash. */
struct gateway_routes *gateway_routes_new(void);
MUST_CHECK int gateway_routes_add(struct gateway_routes *r, struct slice route_key,
                                  void *target, char reason[160]);
void gateway_routes_free(struct gateway_routes *r);
size_t gateway_routes_count(const struct gateway_routes *r);
/* By the order of adding. */
struct slice gateway_routes_key(const struct gateway_routes *r, size_t index);

#define GATEWAY_PARAMS_MAX   16
#define GATEWAY_SEGMENTS_MAX 64  /* of a route */
#define GATEWAY_QUERY_MAX    128 /* parameters of a query: 400 beyond */
struct gateway_match {
    void *target; /* NULL: none; then allowed_methods says whether the path exists */
    struct slice route_key;
    size_t index;                               /* of the route, in the order of adding */
    struct url_pair params[GATEWAY_PARAMS_MAX]; /* decoded into the arena */
    size_t param_count;
    unsigned allowed_methods; /* bit set of enum http_method, for 405 and Allow */
};
/* 0; ERR_NOT_FOUND (404); ERR_UNSUPPORTED (405); ERR_INVALID (400: the path does not decode).
 */
MUST_CHECK int gateway_routes_match(const struct gateway_routes *r, enum http_method method,
                                    struct slice raw_path, struct arena *a,
                                    struct gateway_match *out);
/* The target and the index alone, without an arena and without decoding parameters; NULL when
 * there is none. */
void *gateway_routes_find(const struct gateway_routes *r, enum http_method method,
                          struct slice raw_path, size_t *index);
/* For `penstock routes`: in order of priority. */
void gateway_routes_each(const struct gateway_routes *r,
                         void (*each)(void *arg, struct slice route_key, void *target),
                         void *arg);

struct gateway_stage {
    char name[129]; /* "$default": no prefix in the path */
    struct url_pair *variables;
    size_t variable_count;
};

struct gateway_options {
    const struct gateway_routes *routes; /* targets are struct lambda_handler * */
    const struct gateway_stage *stage;
    const struct gateway_access *access; /* NULL: anybody may call, as often as they like */
    struct meters *meters;               /* this worker's, for it; may grow meanwhile */
    int access_log;
    const struct access_template *access_template; /* NULL: JSON */
};

struct gateway;
/* Aborts when memory is out. Options are copied; what they point to must outlive it. Routes
 * added later are served, but counted as none. */
struct gateway *gateway_new(struct loop *l, struct lambda *lambda,
                            const struct gateway_options *options);
/* Give these and the gateway as owner to server_new. */
extern const struct server_events gateway_server_events;
void gateway_free(struct gateway *g);
/* Requests handed to it and not answered. */
size_t gateway_in_flight(const struct gateway *g);
/* A new gateway takes the place of an old one (server_set_owner): what was counted goes on in
 * it, routes by their keys. Once more before the old one is freed. */
void gateway_succeed(struct gateway *to, struct gateway *from);

void gateway_count(const struct gateway *g, struct gateway_counts *out);
/* Of each route, in the order of adding; then of what had no route (404, 405, bad requests). As
 * long as the gateway; gateway_routes_count() + 1 of them. */
const struct gateway_route_counts *gateway_count_routes(const struct gateway *g);

#endif
