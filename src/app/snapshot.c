#include "app/snapshot.h"

#include <stdlib.h>

struct snapshot *snapshot_new(const struct snapshot_lengths *lengths) {
    size_t routes = (lengths->routes + 1) * sizeof(struct gateway_route_counts);
    size_t tables = lengths->tables * sizeof(struct dynamodb_table_counts);
    size_t functions = lengths->functions * sizeof(struct function_counts);
    struct snapshot *s = calloc(1, sizeof *s + routes + tables + functions);
    if (s == NULL) {
        return NULL;
    }
    char *at = (char *)(s + 1);
    s->lengths = *lengths;
    s->routes = (void *)at;
    s->tables = (void *)(at + routes);
    s->functions = (void *)(at + routes + tables);
    return s;
}
