/* Handlers in C that test_native_handlers.py builds: every DynamoDB call, work on a thread, and
 * every wrong way to answer. The route's parameter says what to do. */
#include <penstock/handler.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLICE(text)                                                                            \
    { text, sizeof(text) - 1 }
#define MANY 40

static struct penstock_slice text_of(const char *text) {
    return (struct penstock_slice){text, strlen(text)};
}

static void answer(struct penstock_invocation *i, struct penstock_slice body) {
    penstock_respond(i, &(struct penstock_response){.status = 200, .body = body});
}

/* ---- DynamoDB ---- */

static void on_result(struct penstock_invocation *i, void *arg,
                      const struct penstock_result *result) {
    (void)arg;
    if (result->outcome == PENSTOCK_OK) {
        answer(i, result->body.len > 0 ? result->body : text_of("{}"));
    } else {
        penstock_respond_outcome(i, result);
    }
}

static void ask(struct penstock_invocation *i, enum penstock_operation operation,
                const char *item, const char *extra) {
    const struct penstock_request request = {.operation = operation,
                                             .table = "Things",
                                             .item = text_of(item),
                                             .extra = text_of(extra)};
    int refused = penstock_dynamodb(i, &request, on_result, NULL);
    if (refused != 0) {
        penstock_respond_outcome(
            i, &(struct penstock_result){.outcome = (enum penstock_outcome)refused});
    }
}

struct many {
    int left;
    int stored;
};

static void on_one_of_many(struct penstock_invocation *i, void *arg,
                           const struct penstock_result *result) {
    struct many *m = arg;
    char text[32];
    m->stored += result->outcome == PENSTOCK_OK;
    if (--m->left == 0) {
        snprintf(text, sizeof(text), "{\"stored\":%d}", m->stored);
        answer(i, text_of(text));
    }
}

static void put_many(struct penstock_invocation *i) {
    struct many *m = penstock_alloc(i, sizeof(*m));
    *m = (struct many){.left = MANY};
    for (int k = 0; k < MANY; k++) {
        char item[64];
        snprintf(item, sizeof(item), "{\"Id\":{\"S\":\"many%d\"}}", k);
        const struct penstock_request request = {
            .operation = PENSTOCK_PUT_ITEM, .table = "Things", .item = text_of(item)};
        if (penstock_dynamodb(i, &request, on_one_of_many, m) != 0) {
            m->left--;
        }
    }
}

/* ---- work ---- */

static void work(void *arg) {
    usleep(10000); /* blocks, on a thread */
    *(int *)arg = 42;
}

static void after(struct penstock_invocation *i, void *arg) {
    char text[64];
    int n = *(int *)arg;
    snprintf(text, sizeof(text), "{\"worked\":%d,\"left\":%s}", n,
             penstock_remaining_ms(i) > 0 ? "true" : "false");
    answer(i, text_of(text));
}

/* ---- the whole event ---- */

static void show_event(struct penstock_invocation *i, const char *version) {
    const struct penstock_header_field fields[] = {{SLICE("Set-Cookie"), SLICE("a=1")},
                                                   {SLICE("Set-Cookie"), SLICE("b=2")}};
    penstock_respond(i, &(struct penstock_response){.status = 201,
                                                    .headers = fields,
                                                    .header_count = 2,
                                                    .body = penstock_event_json(i, version)});
}

/* ---- wrong ---- */

static void wrong_header(struct penstock_invocation *i) {
    const struct penstock_header_field field = {SLICE("X-A"), SLICE("a\r\nX-Forged: b")};
    penstock_respond(
        i, &(struct penstock_response){.status = 200, .headers = &field, .header_count = 1});
}

static struct penstock_invocation *late;

static void things_invoke(struct penstock_invocation *i, void *state) {
    struct penstock_slice what = penstock_path_parameter(i, "what");
    char name[16] = "";
    (void)state;
    memcpy(name, what.ptr, what.len < 15 ? what.len : 15);
    if (late != NULL && strcmp(name, "never") != 0) {
        struct penstock_invocation *old = late;
        late = NULL;
        answer(old, text_of("\"too late\""));
    }
    if (strcmp(name, "put") == 0) {
        ask(i, PENSTOCK_PUT_ITEM, "{\"Id\":{\"S\":\"a\"},\"N\":{\"N\":\"1\"}}", "");
    } else if (strcmp(name, "get") == 0) {
        ask(i, PENSTOCK_GET_ITEM, "{\"Id\":{\"S\":\"a\"}}", "");
    } else if (strcmp(name, "update") == 0) {
        ask(i, PENSTOCK_UPDATE_ITEM, "{\"Id\":{\"S\":\"a\"}}",
            ",\"UpdateExpression\":\"ADD N :one\",\"ExpressionAttributeValues\":{\":one\":"
            "{\"N\":\"1\"}},\"ReturnValues\":\"UPDATED_NEW\"");
    } else if (strcmp(name, "query") == 0) {
        ask(i, PENSTOCK_QUERY, "",
            ",\"KeyConditionExpression\":\"Id = :id\",\"ExpressionAttributeValues\":"
            "{\":id\":{\"S\":\"a\"}}");
    } else if (strcmp(name, "delete") == 0) {
        ask(i, PENSTOCK_DELETE_ITEM, "{\"Id\":{\"S\":\"a\"}}", "");
    } else if (strcmp(name, "many") == 0) {
        put_many(i);
    } else if (strcmp(name, "work") == 0) {
        int *n = penstock_alloc(i, sizeof(*n));
        if (penstock_work(i, work, after, n) != 0) {
            penstock_respond_message(i, 503, "busy", "busy");
        }
    } else if (strcmp(name, "context") == 0) {
        penstock_log(i, PENSTOCK_INFO, "looked at the context");
        answer(i, penstock_function_name(i));
    } else if (strncmp(name, "event-", 6) == 0) {
        show_event(i, name + 6);
    } else if (strcmp(name, "bytes") == 0) {
        answer(i, (struct penstock_slice)SLICE("a\0b"));
    } else if (strcmp(name, "twice") == 0) {
        answer(i, text_of("\"first\""));
        answer(i, text_of("\"second\""));
    } else if (strcmp(name, "never") == 0) {
        late = i;
    } else if (strcmp(name, "status") == 0) {
        penstock_respond(i, &(struct penstock_response){.status = 99});
    } else if (strcmp(name, "header") == 0) {
        wrong_header(i);
    } else {
        answer(i, text_of("{}"));
    }
}

PENSTOCK_HANDLER(things, NULL, things_invoke, NULL);
