/* GET /greet/{name} answers {"message":"Hello, NAME"}: state made once per worker, memory that
 * ends with the invocation, an answer at once. The setting GREETING replaces "Hello".
 *
 *   functions:
 *     - name: greet
 *       library: greet.so
 *       environment: {GREETING: Good day}
 *   routes:
 *     - route: GET /greet/{name}
 *       function: greet */
#include <penstock/handler.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GREETING_MAX 64

/* Settings come as JSON, {"GREETING":"Good day"}: text is all that is looked for here; use a
 * JSON library for more. */
static int greet_init(const char *settings_json, void **state, char *reason,
                      size_t reason_len) {
    char *greeting = calloc(1, GREETING_MAX + 1);
    char end[2];
    const char *found = strstr(settings_json, "GREETING");
    if (greeting == NULL) {
        (void)snprintf(reason, reason_len, "out of memory");
        return 1;
    }
    (void)strcpy(greeting, "Hello");
    if (found != NULL && sscanf(found, "GREETING\" : \"%64[^\"\\]%1[\"]", greeting, end) != 2) {
        (void)snprintf(reason, reason_len, "GREETING must be plain text");
        free(greeting);
        return 1;
    }
    *state = greeting;
    return 0;
}

static void greet_invoke(struct penstock_invocation *i, void *state) {
    struct penstock_slice name = penstock_path_parameter(i, "name");
    const char *greeting = state;
    for (size_t k = 0; k < name.len; k++) {
        if (name.ptr[k] == '"' || name.ptr[k] == '\\' || (unsigned char)name.ptr[k] < ' ') {
            penstock_respond_message(i, 400, "That is no name", "bad_name");
            return;
        }
    }
    size_t room = name.len + GREETING_MAX + 32;
    char *text = penstock_alloc(i, room);
    if (text == NULL) {
        penstock_respond_message(i, 503, "Service Unavailable", "no_memory");
        return;
    }
    int len =
        snprintf(text, room, "{\"message\":\"%s, %.*s\"}", greeting, (int)name.len, name.ptr);
    penstock_respond(i,
                     &(struct penstock_response){.status = 200, .body = {text, (size_t)len}});
}

PENSTOCK_HANDLER(greet, greet_init, greet_invoke, free);
