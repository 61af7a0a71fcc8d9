/* Happy path: new -> credentials -> DescribeTable of each table in turn -> all ACTIVE and as
 * configured -> on_schemas, problem "". Where the configuration gives every schema, workers
 * are at their first handshake by then, and this one waits for one of them to be through
 * (tables_go): the service's first write is what somebody waits for.
 * Failure modes: no credentials yet (wait for them); the store is away, refuses or throttles
 * (log once per new reason, try again after 0.25 s doubling to 5 s); the table is missing
 * (create it, or say so and look again); its keys differ (say so and look again: somebody may
 * put it right). */
#include "app/tables.h"

#include "base/error.h"
#include "model/json_cursor.h"

#include <stdlib.h>

#define RETRY_FIRST_MS 250
#define RETRY_MAX_MS   5000
#define CREATING_MS    100 /* how often a table being created is looked at */

enum tables_step { STEP_IDLE, STEP_DESCRIBE, STEP_CREATE };

struct tables {
    struct tables_options options;
    struct loop *loop;
    struct pool *pool;
    struct sigv4_signer *signer;
    struct dynamodb *db;
    struct timer retry;
    uint64_t delay_ms;
    size_t at; /* the table being looked at */
    enum tables_step step;
    int schemas_told;
    int closing;
    int holding; /* nothing is asked before tables_go, or the first retry */
    char problem[640];
    struct buffer body;
};

static void look(struct tables *t);
static void try_again(struct tables *t);

static void set_problem(struct tables *t, const char *what, struct slice why) {
    char text[sizeof t->problem];
    const char *name = t->options.config->tables[t->at].name;
    (void)snprintf(text, sizeof text, "table %s: %s%s" SLICE_FMT, name, what,
                   why.len ? ": " : "", SLICE_ARG(why));
    if (strcmp(text, t->problem) != 0) {
        memcpy(t->problem, text, sizeof text);
        log_event(LOG_WARN, "table_not_ready", log_str("table", name), log_str("what", what),
                  log_slice("why", why));
    }
}

static int is_new(const struct tables *t, size_t i) {
    const struct config_table_entry *e = &t->options.config->table_entries[i];
    return t->options.on_refused && !t->schemas_told && !e->known;
}

/* What only a person can mend. */
static void stay_or_refuse(struct tables *t) {
    if (is_new(t, t->at)) {
        t->step = STEP_IDLE;
        t->options.on_refused(t->options.arg, t->at, t->problem);
    } else {
        try_again(t);
    }
}

static void try_again(struct tables *t) {
    timer_start(&t->retry, t->delay_ms);
    t->delay_ms = t->delay_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : t->delay_ms * 2;
}

static void tell_schemas(struct tables *t) {
    if (!t->schemas_told) {
        t->schemas_told = 1;
        t->options.on_schemas(t->options.arg);
    }
}

/* What must be known before on_schemas: at the start every schema, at a reload every new table.
 */
static int may_tell(const struct tables *t) {
    const struct config *c = t->options.config;
    for (size_t i = 0; i < c->table_count; i++) {
        const struct config_table_entry *e = &c->table_entries[i];
        if (!e->ready && (t->options.on_refused ? !e->known : !e->schema_given)) {
            return 0;
        }
    }
    return 1;
}

static int same_key(const struct model_key_schema *a, const struct model_key_schema *b) {
    return a->name_len == b->name_len && strcmp(a->name, b->name) == 0 &&
           (a->name_len == 0 || a->type == b->type);
}

static void table_is_fine(struct tables *t) {
    log_event(LOG_INFO, "table_ready", log_str("table", t->options.config->tables[t->at].name));
    t->options.config->table_entries[t->at].ready = 1;
    t->delay_ms = RETRY_FIRST_MS;
    look(t);
}

static void check_schema(struct tables *t, const struct model_table *found) {
    struct config *c = t->options.config;
    struct model_table *table = &c->tables[t->at];

    if (!c->table_entries[t->at].schema_given && !c->table_entries[t->at].known) {
        table->partition = found->partition;
        table->sort = found->sort;
    }
    if (!same_key(&table->partition, &found->partition) ||
        !same_key(&table->sort, &found->sort)) {
        set_problem(t, "its keys differ from the configuration", SLICE_EMPTY);
        stay_or_refuse(t);
        return;
    }
    table_is_fine(t);
}

static void on_described(struct tables *t, const struct op_result *result) {
    struct model_table found;
    struct slice table = json_member(result->body, SLICE("Table"));
    struct slice status = json_member(table, SLICE("TableStatus"));

    if (model_table_from_describe(result->body, &found) != 0) {
        set_problem(t, "DescribeTable answered something else", SLICE_EMPTY);
        try_again(t);
    } else if (!slice_eq(status, SLICE("\"ACTIVE\"")) &&
               !slice_eq(status, SLICE("\"UPDATING\""))) {
        set_problem(t, "not active", status);
        timer_start(&t->retry, CREATING_MS);
    } else {
        check_schema(t, &found);
    }
}

static void submit(struct tables *t, enum op_kind kind, struct slice body);

static void create(struct tables *t) {
    const struct model_table *table = &t->options.config->tables[t->at];
    log_event(LOG_INFO, "table_create", log_str("table", table->name));
    buffer_reset(&t->body, 4096);
    int error = model_table_create_body(table, &t->body);
    ASSERT(error == 0);
    t->step = STEP_CREATE;
    submit(t, OP_CREATE_TABLE, buffer_slice(&t->body));
}

