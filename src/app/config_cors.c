/* The `cors` part of a configuration. */
#include "app/config_keys.h"
#include "app/config_parts.h"
#include "app/yaml.h"
#include "base/error.h"
#include "http/writer.h"

static struct slice item(struct json_object *list, size_t i) {
    return slice_cstr(json_object_get_string(json_object_array_get_idx(list, i)));
}

static void load_origins(struct config *c, struct json_object *m, struct cors *out,
                         struct config_errors *errors) {
    struct json_object *list = config_get(m, "cors.allow_origins");
    size_t count = list ? json_object_array_length(list) : 0;
    if (count == 0 || count > CORS_ORIGINS_MAX) {
        config_errors_add(errors, yaml_mark(list ? list : m),
                          "cors.allow_origins: 1 to %d origins are needed, found %zu",
                          CORS_ORIGINS_MAX, count);
        return;
    }
    struct slice *origins = arena_zalloc(&c->arena, count * sizeof *origins);
    for (size_t i = 0; i < count; i++) {
        origins[i] = arena_copy(&c->arena, item(list, i));
        if (!cors_origin_valid(origins[i])) {
            config_errors_add(errors, yaml_mark(json_object_array_get_idx(list, i)),
                              "cors.allow_origins: expected scheme://host[:port], https://*, "
                              "http://* or *, got \"%.80s\"",
                              item(list, i).ptr);
        }
    }
    out->origins = origins;
    out->origin_count = count;
}

/* Whether one of the list is "*". */
static int any(struct json_object *list) {
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        if (slice_eq(item(list, i), SLICE("*"))) {
            return 1;
        }
    }
    return 0;
}

/* The list as the value of a header field: "GET,POST". */
static struct slice join(struct config *c, struct json_object *m, const char *path,
                         struct config_errors *errors) {
    struct json_object *list = config_get(m, path);
    const char *joined = "";
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        if (!http_field_name_valid(item(list, i))) {
            config_errors_add(errors, yaml_mark(json_object_array_get_idx(list, i)),
                              "%s: expected a name or *, got \"%.80s\"", path,
                              item(list, i).ptr);
        }
        joined = arena_printf(&c->arena, "%s%s%s", joined, i ? "," : "", item(list, i).ptr);
    }
    return slice_cstr(joined);
}

/* Browsers refuse * together with credentials, or take it for a name (fetch.spec.whatwg.org,
 * section 3.2.5); and it would let every site act in its visitors' names. */
static void refuse_any_with_credentials(struct json_object *m, struct config_errors *errors) {
    static const char *const paths[] = {"cors.allow_origins", "cors.allow_methods",
                                        "cors.allow_headers", "cors.expose_headers"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct json_object *list = config_get(m, paths[i]);
        if (any(list)) {
            config_errors_add(errors, yaml_mark(list),
                              "%s: * is not possible with allow_credentials; name them",
                              paths[i]);
        }
    }
}

const struct cors *config_load_cors(struct config *c, struct json_object *root,
                                    struct config_errors *errors) {
    struct json_object *m = config_get(root, "cors");
    if (!m) {
        return NULL;
    }
    struct cors *out = arena_zalloc(&c->arena, sizeof *out);
    load_origins(c, m, out, errors);
    out->methods = join(c, m, "cors.allow_methods", errors);
    out->headers = join(c, m, "cors.allow_headers", errors);
    out->expose_headers = join(c, m, "cors.expose_headers", errors);
    out->credentials = config_bool(m, "cors.allow_credentials");
    const char *age = config_string(m, "cors.max_age");
    if (strcmp(age, "auto") != 0) {
        out->max_age = arena_copy(&c->arena, slice_cstr(age));
    }
    if (out->credentials) {
        refuse_any_with_credentials(m, errors);
    }
    return out;
}
