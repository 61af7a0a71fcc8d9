#include "handlers/set.h"

#include "base/clock.h"
#include "base/error.h"
#include "model/number.h"

#include <inttypes.h>
#include <stdio.h>

#define KEYS 2
/* Offsets up to a hundred years. */
#define OFFSET_MAX_S 3153600000

/* ---- the configuration's side ---- */

static bool known_context(struct slice name) {
    static const char *const names[] = {"requestId",
                                        "requestTimeEpoch",
                                        "requestTime",
                                        "stage",
                                        "routeKey",
                                        "httpMethod",
                                        "path",
                                        "protocol",
                                        "apiId",
                                        "identity.apiKeyId",
                                        "identity.sourceIp",
                                        "identity.userAgent",
                                        "domainName",
                                        "accountId",
                                        "xrayTraceId"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_eq(name, slice_cstr(names[i]))) {
            return true;
        }
    }
    return false;
}

static int64_t unit_seconds(char unit) {
    switch (unit) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    case 'w':
        return 604800;
    default:
        return 0;
    }
}

/* "+30d" behind "$now"; empty is good. */
static int parse_offset(struct slice text, int64_t *offset_s) {
    uint64_t amount;
    int64_t unit;

    *offset_s = 0;
    if (text.len == 0) {
        return 0;
    }
    if (text.len < 3 || (text.ptr[0] != '+' && text.ptr[0] != '-')) {
        return ERR_INVALID;
    }
    unit = unit_seconds(text.ptr[text.len - 1]);
    if (unit == 0 || slice_to_u64(slice_of(text.ptr + 1, text.len - 2), &amount) != 0 ||
        amount > OFFSET_MAX_S / (uint64_t)unit) {
        return ERR_INVALID;
    }
    *offset_s = (int64_t)amount * unit * (text.ptr[0] == '-' ? -1 : 1);
    return 0;
}

static bool is_number(struct slice text) {
    struct number n;
    return text.len && number_read(text.ptr, text.ptr + text.len, &n) == NULL &&
           n.text.len == text.len && number_check(&n) == NULL;
}

static int refuse(char reason[160], const char *what, const char *value) {
    (void)snprintf(reason, 160, "%s \"%.60s\"", what, value);
    return ERR_INVALID;
}

static int parse_dollar(const char *value, struct builtin_set *out, char reason[160]) {
    static const struct slice context = {"$context.", 9}, stage = {"$stageVariables.", 16};
    struct slice text = slice_cstr(value);

    if (slice_eq(text, SLICE("$uuid"))) {
        out->kind = BUILTIN_SET_UUID;
        return 0;
    }
    if (slice_starts_with(text, context)) {
        out->kind = BUILTIN_SET_CONTEXT;
        out->text = value + context.len;
        return known_context(slice_cstr(out->text))
                   ? 0
                   : refuse(reason, "no such $context value here:", value);
    }
    if (slice_starts_with(text, stage) && text.len > stage.len) {
        out->kind = BUILTIN_SET_STAGE_VARIABLE;
        out->text = value + stage.len;
        return 0;
    }
    if (slice_starts_with(text, SLICE("$now"))) {
        out->kind = BUILTIN_SET_NOW;
        return parse_offset(slice_from(text, 4), &out->offset_s) == 0
                   ? 0
                   : refuse(reason, "expected $now, or $now+ a number and s, m, h, d or w, got",
                            value);
    }
    return refuse(reason, "expected $context., $stageVariables., $uuid or $now, got", value);
}

int builtin_set_parse(const char *value, struct builtin_set *out, char reason[160]) {
    reason[0] = '\0';
    out->kind = BUILTIN_SET_LITERAL;
    out->text = value ? value : "";
    out->offset_s = 0;
    if (!value) {
        (void)snprintf(reason, 160, "expected a value");
        return ERR_INVALID;
    }
    if (value[0] == '$') {
        return parse_dollar(value, out, reason);
    }
    if (is_number(slice_cstr(value))) {
        out->kind = BUILTIN_SET_NUMBER;
    }
    return 0;
}

/* ---- one item's side ---- */

static void add_path_key(struct set_values *v, const struct penstock_invocation *i,
                         const struct model_key_schema *k) {
    struct slice value =
        k->name_len ? slice_in(penstock_path_parameter(i, k->name)) : SLICE_EMPTY;
    if (value.ptr) {
        v->extras[v->count++] = (struct model_extra){slice_of(k->name, k->name_len), value, 0};
    }
}

int set_init(struct set_values *v, struct penstock_invocation *i,
             const struct builtin_options *o) {
    memset(v, 0, sizeof *v);
    v->extras = penstock_alloc(i, (KEYS + o->set_count) * sizeof *v->extras);
    v->texts = penstock_alloc(i, (1 + o->set_count) * sizeof *v->texts);
    if (!v->extras || !v->texts) {
        return ERR_NOMEM;
    }
    add_path_key(v, i, &o->table->partition);
    add_path_key(v, i, &o->table->sort);
    v->path_count = v->count;
    return 0;
}

static bool from_path(const struct set_values *v, struct slice name) {
    for (size_t n = 0; n < v->path_count; n++) {
        if (slice_eq(v->extras[n].name, name)) {
            return true;
        }
    }
    return false;
}

static bool ends_with(const char *text, struct slice end) {
    struct slice s = slice_cstr(text);
    return s.len >= end.len && slice_eq(slice_from(s, s.len - end.len), end);
}

/* The value of one entry; ptr NULL: there is none. `text` holds what is made here. */
static struct slice value_of(const struct builtin_set *set, const struct penstock_invocation *i,
                             struct rng *rng, char text[SET_TEXT_MAX], int *number) {
    *number = 0;
    switch (set->kind) {
    case BUILTIN_SET_LITERAL:
        return slice_cstr(set->text);
    case BUILTIN_SET_NUMBER:
        *number = 1;
        return slice_cstr(set->text);
    case BUILTIN_SET_CONTEXT:
        *number = ends_with(set->text, SLICE("Epoch"));
        return slice_in(penstock_context(i, set->text));
    case BUILTIN_SET_STAGE_VARIABLE:
        return slice_in(penstock_stage_variable(i, set->text));
    case BUILTIN_SET_UUID:
        rng_uuid(rng, text);
        return slice_cstr(text);
    case BUILTIN_SET_NOW:
        *number = 1;
        (void)snprintf(text, SET_TEXT_MAX, "%" PRId64,
                       (int64_t)(clock_wall_ms() / 1000) + set->offset_s);
        return slice_cstr(text);
    }
    return SLICE_EMPTY;
}

void set_evaluate(struct set_values *v, const struct penstock_invocation *i,
                  const struct builtin_options *o, struct rng *rng) {
    v->count = v->path_count;
    for (size_t n = 0; n < o->set_count; n++) {
        struct model_extra *extra = &v->extras[v->count];
        extra->name = slice_cstr(o->set[n].name);
        extra->value = value_of(&o->set[n], i, rng, v->texts[n], &extra->number);
        if (extra->value.ptr && !from_path(v, extra->name)) {
            v->count++;
        }
    }
}
