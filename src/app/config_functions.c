/* functions: handlers in C (library) and programs that speak the Lambda Runtime API (command).
 */
#include "app/config_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME_BYTES_MAX 64 /* as Lambda's */

static const char *keep(struct config *c, const char *text) {
    return arena_cstr(&c->arena, slice_cstr(text));
}

static const char *const *load_command(struct config *c, struct json_object *list) {
    size_t count = json_object_array_length(list);
    const char **argv = arena_zalloc(&c->arena, (count + 1) * sizeof *argv);
    for (size_t i = 0; i < count; i++) {
        argv[i] = keep(c, json_object_get_string(json_object_array_get_idx(list, i)));
    }
    return argv;
}

static const char *const *load_environment(struct config *c, struct json_object *map,
                                           struct config_errors *errors) {
    size_t count = map ? (size_t)json_object_object_length(map) : 0;
    const char **list = arena_zalloc(&c->arena, (count + 1) * sizeof *list);
    size_t used = 0;
    if (map) {
        json_object_object_foreach(map, name, value) {
            const char *text = json_object_get_string(value);
            if (name[0] == '\0' || strchr(name, '=')) {
                config_errors_add(errors, yaml_key_mark(value),
                                  "functions[].environment: \"%.80s\" is no variable's name",
                                  name);
            }
            size_t len = strlen(name) + strlen(text) + 2;
            char *assignment = arena_alloc(&c->arena, len);
            (void)snprintf(assignment, len, "%s=%s", name, text);
            list[used++] = assignment;
        }
    }
    return list;
}

/* The PATH that its processes will have (lambda/function_environment.c). */
static struct slice search_path(const struct config_function *f) {
    for (const char *const *e = f->options.environment; *e; e++) {
        if (strncmp(*e, "PATH=", 5) == 0) {
            return slice_cstr(*e + 5);
        }
    }
    const char *ours = getenv("PATH");
    return ours ? slice_cstr(ours) : SLICE("/bin:/usr/bin"); /* execvp(3) */
}

static int is_in_path(const struct config_function *f, const char *program) {
    char file[4096];
    struct slice rest = search_path(f);
    while (rest.len > 0) {
        struct slice folder = slice_split(rest, ':', &rest);
        int len = snprintf(file, sizeof file, "%.*s/%s", SLICE_ARG(folder), program);
        if (len < (int)sizeof file && access(file, X_OK) == 0) {
            return 1;
        }
    }
    return 0;
}

static void check_program(const struct config_function *f, struct json_object *command,
                          struct config_errors *errors) {
    const char *program = f->options.command[0];
    char path[4096];
    if (program == NULL || program[0] == '\0') {
        config_errors_add(errors, yaml_mark(command), "functions[].command: names no program");
        return;
    }
    if (f->options.directory && access(f->options.directory, X_OK) != 0) {
        config_errors_add(errors, f->mark, "functions[].directory: %.200s: %s",
                          f->options.directory, strerror(errno));
        return;
    }
    int relative = program[0] != '/' && f->options.directory != NULL;
    (void)snprintf(path, sizeof path, "%s%s%s", relative ? f->options.directory : "",
                   relative ? "/" : "", program);
    if (!strchr(program, '/') && !is_in_path(f, program)) {
        config_errors_add(errors, yaml_mark(command),
                          "functions[].command: %.200s: not in PATH", program);
    } else if (strchr(program, '/') && access(path, X_OK) != 0) {
        config_errors_add(errors, yaml_mark(command), "functions[].command: %.200s: %s", path,
                          strerror(errno));
    }
}

/* In the words of a Lambda function URL. */
static bool is_stream(const char *invoke_mode) {
    return strcmp(invoke_mode, "RESPONSE_STREAM") == 0;
}

