#include "app/config_parts.h"

#include "aws/endpoint.h"
#include "base/error.h"
#include "gateway/access_template.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static const char *keep(struct config *c, const char *text) {
    return arena_cstr(&c->arena, slice_cstr(text));
}

/* What the listeners have, or the admin address, cannot be had again. */
static void refuse_taken(const struct config *c, const struct net_address *a,
                         struct json_object *root, const char *path,
                         struct config_errors *errors) {
    struct json_object *value = config_get(root, path);
    int taken = a != &c->admin && c->admin_on && net_address_equal(a, &c->admin);
    for (size_t i = 0; i < c->listen_count; i++) {
        taken |= net_address_equal(a, &c->listen[i].address);
    }
    if (taken && (net_address_is_unix(a) || net_address_port(a) != 0)) {
        config_errors_add(errors, yaml_mark(value ? value : root),
                          "%s: %s has another use already", path, config_string(root, path));
    }
}

static void load_admin(struct config *c, struct json_object *root,
                       struct config_errors *errors) {
    const char *text = config_string(root, "admin");
    c->admin_on = strcmp(text, "off") != 0;
    if (c->admin_on && net_address_parse(slice_cstr(text), &c->admin) != 0) {
        config_errors_add(errors, yaml_mark(config_get(root, "admin")),
                          "admin: expected address:port, unix:/path or off, got \"%.80s\"",
                          text);
    } else if (c->admin_on) {
        refuse_taken(c, &c->admin, root, "admin", errors);
    }
}

/* Whoever reaches it runs functions: loopback only. */
static void load_invoke(struct config *c, struct json_object *root,
                        struct config_errors *errors) {
    const char *text = config_string(root, "invoke");
    c->invoke_on = strcmp(text, "off") != 0;
    if (c->invoke_on &&
        (net_address_parse(slice_cstr(text), &c->invoke) != 0 ||
         net_address_is_unix(&c->invoke) || !net_address_is_loopback(&c->invoke))) {
        config_errors_add(errors, yaml_mark(config_get(root, "invoke")),
                          "invoke: expected 127.0.0.1:port, [::1]:port or off, got \"%.80s\"",
                          text);
    } else if (c->invoke_on) {
        refuse_taken(c, &c->invoke, root, "invoke", errors);
    }
}

static void load_limits(struct config *c, struct json_object *root) {
    struct json_object *m = config_get(root, "limits");
    struct server_options *s = &c->server;
    s->http.body_bytes = config_number(m, "limits.body_bytes");
    s->http.head_bytes = config_number(m, "limits.head_bytes");
    s->http.target_bytes = config_number(m, "limits.target_bytes");
    s->http.header_count = config_number(m, "limits.header_count");
    s->http.chunk_extension_bytes = config_number(m, "limits.chunk_extension_bytes");
    s->http.trailer_bytes = config_number(m, "limits.trailer_bytes");
    s->pipeline_depth = config_number(m, "limits.pipeline_depth");
    s->out_bytes = config_number(m, "limits.out_bytes");
    s->request_bytes = config_number(m, "limits.request_bytes");
    s->header_timeout_ms = config_number(m, "limits.header_timeout_ms");
    s->body_timeout_ms = config_number(m, "limits.body_timeout_ms");
    s->body_min_rate = config_number(m, "limits.body_min_rate");
    s->first_byte_timeout_ms = config_number(m, "limits.first_byte_timeout_ms");
    s->proxy_header_timeout_ms = config_number(m, "limits.proxy_header_timeout_ms");
    s->connections_per_address = config_number(m, "limits.connections_per_address");
    s->idle_timeout_ms = config_number(m, "limits.idle_timeout_ms");
    s->write_timeout_ms = config_number(m, "limits.write_timeout_ms");
    s->linger_ms = config_number(m, "limits.linger_ms");
    s->linger_bytes = config_number(m, "limits.linger_bytes");
    c->connections = config_number(m, "limits.connections");
    c->invocations = config_number(m, "limits.invocations");
}

static const char *nothing_set(void *arg, const char *name) {
    (void)arg;
    (void)name;
    return NULL;
}

