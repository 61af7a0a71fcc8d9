#include "app/config_parts.h"
#include "base/error.h"

static const char *keep(struct config *c, const char *text) {
    return arena_cstr(&c->arena, slice_cstr(text));
}

static void load_key(struct json_object *m, const char *path, struct model_key_schema *out,
                     struct config_errors *errors) {
    char pattern[64];
    struct json_object *key = config_get(m, path);
    if (!key) {
        return;
    }
    (void)snprintf(pattern, sizeof pattern, "%s.name", path);
    const char *name = config_string(key, pattern);
    if (strlen(name) > 255) {
        config_errors_add(errors, yaml_mark(key), "%s: at most 255 bytes", pattern);
        return;
    }
    out->name_len = (size_t)snprintf(out->name, sizeof out->name, "%s", name);
    (void)snprintf(pattern, sizeof pattern, "%s.type", path);
    switch (config_string(key, pattern)[0]) {
    case 'N':
        out->type = MODEL_KEY_N;
        break;
    case 'B':
        out->type = MODEL_KEY_B;
        break;
    default:
        out->type = MODEL_KEY_S;
        break;
    }
}

static const struct model_table *find_table(const struct config *c, const char *name) {
    for (size_t i = 0; i < c->table_count; i++) {
        if (strcmp(c->tables[i].name, name) == 0) {
            return &c->tables[i];
        }
    }
    return NULL;
}

static void load_table(struct config *c, struct json_object *entry,
                       struct config_errors *errors) {
    struct model_table *t = &c->tables[c->table_count];
    struct config_table_entry *e = &c->table_entries[c->table_count];
    const char *name = config_string(entry, "tables[].name");
    struct config_mark at = yaml_mark(config_get(entry, "tables[].name"));

    if (!model_table_name_valid(slice_cstr(name))) {
        config_errors_add(
            errors, at, "tables[].name: expected 3 to 255 of A-Z a-z 0-9 _ . -, got \"%.80s\"",
            name);
        return;
    }
    if (find_table(c, name)) {
        config_errors_add(errors, at, "tables[].name: %s stands here twice", name);
        return;
    }
    (void)snprintf(t->name, sizeof t->name, "%s", name);
    load_key(entry, "tables[].partition_key", &t->partition, errors);
    load_key(entry, "tables[].sort_key", &t->sort, errors);
    e->mark = at;
    e->schema_given = t->partition.name_len > 0;
    e->create_if_missing = config_bool(entry, "tables[].create_if_missing");
    if (!e->schema_given && (t->sort.name_len > 0 || e->create_if_missing)) {
        config_errors_add(
            errors, yaml_mark(entry),
            "tables[].partition_key is missing: it is needed with sort_key and with "
            "create_if_missing");
    }
    if (t->sort.name_len > 0 && strcmp(t->sort.name, t->partition.name) == 0) {
        config_errors_add(errors, yaml_mark(config_get(entry, "tables[].sort_key")),
                          "tables[].sort_key: %s is the partition key already", t->sort.name);
    }
    c->table_count++;
}

void config_load_tables(struct config *c, struct json_object *root,
                        struct config_errors *errors) {
    struct json_object *list = config_get(root, "tables");
    size_t count = list ? json_object_array_length(list) : 0;
    c->tables = arena_zalloc(&c->arena, (count + 1) * sizeof *c->tables);
    c->table_entries = arena_zalloc(&c->arena, (count + 1) * sizeof *c->table_entries);
    for (size_t i = 0; i < count; i++) {
        load_table(c, json_object_array_get_idx(list, i), errors);
    }
}

static void load_set(struct config *c, struct json_object *m, struct builtin_options *out,
                     struct config_errors *errors) {
    struct json_object *set = config_get(m, "routes[].put_item.set");
    if (!set) {
        return;
    }
    size_t count = (size_t)json_object_object_length(set);
    struct builtin_set *list = arena_zalloc(&c->arena, (count + 1) * sizeof *list);
    json_object_object_foreach(set, name, value) {
        char reason[160];
        struct builtin_set *s = &list[out->set_count];
        if (builtin_set_parse(keep(c, json_object_get_string(value)), s, reason) != 0) {
            config_errors_add(errors, yaml_mark(value), "routes[].put_item.set.%s: %s", name,
                              reason);
            continue;
        }
        s->name = keep(c, name);
        out->set_count++;
    }
    out->set = list;
}

