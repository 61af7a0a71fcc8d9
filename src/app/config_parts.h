/* Parts of config_load, one file each; nobody else includes this. */
#ifndef APP_CONFIG_PARTS_H
#define APP_CONFIG_PARTS_H

#include "app/config.h"
#include "app/config_keys.h"
#include "app/yaml.h"

void config_load_proxy_protocol(struct config *c, struct json_object *listen,
                                struct config_listen *out, struct config_errors *errors);
void config_load_trusted_proxies(struct config *c, struct json_object *root,
                                 struct config_errors *errors);
void config_load_listen(struct config *c, struct json_object *root,
                        struct config_errors *errors);
void config_note_fixed(struct config *c, struct json_object *root);
void config_load_tables(struct config *c, struct json_object *root,
                        struct config_errors *errors);
void config_load_functions(struct config *c, struct json_object *root,
                           struct config_errors *errors);
void config_load_routes(struct config *c, struct json_object *root,
                        struct config_errors *errors);
/* After the routes. Fills in access. */
void config_load_access(struct config *c, struct json_object *root,
                        struct config_errors *errors);
/* Of an API key or a usage plan: 1 to 128 bytes, printable; they are kept in a JSON file. */
int config_name_valid(struct slice name);
const struct api_key_ring *config_load_api_keys(struct config *c, struct json_object *root,
                                                struct config_errors *errors);
const struct cors *config_load_cors(struct config *c, struct json_object *root,
                                    struct config_errors *errors);

#endif