/* What is given must be sound, whatever the environment adds at the start. */
static void check_endpoint(const struct config *c, struct json_object *m,
                           struct config_errors *errors) {
    const struct aws_environment env = {nothing_set, NULL};
    struct aws_endpoint endpoint;
    char reason[AWS_REASON_MAX];
    if (c->region[0] && aws_endpoint_resolve(&env, "", c->region, &endpoint, reason) != 0) {
        config_errors_add(errors, yaml_mark(config_get(m, "dynamodb.region")),
                          "dynamodb.region: %s", reason);
    } else if (c->endpoint[0] &&
               aws_endpoint_resolve(&env, c->endpoint, c->region[0] ? c->region : "us-east-1",
                                    &endpoint, reason) != 0) {
        config_errors_add(errors, yaml_mark(config_get(m, "dynamodb.endpoint")), "%s", reason);
    }
}

static void load_dynamodb(struct config *c, struct json_object *root,
                          struct config_errors *errors) {
    struct json_object *m = config_get(root, "dynamodb");
    struct json_object *batch = config_get(m, "dynamodb.batch");
    c->region = keep(c, config_string(m, "dynamodb.region"));
    c->endpoint = keep(c, config_string(m, "dynamodb.endpoint"));
    c->ca_file = keep(c, config_string(m, "dynamodb.ca_file"));
    c->ca_file_mark = yaml_mark(config_get(m, "dynamodb.ca_file"));
    check_endpoint(c, m, errors);
    c->pool.max_connections = config_number(m, "dynamodb.max_connections");
    c->pool.warm_connections = config_number(m, "dynamodb.warm_connections");
    if (c->pool.warm_connections > c->pool.max_connections) {
        c->pool.warm_connections = c->pool.max_connections;
    }
    c->pool.pipeline_depth = config_number(m, "dynamodb.pipeline_depth");
    c->pool.connect_timeout_ms = config_number(m, "dynamodb.connect_timeout_ms");
    c->pool.response_timeout_ms = config_number(m, "dynamodb.response_timeout_ms");
    c->pool.idle_ms = config_number(m, "dynamodb.idle_timeout_ms");
    c->pool.max_age_ms = config_number(m, "dynamodb.max_age_ms");
    c->dynamodb.deadline_ms = config_number(m, "dynamodb.deadline_ms");
    c->dynamodb.max_attempts = (unsigned)config_number(m, "dynamodb.max_attempts");
    c->dynamodb.queue_ops = config_number(m, "dynamodb.queue_ops");
    c->dynamodb.queue_bytes = config_number(m, "dynamodb.queue_bytes");
    c->dynamodb.batch_items = config_number(batch, "dynamodb.batch.max_items");
    c->dynamodb.batch_delay_ms = config_number(batch, "dynamodb.batch.max_delay_ms");
    /* Whatever the pipeline lets in may wait in the pool. */
    c->pool.queue_max = c->dynamodb.queue_ops;
}

static int stage_name_valid(const char *name) {
    size_t len = strlen(name);
    if (strcmp(name, "$default") == 0) {
        return 1;
    }
    return len > 0 && len <= 128 &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
               len;
}

static void load_stage(struct config *c, struct json_object *root,
                       struct config_errors *errors) {
    struct json_object *m = config_get(root, "stage");
    const char *name = config_string(m, "stage.name");
    struct json_object *variables = config_get(m, "stage.variables");
    if (!stage_name_valid(name)) {
        config_errors_add(errors, yaml_mark(config_get(m, "stage.name")),
                          "stage.name: expected $default or 1 to 128 of A-Z a-z 0-9 _ -, got "
                          "\"%.140s\"",
                          name);
        return;
    }
    (void)snprintf(c->stage.name, sizeof c->stage.name, "%s", name);
    if (!variables) {
        return;
    }
    size_t count = (size_t)json_object_object_length(variables);
    c->stage.variables = arena_zalloc(&c->arena, (count + 1) * sizeof *c->stage.variables);
    json_object_object_foreach(variables, key, value) {
        struct url_pair *pair = &c->stage.variables[c->stage.variable_count++];
        pair->name = arena_copy(&c->arena, slice_cstr(key));
        pair->value = arena_copy(&c->arena, slice_cstr(json_object_get_string(value)));
    }
}

