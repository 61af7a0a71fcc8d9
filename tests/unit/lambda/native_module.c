/* A library of handlers for native_test.c: good ones, and one of each kind of bad. */
#include "penstock/handler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int greet_init(const char *settings_json, void **state, char *reason,
                      size_t reason_len) {
    (void)reason;
    (void)reason_len;
    *state = strdup(settings_json);
    return 0;
}

static void greet_invoke(struct penstock_invocation *i, void *state) {
    struct penstock_slice body = {state, strlen(state)};
    penstock_respond(i, &(struct penstock_response){.status = 200, .body = body});
}

PENSTOCK_HANDLER(greet, greet_init, greet_invoke, free);

static void bare_invoke(struct penstock_invocation *i, void *state) {
    penstock_respond_message(i, state == NULL ? 200 : 500, "bare", NULL);
}

PENSTOCK_HANDLER(bare, NULL, bare_invoke, NULL);

static int fail_init(const char *settings_json, void **state, char *reason, size_t reason_len) {
    (void)state;
    snprintf(reason, reason_len, "no MODEL in %s", settings_json);
    return 1;
}

PENSTOCK_HANDLER(fails, fail_init, bare_invoke, NULL);

static int silent_init(const char *settings_json, void **state, char *reason,
                       size_t reason_len) {
    (void)settings_json;
    (void)state;
    (void)reason;
    (void)reason_len;
    return 1;
}

PENSTOCK_HANDLER(silent, silent_init, bare_invoke, NULL);
PENSTOCK_HANDLER(hollow, NULL, NULL, NULL);

const struct penstock_handler penstock_handler_ancient = {PENSTOCK_ABI + 41, "ancient", NULL,
                                                          bare_invoke, NULL};

/* Everything the header offers is there to be called. */
static void finish(struct penstock_invocation *i, void *arg) {
    (void)arg;
    penstock_respond_message(i, 200, "all there", NULL);
}

static void nothing(void *arg) {
    (void)arg;
}

static void on_result(struct penstock_invocation *i, void *arg,
                      const struct penstock_result *result) {
    (void)arg;
    penstock_respond_outcome(i, result);
}

static void everything_invoke(struct penstock_invocation *i, void *state) {
    (void)state;
    struct penstock_request request = {.operation = PENSTOCK_GET_ITEM, .table = "T"};
    size_t sum = penstock_method(i).len + penstock_path(i).len + penstock_route_key(i).len +
                 penstock_path_parameter(i, "x").len + penstock_query_parameter(i, "x").len +
                 penstock_header(i, "x").len + penstock_body(i).len +
                 penstock_stage_variable(i, "x").len + penstock_context(i, "stage").len +
                 penstock_event_json(i, "1.0").len + penstock_request_id(i).len +
                 penstock_function_name(i).len + (size_t)penstock_remaining_ms(i);
    penstock_log(i, PENSTOCK_DEBUG, sum ? "some" : "none");
    if (penstock_alloc(i, 10) == NULL || penstock_dynamodb(i, &request, on_result, NULL) == 0) {
        return;
    }
    if (penstock_work(i, nothing, finish, NULL) != 0) {
        penstock_respond(i, &(struct penstock_response){.status = 500});
    }
}

PENSTOCK_HANDLER(everything, NULL, everything_invoke, NULL);
