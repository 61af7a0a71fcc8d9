#include "sink_batch.h"

#include "base/error.h"
#include "sink_item.h"
#include "sink_json.h"

static enum sink_batch_fault fault_of(int error) {
    return error == ERR_NOT_FOUND ? BATCH_NO_KEY : BATCH_NOT_JSON;
}

/* {"PutRequest":{"Item":{...}}} or {"DeleteRequest":{"Key":{...}}}. */
static enum sink_batch_fault read_entry(struct sink_json *j, struct sink_batch_entry *e) {
    bool outer = true, inner = true;
    struct slice name;
    (void)sink_json_peek(j);
    const char *start = j->at;
    if (!sink_json_take(j, '{') || sink_json_name(j, &outer, &name) ||
        !sink_json_take(j, '{') || sink_json_name(j, &inner, &name)) {
        return BATCH_NOT_JSON;
    }
    int error = sink_item_hash(j, e->table, &e->hash);
    if (error) {
        return fault_of(error);
    }
    if (!sink_json_take(j, '}') || !sink_json_take(j, '}')) {
        return BATCH_NOT_JSON;
    }
    e->request = slice_of(start, (size_t)(j->at - start));
    e->unprocessed = false;
    return BATCH_GOOD;
}

static enum sink_batch_fault read_entries(struct sink_batch *b, struct sink_json *j,
                                          const struct sink_table *table) {
    bool first = true;
    int error;
    if (!sink_json_take(j, '[')) {
        return BATCH_NOT_JSON;
    }
    while ((error = sink_json_element(j, &first)) == 0) {
        if (b->count == SINK_BATCH_MAX) {
            return BATCH_TOO_MANY;
        }
        struct sink_batch_entry *e = &b->entries[b->count++];
        e->table = table;
        enum sink_batch_fault fault = read_entry(j, e);
        if (fault) {
            return fault;
        }
    }
    return error == ERR_NOT_FOUND ? BATCH_GOOD : BATCH_NOT_JSON;
}

/* {"Music":[...],...} */
static enum sink_batch_fault read_items(struct sink_batch *b, struct sink_json *j,
                                        struct sink_tables *tables) {
    bool first = true;
    int error;
    if (!sink_json_take(j, '{')) {
        return BATCH_NOT_JSON;
    }
    while ((error = sink_json_name(j, &first, &b->table)) == 0) {
        const struct sink_table *table = sink_tables_find(tables, b->table);
        enum sink_batch_fault fault = table ? read_entries(b, j, table) : BATCH_NO_TABLE;
        if (fault) {
            return fault;
        }
    }
    return error == ERR_NOT_FOUND ? BATCH_GOOD : BATCH_NOT_JSON;
}

static bool has_duplicates(const struct sink_batch *b) {
    for (size_t i = 1; i < b->count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (b->entries[i].hash == b->entries[k].hash) {
                return true;
            }
        }
    }
    return false;
}

enum sink_batch_fault sink_batch_read(struct sink_batch *b, struct sink_tables *tables,
                                      struct slice body) {
    struct sink_json j = sink_json_of(body);
    struct slice name, raw;
    bool first = true;
    int error;
    b->count = 0;
    if (!sink_json_take(&j, '{')) {
        return BATCH_NOT_JSON;
    }
    while ((error = sink_json_name(&j, &first, &name)) == 0) {
        enum sink_batch_fault fault = slice_eq(name, SLICE("RequestItems"))
                                          ? read_items(b, &j, tables)
                                      : sink_json_value(&j, &raw) ? BATCH_NOT_JSON
                                                                  : BATCH_GOOD;
        if (fault) {
            return fault;
        }
    }
    if (error != ERR_NOT_FOUND) {
        return BATCH_NOT_JSON;
    }
    return b->count == 0 ? BATCH_EMPTY : has_duplicates(b) ? BATCH_DUPLICATES : BATCH_GOOD;
}

int sink_batch_unprocessed(const struct sink_batch *b, struct buffer *out) {
    const struct sink_table *table = NULL;
    int error = buffer_append_slice(out, SLICE("{\"UnprocessedItems\":{"));
    for (size_t i = 0; i < b->count && !error; i++) {
        const struct sink_batch_entry *e = &b->entries[i];
        if (!e->unprocessed) {
            continue;
        }
        if (e->table == table) {
            error = buffer_append(out, ",", 1);
        } else { /* entries of one table stand together */
            error = buffer_printf(out, "%s\"%s\":[", table ? "]," : "", e->table->name);
            table = e->table;
        }
        if (!error) {
            error = buffer_append_slice(out, e->request);
        }
    }
    return error ? error : buffer_append_slice(out, SLICE("]}}"));
}