static void load_access_format(struct config *c, struct json_object *log,
                               struct config_errors *errors) {
    const char *text = config_string(log, "log.access_format");
    char reason[240];
    if (strcmp(text, "json") == 0) {
        return;
    }
    c->access_template = access_template_new(slice_cstr(text), reason);
    if (!c->access_template) {
        config_errors_add(errors, yaml_mark(config_get(log, "log.access_format")),
                          "log.access_format: %s", reason);
    }
}

static void load_rest(struct config *c, struct json_object *root,
                      struct config_errors *errors) {
    struct json_object *drain = config_get(root, "drain");
    struct json_object *log = config_get(root, "log");
    int error = log_parse_level(slice_cstr(config_string(log, "log.level")), &c->log_level);
    ASSERT(error == 0); /* the table allows nothing else */
    c->log_access = config_bool(log, "log.access");
    load_access_format(c, log, errors);
    c->workers = config_number(root, "workers");
    c->drain_wait_ms = config_number(drain, "drain.wait_ms");
    c->drain_deadline_ms = config_number(drain, "drain.deadline_ms");
    config_load_listen(c, root, errors);
    load_admin(c, root, errors);
    load_invoke(c, root, errors);
    load_limits(c, root);
    config_load_trusted_proxies(c, root, errors);
    load_dynamodb(c, root, errors);
    load_stage(c, root, errors);
    config_load_tables(c, root, errors);
    config_load_functions(c, root, errors);
    config_load_routes(c, root, errors);
    config_load_access(c, root, errors);
    config_note_fixed(c, root);
}

static struct config *config_new(void) {
    struct config *c;
    NEED_MEMORY((c = calloc(1, sizeof *c)) != NULL);
    arena_init_needed(&c->arena);
    c->server = server_options_default;
    c->pool = pool_options_default;
    c->dynamodb = dynamodb_options_default;
    c->router = gateway_routes_new();
    return c;
}

static struct config *load_tree(struct json_object *root, struct config_errors *errors) {
    struct config *c;

    config_keys_check(root, errors);
    if (errors->count > 0) {
        return NULL;
    }
    c = config_new();
    load_rest(c, root, errors);
    if (errors->count > 0) {
        config_free(c);
        return NULL;
    }
    return c;
}

/* A reload must not wait for somebody to open the other end of a pipe. */
static FILE *open_file(const char *file) {
    if (strcmp(file, "-") == 0) {
        return stdin;
    }
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return NULL;
    }
    FILE *in = fcntl(fd, F_SETFL, 0) == 0 ? fdopen(fd, "rb") : NULL;
    if (!in) {
        (void)close(fd);
    }
    return in;
}

struct config *config_load(const char *file, struct config_errors *errors) {
    struct config *c = NULL;
    FILE *in = open_file(file);
    if (!in) {
        config_errors_add(errors, (struct config_mark){0, 0}, "cannot be opened: %s",
                          strerror(errno));
        return NULL;
    }
    struct json_object *root = yaml_load(in, errors);
    if (in != stdin) {
        (void)fclose(in);
    }
    if (root) {
        c = load_tree(root, errors);
        if (c) {
            c->file = keep(c, file);
        }
        json_object_put(root);
    }
    return c;
}

size_t config_worker_count(const struct config *c) {
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (c->workers > 0) {
        return c->workers;
    }
    return cpus > 0 ? (size_t)cpus : 1;
}

const char *config_version(void) {
    return PENSTOCK_VERSION;
}

void config_free(struct config *c) {
    if (!c) {
        return;
    }
    gateway_routes_free(c->router);
    api_key_ring_free((struct api_key_ring *)(uintptr_t)c->access.keys);
    access_template_free(c->access_template);
    for (size_t i = 0; i < c->function_count; i++) {
        if (c->functions[i].native) {
            native_close(c->functions[i].native);
        }
    }
    arena_reset(&c->arena);
    free(c);
}
