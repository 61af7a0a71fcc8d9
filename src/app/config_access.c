/* Who may call, and how often: usage plans, throttles, what routes ask for; keys and CORS have
 * files of their own. Limits get their meters' numbers here. */
#include "app/config_keys.h"
#include "app/config_parts.h"
#include "app/meter_names.h"
#include "app/yaml.h"
#include "base/error.h"

#include <stdlib.h>

/* `path` names the map that has a throttle in it. */
static struct throttle load_throttle(struct json_object *map, const char *path) {
    char pattern[64];
    (void)snprintf(pattern, sizeof pattern, "%s.throttle", path);
    struct json_object *m = config_get(map, pattern);
    if (!m) {
        return throttle_make(0, 0);
    }
    (void)snprintf(pattern, sizeof pattern, "%s.throttle.rate", path);
    uint64_t rate = config_number(m, pattern);
    (void)snprintf(pattern, sizeof pattern, "%s.throttle.burst", path);
    return throttle_make(rate, config_number(m, pattern));
}

/* ---- usage plans ---- */

static void load_quota(struct json_object *entry, struct quota *out,
                       struct config_errors *errors) {
    struct json_object *m = config_get(entry, "usage_plans[].quota");
    if (!m) {
        return;
    }
    out->period = quota_period_parse(config_string(m, "usage_plans[].quota.period"));
    out->limit = config_number(m, "usage_plans[].quota.limit");
    out->offset = (unsigned)config_number(m, "usage_plans[].quota.offset");
    if (out->offset > quota_offset_max(out->period)) {
        config_errors_add(errors, yaml_mark(m),
                          "usage_plans[].quota.offset: at most %u with a period of %s",
                          quota_offset_max(out->period), quota_period_name(out->period));
    }
}

int config_name_valid(struct slice name) {
    const char *end = name.ptr + name.len;
    size_t len = 1;
    for (const char *at = name.ptr; at < end && len > 0; at += len) {
        len = config_printable(at, end);
    }
    return len > 0 && name.len >= 1 && name.len <= 128;
}

static void load_plan(struct config *c, struct json_object *entry,
                      struct config_errors *errors) {
    struct usage_plan *p = &c->usage_plans[c->usage_plan_count];
    struct config_mark at = yaml_mark(config_get(entry, "usage_plans[].name"));
    p->name = arena_cstr(&c->arena, slice_cstr(config_string(entry, "usage_plans[].name")));
    for (size_t i = 0; i < c->usage_plan_count; i++) {
        if (strcmp(c->usage_plans[i].name, p->name) == 0) {
            config_errors_add(errors, at, "usage_plans[].name: %.128s stands here twice",
                              p->name);
            return;
        }
    }
    if (!config_name_valid(slice_cstr(p->name))) {
        config_errors_add(errors, at,
                          "usage_plans[].name: expected 1 to 128 printable characters");
    }
    p->throttle = load_throttle(entry, "usage_plans[]");
    load_quota(entry, &p->quota, errors);
    c->usage_plan_count++;
}

static void load_plans(struct config *c, struct json_object *root,
                       struct config_errors *errors) {
    struct json_object *list = config_get(root, "usage_plans");
    size_t count = list ? json_object_array_length(list) : 0;
    c->usage_plans = arena_zalloc(&c->arena, (count + 1) * sizeof *c->usage_plans);
    for (size_t i = 0; i < count; i++) {
        load_plan(c, json_object_array_get_idx(list, i), errors);
    }
}

/* ---- rules by number ---- */

/* Once every number has been given out. */
struct rules {
    struct meter_rule *items;
    size_t room;
};

static void set_rule(struct config *c, struct rules *r, uint32_t number,
                     struct meter_rule rule) {
    if (number >= r->room) {
        size_t room = meter_number_count();
        struct meter_rule *items = arena_zalloc(&c->arena, room * sizeof *items);
        ASSERT(number < room);
        if (r->room > 0) {
            memcpy(items, r->items, r->room * sizeof *items);
        }
        r->items = items;
        r->room = room;
    }
    r->items[number] = rule;
}

static void set_key_rule(const struct api_key *key, void *arg) {
    void **both = arg;
    if (key->plan) {
        set_rule(both[0], both[1], key->meter,
                 (struct meter_rule){key->plan->throttle, key->plan->quota});
    }
}

static uint32_t add_throttle(struct config *c, struct rules *r, const char *kind,
                             const char *name, struct throttle t) {
    if (t.interval_ns == 0) {
        return METER_NONE;
    }
    uint32_t number = meter_number(kind, "", name);
    set_rule(c, r, number, (struct meter_rule){.throttle = t});
    return number;
}

static void load_routes(struct config *c, struct json_object *root, struct rules *r,
                        struct config_errors *errors) {
    struct json_object *list = config_get(root, "routes");
    struct access_route *out = arena_zalloc(&c->arena, (c->route_count + 1) * sizeof *out);
    for (size_t i = 0; i < c->route_count; i++) {
        struct json_object *entry = json_object_array_get_idx(list, i);
        out[i].key_required = config_bool(entry, "routes[].api_key_required");
        out[i].meter = add_throttle(c, r, "route", c->routes[i].route_key,
                                    load_throttle(entry, "routes[]"));
        if (out[i].key_required && !c->access.keys) {
            config_errors_add(errors, yaml_mark(config_get(entry, "routes[].api_key_required")),
                              "%s: api_key_required, but there are no api_keys",
                              c->routes[i].route_key);
        }
    }
    c->access.routes = out;
    c->access.route_count = c->route_count;
}

int config_limits_access(const struct config *c) {
    return c->access.meter_count > 0 || c->access.keys != NULL || c->access.cors != NULL;
}

void config_load_access(struct config *c, struct json_object *root,
                        struct config_errors *errors) {
    struct rules rules = {0};
    const char *state = config_string(root, "state_directory");
    const char *given = getenv("STATE_DIRECTORY"); /* systemd's StateDirectory= */
    c->state_directory = arena_cstr(&c->arena, slice_cstr(state[0] ? state
                                                          : given  ? given
                                                                   : ""));
    load_plans(c, root, errors);
    c->access.keys = config_load_api_keys(c, root, errors);
    c->access.cors = config_load_cors(c, root, errors);
    c->access.stage_meter =
        add_throttle(c, &rules, "stage", "", load_throttle(config_get(root, "stage"), "stage"));
    load_routes(c, root, &rules, errors);
    if (c->access.keys) {
        void *both[] = {c, &rules};
        api_key_ring_each(c->access.keys, set_key_rule, both);
    }
    c->access.rules = rules.items;
    c->access.meter_count = rules.room;
}
