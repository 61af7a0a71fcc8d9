#include "sink_tables.h"

#include "base/error.h"
#include "sink_json.h"

void sink_tables_init(struct sink_tables *t) {
    memset(t, 0, sizeof *t);
    pthread_mutex_init(&t->adding, NULL);
}

const struct sink_table *sink_tables_find(struct sink_tables *t, struct slice name) {
    size_t count = atomic_load_explicit(&t->count, memory_order_acquire);
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(slice_of(t->items[i].name, t->items[i].len), name)) {
            return &t->items[i];
        }
    }
    return NULL;
}

/* Names go into our answers as they are. */
static int set_name(char out[SINK_NAME_MAX + 1], size_t *len, struct slice name) {
    if (name.len == 0 || name.len > SINK_NAME_MAX || slice_find(name, '"') != name.len ||
        slice_find(name, '\\') != name.len) {
        return ERR_INVALID;
    }
    memcpy(out, name.ptr, name.len);
    out[name.len] = '\0';
    *len = name.len;
    return 0;
}

static int set_type(struct sink_key *key, struct slice type) {
    if (type.len != 1 || (*type.ptr != 'S' && *type.ptr != 'N' && *type.ptr != 'B')) {
        return ERR_INVALID;
    }
    key->type = *type.ptr;
    return 0;
}

static int publish(struct sink_tables *t, const struct sink_table *table,
                   const struct sink_table **out) {
    struct slice name = slice_of(table->name, table->len);
    pthread_mutex_lock(&t->adding);
    size_t count = atomic_load_explicit(&t->count, memory_order_relaxed);
    int error = 0;
    *out = sink_tables_find(t, name);
    if (*out) {
        error = ERR_EXISTS;
    } else if (count == SINK_TABLES_MAX) {
        error = ERR_LIMIT;
    } else {
        t->items[count] = *table;
        *out = &t->items[count];
        atomic_store_explicit(&t->count, count + 1, memory_order_release);
    }
    pthread_mutex_unlock(&t->adding);
    return error;
}

/* "pk" or "pk=N". */
static int parse_key(struct sink_key *key, struct slice text) {
    struct slice type;
    struct slice name = slice_split(text, '=', &type);
    return set_name(key->name, &key->len, name) || set_type(key, type.ptr ? type : SLICE("S"))
               ? ERR_INVALID
               : 0;
}

int sink_tables_add(struct sink_tables *t, struct slice text, uint64_t now_s) {
    struct sink_table table = {.created_s = now_s};
    const struct sink_table *added;
    struct slice name = slice_split(text, ':', &text);
    struct slice partition = slice_split(text, ':', &text);
    if (set_name(table.name, &table.len, name) || parse_key(&table.partition, partition) ||
        (text.ptr && parse_key(&table.sort, text))) {
        return ERR_INVALID;
    }
    return publish(t, &table, &added);
}

/* ---- CreateTable ---- */

/* An object of two strings: {"AttributeName":"Artist","KeyType":"HASH"}. */
static int pair(struct sink_json *j, struct slice value_name, struct slice *name,
                struct slice *value) {
    bool first = true;
    struct slice member, raw;
    int error;
    *name = *value = SLICE_EMPTY;
    if (!sink_json_take(j, '{')) {
        return ERR_INVALID;
    }
    while ((error = sink_json_name(j, &first, &member)) == 0) {
        if (sink_json_peek(j) != '"') {
            error = sink_json_value(j, &raw);
        } else if ((error = sink_json_string(j, &raw)) == 0) {
            if (slice_eq(member, SLICE("AttributeName"))) {
                *name = raw;
            } else if (slice_eq(member, value_name)) {
                *value = raw;
            }
        }
        if (error) {
            return error;
        }
    }
    return error == ERR_NOT_FOUND && name->ptr && value->ptr ? 0 : ERR_INVALID;
}

static int take_key(struct sink_table *table, struct slice name, struct slice type) {
    struct sink_key *key = slice_eq(type, SLICE("HASH")) ? &table->partition : &table->sort;
    return set_name(key->name, &key->len, name);
}

