/* links: app */
/* Any bytes as a configuration file: errors or a configuration, never a crash or a leak. */
#include "app/config_keys.h"
#include "app/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct config_errors errors;
    FILE *file = fmemopen((void *)(uintptr_t)data, size ? size : 1, "rb");
    if (!file) {
        return 0;
    }
    config_errors_init(&errors, "fuzz");
    struct json_object *root = yaml_load(file, &errors);
    if (root) {
        config_keys_check(root, &errors);
    }
    ASSERT(root != NULL || errors.count > 0);
    json_object_put(root);
    config_errors_fini(&errors);
    (void)fclose(file);
    return 0;
}
