#include "sink_item.h"

#include "base/error.h"
#include "base/map.h"

#define KEY_BYTES 4096u /* keys of DynamoDB's limits fit, unless much of them is escaped */

static bool is_key(const struct sink_key *key, struct slice name) {
    return key->len == name.len && memcmp(key->name, name.ptr, name.len) == 0;
}

/* A raw value delimits itself, so nothing is needed between them. */
static uint64_t hash_of(const struct sink_table *table, struct slice partition,
                        struct slice sort) {
    char bytes[KEY_BYTES];
    size_t len = table->len;
    if (len + partition.len + sort.len > sizeof bytes) {
        return map_hash(partition) ^ (map_hash(sort) << 1) ^ len;
    }
    memcpy(bytes, table->name, len);
    memcpy(bytes + len, partition.ptr, partition.len);
    len += partition.len;
    if (sort.len) {
        memcpy(bytes + len, sort.ptr, sort.len);
        len += sort.len;
    }
    return map_hash(slice_of(bytes, len));
}

int sink_item_hash(struct sink_json *j, const struct sink_table *table, uint64_t *hash) {
    struct slice partition = SLICE_EMPTY, sort = SLICE_EMPTY, name, raw;
    bool first = true;
    int error;
    if (!sink_json_take(j, '{')) {
        return ERR_INVALID;
    }
    while ((error = sink_json_name(j, &first, &name)) == 0) {
        if (sink_json_value(j, &raw)) {
            return ERR_INVALID;
        }
        if (is_key(&table->partition, name)) {
            partition = raw;
        } else if (is_key(&table->sort, name)) {
            sort = raw;
        }
    }
    if (error != ERR_NOT_FOUND) {
        return error;
    }
    if (!partition.ptr || (table->sort.len && !sort.ptr)) {
        return ERR_NOT_FOUND;
    }
    *hash = hash_of(table, partition, sort);
    return 0;
}