static int take_type(struct sink_table *table, struct slice name, struct slice type) {
    struct sink_key *keys[] = {&table->partition, &table->sort};
    for (int i = 0; i < 2; i++) {
        if (slice_eq(name, slice_of(keys[i]->name, keys[i]->len)) && set_type(keys[i], type)) {
            return ERR_INVALID;
        }
    }
    return 0;
}

static int read_pairs(struct sink_table *table, struct slice array, struct slice value_name,
                      int (*take)(struct sink_table *, struct slice name, struct slice value)) {
    struct sink_json j = sink_json_of(array);
    bool first = true;
    struct slice name, value;
    int error;
    if (!sink_json_take(&j, '[')) {
        return ERR_INVALID;
    }
    while ((error = sink_json_element(&j, &first)) == 0) {
        if (pair(&j, value_name, &name, &value) || take(table, name, value)) {
            return ERR_INVALID;
        }
    }
    return error == ERR_NOT_FOUND ? 0 : ERR_INVALID;
}

static int read_schema(struct sink_table *table, struct slice array) {
    return read_pairs(table, array, SLICE("KeyType"), take_key) || table->partition.len == 0
               ? ERR_INVALID
               : 0;
}

static int read_types(struct sink_table *table, struct slice array) {
    return read_pairs(table, array, SLICE("AttributeType"), take_type) ||
                   !table->partition.type || (table->sort.len && !table->sort.type)
               ? ERR_INVALID
               : 0;
}

int sink_tables_create(struct sink_tables *t, struct slice body, uint64_t now_s,
                       const struct sink_table **out) {
    struct sink_table table = {.created_s = now_s};
    struct slice schema = SLICE_EMPTY, types = SLICE_EMPTY, name = SLICE_EMPTY, member, raw;
    struct sink_json j = sink_json_of(body);
    bool first = true;
    int error;
    if (!sink_json_take(&j, '{')) {
        return ERR_INVALID;
    }
    while ((error = sink_json_name(&j, &first, &member)) == 0) {
        if (sink_json_value(&j, &raw)) {
            return ERR_INVALID;
        }
        if (slice_eq(member, SLICE("TableName")) && raw.len > 2) {
            name = slice_of(raw.ptr + 1, raw.len - 2);
        } else if (slice_eq(member, SLICE("KeySchema"))) {
            schema = raw;
        } else if (slice_eq(member, SLICE("AttributeDefinitions"))) {
            types = raw;
        }
    }
    if (error != ERR_NOT_FOUND || set_name(table.name, &table.len, name) ||
        read_schema(&table, schema) || read_types(&table, types)) {
        return ERR_INVALID;
    }
    return publish(t, &table, out);
}

int sink_table_describe(const struct sink_table *t, struct buffer *out) {
    const struct sink_key *p = &t->partition, *s = &t->sort;
    int error = buffer_printf(
        out,
        "{\"TableName\":\"%s\",\"TableStatus\":\"ACTIVE\",\"CreationDateTime\":%llu,"
        "\"ItemCount\":0,\"TableSizeBytes\":0,"
        "\"TableArn\":\"arn:aws:dynamodb:local:000000000000:table/%s\","
        "\"BillingModeSummary\":{\"BillingMode\":\"PAY_PER_REQUEST\"},"
        "\"ProvisionedThroughput\":{\"NumberOfDecreasesToday\":0,\"ReadCapacityUnits\":0,"
        "\"WriteCapacityUnits\":0},"
        "\"KeySchema\":[{\"AttributeName\":\"%s\",\"KeyType\":\"HASH\"}",
        t->name, (unsigned long long)t->created_s, t->name, p->name);
    if (!error && s->len) {
        error =
            buffer_printf(out, ",{\"AttributeName\":\"%s\",\"KeyType\":\"RANGE\"}", s->name);
    }
    if (!error) {
        error = buffer_printf(out,
                              "],\"AttributeDefinitions\":[{\"AttributeName\":\"%s\","
                              "\"AttributeType\":\"%c\"}",
                              p->name, p->type);
    }
    if (!error && s->len) {
        error = buffer_printf(out, ",{\"AttributeName\":\"%s\",\"AttributeType\":\"%c\"}",
                              s->name, s->type);
    }
    return error ? error : buffer_append(out, "]}", 2);
}
