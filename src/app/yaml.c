#include "app/yaml.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <yaml.h>

#define READ_BYTES 65536

struct yaml_place {
    struct config_mark value;
    struct config_mark key;
};

struct yaml_walk {
    yaml_document_t *document;
    struct config_errors *errors;
    size_t nodes;
};

static struct json_object *walk_node(struct yaml_walk *w, yaml_node_t *node, unsigned depth);

static struct config_mark mark_of(yaml_mark_t m) {
    return (struct config_mark){(unsigned)m.line + 1, (unsigned)m.column + 1};
}

static void free_place(struct json_object *value, void *place) {
    (void)value;
    free(place);
}

static void set_place(struct json_object *value, struct config_mark at) {
    struct yaml_place *place;
    NEED_MEMORY((place = malloc(sizeof *place)) != NULL);
    *place = (struct yaml_place){at, at};
    json_object_set_userdata(value, place, free_place);
}

static struct json_object *walk_scalar(struct yaml_walk *w, yaml_node_t *node) {
    const char *text = (const char *)node->data.scalar.value;
    size_t len = node->data.scalar.length;
    int plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    struct slice s = slice_of(text, len);
    if (plain && (slice_eq(s, SLICE("null")) || slice_eq(s, SLICE("~")))) {
        len = 0;
    }
    if (memchr(text, '\0', len)) {
        config_errors_add(w->errors, mark_of(node->start_mark),
                          "a value must not hold a NUL character");
        return NULL;
    }
    struct json_object *value;
    NEED_MEMORY((value = json_object_new_string_len(text, (int)len)) != NULL);
    return value;
}

static struct json_object *walk_sequence(struct yaml_walk *w, yaml_node_t *node,
                                         unsigned depth) {
    struct json_object *list;
    NEED_MEMORY((list = json_object_new_array()) != NULL);
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        struct json_object *value =
            walk_node(w, yaml_document_get_node(w->document, *item), depth + 1);
        if (!value) {
            json_object_put(list);
            return NULL;
        }
        NEED_MEMORY(json_object_array_add(list, value) == 0);
    }
    return list;
}

static int walk_pair(struct yaml_walk *w, struct json_object *map, yaml_node_pair_t *pair,
                     unsigned depth) {
    yaml_node_t *key = yaml_document_get_node(w->document, pair->key);
    yaml_node_t *node = yaml_document_get_node(w->document, pair->value);
    struct config_mark at = mark_of(key->start_mark);
    const char *name = (const char *)key->data.scalar.value;

    if (key->type != YAML_SCALAR_NODE) {
        config_errors_add(w->errors, at, "a key must be plain text");
        return ERR_INVALID;
    }
    if (strlen(name) != key->data.scalar.length) {
        config_errors_add(w->errors, at, "a key must not hold a NUL character");
        return ERR_INVALID;
    }
    if (json_object_object_get_ex(map, name, NULL)) {
        config_errors_add(w->errors, at, "%s: this key stands here twice", name);
        return ERR_INVALID;
    }
    struct json_object *value = walk_node(w, node, depth + 1);
    if (!value) {
        return ERR_INVALID;
    }
    ((struct yaml_place *)json_object_get_userdata(value))->key = at;
    NEED_MEMORY(json_object_object_add(map, name, value) == 0);
    return 0;
}

static struct json_object *walk_mapping(struct yaml_walk *w, yaml_node_t *node,
                                        unsigned depth) {
    struct json_object *map;
    NEED_MEMORY((map = json_object_new_object()) != NULL);
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        if (walk_pair(w, map, pair, depth) != 0) {
            json_object_put(map);
            return NULL;
        }
    }
    return map;
}

static struct json_object *walk_node(struct yaml_walk *w, yaml_node_t *node, unsigned depth) {
    struct json_object *value = NULL;

    if (++w->nodes > YAML_NODES_MAX || depth > YAML_DEPTH_MAX) {
        config_errors_add(w->errors, mark_of(node->start_mark),
                          "too deep or too large (at most %d levels, %d values)",
                          YAML_DEPTH_MAX, YAML_NODES_MAX);
        return NULL;
    }
    switch (node->type) {
    case YAML_SCALAR_NODE:
        value = walk_scalar(w, node);
        break;
    case YAML_SEQUENCE_NODE:
        value = walk_sequence(w, node, depth);
        break;
    case YAML_MAPPING_NODE:
        value = walk_mapping(w, node, depth);
        break;
    case YAML_NO_NODE:
        break;
    }
    if (value) {
        set_place(value, mark_of(node->start_mark));
    }
    return value;
}

static struct config_mark mark_of_byte(struct slice text, size_t offset) {
    struct config_mark at = {1, 1};
    for (size_t i = 0; i < offset && i < text.len; i++) {
        at.column++;
        if (text.ptr[i] == '\n') {
            at = (struct config_mark){at.line + 1, 1};
        }
    }
    return at;
}

static void add_parser_error(const yaml_parser_t *p, struct slice text,
                             struct config_errors *errors) {
    struct config_mark at = mark_of(p->problem_mark);
    if (p->error == YAML_MEMORY_ERROR) {
        config_errors_add(errors, (struct config_mark){0, 0}, "out of memory");
        return;
    }
    if (p->error == YAML_READER_ERROR) {
        config_errors_add(errors, mark_of_byte(text, p->problem_offset),
                          "not readable as UTF-8 text: %s",
                          p->problem ? p->problem : "unknown");
        return;
    }
    config_errors_add(errors, at, "not valid YAML: %s%s%s", p->problem ? p->problem : "unknown",
                      p->context ? ", " : "", p->context ? p->context : "");
}

