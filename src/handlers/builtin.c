#include "handlers/builtin.h"

penstock_invoke_fn builtin_find(struct slice name) {
    static const struct {
        struct slice name;
        penstock_invoke_fn invoke;
    } builtins[] = {
        {{"put_item", 8}, put_item_invoke},
        {{"get_item", 8}, get_item_invoke},
        {{"query", 5}, query_invoke},
        {{"update_item", 11}, update_item_invoke},
        {{"delete_item", 11}, delete_item_invoke},
    };
    for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++) {
        if (slice_eq(builtins[i].name, name)) {
            return builtins[i].invoke;
        }
    }
    return NULL;
}
