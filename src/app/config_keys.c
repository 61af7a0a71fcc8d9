#include "app/config_keys.h"

#include "app/config_table.h"
#include "app/yaml.h"
#include "base/distance.h"
#include "base/error.h"

#define PATH_MAX_LEN 256

static const struct config_key *find_key(const char *path) {
    for (size_t i = 0; i < config_table_count; i++) {
        if (strcmp(config_table[i].path, path) == 0) {
            return &config_table[i];
        }
    }
    return NULL;
}

static const char *last_component(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

/* Whether `path` is a direct child of the map `parent` ("" is the top). */
static int is_child(const char *path, const char *parent) {
    size_t len = strlen(parent);
    if (len > 0) {
        if (strncmp(path, parent, len) != 0 || path[len] != '.') {
            return 0;
        }
        path += len + 1;
    }
    return strchr(path, '.') == NULL && strchr(path, '[') == NULL;
}

static const char *nearest_key(const char *parent, const char *name) {
    const char *best = NULL;
    size_t best_distance = DISTANCE_NEAR + 1;
    for (size_t i = 0; i < config_table_count; i++) {
        if (is_child(config_table[i].path, parent)) {
            const char *candidate = last_component(config_table[i].path);
            size_t distance = word_distance(name, candidate);
            if (distance < best_distance) {
                best = candidate;
                best_distance = distance;
            }
        }
    }
    return best;
}

static const char *first_children(const char *parent, char out[200]) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < config_table_count; i++) {
        if (is_child(config_table[i].path, parent)) {
            const char *name = last_component(config_table[i].path);
            if (used + strlen(name) + 3 > 200) {
                break;
            }
            used += (size_t)snprintf(out + used, 200 - used, "%s%s", used ? ", " : "", name);
        }
    }
    return out;
}

static void add_unknown(const char *parent, const char *name, struct config_mark at,
                        struct config_errors *errors) {
    const char *near = nearest_key(parent, name);
    char known[200];
    const char *dot = parent[0] ? "." : "";
    if (near) {
        config_errors_add(errors, at, "unknown key %s%s%s; did you mean %s?", parent, dot, name,
                          near);
    } else {
        config_errors_add(errors, at, "unknown key %s%s%s; known here: %s", parent, dot, name,
                          first_children(parent, known));
    }
}

static const char *type_text(enum config_type type) {
    switch (type) {
    case CONFIG_MAP:
    case CONFIG_STRING_MAP:
        return "a map (key: value)";
    case CONFIG_LIST:
    case CONFIG_STRINGS:
        return "a list (- item)";
    case CONFIG_STRING:
    case CONFIG_CHOICE:
        return "text";
    case CONFIG_NUMBER:
        return "a whole number";
    case CONFIG_BOOL:
        return "true or false";
    }
    return "";
}

static json_type expected_json(enum config_type type) {
    switch (type) {
    case CONFIG_MAP:
    case CONFIG_STRING_MAP:
        return json_type_object;
    case CONFIG_LIST:
    case CONFIG_STRINGS:
        return json_type_array;
    case CONFIG_STRING:
    case CONFIG_CHOICE:
    case CONFIG_NUMBER:
    case CONFIG_BOOL:
        return json_type_string;
    }
    return json_type_null;
}

static void check_number(const struct config_key *key, struct json_object *value,
                         struct config_errors *errors) {
    const char *text = json_object_get_string(value);
    uint64_t number = 0;
    int may_be_auto = key->fallback && strcmp(key->fallback, "auto") == 0;
    if (strcmp(text, "auto") == 0 && may_be_auto) {
        return;
    }
    if (slice_to_u64(slice_cstr(text), &number) != 0 || number < key->min ||
        number > key->max) {
        config_errors_add(errors, yaml_mark(value),
                          "%s: expected a whole number from %llu to %llu%s, got \"%.40s\" (%s)",
                          key->path, (unsigned long long)key->min, (unsigned long long)key->max,
                          may_be_auto ? " or auto" : "", text, key->meaning);
    }
}

static void check_choice(const struct config_key *key, struct json_object *value,
                         struct config_errors *errors) {
    struct slice text = slice_cstr(json_object_get_string(value));
    struct slice rest = slice_cstr(key->choices);
    while (rest.len > 0) {
        if (slice_eq(slice_split(rest, '|', &rest), text)) {
            return;
        }
    }
    config_errors_add(errors, yaml_mark(value), "%s: expected one of %s, got \"%.40s\"",
                      key->path, key->choices, text.ptr);
}

static void check_bool(const struct config_key *key, struct json_object *value,
                       struct config_errors *errors) {
    const char *text = json_object_get_string(value);
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        config_errors_add(errors, yaml_mark(value), "%s: expected true or false, got \"%.40s\"",
                          key->path, text);
    }
}

static void check_texts(const struct config_key *key, struct json_object *value,
                        struct config_errors *errors) {
    if (key->type == CONFIG_STRINGS) {
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            struct json_object *item = json_object_array_get_idx(value, i);
            if (!json_object_is_type(item, json_type_string)) {
                config_errors_add(errors, yaml_mark(item), "%s: expected text", key->path);
            }
        }
        return;
    }
    json_object_object_foreach(value, name, item) {
        if (!json_object_is_type(item, json_type_string)) {
            config_errors_add(errors, yaml_mark(item), "%s.%s: expected text", key->path, name);
        }
    }
}