static int parse_typed(const char *text, enum model_typed *out) {
    static const struct {
        const char *text;
        enum model_typed type;
    } types[] = {{"SS", MODEL_TYPED_SS},
                 {"NS", MODEL_TYPED_NS},
                 {"BS", MODEL_TYPED_BS},
                 {"B", MODEL_TYPED_B}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].text, text) == 0) {
            *out = types[i].type;
            return 0;
        }
    }
    return ERR_INVALID;
}

static void load_types(struct config *c, struct json_object *m, const char *path,
                       struct builtin_options *out, struct config_errors *errors) {
    struct json_object *types = config_get(m, path);
    if (!types) {
        return;
    }
    size_t count = (size_t)json_object_object_length(types);
    struct model_type *list = arena_zalloc(&c->arena, (count + 1) * sizeof *list);
    json_object_object_foreach(types, name, value) {
        struct model_type *t = &list[out->type_count];
        if (parse_typed(json_object_get_string(value), &t->type) != 0) {
            config_errors_add(errors, yaml_mark(value),
                              "%s.%s: expected SS, NS, BS or B, got \"%.40s\"", path, name,
                              json_object_get_string(value));
            continue;
        }
        t->name = arena_copy(&c->arena, slice_cstr(name));
        out->type_count++;
    }
    out->types = list;
}

static void load_builtin_table(struct config *c, struct json_object *m, const char *kind,
                               struct builtin_options *out, struct config_errors *errors) {
    char pattern[64];
    (void)snprintf(pattern, sizeof pattern, "routes[].%s.table", kind);
    const char *name = config_string(m, pattern);
    out->table = find_table(c, name);
    if (!out->table) {
        config_errors_add(errors, yaml_mark(config_get(m, pattern)),
                          "%s: no table %s under tables", pattern, name);
    }
}

static void load_condition(struct config *c, struct json_object *m, const char *path,
                           struct builtin_options *out, struct config_errors *errors) {
    char reason[160];
    out->condition = keep(c, config_string(m, path));
    if (out->condition[0] && builtin_condition_check(out->condition, reason) != 0) {
        config_errors_add(errors, yaml_mark(config_get(m, path)), "%s: %s", path, reason);
    }
}

static void load_put_item(struct config *c, struct json_object *m, struct builtin_options *out,
                          struct config_errors *errors) {
    load_set(c, m, out, errors);
    load_types(c, m, "routes[].put_item.types", out, errors);
    load_condition(c, m, "routes[].put_item.condition", out, errors);
    out->items_max = config_number(m, "routes[].put_item.items_max");
}

static void load_query(struct config *c, struct json_object *m, struct builtin_options *out,
                       struct config_errors *errors) {
    (void)c;
    (void)errors;
    out->query_limit = config_number(m, "routes[].query.limit");
}

static void load_update_item(struct config *c, struct json_object *m,
                             struct builtin_options *out, struct config_errors *errors) {
    load_types(c, m, "routes[].update_item.types", out, errors);
    load_condition(c, m, "routes[].update_item.condition", out, errors);
}

static void load_delete_item(struct config *c, struct json_object *m,
                             struct builtin_options *out, struct config_errors *errors) {
    load_condition(c, m, "routes[].delete_item.condition", out, errors);
}

static const struct {
    const char *kind;
    const char *path;
    int writes;
    void (*load)(struct config *c, struct json_object *m, struct builtin_options *out,
                 struct config_errors *errors);
} builtin_kinds[] = {
    {"put_item", "routes[].put_item", 1, load_put_item},
    {"get_item", "routes[].get_item", 0, NULL},
    {"query", "routes[].query", 0, load_query},
    {"update_item", "routes[].update_item", 1, load_update_item},
    {"delete_item", "routes[].delete_item", 1, load_delete_item},
};