static void on_failed(struct tables *t, const struct op_result *result) {
    int missing = slice_eq(result->error_name, SLICE("ResourceNotFoundException"));
    int exists = slice_eq(result->error_name, SLICE("ResourceInUseException"));

    if (t->step == STEP_DESCRIBE && missing &&
        t->options.config->table_entries[t->at].create_if_missing) {
        create(t);
    } else if (t->step == STEP_CREATE && exists) {
        timer_start(&t->retry, CREATING_MS);
    } else {
        set_problem(t, missing ? "it does not exist" : op_outcome_name(result->outcome),
                    missing ? SLICE_EMPTY : result->message);
        if (missing) {
            stay_or_refuse(t);
        } else {
            try_again(t);
        }
    }
}

static void on_done(void *arg, const struct op_result *result) {
    struct tables *t = arg;
    if (t->closing) {
        return;
    }
    if (result->outcome != OUTCOME_OK) {
        on_failed(t, result);
    } else if (t->step == STEP_CREATE) {
        timer_start(&t->retry, CREATING_MS);
    } else {
        on_described(t, result);
    }
}

static void submit(struct tables *t, enum op_kind kind, struct slice body) {
    struct op_request request = {
        .kind = kind,
        .klass = kind == OP_DESCRIBE_TABLE ? OP_IDEMPOTENT : OP_CONDITIONAL,
        .table = slice_cstr(t->options.config->tables[t->at].name),
        .body = body,
        .done = on_done,
        .arg = t,
    };
    int error = dynamodb_submit(t->db, &request);
    if (error != 0) {
        set_problem(t, "cannot be asked for", slice_cstr(error_text(error)));
        try_again(t);
    }
}

/* The next that is not ready: new ones first. */
static size_t choose(const struct tables *t) {
    const struct config *c = t->options.config;
    size_t found = c->table_count;
    for (size_t i = 0; i < c->table_count; i++) {
        if (!c->table_entries[i].ready && (found == c->table_count || is_new(t, i))) {
            found = i;
            if (is_new(t, i)) {
                break;
            }
        }
    }
    return found;
}

static void look(struct tables *t) {
    const struct config *c = t->options.config;
    if (may_tell(t)) {
        tell_schemas(t);
    }
    t->at = choose(t);
    if (t->at == c->table_count) {
        t->problem[0] = '\0';
        t->step = STEP_IDLE;
        return;
    }
    buffer_reset(&t->body, 4096);
    NEED_MEMORY(buffer_printf(&t->body, "{\"TableName\":\"%s\"}", c->tables[t->at].name) == 0);
    t->step = STEP_DESCRIBE;
    submit(t, OP_DESCRIBE_TABLE, buffer_slice(&t->body));
}

static void on_retry(struct timer *timer) {
    struct tables *t = container_of(timer, struct tables, retry);
    t->holding = 0;
    look(t);
}

static void open_upstream(struct tables *t, struct stream_hub *hub) {
    const struct config *c = t->options.config;
    const struct aws_endpoint *e = t->options.endpoint;
    struct pool_options pool = c->pool;

    (void)snprintf(pool.host, sizeof pool.host, "%s", e->url.host);
    pool.port = e->url.port;
    pool.tls = t->options.tls;
    pool.max_connections = 1;
    pool.warm_connections = 0;
    t->pool = pool_new(t->loop, hub, &pool);
    t->signer = sigv4_signer_new(e->url.authority, e->signing_region, "dynamodb");
    t->db = dynamodb_new(t->loop, t->pool, t->signer, c->tables, c->table_count, &c->dynamodb);
}

struct tables *tables_new(struct loop *l, struct stream_hub *hub,
                          const struct tables_options *options) {
    struct tables *t;

    NEED_MEMORY((t = calloc(1, sizeof *t)) != NULL);
    t->options = *options;
    t->loop = l;
    t->delay_ms = RETRY_FIRST_MS;
    timer_init(&t->retry, l, on_retry);
    (void)snprintf(t->problem, sizeof t->problem, "tables not looked at yet");
    t->at = choose(t);
    if (may_tell(t)) {
        t->holding = options->on_refused == NULL;
        tell_schemas(t);
    }
    open_upstream(t, hub);
    return t;
}

void tables_set_credentials(struct tables *t, struct credentials *c) {
    int first = !sigv4_signer_ready(t->signer);
    sigv4_signer_set_credentials(t->signer, slice_cstr(c->access_key_id),
                                 slice_cstr(c->secret_access_key),
                                 slice_cstr(c->session_token));
    if (!first || t->closing) {
        return;
    }
    if (t->holding) {
        timer_start(&t->retry, RETRY_FIRST_MS);
    } else {
        look(t);
    }
}

void tables_go(struct tables *t) {
    int asked = t->holding && sigv4_signer_ready(t->signer);
    t->holding = 0;
    if (asked && !t->closing) {
        timer_stop(&t->retry);
        look(t);
    }
}

size_t tables_at(const struct tables *t) {
    return t->at;
}

const char *tables_problem(const struct tables *t) {
    return t->problem;
}

static void on_timer_closed(struct timer *timer) {
    struct tables *t = container_of(timer, struct tables, retry);
    t->options.on_closed(t->options.arg);
}

static void on_pool_closed(void *arg) {
    struct tables *t = arg;
    timer_close(&t->retry, on_timer_closed);
}

static void on_db_closed(void *arg) {
    struct tables *t = arg;
    pool_close(t->pool, on_pool_closed, t);
}

void tables_close(struct tables *t) {
    t->closing = 1;
    timer_stop(&t->retry);
    dynamodb_close(t->db, on_db_closed, t);
}

void tables_free(struct tables *t) {
    dynamodb_free(t->db);
    sigv4_signer_free(t->signer);
    pool_free(t->pool);
    buffer_fini(&t->body);
    free(t);
}
