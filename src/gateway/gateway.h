/* API Gateway's part of one worker: from a server_request to an invocation of the right
 * handler, and the answer back. The route table is immutable and shared by the workers. */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "lambda/invocation.h"
#include "server/server.h"

struct gateway_routes;

/* Route keys as API Gateway's HTTP API: "METHOD /path/{param}", "ANY /x/{proxy+}", "$default".
 * 0; ERR_INVALID / ERR_EXISTS with a reason. `target` is what a match returns. */
struct gateway_routes *gateway_routes_new(void);
MUST_CHECK int gateway_routes_add(struct gateway_routes *r, struct slice route_key,
                                  void *target, char reason[160]);
void gateway_routes_free(struct gateway_routes *r);

#define GATEWAY_PARAMS_MAX 16
struct gateway_match {
    void *target; /* NULL: none; then allowed_methods says whether the path exists */
    struct slice route_key;
    struct url_pair params[GATEWAY_PARAMS_MAX]; /* decoded into the arena */
    size_t param_count;
    unsigned allowed_methods; /* bit set of enum http_method, for 405 and Allow */
};
/* 0; ERR_NOT_FOUND (404); ERR_UNSUPPORTED (405); ERR_INVALID (400: the path does not decode).
 */
MUST_CHECK int gateway_routes_match(const struct gateway_routes *r, enum http_method method,
                                    struct slice raw_path, struct arena *a,
                                    struct gateway_match *out);
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
    int access_log;
};

struct gateway;
struct gateway *gateway_new(struct loop *l, struct lambda *lambda,
                            const struct gateway_options *options);
/* Give these and the gateway as owner to server_new. */
extern const struct server_events gateway_server_events;
void gateway_free(struct gateway *g);

#endif
