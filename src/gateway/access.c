#include "gateway/access.h"

#include <stdio.h>

static const struct {
    const char *reason;
    unsigned status;
} refusals[] = {
#define X(name, reason, status) {reason, status},
    ACCESS_REFUSAL_MAP(X)
#undef X
};

/* ---- the key ---- */

/* Two of them are as good as an unknown one: nobody says which is meant. */
static size_t presented_key(const struct http_headers *headers, struct slice *secret) {
    size_t found = 0;
    for (size_t i = 0; i < headers->count; i++) {
        if (slice_eq_nocase(headers->items[i].name, SLICE("x-api-key"))) {
            *secret = headers->items[i].value;
            found++;
        }
    }
    return found;
}

static enum access_refusal check_key(const struct gateway_access *a,
                                     const struct http_headers *headers,
                                     const struct api_key **key) {
    struct slice secret = SLICE_EMPTY;
    size_t presented = presented_key(headers, &secret);
    if (presented == 0 || secret.len == 0) {
        return ACCESS_KEY_MISSING;
    }
    if (a->keys == NULL || presented > 1 || secret.len > API_KEY_LEN_MAX) {
        return ACCESS_KEY_UNKNOWN;
    }
    const struct api_key *found = api_key_find(a->keys, secret);
    *key = found && found->enabled ? found : NULL;
    return *key ? ACCESS_NONE : found ? ACCESS_KEY_DISABLED : ACCESS_KEY_UNKNOWN;
}

/* ---- the limits ---- */

struct moment {
    uint64_t now_ns;
    uint64_t epoch_s;
};

static enum meter_limit check_meter(const struct gateway_access *a, struct meters *m,
                                    uint32_t id, const struct moment *t,
                                    uint32_t *retry_after_s) {
    return id == METER_NONE ? METER_FREE
                            : meter_check(&a->rules[id], &m->items[id], t->now_ns, t->epoch_s,
                                          retry_after_s);
}

static void take(const struct gateway_access *a, struct meters *m, uint32_t id,
                 const struct moment *t) {
    if (id != METER_NONE) {
        meter_take(m, id, &a->rules[id], t->now_ns, t->epoch_s, 1);
    }
}

static enum access_refusal check_limits(const struct gateway_access *a, struct meters *m,
                                        uint32_t plan, uint32_t route, const struct moment *t,
                                        uint32_t *retry_after_s) {
    switch (check_meter(a, m, plan, t, retry_after_s)) {
    case METER_RATE:
        return ACCESS_PLAN_RATE;
    case METER_QUOTA:
        return ACCESS_PLAN_QUOTA;
    case METER_FREE:
        break;
    }
    if (check_meter(a, m, route, t, retry_after_s) != METER_FREE) {
        return ACCESS_ROUTE_RATE;
    }
    return check_meter(a, m, a->stage_meter, t, retry_after_s) != METER_FREE ? ACCESS_STAGE_RATE
                                                                             : ACCESS_NONE;
}

struct access_verdict access_decide(const struct gateway_access *a, struct meters *m,
                                    size_t route, const struct http_headers *headers,
                                    uint64_t now_ns, uint64_t epoch_s) {
    static const struct access_route open = {0, METER_NONE};
    const struct access_route *r = route < a->route_count ? &a->routes[route] : &open;
    struct moment t = {now_ns, epoch_s};
    struct access_verdict v = {ACCESS_NONE, 0, NULL};

    if (r->key_required) {
        v.refusal = check_key(a, headers, &v.key);
        if (v.refusal != ACCESS_NONE) {
            return v;
        }
    }
    uint32_t plan = v.key && v.key->plan ? v.key->meter : METER_NONE;
    v.refusal = check_limits(a, m, plan, r->meter, &t, &v.retry_after_s);
    if (v.refusal == ACCESS_NONE) {
        take(a, m, plan, &t);
        take(a, m, r->meter, &t);
        take(a, m, a->stage_meter, &t);
    }
    return v;
}

/* ---- the answer ---- */

static struct slice error_type(enum access_refusal refusal) {
    return refusals[refusal].status == 403 ? SLICE("ForbiddenException")
           : refusal == ACCESS_PLAN_QUOTA  ? SLICE("LimitExceededException")
                                           : SLICE("TooManyRequestsException");
}

struct server_answer access_answer(enum access_refusal refusal, uint32_t retry_after_s,
                                   struct access_room *room) {
    unsigned status = refusals[refusal].status;
    room->fields[0] = (struct http_header){SLICE("x-amzn-errortype"), error_type(refusal)};
    (void)snprintf(room->seconds, sizeof room->seconds, "%u",
                   retry_after_s ? retry_after_s : 1u);
    room->fields[1] = (struct http_header){SLICE("Retry-After"), slice_cstr(room->seconds)};
    return (struct server_answer){
        .status = status,
        .content_type = SLICE("application/json"),
        .headers = room->fields,
        .header_count = status == 429 ? 2 : 1,
        .body = refusal == ACCESS_PLAN_QUOTA ? ACCESS_QUOTA_BODY : server_error_body(status),
        .reason = refusals[refusal].reason};
}
