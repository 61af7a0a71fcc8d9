/* The configuration, checked and turned into the options each module takes. Immutable after
 * load; shared by the workers; owns everything it points to (one arena). */
#ifndef APP_CONFIG_H
#define APP_CONFIG_H

#include "app/config_error.h"
#include "base/arena.h"
#include "base/log.h"
#include "client/pool.h"
#include "dynamodb/dynamodb.h"
#include "gateway/gateway.h"
#include "handlers/builtin.h"
#include "lambda/function.h"
#include "lambda/invocation.h"
#include "lambda/native.h"
#include "net/address.h"
#include "server/server.h"

#include <json.h>

struct config_certificate { /* PEM files */
    const char *certificate;
    const char *key;
    struct config_mark mark;
};

struct config_listen {
    struct net_address address;
    const char *text;
    struct config_certificate *certificates; /* the first is the default */
    size_t certificate_count;                /* 0: plain */
    struct config_mark mark;
    int proxied; /* a PROXY header is due, from these only */
    struct net_ranges proxies;
};

struct config_table_entry {
    int schema_given; /* else DescribeTable tells it before the workers start */
    int create_if_missing;
    int known; /* a configuration before had it */
    int ready; /* it is there and as configured */
    struct config_mark mark;
};

struct config_fixed;
struct config_function {
    const char *name;
    const char *library;   /* "" = a command */
    struct native *native; /* loaded by config_load; initialised per worker by the service */
    const char *settings_json;       /* environment as a JSON object */
    struct function_options options; /* of a command, for all workers together */
    struct function **workers;       /* of a command: each worker sets its own */
    uint64_t timeout_ms;
    bool stream;                   /* invoke_mode: RESPONSE_STREAM */
    struct lambda_handler handler; /* of a library: what the Invoke API runs */
    struct config_mark mark;
};

struct config_route {
    const char *route_key;
    const char *kind; /* "put_item" ... or "function" */
    struct builtin_options builtin;
    struct function_binding binding;
    const struct config_function *function; /* kind "function" */
    struct lambda_handler handler;
    struct config_mark mark;
};

struct config {
    struct arena arena;
    const char *file;
    struct config_fixed *fixed;
    size_t fixed_count;
    struct config_listen *listen;
    size_t listen_count;
    struct net_address admin;
    int admin_on;
    struct net_address invoke;
    int invoke_on;
    size_t workers;     /* 0 = one per CPU */
    size_t connections; /* all workers; 0 = auto */
    struct server_options server;
    uint64_t drain_wait_ms;
    uint64_t drain_deadline_ms;
    struct gateway_stage stage;
    const char *region, *endpoint, *ca_file;
    struct config_mark ca_file_mark;
    struct pool_options pool; /* host, port and TLS are filled in by the service */
    struct dynamodb_options dynamodb;
    struct model_table *tables;
    struct config_table_entry *table_entries;
    size_t table_count;
    struct config_function *functions;
    size_t function_count;
    struct config_route *routes;
    size_t route_count;
    struct gateway_routes *router; /* targets: &routes[i].handler */
    struct gateway_access access;
    struct usage_plan *usage_plans;
    size_t usage_plan_count;
    const char *state_directory; /* "" = none */
    size_t invocations;
    enum log_level log_level;
    int log_access;
    struct access_template *access_template; /* NULL: JSON */
};

/* NULL when errors were added. "-" reads standard input. */
struct config *config_load(const char *file, struct config_errors *errors);
void config_free(struct config *c);
/* What `workers` says; auto is one per CPU. */
size_t config_worker_count(const struct config *c);
/* "0.1.0": the program's version, from the build. */
const char *config_version(void);

/* Whether there is anything in `access` at all. */
int config_limits_access(const struct config *c);

#endif
