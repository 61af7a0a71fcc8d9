/* The one table of configuration keys: path, type, bounds, default, unit and meaning. The
 * checker, the defaults, the spelling suggestions and --help-config all read it. */
#ifndef APP_CONFIG_KEYS_H
#define APP_CONFIG_KEYS_H

#include "app/config_error.h"

#include <json.h>
#include <stdio.h>

enum config_type {
    CONFIG_MAP,  /* keys below it are in the table */
    CONFIG_LIST, /* elements are path[] */
    CONFIG_STRING,
    CONFIG_NUMBER,     /* whole, min..max; "auto" where the default is auto */
    CONFIG_BOOL,       /* true or false */
    CONFIG_CHOICE,     /* one of `choices`, separated by | */
    CONFIG_STRING_MAP, /* names of the user's to strings */
    CONFIG_STRINGS,    /* a list of strings */
};

struct config_key {
    const char *path; /* "tables[].partition_key.name" */
    enum config_type type;
    const char *fallback; /* default as text; NULL = required, "" = none */
    uint64_t min;
    uint64_t max;
    const char *choices;
    const char *meaning; /* with the unit */
};

/* Checks the whole tree: unknown keys (with the nearest known one), types, bounds, missing
 * keys. */
void config_keys_check(struct json_object *root, struct config_errors *errors);
/* What --help-config prints. */
void config_keys_print(FILE *out);

/* Values of a checked map, or the table's default. `path` is the full pattern; the last
 * component names the member. */
struct json_object *config_get(struct json_object *map, const char *path);
const char *config_string(struct json_object *map, const char *path);
uint64_t config_number(struct json_object *map, const char *path); /* "auto" is 0 */
int config_bool(struct json_object *map, const char *path);

#endif