static void load_function_command(struct config *c, struct json_object *entry,
                                  struct json_object *command, struct config_function *f,
                                  struct config_errors *errors) {
    struct function_options *o = &f->options;
    const char *directory = config_string(entry, "functions[].directory");
    o->name = f->name;
    o->command = load_command(c, command);
    o->environment = load_environment(c, config_get(entry, "functions[].environment"), errors);
    o->directory = directory[0] ? keep(c, directory) : NULL;
    o->processes = config_number(entry, "functions[].concurrency");
    o->per_process = config_number(entry, "functions[].per_process");
    o->warm = config_number(entry, "functions[].warm");
    o->queue_max = config_number(entry, "functions[].queue_max");
    o->timeout_ms = f->timeout_ms;
    o->init_timeout_ms = config_number(entry, "functions[].init_timeout_ms");
    o->recycle_calls = config_number(entry, "functions[].recycle_calls");
    o->resident_max = config_number(entry, "functions[].recycle_bytes");
    o->memory_mb = config_number(entry, "functions[].memory_mb");
    o->stream_max = config_number(entry, "functions[].stream_bytes");
    f->stream = is_stream(config_string(entry, "functions[].invoke_mode"));
    f->workers = arena_zalloc(&c->arena, config_worker_count(c) * sizeof(struct function *));
    check_program(f, command, errors);
}

static void load_library(struct config_function *f, struct config_errors *errors) {
    char reason[NATIVE_REASON_MAX];
    if (native_open(f->library, f->name, &f->native, reason) != 0) {
        config_errors_add(errors, f->mark, "functions[].library: %s", reason);
    }
    f->handler = (struct lambda_handler){.name = f->name,
                                         .invoke = native_invoke,
                                         .state = f->native,
                                         .timeout_ms = f->timeout_ms};
}

static void check_name(const struct config *c, const struct config_function *f,
                       struct config_errors *errors) {
    size_t len = strlen(f->name);
    if (len > NAME_BYTES_MAX ||
        strspn(f->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") !=
            len) {
        config_errors_add(errors, f->mark,
                          "functions[].name: expected 1 to 64 of A-Z a-z 0-9 _ -, got "
                          "\"%.80s\"",
                          f->name);
    }
    for (const struct config_function *other = c->functions; other < f; other++) {
        if (strcmp(other->name, f->name) == 0) {
            config_errors_add(errors, f->mark, "functions[].name: %s stands here twice",
                              f->name);
        }
    }
}

static void load_function(struct config *c, struct json_object *entry,
                          struct config_errors *errors) {
    struct config_function *f = &c->functions[c->function_count++];
    struct json_object *settings = config_get(entry, "functions[].environment");
    struct json_object *command = config_get(entry, "functions[].command");
    f->mark = yaml_mark(entry);
    f->name = keep(c, config_string(entry, "functions[].name"));
    f->library = keep(c, config_string(entry, "functions[].library"));
    f->timeout_ms = config_number(entry, "functions[].timeout_ms");
    const char *text = "{}";
    if (settings) {
        NEED_MEMORY((text = json_object_to_json_string(settings)) != NULL);
    }
    f->settings_json = keep(c, text);
    check_name(c, f, errors);
    if ((command != NULL) == (f->library[0] != '\0')) {
        config_errors_add(errors, f->mark, "functions[] %s: exactly one of library, command",
                          f->name);
    } else if (command) {
        load_function_command(c, entry, command, f, errors);
    } else {
        load_library(f, errors);
    }
}

void config_load_functions(struct config *c, struct json_object *root,
                           struct config_errors *errors) {
    struct json_object *list = config_get(root, "functions");
    size_t count = list ? json_object_array_length(list) : 0;
    c->functions = arena_zalloc(&c->arena, (count + 1) * sizeof *c->functions);
    if (count > 0 && config_worker_count(c) > NATIVE_WORKERS_MAX) {
        config_errors_add(errors, yaml_mark(list), "functions: workers must be at most %d",
                          NATIVE_WORKERS_MAX);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        load_function(c, json_object_array_get_idx(list, i), errors);
    }
}
