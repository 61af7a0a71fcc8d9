/* Who may call, decided at the head of a request, before its body: API key, usage plan, route
 * and stage throttle, in API Gateway's order. All is checked before anything is counted, so
 * that a refused request costs its caller nothing of any limit.
 *
 * `struct gateway_access` is the definition: immutable, shared by the workers, replaced as a
 * whole by a reload. What was used is in each worker's meters and survives it. */
#ifndef GATEWAY_ACCESS_H
#define GATEWAY_ACCESS_H

#include "gateway/api_key.h"
#include "gateway/cors.h"
#include "gateway/meter.h"
#include "server/server.h"

struct access_route {
    int key_required;
    uint32_t meter; /* METER_NONE: no throttle of its own */
};

struct gateway_access {
    const struct api_key_ring *keys; /* NULL: there are none */
    const struct meter_rule *rules;  /* by number of the meter */
    size_t meter_count;
    uint32_t stage_meter;              /* METER_NONE: no throttle */
    const struct access_route *routes; /* in the order of adding; NULL: none has any */
    size_t route_count;
    const struct cors *cors; /* NULL: off */
};

#define ACCESS_REFUSAL_MAP(X)                                                                  \
    X(NONE, NULL, 0)                                                                           \
    X(KEY_MISSING, "api_key_missing", 403)                                                     \
    X(KEY_UNKNOWN, "api_key_unknown", 403)                                                     \
    X(KEY_DISABLED, "api_key_disabled", 403)                                                   \
    X(PLAN_RATE, "usage_plan_throttled", 429)                                                  \
    X(PLAN_QUOTA, "usage_plan_quota", 429)                                                     \
    X(ROUTE_RATE, "route_throttled", 429)                                                      \
    X(STAGE_RATE, "stage_throttled", 429)

enum access_refusal {
#define X(name, reason, status) ACCESS_##name,
    ACCESS_REFUSAL_MAP(X)
#undef X
        ACCESS_REFUSALS
};

struct access_verdict {
    enum access_refusal refusal;
    uint32_t retry_after_s;    /* with 429 */
    const struct api_key *key; /* the caller's, where one was required and is known */
};

/* Decides and, when all is well, counts. Nothing is allocated. */
struct access_verdict access_decide(const struct gateway_access *a, struct meters *m,
                                    size_t route, const struct http_headers *headers,
                                    uint64_t now_ns, uint64_t epoch_s);

#define ACCESS_QUOTA_BODY SLICE("{\"message\":\"Limit Exceeded\"}")

/* What an answer points to. */
struct access_room {
    struct http_header fields[2];
    char seconds[12];
};
/* 403 and 429 as API Gateway words them (facts: gateway responses INVALID_API_KEY, THROTTLED,
 * QUOTA_EXCEEDED): message, x-amzn-errortype, Retry-After. */
struct server_answer access_answer(enum access_refusal refusal, uint32_t retry_after_s,
                                   struct access_room *room);

#endif