static void check_map(const char *path, struct json_object *map, struct config_errors *errors);

static void check_list(const struct config_key *key, struct json_object *list,
                       struct config_errors *errors) {
    char path[PATH_MAX_LEN];
    (void)snprintf(path, sizeof path, "%s[]", key->path);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        if (!json_object_is_type(item, json_type_object)) {
            config_errors_add(errors, yaml_mark(item), "%s: expected a map (key: value)", path);
        } else {
            check_map(path, item, errors);
        }
    }
}

static int is_nothing(struct json_object *value) {
    return json_object_is_type(value, json_type_string) &&
           json_object_get_string_len(value) == 0;
}

static void check_value(const struct config_key *key, struct json_object *value,
                        struct config_errors *errors) {
    if (is_nothing(value) && expected_json(key->type) != json_type_string && key->fallback) {
        return; /* "functions:" with nothing under it is as good as absent */
    }
    if (!json_object_is_type(value, expected_json(key->type))) {
        config_errors_add(errors, yaml_mark(value), "%s: expected %s", key->path,
                          type_text(key->type));
        return;
    }
    switch (key->type) {
    case CONFIG_MAP:
        check_map(key->path, value, errors);
        break;
    case CONFIG_LIST:
        check_list(key, value, errors);
        break;
    case CONFIG_NUMBER:
        check_number(key, value, errors);
        break;
    case CONFIG_BOOL:
        check_bool(key, value, errors);
        break;
    case CONFIG_CHOICE:
        check_choice(key, value, errors);
        break;
    case CONFIG_STRINGS:
    case CONFIG_STRING_MAP:
        check_texts(key, value, errors);
        break;
    case CONFIG_STRING:
        if (!key->fallback && json_object_get_string_len(value) == 0) {
            config_errors_add(errors, yaml_mark(value), "%s: must not be empty", key->path);
        }
        break;
    }
}

static void check_required(const char *path, struct json_object *map,
                           struct config_errors *errors) {
    for (size_t i = 0; i < config_table_count; i++) {
        const struct config_key *key = &config_table[i];
        if (!key->fallback && is_child(key->path, path) &&
            !json_object_object_get_ex(map, last_component(key->path), NULL)) {
            config_errors_add(errors, yaml_mark(map), "%s is missing (%s)", key->path,
                              key->meaning);
        }
    }
}

static void check_map(const char *path, struct json_object *map, struct config_errors *errors) {
    json_object_object_foreach(map, name, value) {
        char child[PATH_MAX_LEN];
        (void)snprintf(child, sizeof child, "%s%s%s", path, path[0] ? "." : "", name);
        const struct config_key *key = find_key(child);
        if (!key) {
            add_unknown(path, name, yaml_key_mark(value), errors);
        } else if (key->type == CONFIG_MAP && is_nothing(value)) {
            /* "tls:" with nothing under it asks for TLS all the same. */
            check_map(key->path, yaml_put_map(map, name), errors);
        } else {
            check_value(key, value, errors);
        }
    }
    check_required(path, map, errors);
}

void config_keys_check(struct json_object *root, struct config_errors *errors) {
    if (!json_object_is_type(root, json_type_object)) {
        config_errors_add(errors, yaml_mark(root), "expected a map (key: value) at the top");
        return;
    }
    check_map("", root, errors);
}

static void print_key(FILE *out, const struct config_key *key) {
    fprintf(out, "%-36s %s", key->path, key->meaning);
    if (!key->fallback) {
        fprintf(out, "; required");
    } else if (key->fallback[0]) {
        fprintf(out, "; default %s", key->fallback);
    }
    if (key->type == CONFIG_NUMBER) {
        fprintf(out, "; %llu to %llu", (unsigned long long)key->min,
                (unsigned long long)key->max);
    } else if (key->type == CONFIG_CHOICE) {
        fprintf(out, "; one of %s", key->choices);
    }
    fputc('\n', out);
}

void config_keys_print(FILE *out) {
    for (size_t i = 0; i < config_table_count; i++) {
        print_key(out, &config_table[i]);
    }
}

struct json_object *config_get(struct json_object *map, const char *path) {
    struct json_object *value = NULL;
    const struct config_key *key = find_key(path);
    ASSERT(key != NULL);
    if (!map || !json_object_object_get_ex(map, last_component(path), &value) ||
        !json_object_is_type(value, expected_json(key->type))) {
        return NULL;
    }
    return value;
}

const char *config_string(struct json_object *map, const char *path) {
    struct json_object *value = config_get(map, path);
    const char *fallback = find_key(path)->fallback;
    if (value) {
        return json_object_get_string(value);
    }
    return fallback ? fallback : "";
}

uint64_t config_number(struct json_object *map, const char *path) {
    uint64_t number = 0;
    struct slice text = slice_cstr(config_string(map, path));
    if (slice_eq(text, SLICE("auto"))) {
        return 0;
    }
    int error = slice_to_u64(text, &number);
    ASSERT(error == 0);
    return number;
}

int config_bool(struct json_object *map, const char *path) {
    return strcmp(config_string(map, path), "true") == 0;
}
