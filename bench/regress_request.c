/* All that a POST goes through but TLS and the signature: what app/ builds for a worker, built
 * here by hand, the pipeline's endpoint apart (regress_pipeline.c). */
#include "regress.h"

#include "aws/sha256.h"
#include "gateway/access.h"
#include "gateway/gateway.h"
#include "handlers/builtin.h"

#include <stdio.h>

#define KEY    "an-api-key-of-thirty-two-letters"
#define ROUTES 10 /* in the table */
#define RATE   THROTTLE_RATE_MAX

enum { METER_STAGE, METER_ROUTE, METER_KEY, METERS };

static struct regress_front front;
static char post[1024];
static size_t post_len;

static struct builtin_options put = {.table = &regress_table, .items_max = 1000};
static struct lambda_handler handler = {
    .name = "put_item", .invoke = put_item_invoke, .state = &put, .writes = 1};
static struct gateway_stage stage = {.name = "$default"};
static struct usage_plan plan = {.name = "plan"};
static struct api_key key = {.name = "key", .enabled = 1, .plan = &plan, .meter = METER_KEY};
static struct meter_rule rules[METERS];
static struct meters meters;
static struct access_route limits[ROUTES];
static struct gateway_access gate = {.rules = rules,
                                     .meter_count = METERS,
                                     .stage_meter = METER_STAGE,
                                     .routes = limits,
                                     .route_count = ROUTES};

static void hash(const void *bytes, size_t len, unsigned char out[API_KEY_DIGEST_LEN]) {
    struct sha256_state s;
    sha256_start(&s);
    sha256_update(&s, bytes, len);
    sha256_digest(&s, out);
}

static struct gateway_routes *make_routes(void) {
    char name[64], reason[160];
    struct gateway_routes *routes = gateway_routes_new();
    for (unsigned i = 0; i < ROUTES; i++) {
        int len = i == 0 ? snprintf(name, sizeof name, "POST /music")
                         : snprintf(name, sizeof name, "GET /music%u/{Artist}", i);
        int error = gateway_routes_add(routes, slice_of(name, (size_t)len), &handler, reason);
        ASSERT(error == 0);
        limits[i] = (struct access_route){.key_required = 1, .meter = METER_ROUTE};
    }
    return routes;
}

static void make_limits(void) {
    for (unsigned i = 0; i < METERS; i++) {
        rules[i].throttle = throttle_make(RATE, 0);
    }
    rules[METER_KEY].quota = (struct quota){QUOTA_MONTH, 0, UINT64_MAX};
    plan.throttle = rules[METER_KEY].throttle;
    plan.quota = rules[METER_KEY].quota;
    hash(KEY, sizeof KEY - 1, key.digest);
    gate.keys = api_key_ring_new(&key, 1, hash);
    meters_init(&meters, METERS);
}

static void make_post(void) {
    struct slice body = regress_body(0);
    int len = snprintf(post, sizeof post,
                       "POST /music HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
                       "User-Agent: penstock-bench\r\nContent-Type: application/json\r\n"
                       "X-Api-Key: " KEY "\r\nContent-Length: %zu\r\n\r\n%.*s",
                       body.len, (int)body.len, body.ptr);
    post_len = (size_t)len;
}

void request_start(void) {
    regress_front_init(&front);
    make_limits();
    make_post();
    struct lambda *lambda = lambda_new(&front.loop, regress_dynamodb(),
                                       &(struct lambda_options){.stage = stage.name});
    struct gateway *gateway = gateway_new(
        &front.loop, lambda,
        &(struct gateway_options){
            .routes = make_routes(), .stage = &stage, .access = &gate, .meters = &meters});
    regress_front_open(&front, &gateway_server_events, gateway);
}

void request_run(unsigned n) {
    regress_front_run(&front, slice_of(post, post_len), n, regress_dynamodb_answer);
}
