#include "app/meter_names.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/map.h"
#include "gateway/meter.h"

#include <stdlib.h>

struct entry {
    struct map_node node; /* by kind, plan and name, each with its NUL */
    struct meter_name name;
    uint32_t number;
};

/* Of the process, as the meters are; reachable until its end. */
static struct {
    struct map map;
    struct entry **entries; /* by number */
    size_t count;
} names;

static struct slice key_of(struct buffer *b, const char *kind, const char *plan,
                           const char *name) {
    NEED_MEMORY(buffer_append(b, kind, strlen(kind) + 1) == 0);
    NEED_MEMORY(buffer_append(b, plan, strlen(plan) + 1) == 0);
    NEED_MEMORY(buffer_append(b, name, strlen(name) + 1) == 0);
    return buffer_slice(b);
}

static struct entry *find(struct slice key) {
    struct map_node *node = names.map.buckets ? map_find(&names.map, key) : NULL;
    return node ? (struct entry *)(void *)node : NULL;
}

static struct entry *add(struct slice key) {
    struct entry *e;
    NEED_MEMORY((e = calloc(1, sizeof *e)) != NULL);
    if (!names.map.buckets) {
        map_init(&names.map, 64);
    }
    char *copy = slice_dup(key);
    e->name.kind = copy;
    e->name.plan = e->name.kind + strlen(e->name.kind) + 1;
    e->name.name = e->name.plan + strlen(e->name.plan) + 1;
    e->number = (uint32_t)names.count;
    names.entries = memory_grow(names.entries, (names.count + 1) * sizeof(struct entry *));
    names.entries[names.count++] = e;
    map_insert(&names.map, &e->node, slice_of(copy, key.len));
    return e;
}

uint32_t meter_number(const char *kind, const char *plan, const char *name) {
    struct buffer b = {0};
    struct slice key = key_of(&b, kind, plan, name);
    struct entry *e = find(key);
    uint32_t number = (e ? e : add(key))->number;
    buffer_fini(&b);
    return number;
}

uint32_t meter_number_find(const char *kind, const char *plan, const char *name) {
    struct buffer b = {0};
    const struct entry *e = find(key_of(&b, kind, plan, name));
    buffer_fini(&b);
    return e ? e->number : METER_NONE;
}

size_t meter_number_count(void) {
    return names.count;
}

const struct meter_name *meter_name(uint32_t number) {
    ASSERT(number < names.count);
    return &names.entries[number]->name;
}