/* Nothing may stand there that would be passed over. */
static int is_last(yaml_parser_t *parser, struct slice text, struct config_errors *errors) {
    yaml_document_t document;

    if (!yaml_parser_load(parser, &document)) {
        add_parser_error(parser, text, errors);
        return 0;
    }
    const yaml_node_t *node = yaml_document_get_root_node(&document);
    if (node) {
        config_errors_add(errors, mark_of(node->start_mark),
                          "a second YAML document: one is expected");
    }
    yaml_document_delete(&document);
    return node == NULL;
}

static struct json_object *load_document(yaml_parser_t *parser, struct slice text,
                                         struct config_errors *errors) {
    yaml_document_t document;
    struct json_object *root = NULL;

    if (!yaml_parser_load(parser, &document)) {
        add_parser_error(parser, text, errors);
        return NULL;
    }
    yaml_node_t *node = yaml_document_get_root_node(&document);
    if (!node) {
        config_errors_add(errors, (struct config_mark){1, 1}, "the file is empty");
    } else {
        struct yaml_walk walk = {&document, errors, 0};
        root = walk_node(&walk, node, 0);
    }
    yaml_document_delete(&document);
    return root;
}

static int start(yaml_parser_t *parser, struct slice text, struct config_errors *errors) {
    if (!yaml_parser_initialize(parser)) {
        config_errors_add(errors, (struct config_mark){0, 0}, "out of memory");
        return ERR_NOMEM;
    }
    yaml_parser_set_input_string(parser, (const unsigned char *)text.ptr, text.len);
    return 0;
}

static int has_anchor(const yaml_event_t *e) {
    return (e->type == YAML_SCALAR_EVENT && e->data.scalar.anchor) ||
           (e->type == YAML_SEQUENCE_START_EVENT && e->data.sequence_start.anchor) ||
           (e->type == YAML_MAPPING_START_EVENT && e->data.mapping_start.anchor);
}

/* Before they are resolved. Whatever else is wrong is found when they are. */
static int check_anchors(struct slice text, struct config_errors *errors) {
    yaml_parser_t parser;
    yaml_event_t event;
    size_t count = 0;
    int error = start(&parser, text, errors);
    if (error != 0) {
        return error;
    }
    for (int end = 0; error == 0 && !end && yaml_parser_parse(&parser, &event);) {
        end = event.type == YAML_STREAM_END_EVENT;
        count += (size_t)has_anchor(&event);
        if (count > YAML_ANCHORS_MAX) {
            config_errors_add(errors, mark_of(event.start_mark), "more than %d anchors",
                              YAML_ANCHORS_MAX);
            error = ERR_LIMIT;
        }
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return error;
}

static struct json_object *parse(struct slice text, struct config_errors *errors) {
    yaml_parser_t parser;
    struct json_object *root;

    if (check_anchors(text, errors) != 0 || start(&parser, text, errors) != 0) {
        return NULL;
    }
    root = load_document(&parser, text, errors);
    if (root && !is_last(&parser, text, errors)) {
        json_object_put(root);
        root = NULL;
    }
    yaml_parser_delete(&parser);
    return root;
}

static int read_bytes(FILE *file, struct buffer *out, struct config_errors *errors) {
    do {
        NEED_MEMORY(buffer_reserve(out, READ_BYTES) == 0);
        buffer_grow(out, fread(buffer_tail(out), 1, READ_BYTES, file));
    } while (!feof(file) && !ferror(file) && out->len <= YAML_BYTES_MAX);
    if (ferror(file)) {
        config_errors_add(errors, (struct config_mark){0, 0}, "cannot be read: %s",
                          strerror(errno));
        return ERR_IO;
    }
    if (out->len > YAML_BYTES_MAX) {
        config_errors_add(errors, (struct config_mark){0, 0}, "over %d bytes", YAML_BYTES_MAX);
        return ERR_LIMIT;
    }
    return 0;
}

struct json_object *yaml_load(FILE *file, struct config_errors *errors) {
    struct buffer bytes = {0};
    struct json_object *root = NULL;
    if (read_bytes(file, &bytes, errors) == 0) {
        root = parse(buffer_slice(&bytes), errors);
    }
    buffer_fini(&bytes);
    return root;
}

static const struct yaml_place *place_of(struct json_object *value) {
    static const struct yaml_place nowhere;
    const struct yaml_place *place = value ? json_object_get_userdata(value) : NULL;
    return place ? place : &nowhere;
}

struct config_mark yaml_mark(struct json_object *value) {
    return place_of(value)->value;
}

struct config_mark yaml_key_mark(struct json_object *value) {
    return place_of(value)->key;
}

struct json_object *yaml_put_map(struct json_object *parent, const char *name) {
    struct json_object *nothing, *map;
    int found = json_object_object_get_ex(parent, name, &nothing);
    ASSERT(found);
    NEED_MEMORY((map = json_object_new_object()) != NULL);
    set_place(map, yaml_mark(nothing));
    ((struct yaml_place *)json_object_get_userdata(map))->key = yaml_key_mark(nothing);
    NEED_MEMORY(json_object_object_add(parent, name, map) == 0);
    return map;
}
