/* From one configuration to the next without a restart: what may change, and what goes on. */
#include "app/config_succeed.h"

#include "app/config_parts.h"
#include "app/config_table.h"

/* ---- values that stay ---- */

/* A value that only a restart changes. */
struct config_fixed {
    const char *path;
    const char *value;
    struct config_mark mark;
};

static int is_fixed(const struct config_key *key) {
    static const char *const paths[] = {"admin", "invoke", "workers", "limits.connections",
                                        "state_directory"};
    if (key->type == CONFIG_MAP) {
        return 0;
    }
    if (strncmp(key->path, "dynamodb.", 9) == 0) {
        return 1;
    }
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (strcmp(key->path, paths[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

/* The map that holds the last component of a path without lists, or as much of the way to it
 * as there is. */
static struct json_object *find_map(struct json_object *root, const char *path,
                                    struct json_object **nearest) {
    struct slice rest = slice_cstr(path);
    struct slice name = slice_split(rest, '.', &rest);
    struct json_object *map = root;
    *nearest = root;
    while (map && rest.len > 0) {
        char key[64];
        (void)snprintf(key, sizeof key, SLICE_FMT, SLICE_ARG(name));
        if (!json_object_object_get_ex(map, key, &map) ||
            !json_object_is_type(map, json_type_object)) {
            return NULL;
        }
        *nearest = map;
        name = slice_split(rest, '.', &rest);
    }
    return map;
}

static void note_fixed(struct config *c, struct json_object *root,
                       const struct config_key *key) {
    struct json_object *nearest;
    struct json_object *map = find_map(root, key->path, &nearest);
    struct json_object *value = config_get(map, key->path);
    c->fixed[c->fixed_count++] = (struct config_fixed){
        key->path, arena_cstr(&c->arena, slice_cstr(config_string(map, key->path))),
        yaml_mark(value ? value : nearest)};
}

void config_note_fixed(struct config *c, struct json_object *root) {
    c->fixed = arena_zalloc(&c->arena, config_table_count * sizeof *c->fixed);
    for (size_t i = 0; i < config_table_count; i++) {
        if (is_fixed(&config_table[i])) {
            note_fixed(c, root, &config_table[i]);
        }
    }
}

static void check_fixed(const struct config *now, const struct config *next,
                        struct config_errors *errors) {
    for (size_t i = 0; i < next->fixed_count; i++) {
        if (strcmp(now->fixed[i].value, next->fixed[i].value) != 0) {
            config_errors_add(errors, next->fixed[i].mark,
                              "%s: a change needs a restart (it is \"%s\", not \"%s\")",
                              next->fixed[i].path, now->fixed[i].value, next->fixed[i].value);
        }
    }
}

static void check_listen(const struct config *now, const struct config *next,
                         struct config_errors *errors) {
    size_t count =
        now->listen_count < next->listen_count ? now->listen_count : next->listen_count;
    for (size_t i = 0; i < count; i++) {
        const struct config_listen *a = &now->listen[i], *b = &next->listen[i];
        if (strcmp(a->text, b->text) != 0 ||
            (a->certificate_count > 0) != (b->certificate_count > 0)) {
            config_errors_add(errors, b->mark,
                              "listen[]: a change of addresses or of their tls needs a restart "
                              "(%s stands here)",
                              a->text);
        }
    }
    if (now->listen_count != next->listen_count) {
        config_errors_add(errors, next->listen[next->listen_count - 1].mark,
                          "listen: more or fewer addresses need a restart (there are %zu)",
                          now->listen_count);
    }
}

/* ---- tables ---- */

static int same_key(const struct model_key_schema *a, const struct model_key_schema *b) {
    return a->name_len == b->name_len && strcmp(a->name, b->name) == 0 &&
           (a->name_len == 0 || a->type == b->type);
}

static void succeed_table(const struct config *now, size_t old, struct config *next, size_t i,
                          struct config_errors *errors) {
    const struct model_table *a = &now->tables[old];
    struct model_table *b = &next->tables[i];
    if (!next->table_entries[i].schema_given) {
        b->partition = a->partition;
        b->sort = a->sort;
    } else if (!same_key(&a->partition, &b->partition) || !same_key(&a->sort, &b->sort)) {
        config_errors_add(errors, next->table_entries[i].mark,
                          "tables[] %s: other keys need a restart", b->name);
    }
    next->table_entries[i].known = 1;
    next->table_entries[i].ready = now->table_entries[old].ready;
}

static void succeed_tables(const struct config *now, struct config *next,
                           struct config_errors *errors) {
    for (size_t i = 0; i < next->table_count; i++) {
        for (size_t old = 0; old < now->table_count; old++) {
            if (strcmp(now->tables[old].name, next->tables[i].name) == 0) {
                succeed_table(now, old, next, i, errors);
            }
        }
    }
}

/* ---- functions ---- */

static int same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static int same_texts(const char *const *a, const char *const *b) {
    size_t i = 0;
    while (a[i] && b[i] && strcmp(a[i], b[i]) == 0) {
        i++;
    }
    return a[i] == NULL && b[i] == NULL;
}

int config_same_function(const struct config_function *a, const struct config_function *b) {
    const struct function_options *x = &a->options, *y = &b->options;
    return a->workers && b->workers && strcmp(a->name, b->name) == 0 &&
           same_texts(x->command, y->command) && same_texts(x->environment, y->environment) &&
           same_text(x->directory, y->directory) && x->processes == y->processes &&
           x->per_process == y->per_process && x->warm == y->warm &&
           x->queue_max == y->queue_max && x->timeout_ms == y->timeout_ms &&
           x->init_timeout_ms == y->init_timeout_ms && x->recycle_calls == y->recycle_calls &&
           x->resident_max == y->resident_max && x->memory_mb == y->memory_mb &&
           x->stream_max == y->stream_max;
}

/* A library that is loaded stays the one it was: the loader goes by its name. */
static void succeed_native(const struct config_function *a, struct config_function *b,
                           struct config_errors *errors) {
    if (strcmp(a->library, b->library) != 0) {
        return;
    }
    if (!native_same_file(a->native, b->native)) {
        config_errors_add(
            errors, b->mark,
            "functions[] %s: %s is another file than the one in use; that needs a "
            "restart",
            b->name, b->library);
    } else if (strcmp(a->name, b->name) == 0 &&
               strcmp(a->settings_json, b->settings_json) == 0) {
        native_close(b->native);
        b->native = native_ref(a->native);
        b->handler.state = b->native;
    }
}

static void succeed_natives(const struct config *now, struct config *next,
                            struct config_errors *errors) {
    for (size_t i = 0; i < next->function_count; i++) {
        for (size_t old = 0; old < now->function_count; old++) {
            if (next->functions[i].native && now->functions[old].native) {
                succeed_native(&now->functions[old], &next->functions[i], errors);
            }
        }
    }
}

static void rebind_natives(struct config *c) {
    for (size_t i = 0; i < c->route_count; i++) {
        struct config_route *r = &c->routes[i];
        if (r->function && r->function->native) {
            r->handler.state = r->function->native;
        }
    }
}

void config_succeed(const struct config *now, struct config *next,
                    struct config_errors *errors) {
    check_fixed(now, next, errors);
    check_listen(now, next, errors);
    succeed_tables(now, next, errors);
    succeed_natives(now, next, errors);
    rebind_natives(next);
    next->connections = now->connections;
    next->server.request_bytes /= config_worker_count(next);
}
