/* A YAML file as a json-c tree that remembers where everything stood.
 *
 * Every scalar becomes a JSON string: what it should be is decided by the table of keys
 * (config_keys.h), not by how it looks, so `name: on` is a name and `"8080"` is a number where
 * a number is due. Null and absent values are empty strings. Duplicate keys and NUL characters
 * are errors; aliases are followed within a bound of nodes. */
#ifndef APP_YAML_H
#define APP_YAML_H

#include "app/config_error.h"

#include <json.h>
#include <stdio.h>

#define YAML_BYTES_MAX 16777216
#define YAML_NODES_MAX 100000
#define YAML_DEPTH_MAX 32
/* The parser compares each with all before it. */
#define YAML_ANCHORS_MAX 1000

/* The caller owns the tree (json_object_put). NULL when errors were added. */
struct json_object *yaml_load(FILE *file, struct config_errors *errors);
/* Where a value stood, and where its key stood (the value's own place for list elements). */
struct config_mark yaml_mark(struct json_object *value);
struct config_mark yaml_key_mark(struct json_object *value);
/* An empty map in place of a member that is there; it stands where that stood. */
struct json_object *yaml_put_map(struct json_object *parent, const char *name);

#endif