static size_t load_builtins(struct config *c, struct json_object *entry, struct config_route *r,
                            struct config_errors *errors) {
    size_t found = 0;
    for (size_t i = 0; i < sizeof builtin_kinds / sizeof builtin_kinds[0]; i++) {
        struct json_object *m = config_get(entry, builtin_kinds[i].path);
        if (!m) {
            continue;
        }
        found++;
        r->kind = builtin_kinds[i].kind;
        r->builtin.condition = "";
        load_builtin_table(c, m, r->kind, &r->builtin, errors);
        if (builtin_kinds[i].load) {
            builtin_kinds[i].load(c, m, &r->builtin, errors);
        }
        r->handler.name = r->kind;
        r->handler.invoke = builtin_find(slice_cstr(r->kind));
        r->handler.state = &r->builtin;
        r->handler.writes = builtin_kinds[i].writes;
    }
    return found;
}

static void bind_function(struct config_route *r, struct json_object *entry) {
    const struct config_function *f = r->function;
    r->handler.name = f->name;
    if (f->native) { /* one deadline for both */
        r->handler.timeout_ms =
            r->handler.timeout_ms < f->timeout_ms ? r->handler.timeout_ms : f->timeout_ms;
        r->handler.invoke = f->handler.invoke;
        r->handler.state = f->handler.state;
        return;
    }
    const char *format = config_string(entry, "routes[].payload_format");
    r->binding.workers = f->workers;
    const char *mode = config_string(entry, "routes[].invoke_mode");
    r->binding.payload_format = format[0] == '1' ? 1 : 2;
    r->binding.stream = mode[0] ? strcmp(mode, "RESPONSE_STREAM") == 0 : f->stream;
    r->handler.invoke = function_invoke;
    r->handler.state = &r->binding;
}

static size_t load_function_target(struct config *c, struct json_object *entry,
                                   struct config_route *r, struct config_errors *errors) {
    const char *name = config_string(entry, "routes[].function");
    if (name[0] == '\0') {
        return 0;
    }
    r->kind = "function";
    for (size_t i = 0; i < c->function_count; i++) {
        if (strcmp(c->functions[i].name, name) == 0) {
            r->function = &c->functions[i];
            bind_function(r, entry);
            return 1;
        }
    }
    config_errors_add(errors, yaml_mark(config_get(entry, "routes[].function")),
                      "routes[].function: no function %s under functions", name);
    return 1;
}

static void load_route(struct config *c, struct json_object *entry,
                       struct config_errors *errors) {
    struct config_route *r = &c->routes[c->route_count++];
    char reason[160];

    r->mark = yaml_mark(entry);
    r->route_key = keep(c, config_string(entry, "routes[].route"));
    r->handler.timeout_ms = config_number(entry, "routes[].timeout_ms");
    r->handler.body_bytes = config_number(entry, "routes[].body_bytes");
    r->handler.server_timing = config_bool(entry, "routes[].server_timing");
    size_t targets = load_builtins(c, entry, r, errors);
    targets += load_function_target(c, entry, r, errors);
    if (targets != 1) {
        config_errors_add(errors, r->mark,
                          "%s: exactly one of put_item, get_item, query, update_item, "
                          "delete_item, function is needed, found %zu",
                          r->route_key, targets);
    }
    if (gateway_routes_add(c->router, slice_cstr(r->route_key), &r->handler, reason) != 0) {
        config_errors_add(errors, yaml_mark(config_get(entry, "routes[].route")),
                          "routes[].route: %s", reason);
    }
}

void config_load_routes(struct config *c, struct json_object *root,
                        struct config_errors *errors) {
    struct json_object *list = config_get(root, "routes");
    size_t count = list ? json_object_array_length(list) : 0;
    c->routes = arena_zalloc(&c->arena, (count + 1) * sizeof *c->routes);
    if (count == 0) {
        config_errors_add(errors, yaml_mark(root), "routes: at least one route is needed");
    }
    for (size_t i = 0; i < count; i++) {
        load_route(c, json_object_array_get_idx(list, i), errors);
    }
}
