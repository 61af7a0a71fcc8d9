/* POST /visits/{page} counts a visit in the table Visits and answers with the count: DynamoDB
 * asked through Penstock's pipeline, the answer given later, from a callback.
 *
 *   tables:
 *     - name: Visits
 *       partition_key: {name: Page, type: S}
 *   functions:
 *     - name: visit
 *       library: visit.so
 *   routes:
 *     - route: POST /visits/{page}
 *       function: visit */
#include <penstock/handler.h>

#include <stdio.h>
#include <string.h>

#define PAGE_MAX 200

static int is_page(struct penstock_slice page) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
    for (size_t k = 0; k < page.len; k++) {
        if (page.ptr[k] == '\0' || strchr(allowed, page.ptr[k]) == NULL) {
            return 0;
        }
    }
    return page.len > 0 && page.len <= PAGE_MAX;
}

/* {"Attributes":{"Visits":{"N":"42"}}} -> 42 */
static unsigned long long read_count(struct penstock_slice body) {
    static const char before[] = "\"N\":\"";
    unsigned long long count = 0;
    size_t k = 0;
    while (k + sizeof before - 1 < body.len &&
           memcmp(body.ptr + k, before, sizeof before - 1) != 0) {
        k++;
    }
    for (k += sizeof before - 1; k < body.len && body.ptr[k] >= '0' && body.ptr[k] <= '9';
         k++) {
        count = count * 10 + (unsigned long long)(body.ptr[k] - '0');
    }
    return count;
}

static void on_counted(struct penstock_invocation *i, void *arg,
                       const struct penstock_result *result) {
    char text[64];
    (void)arg;
    if (result->outcome != PENSTOCK_OK) {
        penstock_respond_outcome(i, result); /* 429, 502, 503 ... as the built-ins answer */
        return;
    }
    int len = snprintf(text, sizeof text, "{\"visits\":%llu}", read_count(result->body));
    penstock_respond(i,
                     &(struct penstock_response){.status = 200, .body = {text, (size_t)len}});
}

static void visit_invoke(struct penstock_invocation *i, void *state) {
    static const char extra[] = ",\"UpdateExpression\":\"ADD Visits :one\""
                                ",\"ExpressionAttributeValues\":{\":one\":{\"N\":\"1\"}}"
                                ",\"ReturnValues\":\"UPDATED_NEW\"";
    struct penstock_slice page = penstock_path_parameter(i, "page");
    char key[PAGE_MAX + 32];
    (void)state;
    if (!is_page(page)) {
        penstock_respond_message(i, 400, "A page is 1 to 200 of a-z 0-9 - _ .", "bad_page");
        return;
    }
    int len = snprintf(key, sizeof key, "{\"Page\":{\"S\":\"%.*s\"}}", (int)page.len, page.ptr);
    struct penstock_request request = {.operation = PENSTOCK_UPDATE_ITEM,
                                       .table = "Visits",
                                       .item = {key, (size_t)len},
                                       .extra = {extra, sizeof extra - 1}};
    /* A counter is not idempotent: where nobody knows whether it counted, the caller is told.
     */
    int refused = penstock_dynamodb(i, &request, on_counted, NULL);
    if (refused != 0) {
        penstock_respond_outcome(
            i, &(struct penstock_result){.outcome = (enum penstock_outcome)refused});
    }
}

PENSTOCK_HANDLER(visit, NULL, visit_invoke, NULL);
