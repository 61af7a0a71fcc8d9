/* The handler that does nothing, for functions.sh. */
#include <penstock/handler.h>

static void empty_invoke(struct penstock_invocation *i, void *state) {
    (void)state;
    penstock_respond(i, &(struct penstock_response){.status = 201, .body = {"{}", 2}});
}

PENSTOCK_HANDLER(empty, NULL, empty_invoke, NULL);
