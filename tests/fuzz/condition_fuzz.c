/* links: handlers model base */
/* The `condition:` of a route: what compiles holds no quote, no control byte and balanced
 * parentheses, so it may stand in a JSON string as it is; its names and values are JSON. */
#include "base/error.h"
#include "handlers/condition.h"
#include "model/json_cursor.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_members(const struct buffer *members, size_t expected) {
    struct buffer object = {0};
    struct json_cursor c;
    struct slice name, value;
    size_t count = 0;

    ASSERT(buffer_append_slice(&object, SLICE("{")) == 0);
    ASSERT(buffer_append_slice(&object, buffer_slice(members)) == 0);
    ASSERT(buffer_append_slice(&object, SLICE("}")) == 0);
    ASSERT(json_cursor_open(&c, buffer_slice(&object)) == 0);
    while (json_cursor_next(&c, &name, &value) == 0) {
        count++;
    }
    ASSERT(count == expected);
    buffer_fini(&object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buffer expression = {0}, names = {0}, values = {0}, spans = {0};
    struct placeholders p = {&names, &values, &spans, 0, 0};
    char *text = slice_dup(slice_of((const char *)data, size));
    char reason[160];
    int depth = 0;
    int error = condition_compile(text, &p, &expression, reason);

    ASSERT(error == 0 || (error == ERR_INVALID && reason[0] != '\0'));
    for (size_t i = 0; error == 0 && i < expression.len; i++) {
        char c = buffer_begin(&expression)[i];
        ASSERT(c >= ' ' && c <= '~' && c != '"' && c != '\\');
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
        ASSERT(depth >= 0);
    }
    ASSERT(error != 0 || depth == 0);
    if (error == 0) {
        check_members(&names, p.name_count);
        check_members(&values, p.value_count);
    }
    free(text);
    buffer_fini(&expression);
    buffer_fini(&names);
    buffer_fini(&values);
    buffer_fini(&spans);
    return 0;
}
